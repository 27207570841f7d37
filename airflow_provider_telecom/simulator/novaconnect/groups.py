"""Groups: group/list, create, edit and remove."""

from __future__ import annotations

from dataclasses import asdict

from airflow_provider_telecom.simulator.fields import Field, is_filled_text, is_object, is_text
from airflow_provider_telecom.simulator.novaconnect.fields import REQUIRED_PAGES, is_int, optional
from airflow_provider_telecom.simulator.novaconnect.models import JsonObject
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, item, listing
from airflow_provider_telecom.simulator.novaconnect.responses import find

_ID = {"id": Field(is_int)}
_NAME = {"name": Field(is_filled_text)}
_FILTER = {"filter": optional(is_object, inner={"name": optional(is_text)})}


def group_list(call: Call) -> JsonObject:
    """Answer group/list: all groups whose name contains `filter.name`, ignoring case."""
    part = call.body.get("filter", {}).get("name", "").casefold()
    found = [group for group in call.state.groups.values() if part in group.name.casefold()]
    return listing(call, found, asdict, len(call.state.groups))


def group_create(call: Call) -> JsonObject:
    """Answer group/create. A second group of the same name is possible."""
    return item(asdict(call.state.create_group(call.body["name"])))


def group_edit(call: Call) -> JsonObject:
    """Answer group/edit: another name."""
    group = find(call.state.groups, call.body["id"], "id")
    group.name = call.body["name"]
    call.state.record("group_edited", id=group.id, name=group.name)
    return item(asdict(group))


def group_remove(call: Call) -> JsonObject:
    """Answer group/remove: its SIMs stay and lose the group."""
    group = find(call.state.groups, call.body["id"], "id")
    del call.state.groups[group.id]
    for sim in call.state.sims.values():
        sim.groups = [one for one in sim.groups if one != group.id]
    call.state.record("group_removed", id=group.id, name=group.name)
    return item(asdict(group))


METHODS = {
    "group/list": Method(group_list, {**REQUIRED_PAGES, **_FILTER}),
    "group/create": Method(group_create, _NAME, admin=True),
    "group/edit": Method(group_edit, {**_ID, **_NAME}, admin=True),
    "group/remove": Method(group_remove, _ID, admin=True),
}
