"""Operators for NovaConnect's groups of SIMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, State, state_after
from airflow_provider_telecom.operators.novaconnect.account import MAX_ROWS, refuse_more
from airflow_provider_telecom.operators.novaconnect.changes import NovaConnectChangeOperator, check_choice
from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import JournaledArguments, OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.novaconnect.arguments import boolean

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.novaconnect.models import Group


class GroupsXCom(TypedDict):
    """What `NovaConnectListGroupsOperator` returns."""

    count: int
    group_ids: list[int]
    groups: list[dict[str, Any]]


class NovaConnectListGroupsOperator(NovaConnectOperator):
    """List groups and return `{"count", "group_ids", "groups"}`: each with `id`, `name` and `added` (Unix).

    :param name: only groups whose name contains this text; by default all of them.
    :param max_groups: fail if more groups than this are found; the list is never cut off.

    A read. Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. Source: "Группы", "Список".
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "name")

    def __init__(
        self, *, name: str | None = None, max_groups: int = 10_000, **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.name, self.max_groups = name, in_range("max_groups", max_groups, 1, MAX_ROWS)
        check_if_literal(name, partial(non_blank, "name"))

    def execute(self, context: Context) -> GroupsXCom:
        """List them."""
        found = self.hook.all_groups(name=self.name)
        refuse_more("max_groups", len(found), self.max_groups, "groups")
        fields = {"id", "name", "added"}
        return {
            "count": len(found),
            "group_ids": [group.id for group in found],
            "groups": [group.model_dump(mode="json", include=fields) for group in found],
        }


class GroupXCom(TypedDict):
    """What `NovaConnectCreateGroupOperator` returns."""

    group_id: int
    created: bool


class NovaConnectCreateGroupOperator(NovaConnectOperator, JournaledOperator):
    """Create a group, unless there is one with this name; return `{"group_id", "created"}`.

    A group costs nothing and can be removed. After an unknown outcome the next try reads the list of groups:
    a group with this name is the one that was created; if there is none, it is created again.

    :param name: the name of the group. The vendor may strip blanks at its ends.

    Raises TelecomInputError, TelecomAuthError (not an administrator), TelecomRejectedError,
    TelecomUnknownError. Source: "Группы", "Создание".
    """

    template_fields: Sequence[str] = (*JournaledOperator.template_fields, "name")

    def __init__(self, *, name: str, **kwargs: Unpack[JournaledArguments]) -> None:
        super().__init__(**kwargs)
        self.name = name
        check_if_literal(name, partial(non_blank, "name"))

    def execute(self, context: Context) -> GroupXCom:
        """Create it."""
        wanted = non_blank("name", self.name)
        content = {"operation": type(self).__name__, "name": wanted}
        journal, name, body = self._journal(context), self._entry_name("sent"), self._fingerprint(content)
        entry = journal.earlier_entry(name, body)
        if entry and entry.state is State.DONE:
            return GroupXCom(group_id=entry.facts["group_id"], created=entry.facts["created"])
        in_doubt = entry is not None and entry.state in IN_DOUBT
        intent = Entry(State.INTENT, body)
        if (group_id := self._existing(wanted)) is None:
            if not in_doubt:
                self.hook.wait_until_ready()
                journal.write_intent(name, intent)
            try:
                group_id = self.hook.create_group(wanted).id
            except TelecomError as error:
                if not in_doubt and (state := state_after(error)) is not None:
                    journal.write(name, replace(intent, state=state))
                raise
        elif not in_doubt:
            return GroupXCom(group_id=group_id, created=False)
        created = GroupXCom(group_id=group_id, created=True)
        journal.write(name, replace(intent, state=State.DONE, facts=created))
        return created

    def _existing(self, wanted: str) -> int | None:
        """Return the id of the oldest group with this name, or None."""
        found = [one.id for one in self.hook.all_groups(name=wanted.strip()) if _is_named(one, wanted)]
        if len(found) > 1:
            self.log.warning("%d groups have this name: %s", len(found), ", ".join(map(str, sorted(found))))
        return min(found, default=None)


def _is_named(group: Group, name: str) -> bool:
    return group.name.strip() == name.strip()


class NovaConnectGroupOperator(NovaConnectChangeOperator):
    """A change of one group.

    :param group: the group's id, or its name if no other group has it. A text of digits is a name if a group
        has that name.
    """

    kind: ClassVar[str] = "group"
    template_fields: Sequence[str] = (*JournaledOperator.template_fields, "group")

    def __init__(self, *, group: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group
        check_if_literal(group, partial(check_choice, "group"))

    def _list(self) -> Sequence[Group]:
        return self.hook.all_groups()

    def _matches(self, one: Group, wanted: str) -> bool:
        return _is_named(one, wanted)

    def _observed(self, one: Group) -> object:
        return one.name


class GroupArguments(JournaledArguments):
    """The parameters of `NovaConnectGroupOperator`."""

    group: int | str


class NovaConnectRenameGroupOperator(NovaConnectGroupOperator):
    """Give a group another name; return `{"group_id", "changed", "skipped"}`.

    :param name: the new name.

    Raises TelecomInputError (also if there is no such group), TelecomAuthError (not an administrator),
    TelecomRejectedError, TelecomUnknownError. Source: "Группы", "Изменение".
    """

    template_fields: Sequence[str] = (*NovaConnectGroupOperator.template_fields, "name")

    def __init__(self, *, name: str, **kwargs: Unpack[GroupArguments]) -> None:
        super().__init__(**kwargs)
        self.name = name
        check_if_literal(name, partial(non_blank, "name"))

    def _arguments(self) -> Mapping[str, object]:
        return {"name": non_blank("name", self.name)}

    def _shows_in(self, one: Group) -> bool:
        return _is_named(one, self.name)

    def _send(self, object_id: int) -> object:
        return self.hook.edit_group(object_id, self.name)


class NovaConnectRemoveGroupOperator(NovaConnectGroupOperator):
    """Remove a group; its SIMs stay. Return `{"group_id", "changed", "skipped"}`.

    :param confirm: must be True, otherwise the Dag is refused when it is parsed: which SIMs were in the group
        is lost.
    :param missing_ok: whether it is no error if there is no such group.

    Raises TelecomInputError, TelecomAuthError (not an administrator), TelecomRejectedError,
    TelecomUnknownError. Source: "Группы", "Удаление".
    """

    is_removal: ClassVar[bool] = True

    def __init__(
        self, *, confirm: bool = False, missing_ok: bool = False, **kwargs: Unpack[GroupArguments]
    ) -> None:
        super().__init__(**kwargs)
        if confirm is not True:
            raise TelecomInputError("confirm", "must be True: the group is lost, with its list of SIMs")
        self.confirm, self.missing_ok = confirm, boolean("missing_ok", missing_ok)

    def _arguments(self) -> Mapping[str, object]:
        return {}

    def _shows_in(self, one: Group) -> bool:
        return False

    def _send(self, object_id: int) -> object:
        return self.hook.remove_group(object_id)
