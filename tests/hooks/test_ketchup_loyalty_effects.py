"""What KetchUp's calls do exactly once, whatever happens to their answers; and what it reports unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import FaultKind
from airflow_provider_telecom.simulator.switches import of_vendor
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    HlrQuery,
    HlrState,
    HlrStatus,
    IndividualSms,
    Recipient,
    SendResult,
    ViberRecipient,
)
from tests.eventually import HANG_SECONDS

Make = Callable[..., Any]
A, B, C = "380670000201", "380670000202", "380670000203"
UNSERVED = "61491570006"  # an Australian number for drama; the simulator does not serve the country
TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
TWO_VIBER = [ViberRecipient(A, "r1"), ViberRecipient(B, "r2")]
CALLS_WITH_KEY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("send_sms", (A, "Hi"), {"reference": "r1"}),
    ("send_sms_to_many", (TWO, "Hi"), {}),
    ("send_individual_sms", ([IndividualSms(A, "One", "r1"), IndividualSms(B, "Two", "r2")],), {}),
    ("create_hlr", (A,), {"reference": "r1"}),
    ("create_hlrs", ([HlrQuery(A, "r1"), HlrQuery(B, "r2")],), {}),
    ("send_viber", (TWO_VIBER, "Hi"), {}),
]


@pytest.fixture
def hook(hook_for: Make) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop", viber_key="both")


@pytest.fixture(params=CALLS_WITH_KEY, ids=[method for method, *_ in CALLS_WITH_KEY])
def send(
    request: pytest.FixtureRequest, hook: Any, call: Make, telecom_simulator: Simulator
) -> Callable[[], list[SendResult]]:
    """Return a function that makes one of the calls with a key and returns its results."""
    method, args, kwargs = request.param
    if method == "send_viber":  # an earlier message has shown that the keys work
        call(hook.send_viber, [ViberRecipient(C, "r0")], "Hi")
        telecom_simulator.state.ledger.effects.clear()
        telecom_simulator.state.requests.clear()
        books_of(telecom_simulator).balance = Decimal(100_000)

    def run() -> list[SendResult]:
        found = call(getattr(hook, method), *args, **kwargs)
        return list(found.results) if isinstance(found, BatchResult) else [found]

    return run


def books_of(simulator: Simulator) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def effects(simulator: Simulator, kind: str | None = None) -> list[dict[str, Any]]:
    return [effect.facts for effect in simulator.state.ledger.of("ketchup_loyalty", kind)]


def period() -> dict[str, datetime]:
    """Return a window around now, in the vendor's own time, which is UTC here."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return {"time_in_from": now - timedelta(hours=1), "time_in_to": now + timedelta(minutes=1)}


# --- once, whatever happens to the answer


@pytest.mark.parametrize(
    "kind", ["reset_after", "close_after", "half_body", "garbage", "status_after", "bad_status_line"]
)
def test_a_lost_answer_ends_as_success_and_is_paid_once(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]], kind: FaultKind
) -> None:
    telecom_simulator.fault(kind, "ketchup_loyalty")
    results = send()
    keys = ["r1", "r2"][: len(results)]
    assert [(one.reference, one.duplicate, one.key_returned) for one in results] == [
        (key, True, True) for key in keys
    ]
    assert [facts["reference"] for facts in effects(telecom_simulator)] == keys
    paid = sum(Decimal(facts["price"]) for facts in effects(telecom_simulator))
    assert 100_000 - books_of(telecom_simulator).balance == paid > 0


def test_no_money_for_the_second_request_does_not_settle_the_first(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]]
) -> None:
    """The first one took effect, and perhaps the last money with it; only its answer is lost."""
    telecom_simulator.fault("reset_after", "ketchup_loyalty")
    telecom_simulator.fault(
        "body", "ketchup_loyalty", body='{"error": 8, "errorDescription": "Insufficient funds"}'
    )
    with pytest.raises(TelecomUnknownError):
        send()
    assert effects(telecom_simulator)
    telecom_simulator.fault(
        "body", "ketchup_loyalty", body='{"error": 8, "errorDescription": "Insufficient funds"}'
    )
    telecom_simulator.state.faults[:] = telecom_simulator.state.faults[-1:]
    with pytest.raises(TelecomFundsError):
        send()


def test_keys_that_the_vendor_has_had_are_always_warned_of(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]], caplog: pytest.LogCaptureFixture
) -> None:
    """Else two runs that derive one key send one message, and both look right."""
    send()
    assert "KetchUp already knows" not in caplog.text
    results = send()
    assert all(one.duplicate for one in results)
    (warned,) = [record for record in caplog.records if "KetchUp already knows" in record.getMessage()]
    assert warned.levelname == "WARNING"
    assert f"{len(results)} of {len(results)} keys" in warned.getMessage()


@pytest.mark.parametrize("kind", ["reset_before", "close_before", "status", "html"])
def test_what_did_not_happen_happens_on_the_second_try(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]], kind: FaultKind
) -> None:
    telecom_simulator.fault(kind, "ketchup_loyalty")
    results = send()
    assert not any(one.duplicate for one in results)
    assert [facts["id"] for facts in effects(telecom_simulator)] == [one.id for one in results]


def test_answers_that_never_come_are_unknown_and_one_effect(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]]
) -> None:
    fault = telecom_simulator.fault("close_after", "ketchup_loyalty", times=9)
    with pytest.raises(TelecomUnknownError):
        send()
    assert len(telecom_simulator.state.requests) == 4
    once = [facts["reference"] for facts in effects(telecom_simulator)]
    fault.times = 0
    assert all(one.duplicate for one in send())
    assert [facts["reference"] for facts in effects(telecom_simulator)] == once


def test_an_answer_that_comes_too_late_is_lost_as_well(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    telecom_simulator.fault("silence", "ketchup_loyalty", seconds=600)
    sent = call(hook_for("ketchup_loyalty", timeout_read=1.5).send_sms, A, "Hi", reference="r1")
    assert sent.duplicate
    assert len(effects(telecom_simulator)) == 1


def test_a_batch_that_was_sent_half_way_is_made_whole(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    three = [*TWO, Recipient(C, "r3")]
    call(hook.send_sms, A, "Hi", reference="r1")
    assert [one.duplicate for one in call(hook.send_sms_to_many, three, "Hi").results] == [True, False, False]
    again = call(hook.send_sms_to_many, three, "Hi")
    assert (again.task_id, again.total_price) == (None, Decimal(0))
    assert [facts["reference"] for facts in effects(telecom_simulator)] == ["r1", "r2", "r3"]


@pytest.mark.parametrize("kind", ["reset_after", "close_after", "half_body", "garbage", "status_after"])
def test_viber_without_a_key_is_unknown_and_sent_once(
    telecom_simulator: Simulator, hook: Any, call: Make, kind: FaultKind
) -> None:
    telecom_simulator.fault(kind, "ketchup_loyalty", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, [ViberRecipient(A)], "Hi", without_keys=True)
    assert len(effects(telecom_simulator)) == len(telecom_simulator.state.requests) == 1


# --- haste, money, size


def test_too_many_at_once_is_waited_out(
    telecom_simulator: Simulator, send: Callable[[], list[SendResult]]
) -> None:
    books_of(telecom_simulator).throttle = 3
    results = send()
    assert not any(one.duplicate for one in results)
    assert len(effects(telecom_simulator)) == len(results)
    assert len(telecom_simulator.state.requests) == 4


def test_viber_without_a_key_waits_out_the_haste_too(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    books_of(telecom_simulator).throttle = 1
    call(hook.send_viber, [ViberRecipient(A)], "Hi", without_keys=True)
    assert len(effects(telecom_simulator)) == 1


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"balance": Decimal("0.001")}, TelecomFundsError, "8"),
        ({"max_package": 0}, TelecomRejectedError, "12"),
    ],
)
def test_a_refusal_of_the_whole_is_final_and_nothing_is_done(
    telecom_simulator: Simulator,
    send: Callable[[], list[SendResult]],
    change: dict[str, Any],
    error: type[TelecomError],
    code: str,
) -> None:
    vars(books_of(telecom_simulator)).update(change)
    with pytest.raises(error) as caught:
        send()
    assert (type(caught.value), caught.value.code) == (error, code)
    assert (effects(telecom_simulator), len(telecom_simulator.state.requests)) == ([], 1)


# --- the answers' many shapes


def story(hook: Any, call: Make) -> list[Any]:
    """Make nearly all calls and return their results, except times, codes and spelling."""
    results: list[Any] = []

    def tell(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            found = call(method, *args, **kwargs)
        except TelecomError as error:
            results.append(type(error))
            return None
        results.append(_without_codes(found))
        return found

    sent = tell(hook.send_sms, A, "Hi", reference="s1")
    tell(hook.send_sms, A, "Hi", reference="s1")
    tell(hook.send_sms, UNSERVED, "Hi", reference="s2")
    batch = tell(hook.send_sms_to_many, [Recipient(A, "s3"), Recipient(UNSERVED, "s4")], " Hi ")
    tell(hook.send_sms_to_many, [Recipient(A, "s5")], "Hi")
    tell(hook.send_individual_sms, [IndividualSms(A, "Hi", "s6")])
    tell(hook.get_sms_task, batch.task_id)
    tell(hook.price_sms, A, "Hi")
    look_up = tell(hook.create_hlr, A, reference="h1")
    tell(hook.create_hlrs, [HlrQuery(B, "h2"), HlrQuery(UNSERVED, "h3"), HlrQuery(A, "h1")])
    tell(hook.get_hlr, "1")
    tell(hook.get_hlr_by_reference, "none")
    tell(hook.get_sms_by_reference, "none")
    viber = tell(hook.send_viber, [ViberRecipient(A, "v1")], "Hi")
    tell(hook.send_viber, [ViberRecipient(A, "v1"), ViberRecipient(B, "v2")], "Hi")
    tell(hook.price_viber, TWO_VIBER, "Hi")
    for list_prices in (hook.list_sms_prices, hook.list_hlr_prices, hook.list_viber_prices):
        tell(list_prices)
    for get, message_id in (
        (hook.get_sms, sent.id),
        (hook.get_sms_by_reference, "s1"),
        (hook.get_viber, viber.results[0].id),
    ):
        found = call(get, message_id)
        results.append((found.reference, found.msisdn, found.state, found.price, found.currency))
    for get, name in ((hook.get_hlr, look_up.id), (hook.get_hlr_by_reference, "h1")):
        found = call(get, name)
        results.append((found.id, found.reference, found.state, found.network, found.details))
    key = tell(hook.create_statistics_export, **period(), message_type="sms")
    results.append([row["message_ID"] for row in call(hook.get_statistics, key, "csv")])
    results.append([export.key for export in call(hook.list_statistics_exports)])
    tell(hook.delete_statistics_export, key)
    tell(hook.delete_statistics_export, key)
    return results


def _without_codes(found: Any) -> Any:
    """Leave out the codes, of which look-ups have two sets, and whether a key came back."""
    if isinstance(found, BatchResult):
        return found.total_price, found.currency, found.task_id, list(map(_without_codes, found.results))
    return found._replace(code=None, key_returned=False) if isinstance(found, SendResult) else found


SHAPES = [
    (switch.name, value)
    for switch in of_vendor("ketchup_loyalty")
    for value in switch.values[1:]
    if switch.name != "period_end"  # it refuses the period of this story, which ends in the future
]


def directly(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return method(*args, **kwargs)


def same_story(simulator: Simulator, hook: Any, call: Make, shapes: list[tuple[str, str]]) -> bool:
    """Tell the story without and with switches set; return whether it and the ledger are the same."""
    plain = story(hook, call), [{**facts, "filters": None} for facts in effects(simulator)]
    assert len(plain[1]) == 10
    simulator.reset()
    for name, value in shapes:
        simulator.state.set_switch(f"ketchup_loyalty.{name}", value)
    hook.account.learned.clear()
    results = story(hook, call), [{**facts, "filters": None} for facts in effects(simulator)]
    assert results[0] == plain[0]
    return results[1] == plain[1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(shape))
def test_each_shape_of_the_answers_tells_the_same_story(
    telecom_simulator: Simulator, hook: Any, shape: tuple[str, str]
) -> None:
    assert same_story(telecom_simulator, hook, directly, [shape])


def test_all_shapes_together_tell_the_same_story(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    assert same_story(telecom_simulator, hook, call, SHAPES)


# --- reports


@pytest.fixture
def posted() -> Iterator[tuple[str, Queue[bytes]]]:
    """Run a loopback web server; give its address and what was posted there."""
    bodies: Queue[bytes] = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hlr?id=1", bodies
    server.shutdown()
    thread.join(HANG_SECONDS)
    server.server_close()


def test_row_41_a_look_up_posts_to_its_callback_url(
    hook: Any, posted: tuple[str, Queue[bytes]], call: Make
) -> None:
    url, bodies = posted
    made = call(hook.create_hlr, A, reference="r1", callback_url=url)
    report = HlrStatus.model_validate(json.loads(bodies.get(timeout=HANG_SECONDS)))
    assert (report.id, report.reference, report.state) == (made.id, "r1", HlrState.ACTIVE)
    assert report == call(hook.get_hlr, made.id)


def test_row_14_a_viber_message_reports_only_with_a_key(
    hook: Any, posted: tuple[str, Queue[bytes]], call: Make
) -> None:
    url, bodies = posted
    call(hook.send_viber, [ViberRecipient(B)], "Hi", callback_url=url, without_keys=True)
    call(hook.send_viber, [ViberRecipient(A, "r1")], "Hi", callback_url=url)
    assert json.loads(bodies.get(timeout=HANG_SECONDS))["reference"] == "r1"
    assert bodies.empty()


# --- statistics


def test_90_a_file_is_gone_after_a_month(
    telecom_simulator: Simulator, hook: Any, call: Make, tmp_path: Path
) -> None:
    key = call(hook.create_statistics_export, **period())
    telecom_simulator.state.clock.advance(31 * 86_400)
    for ask, *target in (
        (hook.get_statistics,),
        (hook.download_statistics, tmp_path / "mine"),
        (hook.delete_statistics_export,),
    ):
        with pytest.raises(TelecomNotFoundError, match="vendor code 90"):
            call(ask, key, *target)
    assert list(tmp_path.iterdir()) == []
    assert call(hook.list_statistics_exports) == []


def test_92_a_place_that_is_cleared_can_be_taken(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    keys = [call(hook.create_statistics_export, **period()) for _ in range(5)]
    call(hook.delete_statistics_export, keys[2])
    sixth = call(hook.create_statistics_export, **period())
    kept = [export.key for export in call(hook.list_statistics_exports)]
    assert kept == [keys[0], keys[1], keys[3], keys[4], sixth]
    assert [facts["key"] for facts in effects(telecom_simulator, "stat_delete")] == [keys[2]]


@pytest.mark.parametrize("kind", ["reset_after", "garbage", "status_after"])
def test_an_export_whose_key_was_lost_takes_one_place_and_is_listed(
    telecom_simulator: Simulator, hook: Any, call: Make, kind: FaultKind
) -> None:
    telecom_simulator.fault(kind, "ketchup_loyalty", path="/stat/create", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook.create_statistics_export, **period())
    (lost,) = call(hook.list_statistics_exports)
    assert [facts["key"] for facts in effects(telecom_simulator, "stat_export")] == [lost.key]


def test_a_deletion_without_an_answer_is_unknown_and_done_once(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    key = call(hook.create_statistics_export, **period())
    telecom_simulator.fault("close_after", "ketchup_loyalty", method="DELETE")
    with pytest.raises(TelecomUnknownError):
        call(hook.delete_statistics_export, key)
    assert len(effects(telecom_simulator, "stat_delete")) == 1
    with pytest.raises(TelecomNotFoundError, match="vendor code 90"):
        call(hook.delete_statistics_export, key)


def test_row_17_a_window_means_the_vendors_own_hours(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    books_of(telecom_simulator).zone = timezone(timedelta(hours=5))  # Tashkent, all the year
    hook = hook_for("ketchup_loyalty", vendor_timezone="Asia/Tashkent")
    before = datetime.now(UTC).replace(microsecond=0)
    call(hook.send_sms, A, "Hi", reference="r1")
    at = call(hook.get_sms_by_reference, "r1").delivered_at("Asia/Tashkent")
    assert before <= at <= before + timedelta(seconds=30)
    window = {"time_in_from": before, "time_in_to": before + timedelta(minutes=1)}
    key = call(hook.create_statistics_export, **window)
    assert [row["body"] for row in call(hook.get_statistics, key)] == ["Hi"]
    with pytest.raises(TelecomInputError, match="time_in_from"):
        call(hook_for("ketchup_loyalty").create_statistics_export, **window)


@pytest.mark.parametrize(
    ("status", "body"), [(404, ""), (404, "<html>"), (400, "5"), (422, ""), (415, "<html>")]
)
def test_viber_without_a_proven_key_is_posted_once_whatever_a_gateway_refuses(
    telecom_simulator: Simulator, hook: Any, call: Make, status: int, body: str
) -> None:
    """Only a code of the vendor's own proves that nothing was done, so that another form may be tried."""
    telecom_simulator.fault("status_after", "ketchup_loyalty", path="/viber/create", status=status, body=body)
    with pytest.raises(TelecomRejectedError):
        call(hook.send_viber, [ViberRecipient("380670000201", "r1")], "Hi", sender="Shop")
    posts = [seen for seen in telecom_simulator.state.requests if seen.path.endswith("/viber/create")]
    assert len(posts) == len(telecom_simulator.state.ledger.of("ketchup_loyalty", "viber")) == 1


@pytest.mark.parametrize("reading", ["rest", "bare"])
def test_viber_without_a_proven_key_goes_elsewhere_when_prices_are_not_there_either(
    telecom_simulator: Simulator, hook: Any, call: Make, reading: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.base_path", reading)
    call(hook.send_viber, [ViberRecipient("380670000201", "r1")], "Hi", sender="Shop")
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "viber")) == 1
