"""What Airflow is told about this provider: connection types with their forms, hooks, commands.

Airflow reads this in each of its processes, so it imports nothing heavy. A test holds it against
Airflow's JSON schemas and against the options that the hooks accept.
"""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_telecom"
_NAMES = {
    "kyivstar_open_telecom": "Kyivstar Open Telecom",
    "ketchup_loyalty": "KetchUp Loyalty",
    "kyivstar_fmc": "Kyivstar FMC (virtual PBX)",
    "sunsim": "SunSim",
    "novaconnect": "NovaConnect",
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form that Airflow's provider manager wants."""
    return {
        "package-name": "airflow-provider-telecom",
        "name": "Telecom",
        "description": "Kyivstar Open Telecom, KetchUp Loyalty, Kyivstar FMC, SunSim and NovaConnect.",
        "integrations": [
            {"integration-name": name, "external-doc-url": url, "tags": ["service"]}
            for name, url in zip(_NAMES.values(), _SITES, strict=True)
        ],
        "hooks": _modules("hooks", *_NAMES),
        "operators": _modules("operators", *_NAMES),
        "sensors": _modules("sensors", "kyivstar_open_telecom", "ketchup_loyalty", "novaconnect"),
        "transfers": [
            {
                "source-integration-name": _NAMES[vendor],
                "target-integration-name": "Object storage",
                "python-module": f"{_PACKAGE}.transfers.{vendor}_to_object_storage",
            }
            for vendor in _TRANSFERS
        ],
        "notifications": [f"{_PACKAGE}.notifications.{name}" for name in _NOTIFIERS],
        "extra-links": [
            f"{_PACKAGE}.links.consoles.{name}" for name in ("KyivstarConsoleLink", "KyivstarFmcConsoleLink")
        ],
        "connection-types": [
            _kyivstar_open_telecom(),
            _ketchup(),
            _kyivstar_fmc(),
            _sunsim(),
            _novaconnect(),
        ],
        "cli": [f"{_PACKAGE}.command.get_telecom_commands"],
        "config": {
            "telecom": {
                "description": "The receiver of what vendors post. It is closed until the first two are set.",
                "options": _options(),
            }
        },
    }


_TRANSFERS = ("kyivstar_fmc", "ketchup_loyalty", "sunsim", "novaconnect")
_NOTIFIERS = (
    "kyivstar_open_telecom.KyivstarSmsNotifier",
    "ketchup_loyalty.KetchUpSmsNotifier",
    "ketchup_loyalty.KetchUpViberNotifier",
    "kyivstar_fmc.KyivstarFmcCallNotifier",
    "novaconnect.NovaConnectSmsNotifier",
)
_SITES = (
    "https://api-market.kyivstar.ua",
    "https://api.smsketchuployalty.com.ua",
    "https://fmc.kyivstar.ua",
    "https://webapi.sunsim.ru:4432/docs",
    "https://kb.novaconnect.kz",
)


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
            "The secret before, while addresses that it has signed are still in use.", sensitive=True
        ),
        "callback_sources": _option(
            "Networks that posts may come from; any without it.", "198.51.100.0/24, 2001:db8::/32"
        ),
        "trusted_proxies": _option("Networks of proxies whose X-Forwarded-For is believed.", "10.0.0.0/8"),
    }


def _option(description: str, example: str | None = None, sensitive: bool = False) -> dict[str, Any]:
    option = {"description": description, "version_added": "0.1.0", "type": "string", "example": example}
    return {**option, "default": "", "sensitive": True} if sensitive else {**option, "default": ""}


def _modules(room: str, *vendors: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": _NAMES[vendor], "python-modules": [f"{_PACKAGE}.{room}.{vendor}"]}
        for vendor in vendors
    ]


def _connection_type(
    vendor: str,
    hook: str,
    *,
    host: str,
    password: str,
    login: str | None = None,
    fields: dict[str, Any],
    region: str = "UA",
) -> dict[str, Any]:
    hidden = ["schema", "port", *([] if login else ["login"])]
    labels = {"password": password, **({"login": login} if login else {})}
    return {
        "connection-type": vendor,
        "hook-class-name": f"{_PACKAGE}.hooks.{vendor}.{hook}",
        "hook-name": _NAMES[vendor],
        "ui-field-behaviour": {
            "hidden-fields": hidden,
            "relabeling": labels,
            "placeholders": {"host": host, "extra": "{}"},
        },
        "conn-fields": {**fields, **_shared_fields(region)},
    }


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


def _choice(label: str, description: str, values: list[str], default: str | None = None) -> dict[str, Any]:
    return _field(label, description, enum=[*values, None], default=default)


_ZONE = "IANA name of the zone that the vendor's times are in. Without it times stay as they come."


def _kyivstar_open_telecom() -> dict[str, Any]:
    return _connection_type(
        "kyivstar_open_telecom",
        "KyivstarOpenTelecomHook",
        host="https://api-gateway.kyivstar.ua",
        login="Client ID",
        password="Client Secret",  # noqa: S106 - a label
        fields={
            "environment": _choice(
                "Environment",
                "The mock server has a Client ID and Secret of its own, and costs nothing.",
                ["live", "mock", "sandbox"],
                "live",
            ),
            "sender": _field("Sender", "Alpha name that messages come from unless a task names another."),
        },
    )


def _ketchup() -> dict[str, Any]:
    return _connection_type(
        "ketchup_loyalty",
        "KetchUpHook",
        host="https://api.smsketchuployalty.com.ua",
        password="API key (X-API-KEY)",  # noqa: S106 - a label
        fields={
            "base_path": _field(
                "Base path", "What stands before /sms, /hlr, /viber and /stat. Default /rest."
            ),
            "originator": _field("Originator", "SMS sender, at most 14 characters.", maxLength=14),
            "viber_sender": _field("Viber sender", "Alpha name of Viber messages."),
            "tariff": _field("Tariff", "Tariff number, 0 to 9.", "integer", minimum=0, maximum=9),
            "viber_key": _choice(
                "Viber key",
                "The field that carries our key for a Viber message; the document says external_id.",
                ["external_id", "reference", "both"],
                "external_id",
            ),
            "hlr_body": _choice(
                "HLR body",
                "How HLR look-ups are posted at first; the document says multipart.",
                ["multipart", "json"],
                "multipart",
            ),
            "vendor_timezone": _field("Vendor time zone", _ZONE),
        },
    )


def _kyivstar_fmc() -> dict[str, Any]:
    return _connection_type(
        "kyivstar_fmc",
        "KyivstarFmcHook",
        host="https://fmc.kyivstar.ua",
        password="FMC token (64 characters)",  # noqa: S106 - a label
        fields={
            "calling_number": _field(
                "Calling number",
                "The PBX subscriber on whose behalf calls start unless a task names another.",
            ),
        },
    )


def _sunsim() -> dict[str, Any]:
    return _connection_type(
        "sunsim",
        "SunSimHook",
        host="https://webapi.sunsim.ru:4432",
        password="Authorization token",  # noqa: S106 - a label
        region="RU",
        fields={
            "api_path": _field("API path", "Default /api/v1."),
            "token_strategy": _choice(
                "Token strategy", "How a dead access token is replaced.", ["create", "refresh"], "create"
            ),
            "lock": _field("Lock", "What keeps workers from minting tokens at once. Default: variable."),
            "vendor_timezone": _field("Vendor time zone", _ZONE),
        },
    )


def _novaconnect() -> dict[str, Any]:
    return _connection_type(
        "novaconnect",
        "NovaConnectHook",
        host="https://api.novaconnect.kz",
        password="Token",  # noqa: S106 - a label
        fields={
            "api_path": _field("API path", "Default /api."),
            "lang": _choice("Language", "Of the vendor's messages.", ["ru", "en"]),
        },
    )


def _shared_fields(region: str) -> dict[str, Any]:
    return {
        "timeout_connect": _field(
            "Connect time-out", "Seconds. Default 5.", "number", minimum=0.1, maximum=120
        ),
        "timeout_read": _field(
            "Read time-out",
            "Seconds of silence; a call with its repeats may take twice as long. Default 30.",
            "number",
            minimum=0.1,
            maximum=600,
        ),
        "rate_limit": _field("Rate limit", "Requests per time in each process, like 10/s, 600/m or 1000/h."),
        "verify": _field(
            "Verify certificates", "true, false, or the path of a file of authorities. Default true."
        ),
        "trust_env": _field("Use the environment's proxies", "Default true.", "boolean", default=True),
        "allow_private_hosts": _field(
            "Allow private hosts",
            "For a simulator or a gateway on loopback or a private network; permits plain http there.",
            "boolean",
            default=False,
        ),
        "default_region": _field(
            "Default region",
            f"Country (ISO 3166) of numbers written without a country code. Default {region}.",
            pattern="^[A-Z]{2}$",
        ),
    }
