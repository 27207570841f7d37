"""Operators whose effect on NovaConnect's SIMs cannot be undone: a duplicate is sent or bought again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.novaconnect.base import NovaConnectSimsOperator, SimsArguments
from airflow_provider_telecom.operators.novaconnect.plan import (
    Chunk,
    Plan,
    SentChunk,
    entry_of_chunk,
    join_chunks,
)
from airflow_provider_telecom.tasks.arguments import NonIdempotentArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Disconnect,
    Operation,
    Ping,
    Reconnect,
    Repackage,
    SendSms,
    SetTariff,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class EffectArguments(SimsArguments, NonIdempotentArguments):
    """The parameters of `NovaConnectEffectOperator`."""


class ConfirmedArguments(EffectArguments, total=False):
    """The parameters of `NovaConnectConfirmedOperator`."""

    confirm: bool


class NovaConnectEffectOperator(NovaConnectSimsOperator, NonIdempotentOperator):
    """An operation without an idempotency key; `on_unknown` says what a later try does.

    `skipped` has SIMs that it is not for, such as those of profile TC. With `assume_sent` after an unknown
    outcome only `{"assumed_sent": True}` is returned.
    """

    def __init__(self, **kwargs: Unpack[EffectArguments]) -> None:
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it once, and wait with `wait_for_completion`."""
        return self._finish(self._start(context))

    def _start(self, context: Context) -> Facts:
        """Send chunk by chunk. In the journal `sent` is the state of a chunk, and `sims` has its SIMs.

        The chunks of a later try are not those of the first one: SIMs are skipped, or somebody has changed
        them. So a chunk is what was written before it was sent, and all other SIMs make new ones.
        """
        content, journal = self._content(), self._journal(context)
        body, done = self._fingerprint(content), list[Chunk]()
        whole: Plan | None = None
        facts: Facts
        while True:
            name = self._entry_name(entry_of_chunk("sent", len(done)))
            entry = journal.earlier_entry(name, body)
            sent = self._sent_chunk(journal, entry, len(done))
            if entry and self._is_settled(entry.state):
                plan, more = Plan(dict(sent.before)), sent.more
                with self._naming_chunk(plan, done, more):  # sends nothing: the journal decides
                    facts = self._send_once(context, content, _nothing, name)
            else:
                whole = whole or self._new_plan()
                rest = whole.without({sim_id for chunk in done for sim_id in chunk.settled})
                plan, more = sent.next_chunk(rest, self.chunk_size)
                if plan.before:
                    self._write_sims(journal, body, plan, len(done), more)
                    self._log_chunk(plan, done, len(rest.before) - len(plan.before))
                    send = partial(self._send, plan, self._webhook_address(len(plan.before)))
                    with self._naming_chunk(plan, done, more):
                        facts = self._send_once(context, content, send, name)
                elif more:  # the list of SIMs shows that this chunk has happened
                    facts = plan.outcome()
                    journal.write(name, Entry(State.DONE, body, facts))
                else:
                    return join_chunks([*done, Chunk((), rest.outcome())])
            done.append(Chunk(plan.sim_ids, facts))
            if not more:
                return join_chunks(done)

    def _sent_chunk(self, journal: Journal, entry: Entry | None, number: int) -> SentChunk:
        """Return what an earlier try has sent as this chunk, or may have sent."""
        if entry is None or entry.state in (State.PLANNED, State.REJECTED):
            return SentChunk({})
        known = journal.read(self._entry_name(entry_of_chunk("sims", number)))
        if known is None:  # see _write_sims
            return SentChunk(dict.fromkeys(map(str, arguments.rendered_ids("sim_ids", self.sim_ids)), ""))
        return SentChunk(known.facts["before"], bool(known.facts.get("more")))

    def _write_sims(self, journal: Journal, body: str, plan: Plan, number: int, more: bool) -> None:
        """Write the SIMs of a chunk, unless a later try finds them in its arguments."""
        name = self._entry_name(entry_of_chunk("sims", number))
        if self.select is not None or number or more or journal.read(name):  # that of a refused try is old
            facts = {"before": plan.before, **({"more": True} if more else {})}
            journal.write(name, Entry(State.PLANNED, body, facts))

    def _is_settled(self, state: State) -> bool:
        """Whether the journal decides alone, without reading the list of SIMs."""
        if state in (State.PLANNED, State.REJECTED):
            return False
        return state is State.DONE or not (self._is_observable or self.on_unknown == "resend")


def _nothing() -> Facts:
    return {}


class NovaConnectConfirmedOperator(NovaConnectEffectOperator):
    """An effect that the author of the Dag has to confirm.

    :param confirm: must be True, otherwise the Dag is refused when it is parsed.
    """

    consequence: ClassVar[str]

    def __init__(self, *, confirm: bool = False, **kwargs: Unpack[EffectArguments]) -> None:
        super().__init__(**kwargs)
        if confirm is not True:
            raise TelecomInputError(
                "confirm", f"must be True: {self.operation_type.operation} {self.consequence}"
            )
        self.confirm = confirm


class NovaConnectDisconnectSimsOperator(NovaConnectConfirmedOperator):
    """Disconnect SIMs from the network (Cancel Location), which interrupts their live sessions.

    Parameters and XCom are those of the base classes. The list of SIMs does not show the result, so without a
    receiver it cannot be waited for. Raises OutcomeUnknownError, TelecomInputError, TelecomAuthError (not an
    administrator), TelecomRejectedError. Source: "Отключение".
    """

    operation_type: ClassVar[type[Operation]] = Disconnect
    consequence: ClassVar[str] = "interrupts live sessions"


class NovaConnectReconnectSimsOperator(NovaConnectConfirmedOperator):
    """Reset the data sessions of SIMs, which the vendor now does by disconnecting them.

    Otherwise like `NovaConnectDisconnectSimsOperator`. Source: "Перезагрузка".
    """

    operation_type: ClassVar[type[Operation]] = Reconnect
    consequence: ClassVar[str] = "interrupts live sessions"


class NovaConnectPingSimsOperator(NovaConnectEffectOperator):
    """Send an SMS with the text PING to SIMs of profile TD; others are skipped. It is paid for.

    Otherwise like `NovaConnectDisconnectSimsOperator`, without `confirm`. Source: "Пинг".
    """

    operation_type: ClassVar[type[Operation]] = Ping


class NovaConnectSendSmsOperator(NovaConnectEffectOperator):
    """Send an SMS to SIMs of profile TD; others are skipped. It is paid for.

    :param text: at most 70 characters; one beyond the basic plane, as emoji are, counts as two. Never shown.

    Otherwise like `NovaConnectDisconnectSimsOperator`, without `confirm`. Source: "СМС".
    """

    operation_type: ClassVar[type[Operation]] = SendSms
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "text")
    private_fields: ClassVar[Sequence[str]] = (*NovaConnectSimsOperator.private_fields, "text")

    def __init__(self, *, text: str, **kwargs: Unpack[EffectArguments]) -> None:
        super().__init__(**kwargs)
        self.text = text
        self._check_literals(text)

    def _operation(self) -> SendSms:
        return SendSms(self.reveal("text"))


class NovaConnectSetTariffOperator(NovaConnectConfirmedOperator):
    """Change the package of SIMs of profile TD. It may buy one, and may lock the tariff for a time.

    SIMs that have this package and setting already are unchanged; locked ones are skipped, with the date.
    After an unknown outcome a later try reads the list of SIMs: if all of them have the package, it succeeds;
    otherwise `on_unknown` decides.

    :param package_kb: kilobytes, 15360 to 102400 in steps of 5120.
    :param auto_package: whether the package is bought again when it is used up.
    :param all_world: whether it includes worldwide roaming (tariff TD_Mega); not sent if None.

    Otherwise like `NovaConnectDisconnectSimsOperator`, but the list of SIMs shows the result, so it can be
    waited for. Source: "Изменение тарификации".
    """

    operation_type: ClassVar[type[Operation]] = SetTariff
    consequence: ClassVar[str] = "may buy a package and lock the tariff"
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "package_kb")

    def __init__(
        self,
        *,
        package_kb: int | str,
        auto_package: bool,
        all_world: bool | None = None,
        **kwargs: Unpack[ConfirmedArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.package_kb, self.auto_package, self.all_world = package_kb, auto_package, all_world
        self._check_literals(package_kb)

    def _operation(self) -> SetTariff:
        return SetTariff(self.package_kb, self.auto_package, self.all_world)


class NovaConnectRepackageOperator(NovaConnectConfirmedOperator):
    """Buy the same package again for SIMs of profile TD, which also lifts the block p (package ran out).

    SIMs with another block (m, f, g) are skipped: they could not use the package.

    :param only_used_up: skip SIMs that have traffic left in their package.

    Otherwise like `NovaConnectDisconnectSimsOperator`. Source: "Переподключение пакета".
    """

    operation_type: ClassVar[type[Operation]] = Repackage
    consequence: ClassVar[str] = "buys packages"

    def __init__(self, *, only_used_up: bool = False, **kwargs: Unpack[ConfirmedArguments]) -> None:
        super().__init__(**kwargs)
        self.only_used_up = only_used_up
        self._operation()

    def _operation(self) -> Repackage:
        return Repackage(self.only_used_up)
