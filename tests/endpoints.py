"""All endpoints of all vendors: the class of each, and what the vendor receives when something fails.

`seen` holds whole numbers: how many requests reach the endpoint when the failure happens once,
in the order of FAILURES. A request that is refused a connection reaches nobody, hence the 1 there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_telecom.vendors.registry import vendors

FAILURES = ("not_sent", "unknown", "429", "5xx", "401")

# requests seen after:      not_sent unknown 429 5xx
_SAFE = (1, 2, 2, 2)  # reads, billed reads, tokens, effects with an idempotency key
_ONCE = (1, 1, 2, 1)  # states, drafts, effects without one
_SEEN = {"R": _SAFE, "RB": _SAFE, "T": _SAFE, "K": _SAFE, "S": _ONCE, "D": _ONCE, "X": _ONCE}

PHONE, OTHER_PHONE = "380670000201", "380670000202"
Arguments = Callable[[Any, Path], tuple[tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True)
class Row:
    """One endpoint. `prepare` may use the vendor first, and returns what the method is called with."""

    vendor: str
    http: str
    path: str
    """As the vendor documents it; `pattern` is what its requests look like to the simulator."""
    cls: str
    method: str
    prepare: Arguments = field(repr=False)
    pattern: str
    renews: bool = False
    one_shot: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    """The connection's extra fields that the endpoint needs."""

    @property
    def seen(self) -> dict[str, int]:
        """The requests that the endpoint sees, by failure."""
        counts = _ONCE if self.one_shot else _SEEN[self.cls]
        return dict(zip(FAILURES, (*counts, 2 if self.renews else 1), strict=True))

    def __str__(self) -> str:
        return "-".join((self.vendor, self.method, self.path.split("/")[-1], *self.extra.values()))


def _with(*args: Any, **kwargs: Any) -> Arguments:
    return lambda hook, folder: (args, kwargs)


def _lazy(*makers: Callable[[], Any], **kwargs: Any) -> Arguments:
    return lambda hook, folder: (tuple(make() if callable(make) else make for make in makers), kwargs)


def _row(
    vendor: str,
    renews: bool,
    http: str,
    path: str,
    cls: str,
    method: str,
    prepare: Arguments,
    pattern: str = "",
    **facts: Any,
) -> Row:
    return Row(vendor, http, path, cls, method, prepare, pattern or path + "$", renews, **facts)


def _kyivstar(
    http: str, path: str, cls: str, method: str, prepare: Arguments, pattern: str, **facts: Any
) -> Row:
    return _row(
        "kyivstar_open_telecom", facts.pop("renews", True), http, path, cls, method, prepare, pattern, **facts
    )


def _sms_id(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.send_sms(PHONE, "Hi").message_id,), {}


def _viber_id(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.send_viber_promotion(PHONE, "Hi").message_id,), {}


def _promo(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.create_promo("Hi").id,), {}


def _filled_promo(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    promo_id = hook.create_promo("Hi").id
    hook.add_promo_audience(promo_id, [PHONE])
    return (promo_id,), {}


def _waiting_promo(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args, _ = _filled_promo(hook, folder)
    hook.start_promo(*args)
    return args, {}


def _promo_and_audience(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    (promo_id,), _ = _promo(hook, folder)
    return (promo_id, [PHONE, OTHER_PHONE]), {}


KYIVSTAR = [
    _kyivstar("POST", "/idp/oauth2/token", "T", "fetch_token", _with(), "/idp/oauth2/token$", renews=False),
    _kyivstar("POST", "/subscribers/{p}/verify-sim", "RB", "verify_sim", _with(PHONE, 48), "/verify-sim$"),
    _kyivstar(
        "POST",
        "/subscribers/{p}/check-sim-count",
        "RB",
        "check_sim_count",
        _with(PHONE, 30),
        "/check-sim-count$",
    ),
    _kyivstar(
        "GET",
        "/subscribers/{p}/device-check",
        "RB",
        "check_device",
        _with(PHONE, days_period=30),
        "/device-check$",
    ),
    _kyivstar(
        "POST", "/subscribers/{p}/lifetime-check", "RB", "check_lifetime", _with(PHONE), "/lifetime-check$"
    ),
    _kyivstar("GET", "/subscribers/{p}/score", "RB", "get_score", _with(PHONE), "/score$"),
    _kyivstar("POST", "/sms", "X", "send_sms", _with(PHONE, "Hi"), "/sms$"),
    _kyivstar("GET", "/sms/{msgId}", "R", "get_sms", _sms_id, "/sms/.+"),
    _kyivstar(
        "POST", "/viber/transaction", "X", "send_viber_transaction", _with(PHONE, "Hi"), "/viber/transaction$"
    ),
    _kyivstar(
        "POST", "/viber/promotion", "X", "send_viber_promotion", _with(PHONE, "Hi"), "/viber/promotion$"
    ),
    _kyivstar("GET", "/viber/status/{mid}", "R", "get_viber", _viber_id, "/viber/status/"),
    _kyivstar("POST", "/promo", "D", "create_promo", _with("Hi"), "/promo$"),
    _kyivstar("GET", "/promo", "R", "list_promos", _with(page_number=1), "/promo$"),
    _kyivstar("GET", "/promo/{id}", "R", "get_promo", _promo, "/promo/[^/]+$"),
    _kyivstar("POST", "/promo/{id}/audience", "D", "add_promo_audience", _promo_and_audience, "/audience$"),
    _kyivstar("PUT", "/promo/{id}/status/WAITING", "S", "start_promo", _filled_promo, "/status/WAITING$"),
    _kyivstar(
        "PUT", "/promo/{id}/status/SUSPENDED", "S", "suspend_promo", _waiting_promo, "/status/SUSPENDED$"
    ),
    _kyivstar("GET", "/promo/{id}/statistics", "R", "get_promo_statistics", _filled_promo, "/statistics$"),
]


def _kyivstar_v1(http: str, path: str, cls: str, method: str, prepare: Arguments, pattern: str) -> Row:
    return _kyivstar(
        http, f"/v1{path}", cls, method, prepare, f"/rest/v1{pattern}", extra={"api_version": "v1"}
    )


def _contents() -> Any:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

    return [ViberContent("Hi"), SmsContent("Hi")]


def _batch() -> Any:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms

    return [BatchSms(PHONE, "Hi", name="m0")]


def _multichannel_id(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.send_multichannel(PHONE, _contents()).message_id,), {}


def _batch_ids(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ([item.message_id for item in hook.send_sms_batch(_batch()).items],), {}


def _rcs_id(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.send_rcs_text(PHONE, "Hi").message_id,), {}


def _viber_promo_and_image(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.create_viber_promo("Hi").id, b"\x89PNG\r\n\x1a\n picture"), {}


BUTTON = {"text": "More", "url": "https://example.com/"}
KYIVSTAR_V1 = [
    _kyivstar_v1(
        "GET",
        "/subscribers/{p}/sim-check-antifraud",
        "RB",
        "verify_sim",
        _with(PHONE, 48),
        "/subscribers/[0-9]+/sim-check-antifraud$",
    ),
    _kyivstar_v1(
        "GET",
        "/subscribers/{p}/sim-count",
        "RB",
        "check_sim_count",
        _with(PHONE, 30),
        "/subscribers/[0-9]+/sim-count$",
    ),
    _kyivstar_v1(
        "GET",
        "/subscribers/{p}/device-check",
        "RB",
        "check_device",
        _with(PHONE, days_period=30),
        "/subscribers/[0-9]+/device-check$",
    ),
    _kyivstar_v1(
        "GET",
        "/subscribers/{p}/lifetime",
        "RB",
        "check_lifetime",
        _with(PHONE),
        "/subscribers/[0-9]+/lifetime$",
    ),
    _kyivstar_v1(
        "GET", "/subscribers/{p}/scoring", "RB", "get_score", _with(PHONE), "/subscribers/[0-9]+/scoring$"
    ),
    _kyivstar_v1("POST", "/sms", "X", "send_sms", _with(PHONE, "Hi"), "/sms$"),
    _kyivstar_v1("POST", "/sms/batch", "X", "send_sms_batch", _lazy(_batch), "/sms/batch$"),
    _kyivstar_v1("POST", "/sms/status/batch", "R", "get_sms_batch", _batch_ids, "/sms/status/batch$"),
    _kyivstar_v1(
        "POST",
        "/messaging/multichannel",
        "X",
        "send_multichannel",
        _lazy(lambda: PHONE, _contents),
        "/messaging/multichannel$",
    ),
    _kyivstar_v1(
        "GET",
        "/messaging/multichannel/{multiMsgId}",
        "R",
        "get_multichannel",
        _multichannel_id,
        "/messaging/multichannel/.+",
    ),
    _kyivstar_v1("POST", "/rcs/text", "X", "send_rcs_text", _with(PHONE, "Hi"), "/rcs/text$"),
    _kyivstar_v1(
        "POST",
        "/rcs/suggestion",
        "X",
        "send_rcs_suggestion",
        _with(PHONE, "Hi", [BUTTON]),
        "/rcs/suggestion$",
    ),
    _kyivstar_v1(
        "POST", "/rcs/richcard", "X", "send_rcs_rich_card", _with(PHONE, title="Hi"), "/rcs/richcard$"
    ),
    _kyivstar_v1("GET", "/rcs/{msgId}", "R", "get_rcs", _rcs_id, "/rcs/.+"),
    _kyivstar_v1("POST", "/promo (Viber)", "D", "create_viber_promo", _with("Hi"), "/promo$"),
    _kyivstar_v1("POST", "/promo (RCS)", "D", "create_rcs_promo", _with("Hi"), "/promo$"),
    _kyivstar_v1(
        "POST", "/promo/{id}/image", "D", "add_promo_image", _viber_promo_and_image, "/promo/[^/]+/image$"
    ),
]
"""API v1 is not in the vendor's document: these are found in a public client."""


def _ketchup(http: str, path: str, cls: str, method: str, prepare: Arguments, pattern: str = "") -> Row:
    return _row("ketchup_loyalty", False, http, path, cls, method, prepare, pattern or f"{path}$")


def _ketchup_sms(hook: Any) -> Any:
    return hook.send_sms(PHONE, "Hi", reference="r1")


def _message(msisdn: str, reference: str) -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import IndividualSms

    return IndividualSms(msisdn=msisdn, text="Hi", originator="test", reference=reference)


def _recipients(*pairs: tuple[str, str]) -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient

    return [Recipient(msisdn=msisdn, reference=reference) for msisdn, reference in pairs]


TWO = ((PHONE, "r1"), (OTHER_PHONE, "r2"))


def _queries() -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery

    return [HlrQuery(msisdn, reference) for msisdn, reference in TWO]


def _viber_recipients(has_keys: bool = True) -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

    return [ViberRecipient(msisdn, reference if has_keys else None) for msisdn, reference in TWO]


def _ketchup_task(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.send_sms_to_many(_recipients(*TWO), "Hi").task_id,), {}


def _looked_up(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.create_hlr(PHONE, reference="r1").id,), {}


def _until_a_viber_key_comes_back(hook: Any) -> None:
    """Send Viber messages until KetchUp gives a key back: before that, none is relied on."""
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

    for number in range(2):
        before = [ViberRecipient("380670000203", f"before{number}")]
        if hook.send_viber(before, "Hi", sender="Shop").results[0].key_returned:
            return


def _viber_with_keys(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    _until_a_viber_key_comes_back(hook)
    return (_viber_recipients(), "Hi"), {"sender": "Shop"}


def _viber_messages_with_keys(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberMessage

    _until_a_viber_key_comes_back(hook)
    texts = zip(_viber_recipients(), ("Hi", "Hello"), strict=True)
    return ([ViberMessage([recipient], text, "Shop") for recipient, text in texts],), {}


def _sent_viber(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    _until_a_viber_key_comes_back(hook)
    return (hook.send_viber(_viber_recipients(), "Hi", sender="Shop").results[0].id,), {}


def _today() -> dict[str, Any]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return {"time_in_from": now - timedelta(days=1), "time_in_to": now + timedelta(minutes=1)}


def _export(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    _ketchup_sms(hook)
    return (hook.create_statistics_export(**_today()),), {}


def _later(prepare: Arguments, *args: Any, **kwargs: Any) -> Arguments:
    """Use the vendor first, then call with these arguments."""

    def run(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
        prepare(hook, folder)
        return args, kwargs

    return run


def _sent_sms(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (_ketchup_sms(hook).id,), {}


def _two_recipients() -> Any:
    return _recipients(*TWO)


def _two_messages() -> Any:
    return [_message(*pair) for pair in TWO]


def _hi() -> str:
    return "Hi"


KETCHUP = [
    _ketchup(
        "PUT/POST", "/hlr/create (one, form)", "K", "create_hlr", _with(PHONE, reference="r1"), "/hlr/create$"
    ),
    _ketchup("PUT/POST", "/hlr/create (many, JSON)", "K", "create_hlrs", _lazy(_queries), "/hlr/create$"),
    _ketchup("GET", "/hlr/prices/{tariff}", "R", "list_hlr_prices", _with(), "/hlr/prices/9$"),
    _ketchup("GET", "/hlr/{id}", "R", "get_hlr", _looked_up, "/hlr/[0-9]+$"),
    _ketchup(
        "GET",
        "/hlr/reference/{reference}",
        "R",
        "get_hlr_by_reference",
        _later(_looked_up, "r1"),
        "/hlr/reference/r1$",
    ),
    _ketchup("GET", "/sms/{id}", "R", "get_sms", _sent_sms, "/sms/[0-9]+$"),
    _ketchup(
        "GET",
        "/sms/reference/{reference}",
        "R",
        "get_sms_by_reference",
        _later(_sent_sms, "r1"),
        "/sms/reference/r1$",
    ),
    _ketchup("GET", "/sms/task/{task_id}", "R", "get_sms_task", _ketchup_task, "/sms/task/[0-9]+$"),
    _ketchup("GET", "/sms/prices/{tariff}", "R", "list_sms_prices", _with(), "/sms/prices/0$"),
    _ketchup("GET", "/viber/{id}", "R", "get_viber", _sent_viber, "/viber/[0-9]+$"),
    _ketchup(
        "GET",
        "/viber/reference/{reference}",
        "R",
        "get_viber_by_reference",
        _later(_sent_viber, "r1"),
        "/viber/reference/r1$",
    ),
    _ketchup("GET", "/viber/prices/{tariff}", "R", "list_viber_prices", _with(), "/viber/prices/0$"),
    _ketchup(
        "PUT/POST", "/sms/create (phone)", "K", "send_sms", _with(PHONE, "Hi", reference="r1"), "/sms/create$"
    ),
    _ketchup(
        "PUT/POST",
        "/sms/create (phones)",
        "K",
        "send_sms_to_many",
        _lazy(_two_recipients, _hi),
        "/sms/create$",
    ),
    _ketchup(
        "PUT/POST",
        "/sms/create (individual)",
        "K",
        "send_individual_sms",
        _lazy(_two_messages),
        "/sms/create$",
    ),
    _ketchup("PUT/POST", "/sms/price", "R", "price_sms", _with(PHONE, "Hi"), "/sms/price$"),
    _ketchup(
        "PUT/POST",
        "/viber/price",
        "R",
        "price_viber",
        _lazy(_viber_recipients, _hi, sender="Shop"),
        "/viber/price$",
    ),
    _ketchup(
        "PUT/POST",
        "/viber/create (with external_id)",
        "K",
        "send_viber",
        _viber_with_keys,
        "/viber/create$",
    ),
    _ketchup(
        "PUT/POST",
        "/viber/create (several messages)",
        "K",
        "send_viber_messages",
        _viber_messages_with_keys,
        "/viber/create$",
    ),
    _ketchup(
        "PUT/POST",
        "/viber/create (without)",
        "X",
        "send_viber",
        _lazy(lambda: _viber_recipients(False), _hi, sender="Shop", without_keys=True),
        "/viber/create$",
    ),
    _ketchup(
        "POST",
        "/stat/create",
        "D",
        "create_statistics_export",
        lambda hook, folder: ((), _today()),
        "/stat/create$",
    ),
    _ketchup(
        "GET",
        "/stat/file/id/{k}/format/{f}",
        "R",
        "download_statistics",
        lambda hook, folder: ((*_export(hook, folder)[0], folder / "statistics.json", "json"), {}),
        "/stat/file/id/.+/format/json$",
    ),
    _ketchup("GET", "/stat/list", "R", "list_statistics_exports", _with(), "/stat/list$"),
    _ketchup("DELETE", "/message/list/{k}", "S", "delete_statistics_export", _export, "/message/list/"),
]


def _fmc(http: str, path: str, cls: str, method: str, prepare: Arguments) -> Row:
    return _row("kyivstar_fmc", False, http, path, cls, method, prepare)


def _week(hook: Any, folder: Path) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=6), now


FMC = [
    *(
        _fmc(
            "GET",
            f"/api/cdr/v1/callstat.{format}",
            "R",
            "get_call_records",
            lambda hook, folder, format=format: (_week(hook, folder), {"format": format}),
        )  # type: ignore[misc]
        for format in ("csv", "json", "xml")
    ),
    _fmc("GET", "/api/onebox/v1/originate", "X", "originate_call", _with(PHONE, OTHER_PHONE)),
]


def _sunsim(http: str, path: str, cls: str, method: str, prepare: Arguments, **facts: Any) -> Row:
    return _row("sunsim", facts.pop("renews", True), http, path, cls, method, prepare, **facts)


def _refresh_token(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.create_tokens().refresh,), {}


def _last_hour(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    now = datetime.now(UTC).replace(tzinfo=None)
    return (["79000000000"], now - timedelta(hours=1), now), {}


def _recording(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    now = datetime.now(UTC).replace(tzinfo=None)
    calls = hook.list_calls(["79000000000"], now - timedelta(days=20), now, only_recorded=True).calls
    return (calls[0].record_id,), {}


def _same_settings(hook: Any, folder: Path) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (hook.get_vats_settings(["79000000000"]).settings,), {}


SUNSIM = [
    _sunsim("GET", "/auth/integrationapi/create", "T", "create_tokens", _with(), renews=False),
    _sunsim(
        "GET",
        "/auth/integrationapi/refresh",
        "T",
        "refresh_tokens",
        _refresh_token,
        renews=False,
        one_shot=True,
    ),
    _sunsim("GET", "/callback/create", "X", "create_callback", _with("79000000201", "79000000000")),
    _sunsim("POST", "/request/getcalllist", "R", "list_calls", _last_hour),
    _sunsim("GET", "/request/getcallrecordfile", "R", "get_call_record_file", _recording),
    _sunsim("POST", "/Vats/settings/get", "R", "get_vats_settings", _with(["79000000000"])),
    _sunsim("POST", "/Vats/settings/set", "S", "set_vats_settings", _same_settings),
]


def _nova(path: str, cls: str, method: str, prepare: Arguments, http: str = "POST", pattern: str = "") -> Row:
    return _row("novaconnect", False, http, path, cls, method, prepare, pattern or f"/{path}$")


def _created_user(hook: Any) -> int:
    made: int = hook.create_user("Olena", "Example", "olena@example.com", PHONE).id
    return made


def _created_group(hook: Any) -> int:
    made: int = hook.create_group("Taxis").id
    return made


TD, TC = [1001, 1002], [1041, 1042]
NOVA = [
    _nova("sim/list", "R", "list_sims", _with()),
    _nova("bill/list", "R", "list_bills", _with()),
    _nova("user/list", "R", "list_users", _with()),
    _nova("group/list", "R", "list_groups", _with()),
    _nova("user/get", "R", "get_user", _with()),
    _nova("company/get", "R", "get_company", _with()),
    _nova("report/sessions", "R", "report_sessions", _with()),
    _nova("report/day", "R", "report_days", _with()),
    _nova("report/call_sms", "R", "report_calls_and_sms", _with()),
    _nova(
        "bill/download/{id}",
        "R",
        "download_bill",
        lambda hook, folder: ((501, folder / "bill.pdf"), {}),
        "GET",
        "/bill/download/501$",
    ),
    _nova(
        "bill/download/{id}?mode=transcript",
        "R",
        "download_bill_transcript",
        lambda hook, folder: ((501, folder / "bill.xlsx"), {}),
        "GET",
        "/bill/download/501$",
    ),
    _nova("sim/block", "S", "block_sims", _with(TD)),
    _nova("sim/unblock", "S", "unblock_sims", _with(TD)),
    _nova("sim/limit", "S", "set_limit", _with(TC, 500)),
    _nova("sim/edit", "S", "rename_sim", _with(TD[0], "Taxi 7")),
    _nova("sim/group", "S", "set_groups", _with(TD, (), ("Taxis",))),
    _nova(
        "user/edit",
        "S",
        "edit_other_user",
        lambda hook, folder: ((_created_user(hook),), {"first_name": "Ivan"}),
    ),
    _nova("user/edit (self)", "S", "edit_user", _with(first_name="Ivan"), pattern="/user/edit$"),
    _nova("user/remove", "S", "remove_user", lambda hook, folder: ((_created_user(hook),), {})),
    _nova("group/edit", "S", "edit_group", lambda hook, folder: ((_created_group(hook), "Vans"), {})),
    _nova("group/remove", "S", "remove_group", lambda hook, folder: ((_created_group(hook),), {})),
    _nova("group/create", "D", "create_group", _with("Taxis")),
    _nova("sim/reconnect", "X", "reconnect_sims", _with(TD)),
    _nova("sim/disconnect", "X", "disconnect_sims", _with(TD)),
    _nova("sim/ping", "X", "ping_sims", _with(TD)),
    _nova("sim/sms", "X", "send_sms", _with(TD, "Hi")),
    _nova("sim/tariff", "X", "set_tariff", _with(TD, 15360, True)),
    _nova("sim/repackage", "X", "repackage_sims", _with(TD)),
    _nova("user/create", "X", "create_user", _with("Olena", "Example", "olena@example.com", PHONE)),
    _nova("user/password", "X", "change_password", _with("sim_password_0", "new-password-2")),
]


ROWS = {
    "kyivstar_open_telecom": KYIVSTAR,
    "ketchup_loyalty": KETCHUP,
    "kyivstar_fmc": FMC,
    "sunsim": SUNSIM,
    "novaconnect": NOVA,
}
"""The rows of each vendor: all endpoints that its document has."""
FOUND = {"kyivstar_open_telecom": KYIVSTAR_V1}
"""Endpoints that no document has: public clients show them."""
DOC_FOLDERS = [Path(__file__).parent.parent / "docs" / "vendors"]
"""The folders with the page of each vendor, `<vendor>.md`."""


def rows() -> list[Row]:
    """Return the rows of all vendors."""
    return [row for vendor in vendors() for row in (*ROWS[vendor.id], *FOUND.get(vendor.id, ()))]
