"""The calls for groups of SIMs. Source: the last "Группы" of the vendor's document."""

from __future__ import annotations

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import ListPage
from airflow_provider_telecom.vendors.novaconnect.models import Group
from airflow_provider_telecom.vendors.novaconnect.requests import (
    PAGE_SIZE,
    NovaConnectCalls,
)
from airflow_provider_telecom.vendors.novaconnect.responses import item_of


class GroupCalls(NovaConnectCalls):
    """Lists groups and changes them. Only an administrator may change them."""

    @endpoint
    def list_groups(
        self, page: int = 0, size: int = PAGE_SIZE, *, name: str | None = None
    ) -> Call[ListPage[Group]]:
        """Return one page of groups, the first being 0; with `name` only groups whose name contains it.

        Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. A read. Source: "Список".
        """
        return self._list_page("group/list", list[Group], _filter(name), page, size)

    @endpoint
    def all_groups(self, *, name: str | None = None, size: int = PAGE_SIZE) -> Call[list[Group]]:
        """Return all groups that `list_groups` lists, each once, read in pages of `size`.

        Also raises TelecomAnswerError if rows were missed between pages in two readings.
        """
        return self._read_list("group/list", list[Group], _filter(name), size)

    @endpoint
    def create_group(self, name: str) -> Call[Group]:
        """Create a group and return it.

        A duplicate is a second group of that name, free and removable: after TelecomUnknownError look for the
        name in `all_groups` first. Raises TelecomInputError, TelecomAuthError. Source: "Создание".
        """
        return self._post(
            "group/create", Idempotency.DRAFT, {"name": non_blank("name", name)}, item_of(Group)
        )

    @endpoint
    def edit_group(self, group_id: int, name: str) -> Call[Group]:
        """Give a group another name and return it.

        A duplicate costs nothing, but a late one undoes a newer name. Raises TelecomInputError,
        TelecomNotFoundError, TelecomUnknownError. Source: "Изменение".
        """
        body = {"name": non_blank("name", name), "id": arguments.valid_id("group_id", group_id)}
        return self._post("group/edit", Idempotency.SET_STATE, body, item_of(Group, group_id))

    @endpoint
    def remove_group(self, group_id: int) -> Call[Group]:
        """Remove a group and return it; its SIMs stay.

        A duplicate costs nothing: it raises TelecomNotFoundError, which after an unknown outcome means
        "done". Raises TelecomInputError, TelecomAuthError, TelecomUnknownError. Source: "Удаление".
        """
        body = {"id": arguments.valid_id("group_id", group_id)}
        return self._post("group/remove", Idempotency.SET_STATE, body, item_of(Group, group_id))


def _filter(name: str | None) -> dict[str, object]:
    return {} if name is None else {"filter": {"name": non_blank("name", name)}}
