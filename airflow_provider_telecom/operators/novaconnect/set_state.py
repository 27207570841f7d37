"""Operators that bring NovaConnect's SIMs into a state. Doing it twice is free and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError, TelecomInputError
from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State, state_after
from airflow_provider_telecom.operators.novaconnect.base import NovaConnectSimsOperator
from airflow_provider_telecom.operators.novaconnect.plan import Plan, resume_plan
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.vendors.novaconnect import desired_state

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.novaconnect.models import Sim


class NovaConnectStateOperator(NovaConnectSimsOperator, JournaledOperator):
    """An operation that brings SIMs into a state.

    What was sent in a run is not sent again by a later try. When nobody knows whether it happened (no answer,
    a killed task), the next try looks at the SIMs again: those that are there count as changed, the operation
    is sent once more for those that still stand as before, and those that somebody has changed meanwhile are
    skipped.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it for the SIMs that are not there yet, and wait if that is wanted."""
        return self._finished(self._settled(Journal(context["task_state_store"])))

    def _settled(self, journal: Journal) -> Facts:
        name, body = self._entry_name("sent"), self._fingerprint(self._content())
        entry = journal.read(name)
        begun = entry if entry and entry.body == body and entry.state is not State.PLANNED else None
        if begun and begun.state is State.DONE:
            return begun.facts
        plan = self._resumed_plan(begun.facts) if begun else self._planned()
        if entry and entry.state is State.INTENT:
            plan.check_covers(entry.facts)
        if plan.before:
            url, key = self._callback_address(plan)
            if not begun:
                self.hook.wait_until_ready()
                journal.write(name, Entry(State.INTENT, body, plan.intent))
            try:
                outcome = self._sent(plan, self._target(), url, key)
            except TelecomError as error:
                if not begun and state_after(error) is not None:
                    journal.write(name, Entry(State.PLANNED, body))
                raise
        else:
            outcome = plan.outcome(None)
        if plan.before or begun:
            journal.write(name, Entry(State.DONE, body, outcome))
        return outcome

    def _resumed_plan(self, intent: Facts) -> Plan:
        plan = resume_plan(self.operation, self._target(), self.hook.all_sims(), intent)
        self._tell(plan)
        return plan


class NovaConnectBlockSimsOperator(NovaConnectStateOperator):
    """Put the voluntary block on SIMs. SIMs with another block (m, p, f, g) are skipped.

    Parameters, XCom and `wait_for_completion` are those of the classes it stands on. Raises
    TelecomInputError, TelecomAuthError (not an administrator), TelecomRejectedError, TelecomUnknownError.
    Source: "Блокировка".
    """

    operation: ClassVar[str] = "block"

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.block_sims(sim_ids, callback_url=callback_url).queue_id


class NovaConnectUnblockSimsOperator(NovaConnectStateOperator):
    """Lift the voluntary block of SIMs. Other blocks (m, p, f, g) are not ours to lift: these are skipped.

    Otherwise as `NovaConnectBlockSimsOperator`. Source: "Разблокировка".
    """

    operation: ClassVar[str] = "unblock"

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.unblock_sims(sim_ids, callback_url=callback_url).queue_id


class NovaConnectSetLimitOperator(NovaConnectStateOperator):
    """Set or lift the monthly traffic limit of SIMs of profile TC; others are skipped.

    :param limit_mb: megabytes in a calendar month; may be left out with `off`.
    :param limit_type: `month1` (default), or `off` for no limit.

    Otherwise as `NovaConnectBlockSimsOperator`. Source: "Установка лимита".
    """

    operation: ClassVar[str] = "limit"
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "limit_mb")

    def __init__(
        self,
        *,
        limit_mb: int | str | None = None,
        limit_type: Literal["off", "month1"] = "month1",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.limit_mb, self.limit_type = limit_mb, limit_type
        self._check_target(limit_mb)

    def _target(self) -> dict[str, Any]:
        return desired_state.limit(self.limit_mb, self.limit_type)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.set_limit(sim_ids, **target, callback_url=callback_url).queue_id


class NovaConnectSetGroupsOperator(NovaConnectStateOperator):
    """Put SIMs into groups.

    The document does not say whether the vendor takes SIMs out of their other groups. So, unless `exact` is
    True, each SIM's other groups are sent along, and it stays in them at any vendor. That takes one request
    for all SIMs that are in the same others; with several requests `queue_id` is None.

    :param group_ids: ids of groups that exist.
    :param new_group_names: names of groups; one that no group has is created.
    :param exact: True: the SIMs are to be in these groups only. A vendor that only adds groups cannot do
        that, and the API has no call to take a SIM out of a group: waiting then fails, naming the SIMs.

    Otherwise as `NovaConnectBlockSimsOperator`. Source: "Сим-карты", "Группы".
    """

    operation: ClassVar[str] = "group"
    template_fields: Sequence[str] = (
        *NovaConnectSimsOperator.template_fields,
        "group_ids",
        "new_group_names",
    )

    def __init__(
        self, *, group_ids: Any = (), new_group_names: Any = (), exact: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.group_ids, self.new_group_names, self.exact = group_ids, new_group_names, exact
        self._check_target(group_ids, new_group_names)

    def _target(self) -> dict[str, Any]:
        return desired_state.group(self.group_ids, self.new_group_names, self.exact)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str | None:
        queues: list[str] = []
        for others, sims in self._by_other_groups(sim_ids, target).items():
            groups = [*target["group_ids"], *others]
            try:
                queued = self.hook.set_groups(
                    sims, groups, target["new_group_names"], callback_url=callback_url
                )
            except TelecomError as error:
                error.partial = bool(queues)
                raise
            queues.append(queued.queue_id)
        return queues[0] if len(queues) == 1 else None

    def _by_other_groups(
        self, sim_ids: list[int], target: Mapping[str, Any]
    ) -> dict[tuple[int, ...], list[int]]:
        """Return the SIMs by the other groups that they stay in, read just before they are sent."""
        if target["exact"]:
            return {(): sim_ids}
        found = {sim.id: sim for sim in self.hook.all_sims()}
        by_others: dict[tuple[int, ...], list[int]] = {}
        for one in sim_ids:
            others = _other_groups(found[one], target) if one in found else ()
            by_others.setdefault(others, []).append(one)
        return by_others


def _other_groups(sim: Sim, target: Mapping[str, Any]) -> tuple[int, ...]:
    if "groups" not in sim.model_fields_set:
        raise TelecomAnswerError(f"SIM {sim.id} is listed without its groups, so nobody knows what to keep")
    return desired_state.other_groups(sim, target)


class NovaConnectRenameSimOperator(NovaConnectStateOperator):
    """Give one SIM another name. The vendor does it at once: there is nothing to wait for, and no call-back.

    :param sim_id: the vendor's id of the SIM.
    :param name: its name. Never shown, nor returned: it may say who uses the SIM.

    The XCom is that of the other operators. Raises what `NovaConnectBlockSimsOperator` raises. Source:
    "Переименование".
    """

    operation: ClassVar[str] = "rename"
    has_webhook: ClassVar[bool] = False
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "name")
    private_fields: ClassVar[Sequence[str]] = (*NovaConnectSimsOperator.private_fields, "name")

    def __init__(self, *, sim_id: int | str, name: str, **kwargs: Any) -> None:
        for refused in {"sim_ids", "select", "callback_url"} & kwargs.keys():
            raise TelecomInputError(refused, "is not for renaming, which is for one sim_id and tells no end")
        super().__init__(sim_ids=[sim_id], **kwargs)
        self.name = name
        self._check_target(name)

    def _target(self) -> dict[str, Any]:
        return desired_state.rename(self.reveal("name"))

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str | None:
        return self.hook.rename_sim(sim_ids[0], target["name"]).queue_id
