"""The rungs of a ladder: a channel of a vendor, what is sent by it, and how long it is waited for.

A rung is a value. Its checks run when the Dag is parsed; the operators are imported when the ladder is made.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.calls.checks import non_blank, percent
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

Text = str | Mapping[str, str]
"""A text, or one for each variant of the audience."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_ALL = 1_000_000
"""More refusals than that end a send: who was refused because the channel does not reach them moves on."""


@dataclass(frozen=True)
class Rung(ABC):
    """What all rungs have.

    `name` is the name of the task group and of the rung in the report. `wait` is how long the message may
    take to arrive: it is also the validity of the message, as far as the vendor allows, so that the vendor
    does not deliver it later. `grace` is how much longer the last receipts are waited for. The wait ends
    before that if `min_final_percent` of the messages have a final state. `poll_interval` is the number of
    seconds between the first two questions. `options` are other parameters of the sending operator.

    Raises TelecomInputError when the Dag is parsed.
    """

    _: KW_ONLY
    name: str = ""
    conn_id: str | None = None
    wait: timedelta = _DAY
    grace: timedelta = timedelta(minutes=5)
    min_final_percent: float = 100
    poll_interval: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)

    vendor: ClassVar[str]
    """The connection type."""
    channel: ClassVar[str]
    """The channel in the file of outcomes."""
    default_name: ClassVar[str]
    sets: ClassVar[tuple[str, ...]] = ()
    """Parameters of the operator that the rung sets, in addition to those that all rungs set."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.default_name)
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise TelecomInputError("name", f"of a rung must have letters, digits, _ or -: {self.name!r}")
        for name in ("wait", "grace"):
            value = getattr(self, name)
            least = timedelta(0)
            if not isinstance(value, timedelta) or value < least or (name == "wait" and value == least):
                self._refuse(name, "must be a timedelta, and longer than 0")
        if self.conn_id is not None:
            non_blank("conn_id", self.conn_id)
        percent("min_final_percent", self.min_final_percent)
        if isinstance(self.poll_interval, bool) or not self.poll_interval > 0:
            self._refuse("poll_interval", "must be a number of seconds above 0")
        if not isinstance(self.options, Mapping):
            self._refuse("options", "must be parameters of the sending operator, by their names")
        if wrong := [name for name in self.options if name in {*_SET_BY_ALL, *self.sets}]:
            self._refuse("options", f"{wrong[0]} is set by the ladder")
        _check_texts(self)

    @property
    def connection(self) -> str:
        """The connection that sends."""
        return self.conn_id or f"{self.vendor}_default"

    @property
    def senders(self) -> set[tuple[str, str, str]]:
        """What sends to the recipients: vendor, channel and connection."""
        return {(self.vendor, self.channel, self.connection)}

    @property
    @abstractmethod
    def texts(self) -> Sequence[Text]:
        """The texts of the rung."""

    @property
    @abstractmethod
    def unreachable_codes(self) -> Sequence[str]:
        """The codes of refusals which say that the channel does not reach the recipient."""

    @abstractmethod
    def send(self, common: Mapping[str, Any]) -> BaseOperator:
        """Return the task that sends; `common` are the parameters that all rungs share."""

    @abstractmethod
    def receipts(self, outcomes: str, common: Mapping[str, Any]) -> BaseOperator:
        """Return the task that collects the receipts of a file of outcomes."""

    def _receipts_arguments(self, outcomes: str, common: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "task_id": "receipts",
            "outcomes": outcomes,
            "conn_id": self.connection,
            "wait_timeout": self.wait + self.grace,
            "min_final_percent": self.min_final_percent,
            "poll_interval": self.poll_interval,
            **common,
        }

    def _send_arguments(self, common: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "task_id": "send",
            "conn_id": self.connection,
            "on_no_recipients": "skip",
            "max_rejected": _ALL,
            **common,
            **self.options,
        }

    def _refuse(self, name: str, rule: str) -> None:
        raise TelecomInputError(name, f"of the rung {self.name} {rule}")


_SET_BY_ALL = frozenset({
    *("task_id", "conn_id", "recipients", "results_path", "text", "budget", "quiet_hours", "timezone"),
    *("deferrable", "wait_for_completion", "dry_run", "variants", "on_no_recipients"),
})


@dataclass(frozen=True)
class ViberRung(Rung):
    """A Viber message through KetchUp.

    `text` is the message, or one for each variant. `sender` is the alpha name; by default the connection's.
    `wait` is also the message's validity (60 seconds to 24 hours): what has not arrived by then expires, and
    those recipients move on. A recipient without Viber moves on as soon as KetchUp says so.
    """

    text: Text
    _: KW_ONLY
    sender: str | None = None
    wait: timedelta = timedelta(minutes=15)

    vendor: ClassVar[str] = "ketchup_loyalty"
    channel: ClassVar[str] = "viber"
    default_name: ClassVar[str] = "viber"
    sets: ClassVar[tuple[str, ...]] = ("sender", "reference", "undelivered_path", "on_wait_timeout")

    @property
    def texts(self) -> Sequence[Text]:
        """The text of the message."""
        return (self.text,)

    @property
    def unreachable_codes(self) -> Sequence[str]:
        """The codes of a wrong number."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.unreachable import UNREACHABLE_CODES

        return UNREACHABLE_CODES[self.channel]

    def send(self, common: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpSendViberOperator`."""
        from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator

        seconds = min(max(60, ceil(self.wait.total_seconds())), 86_400)
        given = {"validity_seconds": seconds, "on_unknown": "assume_sent", **self._send_arguments(common)}
        given.pop("max_segments", None)
        return KetchUpSendViberOperator(text=self.text, sender=self.sender, **given)

    def receipts(self, outcomes: str, common: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpCollectReceiptsOperator`."""
        return _ketchup_receipts(self._receipts_arguments(outcomes, common))


@dataclass(frozen=True)
class SmsRung(Rung):
    """An SMS through KetchUp.

    `text` is the message, or one for each variant. `originator` is the sender; by default the connection's.
    `wait` is also the message's validity, in whole hours from 1 to 72.
    """

    text: Text
    _: KW_ONLY
    originator: str | None = None

    vendor: ClassVar[str] = "ketchup_loyalty"
    channel: ClassVar[str] = "sms"
    default_name: ClassVar[str] = "sms"
    sets: ClassVar[tuple[str, ...]] = ("originator",)

    @property
    def texts(self) -> Sequence[Text]:
        """The text of the message."""
        return (self.text,)

    @property
    def unreachable_codes(self) -> Sequence[str]:
        """The codes of a wrong number."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.unreachable import UNREACHABLE_CODES

        return UNREACHABLE_CODES[self.channel]

    def send(self, common: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpSendBulkSmsOperator`."""
        from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

        hours = min(max(1, ceil(self.wait / _HOUR)), 72)
        given = {"validity_hours": hours, **self._send_arguments(common)}
        return KetchUpSendBulkSmsOperator(text=self.text, originator=self.originator, **given)

    def receipts(self, outcomes: str, common: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpCollectReceiptsOperator`."""
        return _ketchup_receipts(self._receipts_arguments(outcomes, common))


def _ketchup_receipts(given: Mapping[str, Any]) -> BaseOperator:
    from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpCollectReceiptsOperator

    # An export has the final states as well, at no additional request, so that changed receipts are seen.
    return KetchUpCollectReceiptsOperator(recheck_final=True, **given)


def _check_texts(rung: Rung) -> None:
    """Raise TelecomInputError if a text of a rung can't reach anybody."""
    from airflow_provider_telecom.bulk.text_template import check_text

    for text in rung.texts:
        is_text = isinstance(text, (str, Mapping)) and (not is_literal(text) or bool(text))
        if not is_text or (isinstance(text, str) and not text.strip()):
            raise TelecomInputError("text", f"of the rung {rung.name} is missing: it would reach nobody")
        try:
            check_text(text)
        except TelecomInputError as error:
            rule = error.text.removeprefix("text: ")
            raise TelecomInputError("text", f"of the rung {rung.name}: {rule}") from None
