"""The description of a vendor. All lists of vendors are generated from it: provider info, connection forms,
the receiver's routes and addresses, the page, tables of tests.

Airflow loads the descriptions in each of its processes. So they import the standard library only, and name
everything else by its import path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

_PACKAGE = "airflow_provider_telecom"


@dataclass(frozen=True)
class FormField:
    """An extra field of the connection form, with its JSON schema. It may always be left empty."""

    label: str
    description: str
    type: str = "string"
    schema: Mapping[str, object] = field(default_factory=dict)
    rare: bool = False
    """Whether the form shows it in its last section, which is closed at first."""


def choice(
    label: str,
    description: str,
    values: Mapping[str, str],
    default: str | None = None,
    *,
    rare: bool = False,
) -> FormField:
    """Return a field whose value is one of a few. `values` explains each value, and the form shows both."""
    shown = {value: f"{value}: {explanation}" for value, explanation in values.items()}
    schema = {"enum": [*values], "values_display": shown, "default": default}
    return FormField(label, description, schema=schema, rare=rare)


VENDOR_TIMEZONE = FormField(
    "Vendor time zone",
    "IANA name of the zone that the vendor's times are in. Without it times stay as they come.",
    rare=True,
)


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A kind of post that a vendor makes. Each kind is a route of the receiver."""

    kind: str
    reader: str
    """Import path of a function `(nonce, value, body) -> WebhookEvent` that raises TelecomAnswerError."""
    events: tuple[str, ...]
    """The events that a post can be; each has an asset."""
    is_for_account: bool = False
    """Whether its address is entered in the vendor's account settings, and not sent along with a call."""
    list_name: str | None = None
    """The name under which the reader gets a body that is a JSON list; without one it must be an object."""
    max_bytes: int = 1 << 20
    max_commas: int = 20_000


@dataclass(frozen=True)
class Notice:
    """Something that a vendor posts about the account, and that its lists show as well."""

    status_check: str
    """Import path of a status check that never ends. Its facts hold ids by kind of notice."""
    ids: str
    """The name of the ids in events."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor. `id` is the connection type; its packages, addresses, assets and rows have the same name."""

    id: str
    label: str
    site: str
    """Where the vendor documents its API."""
    host: str
    """The host of a connection that names none."""
    hook: str
    """The class in `hooks/<id>.py`, or the import path of another hook."""
    password: str
    """The label of the password."""
    login: str | None = None
    """The label of the login; without one the form hides it."""
    region: str = "UA"
    """The country of numbers without a country code."""
    port: int = 443
    """The port of `host`, which the connection form suggests."""
    other_hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts besides `host`, by what they are. The connection form names them."""
    color: str = "#fff"
    """The colour of its tasks, on which black text can be read."""
    fields: Mapping[str, FormField] = field(default_factory=dict)
    """The connection's extra fields, besides those that all vendors have."""
    has: tuple[str, ...] = ()
    """The packages that have a module for this vendor: `operators`, `sensors`, `transfers`."""
    notifiers: tuple[str, ...] = ()
    """The classes in `notifications/<id>.py`."""
    links: tuple[str, ...] = ()
    """The classes in `links/consoles.py`."""
    webhooks: tuple[Webhook, ...] = ()
    progress: str | None = None
    """Import path of a function `(stored) -> Progress`, if webhooks say how far operations are."""
    notices: Mapping[str, Notice] = field(default_factory=dict)
    campaign_tasks: Mapping[str, str] = field(default_factory=dict)
    """The operators that write to many people, by class, with their channel or `receipts`: the page shows
    their tasks as campaigns."""
    prices: str | None = None
    """The module and function in `operators/<id>` that asks for the prices of texts, if there are some.

    It is called with a connection id and a sender, and returns a `Price` (campaigns/preview_source.py).
    """
    former_id: str | None = None
    """Its name in addresses and rows that an earlier version has written."""

    @property
    def default_conn_id(self) -> str:
        """The connection that tasks use unless they name one."""
        return f"{self.id}_default"

    @property
    def hook_path(self) -> str:
        """The import path of the hook."""
        return self.hook if "." in self.hook else f"{_PACKAGE}.hooks.{self.id}.{self.hook}"

    @property
    def prices_path(self) -> str | None:
        """The import path of the function that asks for prices."""
        return self.prices and f"{_PACKAGE}.operators.{self.id}.{self.prices}"

    def webhook(self, kind: str) -> Webhook | None:
        """Return the webhook of this kind, or None."""
        return next((webhook for webhook in self.webhooks if webhook.kind == kind), None)


def import_from(path: str) -> Any:
    """Return what an import path names: `package.module.name`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
