"""The calls for SIMs. Source: "Сим-карты" of the vendor's document.

All operations but renaming are only put into a queue: `Queued` says that they wait there, not that they
are done. Its end is told to `callback_url`, and shows in the SIMs; no call asks for a queue. They need
the role of an administrator (else TelecomAuthError).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.models import Queued, RenamedSim, Sim
from airflow_provider_telecom.vendors.novaconnect.requests import (
    PAGE_SIZE,
    ListPage,
    NovaConnectCalls,
    drop_none,
)
from airflow_provider_telecom.vendors.novaconnect.responses import Envelope

Profile = Literal["TD", "TC"]


class SimCalls(NovaConnectCalls):
    """Listing SIMs, and what can be done to them."""

    @endpoint
    def list_sims(
        self,
        page: int = 0,
        size: int = PAGE_SIZE,
        *,
        profile: Profile | None = None,
        msu_block: bool | None = None,
        blocked: bool | None = None,
        query: str | None = None,
        sort: Mapping[str, str] | None = None,
    ) -> Call[ListPage[Sim]]:
        """Return one page of SIMs, the first being 0, by rising id unless `sort` says else.

        `blocked` keeps SIMs with any block (or with none), `msu_block` those blocked for MSU, `query`
        is the vendor's search, `sort` is like `{"name": "DESC"}`.

        Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. A read. Source: "Список сим-карт".
        """
        wanted = _wanted(profile, msu_block, blocked, query, sort)
        return self._list_page("sim/list", list[Sim], wanted, page, size)

    @endpoint
    def all_sims(
        self,
        *,
        profile: Profile | None = None,
        msu_block: bool | None = None,
        blocked: bool | None = None,
        query: str | None = None,
        sort: Mapping[str, str] | None = None,
        size: int = PAGE_SIZE,
    ) -> Call[list[Sim]]:
        """Return all SIMs that `list_sims` would find, each once, in pages of `size`.

        Raises TelecomAnswerError as well when rows went missing between pages in two readings.
        """
        wanted = _wanted(profile, msu_block, blocked, query, sort)
        return self._read_list("sim/list", list[Sim], wanted, size)

    @endpoint
    def block_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the voluntary block of SIMs. A copy is free, but a late one undoes a newer unblocking.

        Raises TelecomInputError, TelecomRejectedError, TelecomUnknownError. Source: "Блокировка".
        """
        return self._queue("block", Idempotency.SET_STATE, sim_ids, callback_url)

    @endpoint
    def unblock_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the lifting of the voluntary block. A copy is free, but a late one undoes a newer blocking.

        Blocks m, g and f are not ours to lift; p ends with `repackage_sims`. Raises TelecomInputError,
        TelecomRejectedError, TelecomUnknownError. Source: "Разблокировка".
        """
        return self._queue("unblock", Idempotency.SET_STATE, sim_ids, callback_url)

    @endpoint
    def reconnect_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the reset of SIMs' data sessions, which the vendor now does as `disconnect_sims`.

        A copy drops a live session once more. Raises TelecomInputError, TelecomRejectedError,
        TelecomUnknownError. Source: "Перезагрузка".
        """
        return self._queue("reconnect", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def disconnect_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the disconnection of SIMs from the network (Cancel Location).

        A copy drops a live session once more. Raises TelecomInputError, TelecomRejectedError,
        TelecomUnknownError. Source: "Отключение".
        """
        return self._queue("disconnect", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def ping_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue an SMS with the text PING to SIMs of profile TD.

        A copy sends a second SMS to each. Raises TelecomInputError, TelecomRejectedError,
        TelecomUnknownError. Source: "Пинг".
        """
        return self._queue("ping", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def send_sms(self, sim_ids: Sequence[int], text: str, *, callback_url: str | None = None) -> Call[Queued]:
        """Queue an SMS of at most 70 characters to SIMs of profile TD.

        A copy sends a second SMS to each; the report shows what was sent only the next day. Raises
        TelecomInputError, TelecomRejectedError, TelecomUnknownError. Source: "СМС".
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

        The vendor wants `limit_mb` with `off` too. A copy is free, but a late one undoes a newer limit.
        Raises TelecomInputError, TelecomRejectedError, TelecomUnknownError. Source: "Установка лимита".
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

        `auto_package` buys the package anew when it is used up; `all_world` adds roaming everywhere
        (tariff TD_Mega). A copy may buy twice, and a change may lock the tariff for a time. Raises
        TelecomInputError, TelecomRejectedError, TelecomUnknownError. Source: "Изменение тарификации".
        """
        size = arguments.package_kb(package_kb)
        world = None if all_world is None else arguments.boolean("all_world", all_world)
        auto = arguments.boolean("auto_package", auto_package)
        params = drop_none(value=size, auto_package=auto, all_world=world)
        return self._queue("tariff", Idempotency.NONE, sim_ids, callback_url, params=params)

    @endpoint
    def repackage_sims(self, sim_ids: Sequence[int], *, callback_url: str | None = None) -> Call[Queued]:
        """Queue the purchase of the same package anew for SIMs of profile TD.

        A copy buys a second one. Raises TelecomInputError, TelecomRejectedError, TelecomUnknownError.
        Source: "Переподключение пакета".
        """
        return self._queue("repackage", Idempotency.NONE, sim_ids, callback_url)

    @endpoint
    def rename_sim(self, sim_id: int, name: str) -> Call[RenamedSim]:
        """Give a SIM another name, and return what the vendor says it is now.

        A copy is free, but a late one undoes a newer name. Raises TelecomInputError,
        TelecomNotFoundError, TelecomUnknownError. Source: "Переименование".
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
        callback_url: str | None = None,
    ) -> Call[Queued]:
        """Queue groups for SIMs: existing ones by id, others by name (made unless a group bears it).

        At least one of both must be given: what empty lists would do, the document does not say. Nor does it
        say whether a SIM leaves its other groups.
        A copy is free, but a late one undoes a newer choice. Raises TelecomInputError,
        TelecomRejectedError, TelecomUnknownError. Source: "Сим-карты", "Группы".
        """
        existing = arguments.id_list("group_ids", group_ids)
        new = arguments.names("new_group_names", new_group_names)
        if not existing and not new:
            raise TelecomInputError("group_ids", "must be given, or new_group_names, or both")
        groups = drop_none(group=existing or None, new_group=new or None)
        return self._queue("group", Idempotency.SET_STATE, sim_ids, callback_url, **groups)

    def _queue(
        self,
        operation: str,
        idempotency: Idempotency,
        sim_ids: Sequence[int],
        callback_url: str | None,
        **more: object,
    ) -> Call[Queued]:
        body = {
            "items": arguments.ids("sim_ids", sim_ids),
            **drop_none(callbackUrl=None if callback_url is None else arguments.callback_url(callback_url)),
            **more,
        }
        return self._post(f"sim/{operation}", idempotency, body, lambda envelope: envelope.item(Queued))


def _renamed(sim_id: int, name: str, envelope: Envelope) -> RenamedSim:
    """Return what the vendor says. Raises TelecomAnswerError when that is another SIM or another name."""
    found = envelope.item(RenamedSim)
    if found.queue_id is None and (found.id, (found.name or "").strip()) != (sim_id, name.strip()):
        raise unreadable_response("an answer about another id or name", envelope.body)
    return found


def _wanted(
    profile: Profile | None,
    msu_block: bool | None,
    blocked: bool | None,
    query: str | None,
    sort: Mapping[str, str] | None,
) -> dict[str, object]:
    wanted = drop_none(
        profile=None if profile is None else one_of("profile", profile, ("TD", "TC")),
        msu_block=None if msu_block is None else arguments.boolean("msu_block", msu_block),
        blocked=None if blocked is None else arguments.boolean("blocked", blocked),
        query=None if query is None else non_blank("query", query),
    )
    return {**({"filter": wanted} if wanted else {}), "sort": _order(sort)}


def _order(sort: Mapping[str, str] | None) -> dict[str, str]:
    order = dict(sort or {"id": "ASC"})
    for name, direction in order.items():
        non_blank("sort", name)
        one_of("sort", direction, ("ASC", "DESC"))
    return order
