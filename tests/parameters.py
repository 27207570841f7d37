"""Every documented parameter of every endpoint, and calls that pass each of them with a value of its own.

`parameters.tsv` is the list, made from the vendors' documents. Its columns:

- `endpoint`: as in `tests/endpoints.py`; `*` stands for all endpoints of the vendor, `* POST` for those that
  post.
- `parameter`: its place in the request, named as in the document: `body.messages[].to[].msisdn`,
  `query.PhoneTo`, `path.promoUUID`, `header.x-api-key`. `none`: the document has no parameters for this call.
- `line`: of the vendor's document. FOUND: not in the document; public clients send it.
- `argument`: of the hook's method, or a field of an object in it (`recipients[].msisdn`); `fixed`: the method
  decides it; `connection`; or `omitted: reason`.
- `value`: what the request must contain: a text, in which `*` stands for any characters, or `=` for the value
  of the argument.
- `tasks`: the operators, sensors, transfers and notifiers that pass it, each as `Class.argument`; `fixed`;
  `connection`; or `omitted: reason`.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from airflow_provider_telecom.simulator.state import ReceivedRequest
from tests.endpoints import TC, TD, Row

TSV = Path(__file__).with_suffix(".tsv")
OMITTED = "omitted: "
PHONE = "380670000201"


@dataclass(frozen=True)
class Parameter:
    """A row of the list."""

    vendor: str
    endpoint: str
    parameter: str
    line: str
    argument: str
    value: str
    tasks: str

    def __str__(self) -> str:
        return f"{self.vendor}-{self.endpoint}-{self.parameter}-{self.argument}"

    def belongs_to(self, row: Row) -> bool:
        """Return whether it is a parameter of an endpoint, and not of all of them."""
        return self.vendor == row.vendor and self.endpoint in (row.path, f"{row.http} {row.path}")

    def is_shared_by(self, row: Row) -> bool:
        """Return whether it is a parameter of all endpoints, and of this one."""
        return self.vendor == row.vendor and self.endpoint in ("*", f"* {row.http}") and row.cls != "T"


def parameters() -> list[Parameter]:
    """Return the list."""
    with TSV.open(encoding="utf-8", newline="") as file:
        return [Parameter(**row) for row in csv.DictReader(file, delimiter="\t")]


# What a request contains


def content_of(request: ReceivedRequest) -> dict[str, set[str]]:
    """Return the values of a request by place, as texts; `path` has all segments of the path."""
    found: dict[str, set[str]] = defaultdict(set)
    found["path"] |= {unquote(segment) for segment in request.path.split("/")}
    for name, value in request.headers.items():
        found[f"header.{name}"].add(value)
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        found[f"query.{name}"].add(value)
    for place, leaf in _leaves("body", _body_of(request)):
        found[place].add(str(leaf))
    return found


def _body_of(request: ReceivedRequest) -> Any:
    if not request.body:
        return {}
    try:
        return json.loads(request.body)
    except ValueError:
        pass
    if "form-data" in request.headers["content-type"]:
        return dict(re.findall(r'name="(\w+)"\r\n(?:.+\r\n)*\r\n(.*)\r\n', request.body))
    return {name: values[0] for name, values in parse_qs(request.body).items()}


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{place}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(f"{place}[]", inner)
    else:
        yield place, value


# Calls that pass everything

Call = Callable[[Any, Path], dict[str, Any]]
"""Uses the vendor first, and returns the arguments of the method."""


def _with(**arguments: Any) -> Call:
    return lambda hook, folder: arguments


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _of(name: str, prepare: Callable[[Any], Any]) -> Call:
    return lambda hook, folder: {name: prepare(hook)}


def _promo(hook: Any) -> str:
    made: str = hook.create_promo("Hi ${1}", sender="messagedesk").id
    return made


def _filled_promo(hook: Any) -> str:
    made: str = hook.create_promo("Hi", sender="messagedesk").id
    hook.add_promo_audience(made, [PHONE])
    return made


def _waiting_promo(hook: Any) -> str:
    made = _filled_promo(hook)
    hook.start_promo(made)
    return made


def _sent_kyivstar_sms(hook: Any) -> str:
    made: str = hook.send_sms(PHONE, "Hi", sender="messagedesk").message_id
    return made


def _sent_kyivstar_viber(hook: Any) -> str:
    made: str = hook.send_viber_promotion(PHONE, "Hi", sender="messagedesk").message_id
    return made


def _audience(hook: Any, folder: Path) -> dict[str, Any]:
    return {"promo_id": _promo(hook), "recipients": [(PHONE, ["Param 1"])]}


KYIVSTAR: dict[str, list[Call]] = {
    "/idp/oauth2/token": [_with()],
    "/subscribers/{p}/verify-sim": [_with(msisdn=PHONE, activation_hours=49)],
    "/subscribers/{p}/check-sim-count": [_with(msisdn=PHONE, days=31)],
    "/subscribers/{p}/device-check": [
        _with(msisdn=PHONE, imei="490154203237518"),
        _with(msisdn=PHONE, days_period=32),
    ],
    "/subscribers/{p}/lifetime-check": [_with(msisdn=PHONE)],
    "/subscribers/{p}/score": [_with(msisdn=PHONE, model_id="8")],
    "/sms": [
        _with(msisdn=PHONE, text="Text 1", sender="messagedesk", max_segments=3, ttl_seconds=3601),
    ],
    "/sms/{msgId}": [
        _of("message_id", lambda hook: hook.send_sms(PHONE, "Hi", sender="messagedesk").message_id)
    ],
    "/viber/transaction": [_with(msisdn=PHONE, text="Text 2", sender="messagedesk", ttl_seconds=3602)],
    "/viber/promotion": [
        _with(
            msisdn=PHONE,
            text="Text 3",
            sender="messagedesk",
            image_url="https://example.com/1.png",
            caption="Button 1",
            action_url="https://example.com/1",
            ttl_seconds=3603,
        )
    ],
    "/viber/status/{mid}": [_of("message_id", _sent_kyivstar_viber)],
    "POST /promo": [_with(text="Text 4", sender="messagedesk")],
    "GET /promo": [
        _with(
            page_size=33,
            page_number=1,
            start_date_from=_at("2026-01-02T03:04:05"),
            start_date_to=_at("2026-02-03T04:05:06"),
            sort_by="startDate",
            sort_direction="DESC",
        )
    ],
    "/promo/{id}": [_of("promo_id", _promo)],
    "/promo/{id}/audience": [_audience],
    "/promo/{id}/status/WAITING": [_of("promo_id", _filled_promo)],
    "/promo/{id}/status/SUSPENDED": [_of("promo_id", _waiting_promo)],
    "/promo/{id}/statistics": [_of("promo_id", _filled_promo)],
}


def _model(name: str, *args: Any, **kwargs: Any) -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty import models

    return getattr(models, name)(*args, **kwargs)


def _sent_sms(hook: Any) -> Any:
    return hook.send_sms(PHONE, "Hi", reference="r1").id


def _sent_viber(hook: Any) -> Any:
    return hook.send_viber([_model("ViberRecipient", PHONE, "r1")], "Hi").results[0].id


def _export(hook: Any) -> Any:
    now = datetime.now(UTC).replace(tzinfo=None)
    _sent_sms(hook)
    return hook.create_statistics_export(time_in_from=now - timedelta(days=1), time_in_to=now)


def _after(prepare: Callable[[Any], Any], **arguments: Any) -> Call:
    def call(hook: Any, folder: Path) -> dict[str, Any]:
        prepare(hook)
        return arguments

    return call


def _sms_terms(number: int, at: str) -> dict[str, Any]:
    return {"validity_hours": 20 + number, "tariff": number, "schedule_at": _at(at)}


def _viber(number: int, key: str | None, **more: Any) -> Call:
    return lambda hook, folder: {
        "recipients": [_model("ViberRecipient", PHONE, key)],
        "text": f"Text {number}",
        "sender": f"Sender{number}",
        "promotional": True,
        "image_url": f"https://example.com/{number}.png",
        "caption": f"Button {number}",
        "action_url": f"https://example.com/{number}",
        "validity_seconds": 3600 + number,
        "tariff": 4,
        "callback_url": f"https://example.com/viber{number}",
        "schedule_at": _at(f"2031-04-05T06:07:{number}"),
        **more,
    }


def _viber_messages(hook: Any, folder: Path) -> dict[str, Any]:
    terms = ("validity_seconds", "tariff")
    given = _viber(14, "key14")(hook, folder)
    message = {name: value for name, value in given.items() if name not in terms}
    return {
        "messages": [_model("ViberMessage", **message)],
        **{name: given[name] for name in terms},
        "tariff": 5,
    }


STATISTICS = {
    "time_in_from": datetime(2026, 1, 2, 3, 4, 5),
    "time_in_to": datetime(2026, 2, 3, 4, 5, 6),
    "msisdns": [PHONE],
    "originator": "Origin4",
    "source_type": "smpp",
    "message_type": "viber",
    "time_sent_from": datetime(2026, 1, 3, 3, 4, 5),
    "time_sent_to": datetime(2026, 2, 4, 4, 5, 6),
    "country_name": "Ukraine",
    "operator_id": "op-7",
    "status": "Delivered",
    "clicks": ("<", 999),
    "callback_url": "https://example.com/stat",
}
KETCHUP: dict[str, list[Call]] = {
    "/hlr/create (one, form)": [
        _with(msisdn=PHONE, reference="ref1", tariff=2, callback_url="https://example.com/hlr")
    ],
    "/hlr/create (many, JSON)": [
        lambda hook, folder: {"queries": [_model("HlrQuery", PHONE, "ref2", 3, "https://example.com/hlr2")]}
    ],
    "/hlr/prices/{tariff}": [_with(tariff=4)],
    "/hlr/{id}": [_of("hlr_id", lambda hook: hook.create_hlr(PHONE, reference="r1").id)],
    "/hlr/reference/{reference}": [
        _after(lambda hook: hook.create_hlr(PHONE, reference="r1"), reference="r1")
    ],
    "/sms/{id}": [_of("message_id", _sent_sms)],
    "/sms/reference/{reference}": [_after(_sent_sms, reference="r1")],
    "/sms/task/{task_id}": [
        _of("task_id", lambda hook: hook.send_sms_to_many([_model("Recipient", PHONE, "r1")], "Hi").task_id)
    ],
    "/sms/prices/{tariff}": [_with(tariff=8)],
    "/viber/{id}": [_of("message_id", _sent_viber)],
    "/viber/reference/{reference}": [_after(_sent_viber, reference="r1")],
    "/viber/prices/{tariff}": [_with(tariff=3)],
    "/sms/create (phone)": [
        _with(
            msisdn=PHONE,
            text="Text 5",
            reference="ref3",
            originator="Origin1",
            **_sms_terms(5, "2031-01-02T03:04:05"),
        )
    ],
    "/sms/create (phones)": [
        lambda hook, folder: {
            "recipients": [_model("Recipient", PHONE, "ref4")],
            "text": "Text 6",
            "originator": "Origin2",
            **_sms_terms(6, "2031-02-03T04:05:06"),
        }
    ],
    "/sms/create (individual)": [
        lambda hook, folder: {
            "messages": [_model("IndividualSms", PHONE, "Text 7", "ref5", "Origin3")],
            **_sms_terms(7, "2031-03-04T05:06:07"),
        }
    ],
    "/sms/price": [
        _with(
            msisdn=PHONE,
            text="Text 5",
            reference="ref3",
            originator="Origin1",
            **_sms_terms(5, "2031-01-02T03:04:05"),
        )
    ],
    "/viber/price": [_viber(13, "key13")],
    "/viber/create (with external_id)": [_viber(11, "key11")],
    "/viber/create (several messages)": [_viber_messages],
    "/viber/create (without)": [_viber(12, None, without_keys=True)],
    "/stat/create": [
        _with(message_ids=["1530913625"]),
        _with(**STATISTICS),
        _with(**{**STATISTICS, "clicks": None}, sl_clicks=True, sl_clicks_comp="<", sl_clicks_count=999),
    ],
    "/stat/file/id/{k}/format/{f}": [
        lambda hook, folder: {"file_key": _export(hook), "target": folder / "file", "format": "json"}
    ],
    "/stat/list": [_with()],
    "/message/list/{k}": [_of("file_key", _export)],
}


def _records(format: str) -> Call:
    now = datetime.now(UTC)
    flags = {"names": True, "departments": True, "ownership": True}
    return _with(start=now - timedelta(days=6), end=now, format=format, **flags)


FMC: dict[str, list[Call]] = {
    **{f"/api/cdr/v1/callstat.{format}": [_records(format)] for format in ("csv", "json", "xml")},
    "/api/onebox/v1/originate": [_with(called_number=PHONE, calling_number="380670000202")],
}


def _recording(hook: Any) -> Any:
    now = datetime.now(UTC).replace(tzinfo=None)
    calls = hook.list_calls(["79000000000"], now - timedelta(days=20), now, only_recorded=True).calls
    return calls[0].record_id


def _call_list(hook: Any, folder: Path) -> dict[str, Any]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return {
        "numbers": ["79000000001"],
        "start": now - timedelta(hours=1),
        "end": now,
        "direction": "incoming",
        "duration_from_seconds": 11,
        "duration_to_seconds": 777,
        "only_recorded": True,
        "is_read": False,
    }


def _settings(hook: Any, folder: Path) -> dict[str, Any]:
    settings = hook.get_vats_settings(["79000000000"]).settings
    profile = settings[0]["profiles"][0]
    profile |= {"isUseCalendar": 1, "workdayDefDay": 5}
    block = profile["scheduleBlocks"][0]
    block |= {"isActive": 0, "nameTerm": "Block 1", "dialModeCode": 21}
    new = {"id": 0, "num": "9001234567", "name": "Name 1", "isActive": 1, "isMlp": 1, "dialTime": 47}
    block["redirectNums"].append(new)
    return {"settings": settings}


SUNSIM: dict[str, list[Call]] = {
    "/auth/integrationapi/create": [_with()],
    "/auth/integrationapi/refresh": [_of("refresh_token", lambda hook: hook.create_tokens().refresh)],
    "/callback/create": [_with(phone_to="79000000201", phone_from="79000000000")],
    "/request/getcalllist": [_call_list],
    "/request/getcallrecordfile": [_of("record_id", _recording)],
    "/Vats/settings/get": [_with(numbers=["79000000002"])],
    "/Vats/settings/set": [_settings],
}


def _queued(path: str, **more: Any) -> Call:
    sims = TC if path == "limit" else TD
    return _with(sim_ids=sims, callback_url=f"https://example.com/{path}", **more)


def _user(hook: Any) -> Any:
    return hook.create_user("Olena", "Example", "olena@example.com", PHONE).id


def _group(hook: Any) -> Any:
    return hook.create_group("Taxis").id


def _edited_user(hook: Any, folder: Path) -> dict[str, Any]:
    return {
        "user_id": _user(hook),
        "first_name": "First 3",
        "last_name": "Last 3",
        "email": "three@example.com",
        "phone": "380670000206",
        "password": "password-5",
        "active": False,
        "role": "user",
    }


DAYS = {"start": "2026-01-02", "end": "2026-03-04", "page": 1, "size": 19}
REPORT = [
    lambda hook, folder: {**DAYS, "sim_ids": TC, "group_ids": [_group(hook)]},
    _with(**DAYS),
]
NOVACONNECT: dict[str, list[Call]] = {
    "sim/list": [
        _with(page=1, size=17, profile="TD", msu_block=False, blocked=True, query="Taxi", sort={"id": "DESC"})
    ],
    "bill/list": [_with(page=1, size=18)],
    "user/list": [_with(page=1, size=21)],
    "group/list": [_with(page=1, size=22, name="Tax")],
    "user/get": [_with()],
    "company/get": [_with()],
    **{f"report/{name}": REPORT for name in ("sessions", "day", "call_sms")},
    "bill/download/{id}": [lambda hook, folder: {"bill_id": 501, "target": folder / "bill.pdf"}],
    "bill/download/{id}?mode=transcript": [
        lambda hook, folder: {"bill_id": 501, "target": folder / "bill.xlsx"}
    ],
    **{
        f"sim/{name}": [_queued(name)]
        for name in ("block", "unblock", "reconnect", "disconnect", "ping", "repackage")
    },
    "sim/limit": [_queued("limit", limit_mb=501), _queued("limit", limit_mb=0, limit_type="off")],
    "sim/edit": [_with(sim_id=1001, name="Taxi 7")],
    "sim/group": [
        lambda hook, folder: {
            **_queued("group")(hook, folder),
            "group_ids": [_group(hook)],
            "new_group_names": ["Group 1"],
        }
    ],
    "sim/sms": [_queued("sms", text="Text 21")],
    "sim/tariff": [_queued("tariff", package_kb=20480, auto_package=True, all_world=False)],
    "user/edit": [_edited_user],
    "user/edit (self)": [_with(first_name="First 1", last_name="Last 1", email="one@example.com")],
    "user/remove": [_of("user_id", _user)],
    "group/edit": [lambda hook, folder: {"group_id": _group(hook), "name": "Group 3"}],
    "group/remove": [_of("group_id", _group)],
    "group/create": [_with(name="Group 2")],
    "user/create": [
        _with(
            first_name="First 2",
            last_name="Last 2",
            email="two@example.com",
            phone="380670000205",
            password="password-4",
            role="user",
            send=True,
        )
    ],
    "user/password": [_with(old_password="sim_password_0", new_password="new-password-3")],
}
CALLS: dict[str, dict[str, list[Call]]] = {
    "kyivstar_open_telecom": KYIVSTAR,
    "ketchup_loyalty": KETCHUP,
    "kyivstar_fmc": FMC,
    "sunsim": SUNSIM,
    "novaconnect": NOVACONNECT,
}
"""For each endpoint, calls that together pass all of its parameters."""
CONNECTIONS: dict[str, dict[str, Any]] = {
    "kyivstar_open_telecom": {"sender": "elsewhere"},
    "ketchup_loyalty": {"originator": "Else", "viber_sender": "Elsewhere", "tariff": 1},
    "novaconnect": {"lang": "en"},
}
"""Options of the connections: an argument that is dropped would be replaced by another value."""


def calls_of(row: Row) -> list[Call]:
    """Return the calls of an endpoint."""
    of_vendor = CALLS[row.vendor]
    return of_vendor.get(row.path) or of_vendor[f"{row.http} {row.path}"]
