"""Operators that bring NovaConnect's SIMs into a state. A duplicate costs nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State, state_after
from airflow_provider_telecom.operators.novaconnect.base import (
    ChangeArguments,
    NovaConnectSimsOperator,
    SimsArguments,
)
from airflow_provider_telecom.operators.novaconnect.plan import Plan, resume_plan
from airflow_provider_telecom.tasks.arguments import JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Block,
    Operation,
    Rename,
    SetGroups,
    SetLimit,
    Unblock,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class StateArguments(SimsArguments, JournaledArguments):
    """The parameters of `NovaConnectStateOperator`."""


class RenameArguments(ChangeArguments, JournaledArguments):
    """The parameters of `NovaConnectStateOperator`, without those that choose the SIMs."""


class NovaConnectStateOperator(NovaConnectSimsOperator, JournaledOperator):
    """An operation that brings SIMs into a state.

    What was sent in a run is not sent again by a later try. After an unknown outcome (no answer, a killed
    task) the next try reads the list of SIMs again: SIMs in the state count as changed, the operation is sent
    again for SIMs that are as they were before, and SIMs that somebody has changed meanwhile are skipped.
    """

    def __init__(self, **kwargs: Unpack[StateArguments]) -> None:
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it for the SIMs that are not yet in the state, and wait with `wait_for_completion`."""
        return self._finish(self._start(Journal(context["task_state_store"])))

    def _start(self, journal: Journal) -> Facts:
        name, body = self._entry_name("sent"), self._fingerprint(self._content())
        entry = journal.read(name)
        begun = entry if entry and entry.body == body and entry.state is not State.PLANNED else None
        if begun and begun.state is State.DONE:
            return begun.facts
        plan = self._resumed_plan(begun.facts) if begun else self._new_plan()
        if entry and entry.state is State.INTENT:
            plan.check_covers(entry.facts)
        if plan.before:
            url, key = self._webhook_address(plan)
            if not begun:
                self.hook.wait_until_ready()
                journal.write(name, Entry(State.INTENT, body, plan.intent))
            try:
                outcome = self._send(plan, url, key)
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
        plan = resume_plan(self._operation(), self.hook.all_sims(), intent)
        self._log_plan(plan)
        return plan


class NovaConnectBlockSimsOperator(NovaConnectStateOperator):
    """Put the voluntary block on SIMs. SIMs with another block (m, p, f, g) are skipped.

    Parameters, XCom and `wait_for_completion` are those of the base classes. Raises TelecomInputError,
    TelecomAuthError (not an administrator), TelecomRejectedError, TelecomUnknownError. Source: "Блокировка".
    """

    operation_type: ClassVar[type[Operation]] = Block


class NovaConnectUnblockSimsOperator(NovaConnectStateOperator):
    """Lift the voluntary block of SIMs. SIMs with another block (m, p, f, g) are skipped: we cannot lift it.

    Otherwise like `NovaConnectBlockSimsOperator`. Source: "Разблокировка".
    """

    operation_type: ClassVar[type[Operation]] = Unblock


class NovaConnectSetLimitOperator(NovaConnectStateOperator):
    """Set or remove the monthly traffic limit of SIMs of profile TC; others are skipped.

    :param limit_mb: megabytes in a calendar month; not required with `off`.
    :param limit_type: `month1` (default), or `off` for no limit.

    Otherwise like `NovaConnectBlockSimsOperator`. Source: "Установка лимита".
    """

    operation_type: ClassVar[type[Operation]] = SetLimit
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "limit_mb")

    def __init__(
        self,
        *,
        limit_mb: int | str | None = None,
        limit_type: Literal["off", "month1"] = "month1",
        **kwargs: Unpack[StateArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.limit_mb, self.limit_type = limit_mb, limit_type
        self._check_literals(limit_mb)

    def _operation(self) -> SetLimit:
        return SetLimit(self.limit_mb, self.limit_type)


class NovaConnectSetGroupsOperator(NovaConnectStateOperator):
    """Put SIMs into groups.

    The document does not say whether the vendor takes SIMs out of their other groups. So, unless `exact` is
    True, each SIM's other groups are sent too, and it stays in them at any vendor. That takes one request for
    all SIMs that have the same other groups; with several requests `queue_id` is None.

    :param group_ids: ids of existing groups.
    :param new_group_names: names of groups; a group is created if none has the name.
    :param exact: True: the SIMs must be in these groups only. A vendor that only adds groups cannot do that,
        and the API has no call to take a SIM out of a group: waiting then fails, and the error names the
        SIMs.

    Otherwise like `NovaConnectBlockSimsOperator`. Source: "Сим-карты", "Группы".
    """

    operation_type: ClassVar[type[Operation]] = SetGroups
    template_fields: Sequence[str] = (
        *NovaConnectSimsOperator.template_fields,
        "group_ids",
        "new_group_names",
    )

    def __init__(
        self,
        *,
        group_ids: Any = (),
        new_group_names: Any = (),
        exact: bool = False,
        **kwargs: Unpack[StateArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.group_ids, self.new_group_names, self.exact = group_ids, new_group_names, exact
        self._check_literals(group_ids, new_group_names)

    def _operation(self) -> SetGroups:
        return SetGroups(self.group_ids, self.new_group_names, self.exact)


class NovaConnectRenameSimOperator(NovaConnectStateOperator):
    """Give one SIM another name. The vendor does it at once: there is nothing to wait for, and no webhook.

    :param sim_id: the vendor's id of the SIM.
    :param name: its name. Never shown, nor returned: it may say who uses the SIM.

    The XCom is that of the other operators. Raises what `NovaConnectBlockSimsOperator` raises. Source:
    "Переименование".
    """

    operation_type: ClassVar[type[Operation]] = Rename
    has_webhook: ClassVar[bool] = False
    template_fields: Sequence[str] = (*NovaConnectSimsOperator.template_fields, "name")
    private_fields: ClassVar[Sequence[str]] = (*NovaConnectSimsOperator.private_fields, "name")

    fixed_parameters: ClassVar[tuple[str, ...]] = ("sim_ids", "select", "callback_url")

    def __init__(self, *, sim_id: int | str, name: str, **kwargs: Unpack[RenameArguments]) -> None:
        super().__init__(sim_ids=[sim_id], **kwargs)
        self.name = name
        self._check_literals(name)

    def _operation(self) -> Rename:
        return Rename(self.reveal("name"))
