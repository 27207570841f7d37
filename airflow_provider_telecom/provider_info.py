"""The provider's description for Airflow: connection types with their forms, hooks, commands.

Airflow reads this in each of its processes, so it imports nothing heavy. A test compares it with Airflow's
JSON schemas and with the options that the hooks accept.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_telecom.vendors.description import FormField, Vendor
from airflow_provider_telecom.vendors.registry import vendors

_PACKAGE = "airflow_provider_telecom"
_SHARED = "Telecom"
"""The integration of what serves all vendors: triggers, the receiver, its page."""
_DOCUMENTATION = "https://airflow-provider-telecom.example.com"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form that Airflow's provider manager wants."""
    known = vendors()
    *labels, last = (vendor.label for vendor in known)
    return {
        "package-name": "airflow-provider-telecom",
        "name": "Telecom",
        "description": f"{', '.join(labels)} and {last}.",
        "integrations": [
            *(
                {"integration-name": vendor.label, "external-doc-url": vendor.site, "tags": ["service"]}
                for vendor in known
            ),
            {
                "integration-name": _SHARED,
                "external-doc-url": _DOCUMENTATION,
                "logo": "/telecom/logo.svg",
                "tags": ["service"],
            },
        ],
        "hooks": [_module(vendor, vendor.hook_path.rpartition(".")[0]) for vendor in known],
        "operators": [
            *_modules("operators", known),
            {
                "integration-name": _SHARED,
                "python-modules": [
                    f"{_PACKAGE}.operators.{name}"
                    for name in ("audience", "ladder_report", "next_rung", "outcomes")
                ],
            },
        ],
        "sensors": _modules("sensors", known),
        "triggers": [
            {
                "integration-name": _SHARED,
                "python-modules": [f"{_PACKAGE}.triggers.poll", f"{_PACKAGE}.triggers.notices"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": vendor.label,
                "target-integration-name": "Object storage",
                "python-module": f"{_PACKAGE}.transfers.{vendor.id}_to_object_storage",
            }
            for vendor in known
            if "transfers" in vendor.has
        ],
        "notifications": [
            *(
                f"{_PACKAGE}.notifications.{vendor.id}.{name}"
                for vendor in known
                for name in vendor.notifiers
            ),
            f"{_PACKAGE}.notifications.escalation.EscalatingNotifier",
        ],
        "extra-links": [f"{_PACKAGE}.links.consoles.{name}" for vendor in known for name in vendor.links],
        "plugins": [{"name": "telecom", "plugin-class": f"{_PACKAGE}.webhooks.plugin.TelecomPlugin"}],
        "asset-uris": [{"schemes": ["telecom"], "handler": None}],
        "connection-types": [_connection_type(vendor) for vendor in known],
        "cli": [f"{_PACKAGE}.command.get_telecom_commands"],
        "config": {
            "telecom": {
                "description": "Webhooks (closed until the first two are set) and the rate limit.",
                "options": _options(),
            }
        },
    }


def _module(vendor: Vendor, path: str) -> dict[str, Any]:
    return {"integration-name": vendor.label, "python-modules": [path]}


def _modules(package: str, known: tuple[Vendor, ...]) -> list[dict[str, Any]]:
    return [_module(vendor, f"{_PACKAGE}.{package}.{vendor.id}") for vendor in known if package in vendor.has]


def _connection_type(vendor: Vendor) -> dict[str, Any]:
    login = {"login": vendor.login} if vendor.login else {}
    fields = {**vendor.fields, **_shared_fields(vendor.region)}
    in_order = sorted(fields.items(), key=lambda item: item[1].rare)  # rare ones last
    return {
        "connection-type": vendor.id,
        "hook-class-name": vendor.hook_path,
        "hook-name": vendor.label,
        "ui-field-behaviour": {
            # The port is not hidden: for a connection without one, Airflow's Test button posts port 0, and
            # then refuses that (HTTP 400), because it is not what is stored.
            "hidden-fields": ["schema", *([] if vendor.login else ["login"])],
            "relabeling": {
                "password": vendor.password,
                **login,
                **_host_label(vendor),
                "port": "Port (needed to test)",
            },
            "placeholders": {"host": vendor.host, "port": str(vendor.port), "extra": "{}"},
        },
        "conn-fields": {name: _form_field(field) for name, field in in_order},
    }


def _host_label(vendor: Vendor) -> dict[str, str]:
    others = ", ".join(f"{name}: {host}" for name, host in vendor.other_hosts.items())
    return {"host": f"Host ({others})"} if others else {}


def _form_field(field: FormField) -> dict[str, Any]:
    return {
        "label": field.label,
        "description": field.description,
        "schema": {
            "type": [field.type, "null"],
            **field.schema,
            **({"section": "Advanced"} if field.rare else {}),
        },
    }


def _options() -> dict[str, Any]:
    return {
        "public_base_url": _option(
            "Where vendors reach the api-server: https, or http on loopback.", "https://airflow.example.com"
        ),
        "webhook_secret": _option(
            "Signs the addresses that vendors post to; at least 32 characters, the same for all processes.",
            sensitive=True,
        ),
        "webhook_previous_secret": _option(
            "The previous secret, as long as addresses that it has signed are in use.", sensitive=True
        ),
        "webhook_sources": _option(
            "Networks that posts may come from; any without it.", "198.51.100.0/24, 2001:db8::/32"
        ),
        "callback_sources": _option("The former name of webhook_sources, which is still read."),
        "rate_limit_url": _option(
            "Redis or PostgreSQL, where rate_limit counts for all workers; without it, in each process. "
            "Needs the extra ratelimit.",
            "redis://:password@redis.example.com:6379/0",
            sensitive=True,
        ),
        "trusted_proxies": _option("Networks of proxies whose X-Forwarded-For is trusted.", "10.0.0.0/8"),
    }


def _option(description: str, example: str | None = None, sensitive: bool = False) -> dict[str, Any]:
    option = {"description": description, "version_added": "0.1.0", "type": "string", "example": example}
    return {**option, "default": "", "sensitive": True} if sensitive else {**option, "default": ""}


def _shared_fields(region: str) -> dict[str, FormField]:
    return {
        "default_region": FormField(
            "Default region",
            f"Country (ISO 3166) of numbers written without a country code. Default {region}.",
            schema={"pattern": "^[A-Z]{2}$"},
        ),
        "rate_limit": FormField(
            "Rate limit",
            "Requests per time, like 10/s, 600/m or 1000/h; in each process, or of all workers with "
            "[telecom] rate_limit_url. Default: no limit.",
        ),
        "allow_private_hosts": FormField(
            "Allow private hosts",
            "For a simulator or a gateway on loopback or a private network; permits plain http there.",
            "boolean",
            {"default": False},
        ),
        "timeout_connect": FormField(
            "Connect time-out", "Seconds. Default 5.", "number", {"minimum": 0.1, "maximum": 120}, rare=True
        ),
        "timeout_read": FormField(
            "Read time-out",
            "Seconds of silence; a call with its retries may take twice as long. Default 30.",
            "number",
            {"minimum": 0.1, "maximum": 600},
            rare=True,
        ),
        "verify": FormField(
            "Verify certificates",
            "true, false, or the path of a file of authorities. Default true.",
            rare=True,
        ),
        "trust_env": FormField(
            "Use the environment's proxies", "Default true.", "boolean", {"default": True}, rare=True
        ),
    }
