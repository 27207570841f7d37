"""Operators whose effect on NovaConnect's SIMs cannot be taken back: a copy is sent, or bought, once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, Facts, State
from airflow_provider_telecom.operators.novaconnect.base import NovaConnectSimsOperator
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.vendors.novaconnect import arguments, desired_state

if TYPE_CHECKING:
    from airflow.sdk import Context


class NovaConnectEffectOperator(NovaConnectSimsOperator, NonIdempotentOperator):
    """An operation of which the vendor cannot tell a copy; `on_unknown` says what a later try does.

    `skipped` names SIMs that it is not for, such as those of profile TC. With `assume_sent` after an unknown
    outcome only `{"assumed_sent": True}` is returned.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it, once, and wait if that is wanted."""
        return self._finished(self._started(context))

    def _started(self, context: Context) -> Facts:
        content, journal, chosen = self._content(), self._journal(context), self._entry_name("sims")
        entry = journal.earlier(self._entry_name("sent"), body := self._fingerprint(content))
        if entry and self._is_settled(entry.state):
            return self._send_once(context, content, dict)  # sends nothing: the journal says what happened
        target, plan = self._target(), self._planned()
        if entry and entry.state in IN_DOUBT and (before := journal.read(chosen)):
            plan.check_covers(before.facts)
        if not plan.before:
            return plan.outcome(None)
        if self.select is not None:  # which may choose other SIMs in a later try
            journal.write(chosen, Entry(State.PLANNED, body, {"before": plan.before}))
        url, key = self._callback_address(plan)
        return self._send_once(context, content, lambda: self._sent(plan, target, url, key))

    def _is_settled(self, state: State) -> bool:
        """Whether the journal decides alone, without a look at the SIMs."""
        if state in (State.PLANNED, State.REJECTED):
            return False
        return state is State.DONE or not (self._is_observable or self.on_unknown == "resend")

    @property
    def _is_observable(self) -> bool:
        """Whether a look at the SIMs can show that what nobody knew of has happened."""
        return self.operation in desired_state.OBSERVABLE


class NovaConnectConfirmedOperator(NovaConnectEffectOperator):
    """An effect that needs the Dag author's word.

    :param confirm: must be True, else the Dag is refused when it is parsed.
    """

    consequence: ClassVar[str]

    def __init__(self, *, confirm: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if confirm is not True:
            raise TelecomInputError("confirm", f"must be True: {self.operation} {self.consequence}")
        self.confirm = confirm


class NovaConnectDisconnectSimsOperator(NovaConnectConfirmedOperator):
    """Disconnect SIMs from the network (Cancel Location), which drops their live sessions.

    Parameters and XCom are those of the classes it stands on. The list of SIMs does not show it, so it
    cannot be waited for. Raises OutcomeUnknownError, TelecomInputError, TelecomAuthError (not an
    administrator), TelecomRejectedError. Source: "Отключение".
    """

    operation: ClassVar[str] = "disconnect"
    consequence: ClassVar[str] = "drops live sessions"

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.disconnect_sims(sim_ids, callback_url=callback_url).queue_id


class NovaConnectReconnectSimsOperator(NovaConnectConfirmedOperator):
    """Reset the data sessions of SIMs, which the vendor now does by disconnecting them.

    Otherwise as `NovaConnectDisconnectSimsOperator`. Source: "Перезагрузка".
    """

    operation: ClassVar[str] = "reconnect"
    consequence: ClassVar[str] = "drops live sessions"

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.reconnect_sims(sim_ids, callback_url=callback_url).queue_id


class NovaConnectPingSimsOperator(NovaConnectEffectOperator):
    """Send an SMS with the text PING to SIMs of profile TD; others are skipped. It is paid for.

    Otherwise as `NovaConnectDisconnectSimsOperator`, without `confirm`. Source: "Пинг".
    """

    operation: ClassVar[str] = "ping"

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.ping_sims(sim_ids, callback_url=callback_url).queue_id


class NovaConnectSendSmsOperator(NovaConnectEffectOperator):
    """Send an SMS to SIMs of profile TD; others are skipped. It is paid for.

    :param text: at most 70 characters; one beyond the basic plane, as emoji are, counts as two. Never shown.

    Otherwise as `NovaConnectDisconnectSimsOperator`, without `confirm`. Source: "СМС".
    """

    operation: ClassVar[str] = "sms"
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "text")
    private_fields: ClassVar[Sequence[str]] = (*NovaConnectSimsOperator.private_fields, "text")

    def __init__(self, *, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self._check_target(text)

    def _target(self) -> dict[str, Any]:
        return {"text": arguments.sms_text(self.reveal("text"))}

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.send_sms(sim_ids, target["text"], callback_url=callback_url).queue_id


class NovaConnectSetTariffOperator(NovaConnectConfirmedOperator):
    """Change the package of SIMs of profile TD. It may buy one, and may lock the tariff for a time.

    SIMs that have this package and setting already are left alone; locked ones are skipped, with the date.
    When nobody knows whether it was sent, a later try looks at the SIMs: if all of them are there, it
    succeeds; if not, `on_unknown` decides.

    :param package_kb: kilobytes, 15360 to 102400 in steps of 5120.
    :param auto_package: whether the package is bought anew when it is used up.
    :param all_world: whether it is for roaming everywhere (tariff TD_Mega); not said without it.

    Otherwise as `NovaConnectDisconnectSimsOperator`, but this one can be waited for. Source: "Изменение
    тарификации".
    """

    operation: ClassVar[str] = "tariff"
    consequence: ClassVar[str] = "may buy a package and lock the tariff"
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "package_kb")

    def __init__(
        self, *, package_kb: int | str, auto_package: bool, all_world: bool | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.package_kb, self.auto_package, self.all_world = package_kb, auto_package, all_world
        self._check_target(package_kb)

    def _target(self) -> dict[str, Any]:
        return desired_state.tariff(self.package_kb, self.auto_package, self.all_world)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.set_tariff(sim_ids, **target, callback_url=callback_url).queue_id


class NovaConnectRepackageOperator(NovaConnectConfirmedOperator):
    """Buy the same package anew for SIMs of profile TD, which also lifts the block of a package that ran out.

    SIMs that are blocked by others (m, f, g) are skipped: a package would be of no use to them.

    :param only_used_up: leave SIMs alone that have traffic left in their package.

    Otherwise as `NovaConnectDisconnectSimsOperator`. Source: "Переподключение пакета".
    """

    operation: ClassVar[str] = "repackage"
    consequence: ClassVar[str] = "buys packages"

    def __init__(self, *, only_used_up: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.only_used_up = only_used_up
        self._target()

    def _target(self) -> dict[str, Any]:
        return desired_state.repackage(self.only_used_up)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.repackage_sims(sim_ids, callback_url=callback_url).queue_id
