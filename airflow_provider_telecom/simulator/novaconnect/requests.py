"""One documented method: its fields, who may call it, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_telecom.simulator.fields import Field
from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import JsonObject, User
from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError

DEFAULT_SIZE = 20
CAP = 25
"""The longest page where pages are capped."""


@dataclass(frozen=True)
class Call:
    """A request that has passed its checks: the data, the user, and the JSON body."""

    state: VendorData
    user: User
    body: JsonObject


@dataclass(frozen=True)
class Method:
    """A method of the API. `answer` returns the fields of the envelope besides `code` and `message`."""

    answer: Callable[[Call], JsonObject]
    fields: Mapping[str, Field]
    admin: bool = False


def item(thing: JsonObject) -> JsonObject:
    """Return the fields of a response about one object."""
    return {"result": {"item": thing}}


def cut(call: Call, things: Sequence[Any]) -> list[Any]:
    """Return the requested page of `things`."""
    switches, page = call.state.switches, call.body.get("page", 0)
    asked = call.body.get("size", DEFAULT_SIZE)
    most = call.state.max_rows if switches["page_size"] == "asked" else min(CAP, call.state.max_rows)
    size = min(asked, most)
    step = asked if switches["page_size"] == "rows_capped" else size
    if page and page * step >= len(things):
        if switches["past_the_end"] == "not_found":
            raise RefusedError(404, "not_found", "page")
        if switches["past_the_end"] == "last_page" and things:
            page = (len(things) - 1) // step
    return list(things[page * step : page * step + size])


def listing(
    call: Call, things: Sequence[Any], show: Callable[[Any], JsonObject], whole: int | None = None
) -> JsonObject:
    """Return a page of things, with `count` of this page and `all_count` of all that match, or of all."""
    items = [show(thing) for thing in cut(call, things)]
    counts_whole = whole is not None and call.state.switches["all_count"] == "whole"
    return {"count": len(items), "all_count": whole if counts_whole else len(things), "items": items}
