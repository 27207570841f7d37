"""What messages of API v1 contain: SMS of a batch, the channels of a multichannel message, RCS suggestions.

The vendor's document does not have API v1: all names here are found in a public client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments


@dataclass(frozen=True)
class BatchSms:
    """An SMS of a batch; without `sender` (alpha name) the connection's is used.

    `name` identifies it in the response. It is not known whether the vendor would take a name that was used
    in an earlier batch for a duplicate, so each SMS needs a name of its own; None makes one.
    """

    msisdn: str | int
    text: str
    sender: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class SmsContent:
    """The SMS of a multichannel message; `ttl_seconds` (0 to 86400) is how long it is tried."""

    text: str
    sender: str | None = None
    ttl_seconds: int = 86_400
    callback_number: str | None = None

    def body(self) -> dict[str, object]:
        """Return its fields without the sender. Raises TelecomInputError."""
        return {
            "text": arguments.sms_text(self.text, None),
            "messageTtlSec": arguments.sms_ttl(self.ttl_seconds),
            "callbackNumber": optional_text("callback_number", self.callback_number),
        }


@dataclass(frozen=True)
class ViberContent:
    """The Viber message of a multichannel message; `ttl_seconds` (30 to 1209600) is how long it is tried.

    A button takes `caption`, `action_url` and `image_url`. `promo_type` is passed on as it is: its values
    are not known in public.
    """

    text: str
    sender: str | None = None
    ttl_seconds: int = 3_600
    promo_type: str | None = None
    image_url: str | None = None
    caption: str | None = None
    action_url: str | None = None

    def body(self) -> dict[str, object]:
        """Return its fields without the sender. Raises TelecomInputError."""
        arguments.check_promotion_parts(self.text, self.image_url, self.caption, self.action_url)
        return {
            "promoType": optional_text("promo_type", self.promo_type),
            "text": non_blank("text", self.text),
            "messageTtlSec": arguments.viber_ttl(self.ttl_seconds),
            "img": optional_url("image_url", self.image_url),
            "caption": optional_text("caption", self.caption),
            "action": optional_url("action_url", self.action_url),
        }


@dataclass(frozen=True)
class Suggestion:
    """A button of an RCS message that opens a page."""

    text: str
    url: str
    kind: str = "action"
    """The vendor's `type`. Only `action` is known."""


def suggestion_bodies(suggestions: Sequence[Suggestion | Mapping[str, str]]) -> list[dict[str, object]]:
    """Return suggestions as the vendor takes them. Each may be a mapping with the fields of `Suggestion`."""
    if isinstance(suggestions, (str, bytes, Mapping)) or not isinstance(suggestions, Sequence):
        raise TelecomInputError("suggestions", "must be a list")
    return [_suggestion_body(f"suggestions[{place}]", entry) for place, entry in enumerate(suggestions)]


def _suggestion_body(field: str, entry: Suggestion | Mapping[str, str]) -> dict[str, object]:
    if not isinstance(entry, Suggestion):
        if not isinstance(entry, Mapping) or not {"text", "url"} <= set(entry) <= {"text", "url", "kind"}:
            raise TelecomInputError(field, "must have text and url, and nothing else but kind")
        entry = Suggestion(**entry)
    return {
        "type": non_blank(f"{field}.kind", entry.kind),
        "text": non_blank(f"{field}.text", entry.text),
        "openUrlAction": arguments.http_url(f"{field}.url", entry.url),
    }


def optional_text(field: str, text: str | None) -> str | None:
    """Return a text that is not blank, or None."""
    return None if text is None else non_blank(field, text)


def optional_url(field: str, url: str | None) -> str | None:
    """Return an http or https address, or None."""
    return None if url is None else arguments.http_url(field, url)


def given(content: Mapping[str, object]) -> dict[str, object]:
    """Return the parts of a message that are not None."""
    return {name: part for name, part in content.items() if part is not None}
