"""The calls for SIMs. Source: "Сим-карты" of the vendor's document.

All operations except renaming are put into a queue: `Queued` means that they wait there, not that they are
done. The end is posted to `callback_url`, and shows in the list of SIMs; no call returns the state of a
queue. Operations need the role of an administrator (otherwise TelecomAuthError), and raise TelecomInputError,
TelecomRejectedError and TelecomUnknownError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import ListPage
from airflow_provider_telecom.vendors.novaconnect.models import Queued, RenamedSim, Sim
from airflow_provider_telecom.vendors.novaconnect.requests import (
    PAGE_SIZE,
    NovaConnectCalls,
    drop_none,
)
from airflow_provider_telecom.vendors.novaconnect.responses import Envelope


class SimFilter(TypedDict, total=False):
    """Which SIMs are listed, and their order (by default ascending ids). See `SimCalls.list_sims`."""

    profile: Literal["TD", "TC"] | None
    msu_block: bool | None
    blocked: bool | None
    query: str | None
    sort: Mapping[str, str] | None


class SimCalls(NovaConnectCalls):
    """Lists SIMs and changes them."""

    @endpoint
    def list_sims(
        self, page: int = 0, size: int = PAGE_SIZE, **choice: Unpack[SimFilter]
    ) -> Call[ListPage[Sim]]:
        """Return one page of SIMs, the first being 0.

        `profile` is TD or TC; `msu_block` True means SIMs that are blocked for MSU; `blocked` means SIMs with
        any block (True) or without one (False); `query` is the vendor's search; `sort` is like `{"name":
        "DESC"}`.

        Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. A read. Source: "Список сим-карт".
        """
        return self._list_page("sim/list", list[Sim], _filter(**choice), page, size)

    @endpoint
    def all_sims(self, *, size: int = PAGE_SIZE, **choice: Unpack[SimFilter]) -> Call[list[Sim]]:
        """Return all SIMs that `list_sims` lists (with its filters), each once, read in pages of `size`.

        Also raises TelecomAnswerError if rows were missed between pages in two readings.
        """
        return self._read_list("sim/list", list[Sim], _filter(**choice), size)

    @endpoint
    def block_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the voluntary block of SIMs. Source: "Блокировка".

        A duplicate costs nothing, but a late one undoes a newer unblocking.
        """
        return self._queue("block", Idempotency.SET_STATE, sim_ids, callback_url)

    @endpoint
    def unblock_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue lifting the voluntary block. Source: "Разблокировка".

        Blocks m, g and f cannot be lifted by us; p ends with `repackage_sims`. A duplicate costs nothing, but
        a late one undoes a newer blocking.
        """
        return self._queue("unblock", Idempotency.SET_STATE, sim_ids, callback_url)

    @endpoint
    def reconnect_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue a reset of the SIMs' data sessions, which the vendor now does as `disconnect_sims`.

        A duplicate interrupts a live session again. Source: "Перезагрузка".
        """
        return self._queue("reconnect", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def disconnect_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the disconnection of SIMs from the network (Cancel Location). Source: "Отключение".

        A duplicate interrupts a live session again.
        """
        return self._queue("disconnect", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def ping_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue an SMS with the text PING to SIMs of profile TD. Source: "Пинг".

        A duplicate sends a second SMS to each.
        """
        return self._queue("ping", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def send_sms(self, sim_ids: Sequence[int], text: str, *, callback_url: str | None = None) -> Call[Queued]:
        """Queue an SMS of at most 70 characters to SIMs of profile TD. Source: "СМС".

        A duplicate sends a second SMS to each. The report shows what was sent only on the next day.
        """
        params = {"text": arguments.sms_text(text)}
        return self._queue("sms", Idempotency.NONE, sim_ids, callback_url, params=params)

    @endpoint
    def set_limit(
        self,
        sim_ids: Sequence[int],
        limit_mb: int,
        limit_type: Literal["off", "month1"] = "month1",
        *,
        callback_url: str | None = None,
    ) -> Call[Queued]:
        """Queue a traffic limit in megabytes per calendar month (`month1`), or none (`off`), for TC SIMs.

        The vendor requires `limit_mb` with `off` too. A duplicate costs nothing, but a late one undoes a
        newer limit. Source: "Установка лимита".
        """
        params = {
            "value": arguments.limit_mb(limit_mb),
            "type": one_of("limit_type", limit_type, ("off", "month1")),
        }
        return self._queue("limit", Idempotency.SET_STATE, sim_ids, callback_url, params=params)

    @endpoint
    def set_tariff(
        self,
        sim_ids: Sequence[int],
        package_kb: int,
        auto_package: bool,
        all_world: bool | None = None,
        *,
        callback_url: str | None = None,
    ) -> Call[Queued]:
        """Queue another package for SIMs of profile TD: 15360 to 102400 kilobytes in steps of 5120.

        `auto_package` buys the package again when it is used up; `all_world` adds worldwide roaming (tariff
        TD_Mega). A duplicate may buy twice, and a change may lock the tariff for a time. Source: "Изменение
        тарификации".
        """
        params = drop_none(
            value=arguments.package_kb(package_kb),
            auto_package=arguments.boolean("auto_package", auto_package),
            all_world=None if all_world is None else arguments.boolean("all_world", all_world),
        )
        return self._queue("tariff", Idempotency.NONE, sim_ids, callback_url, params=params)

    @endpoint
    def repackage_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the purchase of the same package for SIMs of profile TD. Source: "Переподключение пакета".

        A duplicate buys a second one.
        """
        return self._queue("repackage", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def rename_sim(self, sim_id: int, name: str) -> Call[RenamedSim]:
        """Give a SIM another name, and return the vendor's answer. Source: "Переименование".

        A duplicate costs nothing, but a late one undoes a newer name. Also raises TelecomNotFoundError.
        """
        body = {"id": arguments.valid_id("sim_id", sim_id), "name": non_blank("name", name)}
        return self._post("sim/edit", Idempotency.SET_STATE, body, partial(_renamed, sim_id, name))

    @endpoint
    def set_groups(
        self,
        sim_ids: Sequence[int],
        group_ids: Sequence[int] = (),
        new_group_names: Sequence[str] = (),
        *,
        groups: Sequence[int] | None = None,
        callback_url: str | None = None,
    ) -> Call[Queued]:
        """Queue groups for SIMs: existing groups by id, others by name (created if no group has the name).

        At least one of both must be given, or `groups=[]`, which means no groups: neither list is sent, and
        if the vendor refuses that, an empty list. The document requires no list, and does not say what such a
        request does, nor whether a SIM leaves its other groups. A duplicate costs nothing, but a late one
        undoes a newer choice. Source: "Сим-карты", "Группы".
        """
        if groups is not None:
            arguments.no_groups(groups, group_ids, new_group_names)
            return self._clear_groups(sim_ids, callback_url)
        existing = arguments.id_list("group_ids", group_ids)
        new = arguments.names("new_group_names", new_group_names)
        if not existing and not new:
            raise TelecomInputError(
                "group_ids", "must be given, or new_group_names, or both (groups=[] for no groups)"
            )
        lists = drop_none(group=existing or None, new_group=new or None)
        return self._queue("group", Idempotency.SET_STATE, sim_ids, callback_url, **lists)

    def _clear_groups(self, sim_ids: Sequence[int], callback_url: str | None) -> Call[Queued]:
        try:
            return (yield from self._queue("group", Idempotency.SET_STATE, sim_ids, callback_url))
        except TelecomRejectedError:  # nothing was done, so the other reading may be tried
            return (yield from self._queue("group", Idempotency.SET_STATE, sim_ids, callback_url, group=[]))

    def _queue(
        self,
        operation: str,
        idempotency: Idempotency,
        sim_ids: Sequence[int],
        callback_url: str | None,
        **more: object,
    ) -> Call[Queued]:
        may_be_http = self.options.allow_http_webhooks
        url = None if callback_url is None else arguments.callback_url(callback_url, may_be_http)
        body = {"items": arguments.ids("sim_ids", sim_ids), **drop_none(callbackUrl=url), **more}
        return self._post(f"sim/{operation}", idempotency, body, lambda envelope: envelope.item(Queued))


def _renamed(sim_id: int, name: str, envelope: Envelope) -> RenamedSim:
    """Return the vendor's answer. Raises TelecomAnswerError if it names another SIM or another name."""
    found = envelope.item(RenamedSim)
    if found.queue_id is None and (found.id, (found.name or "").strip()) != (sim_id, name.strip()):
        raise unreadable_response("an answer about another id or name", envelope.body)
    return found


def _filter(
    profile: str | None = None,
    msu_block: bool | None = None,
    blocked: bool | None = None,
    query: str | None = None,
    sort: Mapping[str, str] | None = None,
) -> dict[str, object]:
    found = drop_none(
        profile=None if profile is None else one_of("profile", profile, ("TD", "TC")),
        msu_block=None if msu_block is None else arguments.boolean("msu_block", msu_block),
        blocked=None if blocked is None else arguments.boolean("blocked", blocked),
        query=None if query is None else non_blank("query", query),
    )
    order = dict(sort or {"id": "ASC"})
    for name, direction in order.items():
        non_blank("sort", name)
        one_of("sort", direction, ("ASC", "DESC"))
    return {**drop_none(filter=found or None), "sort": order}
