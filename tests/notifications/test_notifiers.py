"""Every notifier, called both ways against the simulator: each alert once, and errors only in the log."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_mock import MockerFixture

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier, KetchUpViberNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import (
    KyivstarSmsNotifier,
    KyivstarViberNotifier,
)
from airflow_provider_telecom.notifications.novaconnect import NovaConnectSmsNotifier
from airflow_provider_telecom.notifications.sunsim import SunSimCallbackNotifier
from tests.eventually import HANG_SECONDS
from tests.notifications.conftest import EXTRAS
from tests.notifications.contexts import BASE_URL, NUMBER, OTHER, RUN_ID, a_dag, in_worker, of_deadline, sent

pytestmark = pytest.mark.usefixtures("every_hook")
LINK = f"{BASE_URL}/dags/nightly/runs/{RUN_ID}/tasks/load"


@dataclass(frozen=True)
class Case:
    kind: type[Any]
    to: dict[str, Any]
    vendor: str
    ledger: str
    path: str
    conn_type: str


CASES = [
    Case(
        KyivstarSmsNotifier,
        {"msisdn": NUMBER},
        "kyivstar_open_telecom",
        "sms",
        "/sms$",
        "kyivstar_open_telecom",
    ),
    Case(KetchUpSmsNotifier, {"msisdn": NUMBER}, "ketchup_loyalty", "sms", "/sms/create", "ketchup_loyalty"),
    Case(
        KetchUpViberNotifier,
        {"msisdn": NUMBER},
        "ketchup_loyalty",
        "viber",
        "/viber/create",
        "ketchup_loyalty",
    ),
    Case(KyivstarFmcCallNotifier, {"msisdn": NUMBER}, "kyivstar_fmc", "call", "/originate", "kyivstar_fmc"),
    Case(
        SunSimCallbackNotifier,
        {"msisdn": NUMBER, "phone_from": "+79000000000"},
        "sunsim",
        "callback",
        "/callback/create",
        "sunsim",
    ),
    Case(NovaConnectSmsNotifier, {"sim_ids": 1001}, "novaconnect", "sms", "/sim/sms", "novaconnect"),
    Case(
        KyivstarViberNotifier,
        {"msisdn": NUMBER},
        "kyivstar_open_telecom",
        "viber_transaction",
        "/viber/transaction$",
        "kyivstar_open_telecom",
    ),
]
each_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.__name__)


def call_sync(notifier: Any, context: Any) -> None:
    notifier(context)


def call_async(notifier: Any, context: Any) -> None:
    async def run() -> None:
        notifier.context = context
        await notifier

    asyncio.run(run())


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def notify(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Call a notifier as Airflow does."""
    found: Callable[..., None] = request.param
    return found


@each_kind
def test_a_failure_is_sent_once(telecom_simulator: Any, notify: Any, case: Case, caplog: Any) -> None:
    notifier = case.kind(**case.to)
    for attempt in (1, 2, 3):
        notify(notifier, in_worker(try_number=attempt))
    assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 1
    assert len(requests(telecom_simulator, case)) == 1
    assert caplog.text.count("sent before") == 2


@each_kind
def test_another_event_is_sent_too(telecom_simulator: Any, case: Case) -> None:
    events = [
        in_worker(),
        in_worker(map_index=0),
        in_worker(run_id="another"),
        in_worker(state="up_for_retry"),
        in_worker(task_id="clean"),
        {"dag": a_dag(), "run_id": RUN_ID, "reason": "task_failure"},
        of_deadline(),
    ]
    for context in events:
        case.kind(**case.to)(context)
    assert len(sent(telecom_simulator, case.vendor, case.ledger)) == len(events)


@each_kind
def test_each_try_and_another_key_make_it_another(telecom_simulator: Any, case: Case) -> None:
    for notifier in (case.kind(**case.to, each_try=True), case.kind(**case.to, dedupe_key="{{ run_id }}")):
        for attempt in (1, 2):
            notifier(in_worker(try_number=attempt))
    assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 3


def test_the_default_text_and_the_link(telecom_simulator: Any, notify: Any) -> None:
    notify(KyivstarSmsNotifier(msisdn=NUMBER), in_worker())
    (message,) = sent(telecom_simulator, "kyivstar_open_telecom")
    assert message["text"].startswith("Airflow: nightly.load failed (try 1) ")
    assert message["text"].endswith(f" {LINK}")
    assert sms_segments(message["text"]) == 1


def test_without_an_address_there_is_no_link(telecom_simulator: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker())
    assert "http" not in sent(telecom_simulator, "kyivstar_open_telecom")[0]["text"]


def test_a_link_in_the_text_stands_at_the_end_once(telecom_simulator: Any) -> None:
    KyivstarSmsNotifier(msisdn=NUMBER, text="See {{ link }} now")(in_worker())
    assert sent(telecom_simulator, "kyivstar_open_telecom")[0]["text"] == f"See now {LINK}"


@pytest.mark.parametrize(
    "text", ["{{ exception }} {{ ti.task_id }}", "{{ exception | default('') }} {{ reason.x.y }}"]
)
@pytest.mark.parametrize(
    "context", [in_worker, of_deadline, lambda: {"dag": a_dag(), "run_id": "r", "reason": "x"}]
)
def test_unknown_names_are_empty(telecom_simulator: Any, text: str, context: Any) -> None:
    KetchUpViberNotifier(msisdn=NUMBER, text="Look: " + text)(context())
    assert sent(telecom_simulator, "ketchup_loyalty", "viber")[0]["text"].startswith("Look:")


@pytest.mark.parametrize("text", ["{{ broken", "{{ 1 / 0 }}", "{{ no.such() }}", "", "{{ '' }}"])
def test_a_broken_text_gives_way_to_the_summary(telecom_simulator: Any, notify: Any, text: str) -> None:
    notify(KetchUpViberNotifier(msisdn=NUMBER, text=text), in_worker())
    assert sent(telecom_simulator, "ketchup_loyalty", "viber")[0]["text"] == f"{event_summary()} {LINK}"


def event_summary() -> str:
    return f"Airflow: nightly.load failed (try 1) in run {RUN_ID}"


@pytest.mark.parametrize(
    ("case", "longest"),
    [(case, most) for case, most in zip(CASES, [160, 160, 1000, None, None, 70, 1000], strict=True) if most],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("letter", ["x", "ж", "😀"])
def test_long_texts_are_cut(telecom_simulator: Any, case: Case, longest: int, letter: str) -> None:
    case.kind(**case.to, text=letter * 2000)(in_worker())
    text = sent(telecom_simulator, case.vendor, case.ledger)[0]["text"]
    assert len(text) <= longest
    assert ".." in text
    if case.ledger == "sms":
        assert sms_segments(text) == 1


@pytest.mark.parametrize(
    "to", [[NUMBER, OTHER, "0670000200"], f"{NUMBER}, {OTHER}", "{{ ','.join(params.to) }}"]
)
def test_several_recipients_each_once(telecom_simulator: Any, notify: Any, to: Any) -> None:
    notify(KetchUpSmsNotifier(msisdn=to), {**in_worker(), "params": {"to": [NUMBER, OTHER]}})
    assert [one["msisdn"] for one in sent(telecom_simulator, "ketchup_loyalty")] == [
        "380670000200",
        "380670000201",
    ]


def test_a_bad_recipient_does_not_keep_the_others_from_it(telecom_simulator: Any, caplog: Any) -> None:
    KetchUpSmsNotifier(msisdn=["12", "none", OTHER])(in_worker())
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 1
    assert caplog.text.count("not sent: msisdn: ") == 2


def test_of_too_many_recipients_the_first_get_it(telecom_simulator: Any, caplog: Any) -> None:
    numbers = ", ".join(f"+3806700002{place:02}" for place in range(12))
    KetchUpSmsNotifier(msisdn="{{ params.to }}")({**in_worker(), "params": {"to": numbers}})
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 10
    assert "only the first 10 of 12 recipients" in caplog.text


def test_the_calls_of_fmc_ring_the_right_phones(telecom_simulator: Any, notify: Any) -> None:
    notify(KyivstarFmcCallNotifier(msisdn=NUMBER, calling_number="+380670000101"), in_worker())
    assert sent(telecom_simulator, "kyivstar_fmc", "call") == [
        {"calling": "0670000101", "called": "0670000200"}
    ]


def test_senders_are_templates(telecom_simulator: Any) -> None:
    context = {**in_worker(), "params": {"name": "Night"}}
    KetchUpSmsNotifier(msisdn=NUMBER, originator="{{ params.name }}")(context)
    KyivstarSmsNotifier(msisdn=NUMBER, sender="{{ params.name }}")(context)
    assert sent(telecom_simulator, "ketchup_loyalty")[0]["originator"] == "Night"
    assert sent(telecom_simulator, "kyivstar_open_telecom")[0]["sender"] == "Night"


def test_viber_by_kyivstar_has_a_sender_and_a_kind(telecom_simulator: Any, hook_for: Any) -> None:
    hook_for("kyivstar_open_telecom", viber_sender="Shop")
    KyivstarViberNotifier(msisdn=NUMBER)(in_worker())
    KyivstarViberNotifier(msisdn=NUMBER, sender="Night", kind="promotion")(in_worker(task_id="clean"))
    assert sent(telecom_simulator, "kyivstar_open_telecom", "viber_transaction")[0]["sender"] == "Shop"
    assert sent(telecom_simulator, "kyivstar_open_telecom", "viber_promotion")[0]["sender"] == "Night"
    with pytest.raises(TelecomInputError, match="kind"):
        KyivstarViberNotifier(msisdn=NUMBER, kind="hope")  # type: ignore[arg-type]


def test_one_notifier_serves_many_tasks_and_leaves_no_trace_in_contexts(telecom_simulator: Any) -> None:
    notifier, first = KetchUpSmsNotifier(msisdn=NUMBER, text="{{ ti.task_id }}"), in_worker()
    before = set(first)
    notifier(first)
    notifier(in_worker(task_id="clean"))
    texts = [one["text"].split()[0] for one in sent(telecom_simulator, "ketchup_loyalty")]
    assert texts == ["load", "clean"]
    assert set(first) == before


def requests(simulator: Any, case: Case) -> list[Any]:
    return [seen for seen in simulator.state.requests if re.search(case.path, seen.path)]


def wait_for_notifiers() -> None:
    """Wait for the threads that are still at work after a deadline."""
    for thread in threading.enumerate():
        if thread.name == "telecom-notifier":
            thread.join(HANG_SECONDS)
            assert not thread.is_alive()


def one_error(caplog: pytest.LogCaptureFixture) -> str:
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "\n" not in error
    return error


class TestFailures:
    """Whatever happens, it is one line in the log. What was not sent may be sent by the next callback."""

    UNCLEAR = (
        "reset_before",
        "close_before",
        "reset_after",
        "half_body",
        "garbage",
        "bad_status_line",
        "status",
    )

    @pytest.mark.parametrize("case", [case for case in CASES if case.vendor != "ketchup_loyalty"], ids=str)
    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_an_unknown_outcome_is_not_sent_again(
        self, telecom_simulator: Any, notify: Any, case: Case, fault: str, caplog: Any
    ) -> None:
        if case.vendor == "kyivstar_fmc" and fault == "garbage":
            fault = "html"  # the vendor answers nothing, so nothing is garbled
        telecom_simulator.fault(fault, case.vendor, path=case.path, times=9)
        for attempt in (1, 2):
            notify(case.kind(**case.to), in_worker(try_number=attempt))
        assert len(requests(telecom_simulator, case)) == 1
        assert "is not sent again: " in one_error(caplog)

    @pytest.mark.parametrize(
        ("case", "fault", "count"),
        [
            *((CASES[1], fault, 4) for fault in ("reset_after", "garbage", "status")),
            # Once, and under its key only when a search has shown that KetchUp takes the key.
            *((CASES[2], fault, 1 + 4) for fault in ("reset_after", "garbage")),
            (CASES[2], "status", 1),
        ],
        ids=str,
    )
    def test_a_message_with_a_key_is_repeated_under_its_key_and_then_left(
        self, telecom_simulator: Any, case: Case, fault: str, count: int, caplog: Any
    ) -> None:
        telecom_simulator.fault(fault, case.vendor, path=case.path, times=count)
        for attempt in (1, 2):
            case.kind(**case.to)(in_worker(try_number=attempt))
        assert len(requests(telecom_simulator, case)) == count
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) <= 1
        assert "is not sent again: " in one_error(caplog)

    @pytest.mark.parametrize("case", CASES[1:3], ids=str)
    def test_a_message_with_a_key_survives_a_lost_answer(
        self, telecom_simulator: Any, notify: Any, case: Case, caplog: Any
    ) -> None:
        telecom_simulator.fault("reset_after", case.vendor, path=case.path)
        notify(case.kind(**case.to), in_worker())
        assert len(requests(telecom_simulator, case)) == 2
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 1
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    @each_kind
    def test_what_was_refused_may_be_sent_by_the_next_callback(
        self, telecom_simulator: Any, notify: Any, case: Case, caplog: Any
    ) -> None:
        telecom_simulator.fault(
            "status", case.vendor, path=case.path, status=301, headers={"location": "http://127.0.0.1:1/"}
        )
        notify(case.kind(**case.to), in_worker())
        assert " not sent: " in one_error(caplog)
        notify(case.kind(**case.to), in_worker(try_number=2))
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 1

    @each_kind
    def test_a_vendor_that_is_down(
        self, telecom_simulator: Any, notify: Any, case: Case, caplog: Any
    ) -> None:
        with telecom_simulator.refusing():
            notify(case.kind(**case.to), in_worker())
        assert " not sent: " in caplog.text
        notify(case.kind(**case.to), in_worker(try_number=2))
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 1

    @each_kind
    def test_no_connection(self, notify: Any, case: Case, monkeypatch: Any, caplog: Any) -> None:
        monkeypatch.delenv(f"AIRFLOW_CONN_{case.conn_type.upper()}_DEFAULT")
        notify(case.kind(**case.to), in_worker())
        assert "no alert sent" in caplog.text

    @each_kind
    def test_a_wrong_connection(
        self, notify: Any, case: Case, monkeypatch: Any, caplog: Any, telecom_simulator: Any
    ) -> None:
        fields = {**telecom_simulator.connection(case.conn_type), "conn_type": "http"}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(fields))
        notify(case.kind(**case.to, conn_id="other"), in_worker())
        assert "must be of type" in caplog.text

    @each_kind
    def test_refused_credentials(
        self, notify: Any, case: Case, monkeypatch: Any, caplog: Any, telecom_simulator: Any
    ) -> None:
        fields = {**telecom_simulator.connection(case.conn_type), "password": "0" * 64}
        monkeypatch.setenv(f"AIRFLOW_CONN_{case.conn_type.upper()}_DEFAULT", json.dumps(fields))
        notify(case.kind(**case.to), in_worker())
        assert sent(telecom_simulator, case.vendor, case.ledger) == []
        assert " not sent: " in caplog.text
        assert "0" * 64 not in caplog.text

    @each_kind
    @pytest.mark.parametrize(
        "to", ["", "{{ 1 / 0 }}", "{{ broken", "{{ no.such }}", "{{ none }}", "abc{{ '' }}"]
    )
    def test_bad_recipients(self, notify: Any, case: Case, to: str, caplog: Any) -> None:
        notifier = case.kind(**dict.fromkeys(case.to, to or "{{ '' }}"))
        notify(notifier, in_worker())
        assert " sent: " in one_error(caplog)

    @each_kind
    def test_nonsense_in_the_context(self, notify: Any, case: Case, telecom_simulator: Any) -> None:
        for context in ({}, {"ti": 1}, {"dag_run": "x"}, {"deadline": None}, {"ti": None, "reason": 3}):
            notify(case.kind(**case.to), context)
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 5

    @pytest.mark.parametrize(
        ("case", "notify"),
        [*((case, call_sync) for case in CASES), (CASES[0], call_async)],
        ids=lambda value: getattr(value, "kind", value).__name__,
    )
    def test_a_slow_vendor(
        self, telecom_simulator: Any, hook_for: Any, notify: Any, case: Case, caplog: Any
    ) -> None:
        """Only the notifier's deadline ends the request: the connection would wait ten minutes."""
        hook_for(case.conn_type, timeout_read=600, **EXTRAS.get(case.conn_type, {}))
        notify(case.kind(**case.to), in_worker(run_id="before"))  # imports, and has a token
        telecom_simulator.state.requests.clear()
        telecom_simulator.fault("silence", case.vendor, path=case.path, times=9, seconds=3600)
        notify(case.kind(**case.to, deadline_seconds=1), in_worker())
        wait_for_notifiers()
        assert "is not sent again: " in caplog.text
        telecom_simulator.state.faults.clear()
        notify(case.kind(**case.to), in_worker())
        assert len(requests(telecom_simulator, case)) == 1

    @each_kind
    def test_a_vendor_that_wants_us_to_wait(self, telecom_simulator: Any, notify: Any, case: Case) -> None:
        telecom_simulator.fault(
            "status", case.vendor, path=case.path, status=429, headers={"Retry-After": "299"}
        )
        began = time.monotonic()
        notify(case.kind(**case.to, deadline_seconds=300), in_worker())
        assert time.monotonic() - began < HANG_SECONDS
        assert len(requests(telecom_simulator, case)) == 1

    def test_airflow_does_not_answer(
        self, telecom_simulator: Any, notify: Any, caplog: Any, mocker: MockerFixture
    ) -> None:
        given_up, case = threading.Event(), CASES[0]
        mocker.patch("airflow.sdk.Variable.get", side_effect=lambda *_, **__: given_up.wait(HANG_SECONDS))
        notify(case.kind(**case.to, deadline_seconds=1), in_worker())
        given_up.set()
        assert "deadline_seconds have passed" in one_error(caplog)
        wait_for_notifiers()
        assert requests(telecom_simulator, case) == []

    def test_an_account_without_money(self, telecom_simulator: Any, notify: Any, caplog: Any) -> None:
        from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

        vendor_state = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
        vendor_state.balance, full = 0, vendor_state.balance
        notify(KetchUpSmsNotifier(msisdn=NUMBER), in_worker())
        assert "vendor code 8" in caplog.text
        vendor_state.balance = full
        notify(KetchUpSmsNotifier(msisdn=NUMBER), in_worker())
        assert len(sent(telecom_simulator, "ketchup_loyalty")) == 1

    def test_a_recipient_that_viber_refuses(self, telecom_simulator: Any, notify: Any, caplog: Any) -> None:
        notify(KetchUpViberNotifier(msisdn="+14155552671"), in_worker())
        assert sent(telecom_simulator, "ketchup_loyalty", "viber") == []
        assert " not sent: " in caplog.text

    def test_an_unknown_error_of_the_message_is_no_refusal(
        self, telecom_simulator: Any, notify: Any, caplog: Any
    ) -> None:
        """Code 5 says nothing of whether it was sent: never twice."""
        body = '[{"error": 0, "messages": [{"error": 5}]}]'
        telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
        notify(KetchUpViberNotifier(msisdn=NUMBER), in_worker())
        assert "is not sent again" in caplog.text
        notify(KetchUpViberNotifier(msisdn=NUMBER), in_worker())
        assert sent(telecom_simulator, "ketchup_loyalty", "viber") == []


class TestWhenTheDagIsParsed:
    @pytest.mark.parametrize("to", ["", [], [NUMBER] * 11, "+1", ["+380670000200", "+38x"]])
    def test_literal_numbers_are_checked(self, to: Any) -> None:
        with pytest.raises(TelecomInputError, match="msisdn"):
            KyivstarSmsNotifier(msisdn=to)

    @pytest.mark.parametrize("to", ["", 0, "x", [1, -1], list(range(1, 12))])
    def test_literal_sims_are_checked(self, to: Any) -> None:
        with pytest.raises(TelecomInputError, match="sim_ids"):
            NovaConnectSmsNotifier(sim_ids=to)

    @pytest.mark.parametrize(
        "wrong", [{"max_per_hour": 0}, {"deadline_seconds": 0}, {"deadline_seconds": 9999}]
    )
    def test_numbers_out_of_bounds(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(TelecomInputError, match=next(iter(wrong))):
            KyivstarSmsNotifier(msisdn=NUMBER, **wrong)

    @each_kind
    def test_template_fields_are_attributes_left_as_given(self, case: Case) -> None:
        notifier = case.kind(**case.to)
        assert [getattr(notifier, name) for name in case.to] == list(case.to.values())
        assert all(hasattr(notifier, name) for name in notifier.template_fields)
        assert len(set(notifier.template_fields)) == len(notifier.template_fields)

    @each_kind
    def test_a_notifier_can_be_copied(self, case: Case, telecom_simulator: Any) -> None:
        import copy

        notifier = case.kind(**case.to)
        notifier(in_worker())
        copy.deepcopy(notifier)(in_worker())
        assert len(sent(telecom_simulator, case.vendor, case.ledger)) == 1
