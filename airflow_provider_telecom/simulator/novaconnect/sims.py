"""SIMs: sim/list, sim/edit, and the operations, which are put into a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_telecom.simulator.fields import Field, is_filled_text, is_object, is_text, one_of
from airflow_provider_telecom.simulator.novaconnect.fields import (
    PAGES,
    is_bool,
    is_filled_ids,
    is_ids,
    is_int,
    is_names,
    is_natural,
    is_url,
    optional,
)
from airflow_provider_telecom.simulator.novaconnect.models import JsonObject, Sim
from airflow_provider_telecom.simulator.novaconnect.queues import enqueue
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, item, listing
from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError, find

SORTABLE = (
    *("id", "iccid", "number", "external_number", "name", "balance", "currency", "msu_value"),
    *("profile", "block", "comment"),
)
SMS_CHARACTERS = 70
PACKAGES_KB = range(15360, 102400 + 1, 5120)

_FILTER = {
    "profile": optional(one_of("TD", "TC")),
    "msu_block": optional(is_bool),
    "blocked": optional(is_bool),
    "query": optional(is_text),
}
_SORT = {name: optional(one_of("ASC", "DESC")) for name in SORTABLE}
_LIST = {**PAGES, "filter": optional(is_object, inner=_FILTER), "sort": optional(is_object, inner=_SORT)}
_QUEUED = {"items": Field(is_filled_ids), "callbackUrl": optional(is_url)}
_SMS = {"text": Field(lambda value: is_filled_text(value) and len(str(value)) <= SMS_CHARACTERS)}
_LIMIT = {"value": Field(is_natural), "type": Field(one_of("off", "month1"))}
_TARIFF = {
    "value": Field(lambda value: is_int(value) and value in PACKAGES_KB),
    "auto_package": Field(is_bool),
    "all_world": optional(is_bool),
}


def sim_list(call: Call) -> JsonObject:
    """Answer sim/list: filtered, sorted, in pages; `all_count` counts the SIMs that match the filter."""
    wanted = call.body.get("filter", {})
    found = [sim for sim in call.state.sims.values() if _passes(sim, wanted)]
    for name, direction in reversed(list(call.body.get("sort", {}).items())):
        found.sort(key=lambda sim: _sort_key(getattr(sim, name)), reverse=direction == "DESC")
    return listing(call, found, call.state.show_sim, len(call.state.sims))


def _passes(sim: Sim, wanted: JsonObject) -> bool:
    return (
        wanted.get("profile", sim.profile) == sim.profile
        and wanted.get("msu_block", sim.block == "m") == (sim.block == "m")
        and wanted.get("blocked", sim.block != "n") == (sim.block != "n")
        and _matches_query(sim, wanted.get("query", ""))
    )


def _matches_query(sim: Sim, query: str) -> bool:
    texts = (sim.iccid, sim.number, sim.external_number, sim.name or "", sim.comment or "")
    return any(query.strip().casefold() in text.casefold() for text in texts)


def _sort_key(value: Any) -> tuple[bool, Any]:
    """Return a key that sorts null after all other values."""
    return value is None, 0 if value is None else value


def sim_edit(call: Call) -> JsonObject:
    """Answer sim/edit: another name, at once or by a queue. By the document it has no webhook."""
    sim = find(call.state.sims, call.body["id"], "id")
    if call.state.switches.on("rename_queued"):
        return _queue(call, "rename", [sim.id], {"name": call.body["name"]})
    sim.name = call.body["name"]
    call.state.record("rename", id=sim.id, iccid=sim.iccid, msisdn=sim.number, name=sim.name)
    return item({"id": sim.id, "name": sim.name})


def sim_group(call: Call) -> JsonObject:
    """Answer sim/group: queue the groups; those of `new_group` that do not exist are created now.

    Without any group a SIM is in none.
    """
    lists = [call.body[name] for name in ("group", "new_group") if name in call.body]
    if not lists and call.state.switches["no_groups"] == "empty_list":
        raise RefusedError(400, "missing_field", "group")
    if lists and not any(lists) and call.state.switches["no_groups"] == "left_out":
        raise RefusedError(400, "bad_value", "group")
    for one in call.body["items"]:
        find(call.state.sims, one, "items")
    ids = [find(call.state.groups, one, "group").id for one in call.body.get("group", [])]
    ids += [_group_id(call, name) for name in call.body.get("new_group", [])]
    return _enqueue(call, "group", {"groups": list(dict.fromkeys(ids))})


def _group_id(call: Call, name: str) -> int:
    for group in call.state.groups.values():
        if group.name == name:
            return group.id
    return call.state.create_group(name).id


def _enqueue(call: Call, code: str, params: JsonObject) -> JsonObject:
    for one in call.body["items"]:
        find(call.state.sims, one, "items")
    return _queue(call, code, call.body["items"], params)


def _queue(call: Call, code: str, sims: list[int], params: JsonObject) -> JsonObject:
    queue = enqueue(call.state, code, sims, params, call.user, call.body.get("callbackUrl"))
    return item({"queue_id": queue.id})


def _queued(code: str, params: Mapping[str, Field] | None = None) -> Method:
    fields = dict(_QUEUED)
    if params is not None:
        fields["params"] = Field(is_object, inner=params)
    return Method(lambda call: _enqueue(call, code, call.body.get("params", {})), fields, admin=True)


METHODS = {
    "sim/list": Method(sim_list, _LIST),
    "sim/block": _queued("block"),
    "sim/unblock": _queued("unblock"),
    "sim/reconnect": _queued("disconnect"),
    "sim/disconnect": _queued("disconnect"),
    "sim/ping": _queued("ping"),
    "sim/sms": _queued("sms", _SMS),
    "sim/limit": _queued("limit", _LIMIT),
    "sim/tariff": _queued("tariff", _TARIFF),
    "sim/repackage": _queued("repackage"),
    "sim/edit": Method(sim_edit, {"id": Field(is_int), "name": Field(is_text)}, admin=True),
    "sim/group": Method(
        sim_group, {**_QUEUED, "group": optional(is_ids), "new_group": optional(is_names)}, admin=True
    ),
}
