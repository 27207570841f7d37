"""Operators that bring NovaConnect's SIMs into a state. A duplicate costs nothing and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.journal.journal import Entry, Journal, State, state_after
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.novaconnect.base import (
    ChangeArguments,
    NovaConnectSimsOperator,
    SimsArguments,
)
from airflow_provider_telecom.operators.novaconnect.plan import (
    Chunk,
    Plan,
    entry_of_chunk,
    join_chunks,
    resume_plan,
)
from airflow_provider_telecom.tasks.arguments import JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Block,
    ClearGroups,
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
        """Send chunk by chunk. `more` in a chunk's entry says that others follow."""
        body, done = self._fingerprint(self._content()), list[Chunk]()
        whole: Plan | None = None
        while True:
            name = self._entry_name(entry_of_chunk("sent", len(done)))
            begun = _begun(journal.read(name), body)
            if begun and begun.state is State.DONE:
                facts, more = begun.facts, bool(begun.facts.get("more"))
            else:
                if begun:
                    plan, more = self._resumed_plan(begun.facts), bool(begun.facts.get("more"))
                else:
                    whole = whole or self._new_plan()
                    if not done:
                        self._forget_other_content(journal, whole, body)
                    rest = whole.without({sim_id for chunk in done for sim_id in chunk.settled})
                    plan = rest.chunk(self.chunk_size)
                    more = len(plan.before) < len(rest.before)
                    self._log_chunk(plan, done, len(rest.before) - len(plan.before))
                with self._naming_chunk(plan, done, more):
                    facts = self._send_chunk(journal, name, Entry(State.INTENT, body), plan, more, begun)
            done.append(Chunk((), {key: value for key, value in facts.items() if key != "more"}))
            if not more:
                return join_chunks(done)

    def _send_chunk(
        self, journal: Journal, name: str, intent: Entry, plan: Plan, more: bool, begun: Entry | None
    ) -> Facts:
        """Send a chunk between intent and outcome, which the journal has unless there was nothing to do."""
        others = {"more": True} if more else {}
        if plan.before and not begun:
            self.hook.wait_until_ready()
            journal.write(name, replace(intent, facts={**plan.intent, **others}))
        try:
            outcome: Facts = self._send(plan) if plan.before else plan.outcome()
        except TelecomError as error:
            if not begun and state_after(error) is not None:
                journal.write(name, replace(intent, state=State.PLANNED))
            raise
        if plan.before or begun:
            journal.write(name, replace(intent, state=State.DONE, facts={**outcome, **others}))
        return outcome

    def _forget_other_content(self, journal: Journal, plan: Plan, body: str) -> None:
        """Make room for the first chunk. Raises TelecomInputError for SIMs in doubt that the plan lacks."""
        entries: list[tuple[str, Entry]] = []
        while entry := journal.read(name := self._entry_name(entry_of_chunk("sent", len(entries)))):
            entries.append((name, entry))
        for _, entry in entries:
            if entry.state is State.INTENT:
                plan.check_covers(entry.facts)
        for name, _ in entries[1:]:
            journal.write(name, Entry(State.PLANNED, body))

    def _resumed_plan(self, intent: Facts) -> Plan:
        plan = resume_plan(self._operation(), self.hook.all_sims(), intent)
        self._log_plan(plan)
        return plan


def _begun(entry: Entry | None, body: str) -> Entry | None:
    """Return an entry of the same content that something was sent for, or may have been."""
    return entry if entry and entry.body == body and entry.state is not State.PLANNED else None


class NovaConnectBlockSimsOperator(NovaConnectStateOperator):
    """Put the voluntary block on SIMs. SIMs with another block (m, p, f, g) are skipped.

    :param include_package_empty: also block SIMs that are blocked because their package ran out (p). The
        document neither allows nor refuses it. If the vendor does not show the voluntary block for such a
        SIM, waiting fails and names it.

    Other parameters, XCom and `wait_for_completion` are those of the base classes. Raises TelecomInputError,
    TelecomAuthError (not an administrator), TelecomRejectedError, TelecomUnknownError. Source: "Блокировка".
    """

    operation_type: ClassVar[type[Operation]] = Block

    def __init__(self, *, include_package_empty: bool = False, **kwargs: Unpack[StateArguments]) -> None:
        super().__init__(**kwargs)
        self.include_package_empty = include_package_empty
        self._operation()

    def _operation(self) -> Block:
        return Block(self.include_package_empty)


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
    all SIMs that have the same other groups; with several requests `queue_id` is a list.

    :param group_ids: ids of existing groups.
    :param new_group_names: names of groups; a group is created if none has the name.
    :param exact: True: the SIMs must be in these groups only. A vendor that only adds groups cannot do that,
        and the API has no call to take a SIM out of one group: waiting then fails, and the error names
        the SIMs.
    :param groups: `[]`, and nothing else: the SIMs are to be in no group at all. That cannot be said by
        empty `group_ids`, which a template may render by mistake.

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
        groups: list[int] | None = None,
        **kwargs: Unpack[StateArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.group_ids, self.new_group_names, self.exact = group_ids, new_group_names, exact
        self.groups = groups
        if groups is not None:
            arguments.no_groups(groups, group_ids, new_group_names, exact)
        self._check_literals(group_ids, new_group_names)

    def _operation(self) -> SetGroups | ClearGroups:
        if self.groups is not None:
            return ClearGroups(self.groups)
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

    fixed_parameters: ClassVar[tuple[str, ...]] = ("sim_ids", "select", "chunk_size", "callback_url")

    def __init__(self, *, sim_id: int | str, name: str, **kwargs: Unpack[RenameArguments]) -> None:
        super().__init__(sim_ids=[sim_id], **kwargs)
        self.name = name
        self._check_literals(name)

    def _operation(self) -> Rename:
        return Rename(self.reveal("name"))
