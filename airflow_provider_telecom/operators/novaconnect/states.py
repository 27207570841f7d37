"""Operators that bring NovaConnect's SIMs into a state. Doing it twice is free and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.operators.base import OnceOperator
from airflow_provider_telecom.operators.novaconnect.plan import Plan, plan_again
from airflow_provider_telecom.operators.novaconnect.sims import NovaConnectSimsOperator
from airflow_provider_telecom.vendors.novaconnect import targets

if TYPE_CHECKING:
    from airflow.sdk import Context


class NovaConnectStateOperator(NovaConnectSimsOperator, OnceOperator):
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
        name, body = self._entry_name("sent"), fingerprint(self._content())
        entry = journal.read(name)
        begun = entry if entry and entry.body == body else None
        if begun and begun.state is State.DONE:
            return begun.facts
        plan = self._planned_again(begun.facts) if begun else self._planned()
        if plan.before:
            url, key = self._handed_out(plan)
            if not begun:
                self.hook.wait_until_ready()
                journal.write(name, Entry(State.INTENT, body, plan.intent))
            outcome = self._sent(plan, self._target(), url, key)
        else:
            outcome = plan.outcome(None)
        if plan.before or begun:
            journal.write(name, Entry(State.DONE, body, outcome))
        return outcome

    def _planned_again(self, intent: Facts) -> Plan:
        plan = plan_again(self.operation, self._target(), self.hook.all_sims(), intent)
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
        return targets.limit(self.limit_mb, self.limit_type)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        return self.hook.set_limit(sim_ids, **target, callback_url=callback_url).queue_id


class NovaConnectSetGroupsOperator(NovaConnectStateOperator):
    """Make these the groups of SIMs.

    :param group_ids: ids of groups that there are.
    :param new_group_names: names of groups; one that no group bears is made.
    :param exact: whether a SIM that is in other groups as well is not yet there (default). The document does
        not say whether the vendor takes SIMs out of their other groups; if it does not, use False, or waiting
        will not end.

    Otherwise as `NovaConnectBlockSimsOperator`. Source: "Сим-карты", "Группы".
    """

    operation: ClassVar[str] = "group"
    template_fields: Sequence[str] = (
        *NovaConnectSimsOperator.template_fields,
        "group_ids",
        "new_group_names",
    )

    def __init__(
        self, *, group_ids: Any = (), new_group_names: Any = (), exact: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.group_ids, self.new_group_names, self.exact = group_ids, new_group_names, exact
        self._check_target(group_ids, new_group_names)

    def _target(self) -> dict[str, Any]:
        return targets.group(self.group_ids, self.new_group_names, self.exact)

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str:
        groups, names = target["group_ids"], target["new_group_names"]
        queued = self.hook.set_groups(sim_ids, groups, names, callback_url=callback_url)
        return queued.queue_id


class NovaConnectRenameSimOperator(NovaConnectStateOperator):
    """Give one SIM another name. The vendor does it at once: there is nothing to wait for, and no call-back.

    :param sim_id: the vendor's id of the SIM.
    :param name: its name. Never shown, nor returned: it may say who uses the SIM.

    The XCom is that of the other operators. Raises what `NovaConnectBlockSimsOperator` raises. Source:
    "Переименование".
    """

    operation: ClassVar[str] = "rename"
    is_told: ClassVar[bool] = False
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "name")
    private_fields: ClassVar[Sequence[str]] = (*NovaConnectSimsOperator.private_fields, "name")

    def __init__(self, *, sim_id: int | str, name: str, **kwargs: Any) -> None:
        for refused in {"sim_ids", "select", "callback_url"} & kwargs.keys():
            raise TelecomInputError(refused, "is not for renaming, which is for one sim_id and tells no end")
        super().__init__(sim_ids=[sim_id], **kwargs)
        self.name = name
        self._check_target(name)

    def _target(self) -> dict[str, Any]:
        return targets.rename(self.revealed("name"))

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str | None:
        return self.hook.rename_sim(sim_ids[0], target["name"]).queue_id
