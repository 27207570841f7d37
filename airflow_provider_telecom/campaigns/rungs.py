"""The rungs of a ladder: a channel of a vendor, what is sent by it, and how long it is waited for.

A rung is a value. Its checks run when the Dag is parsed; the operators are imported when the ladder is made.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from airflow_provider_telecom.bulk.failover import Failover
from airflow_provider_telecom.calls.checks import non_blank, one_of, percent
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

Text = str | Mapping[str, str]
"""A text, or one for each variant of the audience."""
CallVendor = Literal["kyivstar_fmc", "sunsim"]

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

    `connections` in place of `conn_id` are several connections of the vendor: if one fails for everybody (no
    money, invalid credentials, not reachable; `failover` says when), the next one sends to those of whom it
    is certain that they have got nothing.

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
    connections: Sequence[str] = ()
    failover: Failover | None = None

    of_vendor: ClassVar[str]
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
        self._check_connections()
        percent("min_final_percent", self.min_final_percent)
        if isinstance(self.poll_interval, bool) or not self.poll_interval > 0:
            self._refuse("poll_interval", "must be a number of seconds above 0")
        if not isinstance(self.options, Mapping):
            self._refuse("options", "must be parameters of the sending operator, by their names")
        if wrong := [name for name in self.options if name in {*_SET_BY_ALL, *self.sets}]:
            self._refuse("options", f"{wrong[0]} is set by the ladder")
        _check_texts(self)

    @property
    def vendor(self) -> str:
        """The connection type."""
        return self.of_vendor

    @property
    def conn_ids(self) -> Sequence[str]:
        """The connections, in their order."""
        return tuple(self.connections) or (self.conn_id or f"{self.vendor}_default",)

    @property
    def senders(self) -> Sequence[tuple[str, str, str]]:
        """What sends to the recipients: vendor, channel and connection."""
        return [(self.vendor, self.channel, conn_id) for conn_id in self.conn_ids]

    @property
    @abstractmethod
    def texts(self) -> Sequence[Text]:
        """The texts of the rung."""

    @property
    @abstractmethod
    def unreachable_codes(self) -> Sequence[str]:
        """The codes of refusals which say that the channel does not reach the recipient."""

    @abstractmethod
    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return the task that sends, with parameters that all rungs have."""

    @abstractmethod
    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return the task that collects receipts, with parameters that all rungs have."""

    def send_by(self, place: int, common: Mapping[str, Any]) -> BaseOperator:
        """Return the task that sends by one of the connections; `common` is what all rungs share."""
        own: dict[str, Any] = {"task_id": _numbered("send", place), "conn_id": self.conn_ids[place]}
        if place < len(self.conn_ids) - 1:
            own["failover"] = self.failover or Failover()
        return self.send({
            **own,
            "on_no_recipients": "skip",
            "max_rejected": _ALL,
            **{name: value for name, value in common.items() if value is not None},
            **self.options,
        })

    def receipts_of(self, place: int, common: Mapping[str, Any]) -> BaseOperator:
        """Return the task that collects the receipts of one of the connections."""
        return self.receipts({
            "task_id": _numbered("receipts", place),
            "conn_id": self.conn_ids[place],
            "wait_timeout": self.wait + self.grace,
            "min_final_percent": self.min_final_percent,
            "poll_interval": self.poll_interval,
            **common,
        })

    def _check_connections(self) -> None:
        names = self.connections
        if isinstance(names, str) or not all(isinstance(name, str) and name.strip() for name in names):
            self._refuse("connections", "must be a list of connections")
        if names and self.conn_id is not None:
            self._refuse("connections", "goes without conn_id: the first one sends first")
        if len(set(names)) < len(names):
            self._refuse("connections", "names a connection twice: it would fall back to itself")
        if self.failover is not None and len(names) < 2:
            self._refuse("failover", "needs connections: another one must take over")

    def _refuse(self, name: str, rule: str) -> None:
        raise TelecomInputError(name, f"of the rung {self.name} {rule}")


_SET_BY_ALL = frozenset({
    *("task_id", "conn_id", "recipients", "results_path", "text", "budget", "quiet_hours", "timezone"),
    *("deferrable", "wait_for_completion", "dry_run", "variants", "on_no_recipients", "failover"),
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

    of_vendor: ClassVar[str] = "ketchup_loyalty"
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

    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpSendViberOperator`."""
        from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator

        seconds = min(max(60, ceil(self.wait.total_seconds())), 86_400)
        arguments = {"validity_seconds": seconds, "on_unknown": "assume_sent", **_without_segments(given)}
        return KetchUpSendViberOperator(text=self.text, sender=self.sender, **arguments)

    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpCollectReceiptsOperator`."""
        return _ketchup_receipts(given)


@dataclass(frozen=True)
class SmsRung(Rung):
    """An SMS through KetchUp.

    `text` is the message, or one for each variant. `originator` is the sender; by default the connection's.
    `wait` is also the message's validity, in whole hours from 1 to 72.
    """

    text: Text
    _: KW_ONLY
    originator: str | None = None

    of_vendor: ClassVar[str] = "ketchup_loyalty"
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

    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpSendBulkSmsOperator`."""
        from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

        arguments = {"validity_hours": min(max(1, ceil(self.wait / _HOUR)), 72), **given}
        return KetchUpSendBulkSmsOperator(text=self.text, originator=self.originator, **arguments)

    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KetchUpCollectReceiptsOperator`."""
        return _ketchup_receipts(given)


@dataclass(frozen=True)
class KyivstarSmsRung(Rung):
    """An SMS through Kyivstar Open Telecom.

    `text` is the message, or one for each variant. `sender` is the alpha name; by default the connection's.
    `price_per_message` is what a message costs, for a budget: Kyivstar has no prices in its API. The vendor
    knows no idempotency key: a message whose response is lost is of unknown outcome, and does not move on.
    """

    text: Text
    _: KW_ONLY
    sender: str | None = None
    price_per_message: Decimal | str | int | None = None

    of_vendor: ClassVar[str] = "kyivstar_open_telecom"
    channel: ClassVar[str] = "sms"
    default_name: ClassVar[str] = "kyivstar_sms"
    sets: ClassVar[tuple[str, ...]] = ("sender", "price_per_message")

    @property
    def texts(self) -> Sequence[Text]:
        """The text of the message."""
        return (self.text,)

    @property
    def unreachable_codes(self) -> Sequence[str]:
        """None are known."""
        return ()

    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarSendBulkSmsOperator`."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendBulkSmsOperator

        arguments = {
            "on_unknown": "assume_sent",
            "price_per_message": self.price_per_message,
            **given,
        }
        return KyivstarSendBulkSmsOperator(text=self.text, sender=self.sender, **arguments)

    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarCollectReceiptsOperator`."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCollectReceiptsOperator

        return KyivstarCollectReceiptsOperator(**given)


@dataclass(frozen=True)
class MultichannelRung(Rung):
    """A Viber message through Kyivstar Open Telecom, API v1; if it does not arrive, the vendor sends an SMS.

    `viber_text` and `sms_text` are the messages, or one for each variant. The vendor itself goes on to the
    SMS after `viber_wait`; the rung as a whole has `wait`. `viber_sender` and `sms_sender` are the alpha
    names; by default the connection's. `price_per_message` is what a recipient costs at most, for a budget.
    """

    viber_text: Text
    sms_text: Text
    _: KW_ONLY
    viber_wait: timedelta = timedelta(minutes=15)
    viber_sender: str | None = None
    sms_sender: str | None = None
    price_per_message: Decimal | str | int | None = None

    of_vendor: ClassVar[str] = "kyivstar_open_telecom"
    channel: ClassVar[str] = "multichannel"
    default_name: ClassVar[str] = "multichannel"
    sets: ClassVar[tuple[str, ...]] = (
        *("viber_text", "sms_text", "first", "viber_sender", "sms_sender", "price_per_message"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.viber_wait, timedelta) or not timedelta(0) < self.viber_wait < self.wait:
            self._refuse("viber_wait", "must be a timedelta, longer than 0 and shorter than wait")

    @property
    def senders(self) -> Sequence[tuple[str, str, str]]:
        """Both channels of the vendor, and the connections."""
        channels = ("multichannel", "viber", "sms")
        return [(self.vendor, channel, conn_id) for conn_id in self.conn_ids for channel in channels]

    @property
    def texts(self) -> Sequence[Text]:
        """The texts of both channels."""
        return (self.viber_text, self.sms_text)

    @property
    def unreachable_codes(self) -> Sequence[str]:
        """None are known."""
        return ()

    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarSendBulkMultichannelOperator`."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom import (
            KyivstarSendBulkMultichannelOperator,
        )

        viber = ceil(self.viber_wait.total_seconds())
        arguments = {
            "viber_ttl_seconds": min(max(30, viber), 1_209_600),
            "sms_ttl_seconds": min(ceil(self.wait.total_seconds()) - viber, 86_400),
            "on_unknown": "assume_sent",
            "price_per_message": self.price_per_message,
            **given,
        }
        return KyivstarSendBulkMultichannelOperator(
            viber_text=self.viber_text,
            sms_text=self.sms_text,
            viber_sender=self.viber_sender,
            sms_sender=self.sms_sender,
            **arguments,
        )

    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarCollectReceiptsOperator`."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCollectReceiptsOperator

        return KyivstarCollectReceiptsOperator(**given)


@dataclass(frozen=True)
class CallRung(Rung):
    """A telephone call: through Kyivstar FMC, or with `by="sunsim"` through SunSim.

    `caller` is the number that calls (FMC: the subscriber who is called first; by default the connection's).
    Who answers for at least `min_duration_seconds` is reached; who does not answer is not. `price_per_call`
    is what a call costs, for a budget. The vendors know no idempotency key: a call whose response is lost is
    of unknown outcome.
    """

    _: KW_ONLY
    min_duration_seconds: int
    by: CallVendor = "kyivstar_fmc"
    caller: str | None = None
    price_per_call: Decimal | str | int | None = None
    wait: timedelta = timedelta(hours=1)

    channel: ClassVar[str] = "call"
    default_name: ClassVar[str] = "call"
    sets: ClassVar[tuple[str, ...]] = ("calling_number", "phone_from", "price_per_message")

    def __post_init__(self) -> None:
        one_of("by", self.by, get_args(CallVendor))
        super().__post_init__()
        if self.by == "sunsim" and self.caller is None:
            self._refuse("caller", "is needed for SunSim: the number that calls")

    @property
    def vendor(self) -> str:
        """The connection type."""
        return self.by

    @property
    def texts(self) -> Sequence[Text]:
        """A call has no text."""
        return ()

    @property
    def unreachable_codes(self) -> Sequence[str]:
        """None are known."""
        return ()

    def send(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarFmcBulkCallOperator` or `SunSimBulkCallbackOperator`."""
        from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcBulkCallOperator
        from airflow_provider_telecom.operators.sunsim import SunSimBulkCallbackOperator

        arguments: dict[str, Any] = {
            "on_unknown": "assume_sent",
            "price_per_message": self.price_per_call,
            **_without_segments(given),
        }
        if self.by == "sunsim":
            return SunSimBulkCallbackOperator(phone_from=str(self.caller), **arguments)
        return KyivstarFmcBulkCallOperator(calling_number=self.caller, **arguments)

    def receipts(self, given: Mapping[str, Any]) -> BaseOperator:
        """Return `KyivstarFmcCollectReceiptsOperator` or `SunSimCollectReceiptsOperator`."""
        from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcCollectReceiptsOperator
        from airflow_provider_telecom.operators.sunsim import SunSimCollectReceiptsOperator

        arguments = {"min_duration_seconds": self.min_duration_seconds, **given}
        if self.by == "sunsim":
            return SunSimCollectReceiptsOperator(**arguments)
        return KyivstarFmcCollectReceiptsOperator(**arguments)


def _without_segments(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "max_segments"}


def _numbered(name: str, place: int) -> str:
    return f"{name}_{place + 1}" if place else name


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
