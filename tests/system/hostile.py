"""Valid webhooks of all kinds, and malicious changes of them."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Place = tuple[Any, ...]


class Raw(str):
    """A number as it is to be written."""

    __slots__ = ()


_SIM = {
    "id": 1001,
    "iccid": "8970100000000000001",
    "profile": "TD",
    "block": "p",
    "number": "380670000200",
    "external_number": "380670000201",
    "name": "one",
    "balance": "1.50",
    "currency": "EUR",
    "msu_value": 3,
    "comment": "none",
    "groups": [{"id": 1, "name": "all", "added": 1750000000}],
    "limit": {"type": "p_lim", "value": 100, "used": 0.5, "updated": 1750000000, "created": 1750000000},
    "tariff": {"id": 1, "name": "small", "change_lock": 0, "package_auto": True},
    "queue_status": "error",
}
_BILL = {
    "id": 5,
    "period": "2026-01",
    "added": 1750000000,
    "paided": 0,
    "cost": 1.5,
    "valute_course": "41.1",
    "country": "UA",
    "valute_cost": 61.65,
    "bid": "b-5",
    "currency": "UAH",
}
_FILE = {"type": "base64", "format": "application/pdf", "name": "bill.pdf", "body": "QQ=="}
_USER = {"id": 1, "first_name": "A", "last_name": "B", "company_id": 1}

GOOD: dict[str, dict[str, Any]] = {
    "queue": {
        "qid": "q-1",
        "added": 1750000000,
        "queue": "block",
        "handler": "https://example.com/x",
        "items": [_SIM],
        "user": _USER,
        "status": {"count": 2, "process": 1, "percentage": 50},
    },
    "queue/percentage": {"qid": "q-2", "items": _SIM, "status": {"count": 2, "percentage": "50.0"}},
    "notice/sims": {"type": "package_empty", "items": [_SIM], "files": [_FILE]},
    "notice/bills": {"type": "generate_bill", "items": _BILL, "files": _FILE},
    "notice/other": {"type": "something_else", "items": [_BILL]},
    "hlr": {
        "id": "h-1",
        "reference": "r-1",
        "msisdn": "380670000200",
        "network": "25503",
        "status": "active",
        "details": {"ported": 0, "roaming": "1"},
        "createdDatetime": "2026-01-01T10:00:00Z",
        "statusDatetime": "2026-01-01T10:00:01Z",
    },
    "viber": {
        "id": "v-1",
        "reference": "r-1",
        "msisdn": "380670000200",
        "status": "delivered",
        "time_in": "2026-01-01 10:00:00",
        "time_sent": "2026-01-01 10:00:01",
        "time_dr": "2026-01-01 10:00:02",
        "price": "0.70",
        "currency": "UAH",
    },
    "statistics": {
        "error": 0,
        "message_data": [{"message_ID": 1, "msisdn": "380670000200", "Status": "Delivered", "body": "Hi"}],
    },
}
"""Posts of each kind, `kind` or `kind/variant`."""
OF_KETCHUP = ("hlr", "viber", "statistics")

_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\u202eevil",
    "<script>alert(1)</script>",
    "\ud800",
    "a\udfff",
    "q\n",
    "../x",
)
_LONG = ("x" * 300_000, "a" * 300_000 + "1", "1" * 300_000, "1 " * 100_000, "1.0" * 50_000, "-" * 300_000)
_NUMBERS = (
    "1e999999999",
    "-1e999999999",
    "1e4999",
    "NaN",
    "sNaN",
    "Infinity",
    "-inf",
    "1_0",
    "٣٨٠٦٧٠٠٠",
    "０",
)
_WRITTEN = ("0.1", "-0.0", "1e5", "1e399", "1e-399", "1e4999", "1e999999999", "-1e-999999999")
_LISTS = ([], [[]], [{}], [5], ["\ud800"], [{"\ud800": 1}])
_OBJECTS = (
    {},
    {"\ud800": 1},
    {"\x00": "<script>"},
    {"a": {"b": ["\u202e"]}},
    {"__class__": 1, "final": True},
)
_PLAIN = (None, True, False, 0, -1, 10**9, 10**19, 10**4000, -(10**4000))
HOSTILE: Sequence[Any] = (*_TEXTS, *_LONG, *_NUMBERS, *map(Raw, _WRITTEN), *_LISTS, *_OBJECTS, *_PLAIN)
"""Values that nobody should send."""


def put(body: dict[str, Any], place: Place, value: Any) -> Any:
    """Return a body with another value at a place."""
    if not place:
        return value
    changed = copy.deepcopy(body)
    at: Any = changed
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return changed


def encoded(value: Any) -> str:
    """Return JSON, with numbers as they are to be written and halves of characters escaped."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{encoded(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encoded, value)) + "]"
    return json.dumps(value)


def _places(value: Any, before: Place = ()) -> Iterator[Place]:
    yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inner:
        yield from _places(one, (*before, step))


PLACES: dict[str, list[Place]] = {kind: list(_places(body)) for kind, body in GOOD.items()}
"""Where something can be put into each of the good posts."""


@dataclass(frozen=True)
class Shot:
    """A post that nobody should send."""

    vendor: str
    kind: str
    conn_id: str
    nonce: str
    headers: dict[str, str]
    body: bytes


def fuzz(count: int, seed: int) -> Iterator[Shot]:
    """Yield posts made of good ones: values, bytes and headers changed, sometimes nothing at all."""
    dice = random.Random(seed)
    for number in range(count):
        name = dice.choice(sorted(GOOD))
        kind = name.partition("/")[0]
        vendor = "ketchup_loyalty" if kind in OF_KETCHUP else "novaconnect"
        body = _scratched(encoded(_changed(name, dice)).encode(), dice)
        nonce = GOOD[name]["reference"] if kind == "viber" else "account"
        yield Shot(vendor, kind, f"c{number % 40}", nonce, _headers(dice), body)


def _changed(name: str, dice: random.Random) -> Any:
    body: Any = GOOD[name]
    for _ in range(dice.choice((0, 1, 1, 1, 2, 5))):
        place = dice.choice(PLACES[name])
        with suppress(KeyError, IndexError, TypeError, AttributeError):  # the place may be gone by now
            body = put(body, place, _value(dice))
    if isinstance(body, dict) and dice.random() < 0.3:
        extra = dice.choice((
            "final",
            "__class__",
            "model_fields",
            "state",
            "\x00",
            "\ud800",
            "copy",
            "x" * 1000,
        ))
        body = {**body, extra: _value(dice)}
    return body


def _value(dice: random.Random) -> Any:
    depth = dice.randrange(40)
    deep: Any = dice.choice(HOSTILE)
    if dice.random() < 0.1:
        for _ in range(depth):
            deep = [deep] if dice.random() < 0.5 else {"a": deep}
    if dice.random() < 0.05:
        return [1] * dice.choice((9_999, 10_000, 10_001))
    return deep


def _scratched(body: bytes, dice: random.Random) -> bytes:
    """Return a body, one in three of them with bytes changed, cut off, doubled, or made up."""
    fate = dice.randrange(24)
    at = dice.randrange(len(body) + 1)
    if fate < 4:
        return body[:at] + dice.randbytes(dice.randrange(1, 5)) + body[at + dice.randrange(4) :]
    scratches = {
        4: body[:at],
        5: body + body,
        6: dice.randbytes(dice.randrange(2000)),
        7: gzip.compress(body),
        8: body.decode().encode(dice.choice(("utf-16", "utf-32", "utf-8-sig"))),
    }
    return scratches.get(fate, body)


def _headers(dice: random.Random) -> dict[str, str]:
    """Return headers, most of them without harm."""
    if dice.random() < 0.8:
        return {"Content-Type": "application/json"}
    names = (
        "Content-Type",
        "Content-Encoding",
        "X-Forwarded-For",
        "Cookie",
        "Accept-Encoding",
        "Expect",
        "Range",
    )
    values = (
        "gzip",
        "identity",
        "text/html",
        "application/json; charset=koi8-r",
        "_token=x",
        "::1, x",
        "",
        "1" * 5000,
    )
    return {dice.choice(names): dice.choice(values) for _ in range(dice.randrange(1, 4))}
