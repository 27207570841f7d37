"""The fraud gate: which branch follows, what is asked and billed, and what a later try does."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, TaskGroup
from airflow.sdk.exceptions import DownstreamTasksSkipped
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomThrottledError,
)
from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarFraudGateOperator, evidence
from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import (
    AllOf,
    AnyOf,
    Device,
    Lifetime,
    Score,
    SimChanged,
    SimCount,
    Weights,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.tasks.storage import open_parent
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.running import Run, Store

VENDOR = "kyivstar_open_telecom"
NUMBER, FOREIGN, WITHOUT_SCORE = "380670000200", "380500000000", "380670000099"
IMEI, OTHER_IMEI = "35000000000000", "35000000000001"
RULES = AllOf(SimChanged(hours=72), SimCount(days=30, most=2), AnyOf(Lifetime(months=6), Score(least=300)))
BRANCHES = {"pay": "pay_out", "review": "ask_a_person", "refuse": "refuse"}


@pytest.fixture(autouse=True)
def subscriber(hook_for: Callable[..., Any], telecom_simulator: Any) -> Any:
    hook_for(VENDOR).fetch_token()
    found = telecom_simulator.state.vendor_state(VENDOR, VendorState).subscriber(NUMBER)
    found.active, found.sim_changes, found.imei, found.imei_count, found.score = True, [], IMEI, 1, 700
    return found


def gate(**arguments: Any) -> KyivstarFraudGateOperator:
    """Return a gate in a Dag with its three branches."""
    with DAG("dag", schedule=None):
        made = KyivstarFraudGateOperator(**{
            "task_id": "gate",
            "msisdn": NUMBER,
            "rules": RULES,
            **BRANCHES,
            **arguments,
        })
        made >> [BaseOperator(task_id=task_id) for task_id in BRANCHES.values()]
    return made


def decide(operator: KyivstarFraudGateOperator, run: Run | None = None, **more: Any) -> dict[str, Any]:
    """Run one try; return the XCom, after a look at which tasks are skipped."""
    run = Run() if run is None else run
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        run.execute(operator, **more)
    found: dict[str, Any] = run.pushed["return_value"]
    ids = {task if isinstance(task, str) else task[0] for task in skipped.value.tasks}
    assert ids == set(BRANCHES.values()) - {BRANCHES[found["decision"]]}
    assert run.pushed["skipmixin_key"] == {"followed": found["branch"]}
    return found


def billed(simulator: Any) -> Counter[str]:
    """Return how often each check was billed."""
    effects = simulator.state.ledger.of(VENDOR, "billed_check")
    return Counter(effect.facts["check"] for effect in effects)


def answers(found: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["answer"] for each in found["evidence"]}


def changed(simulator: Any, subscriber: Any, **ago: int) -> None:
    subscriber.sim_changes.append(simulator.state.clock.now() - timedelta(**ago))


def test_a_safe_subscriber_is_paid_and_what_is_not_needed_is_not_asked(
    telecom_simulator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found = decide(gate())
    said = capsys.readouterr().out
    assert "decision: pay, answers: sim_changed: no, more_sims: no, younger_sim: no, not asked: " in said
    assert "once more" not in said
    assert (found["decision"], found["branch"]) == ("pay", ["pay_out"])
    assert answers(found) == {"sim_changed": "no", "more_sims": "no", "younger_sim": "no"}
    assert found["not_asked"] == ["lower_score"]
    assert (found["requests"], found["lost_answers"], found["reserved_units"]) == (3, 0, 3)
    assert billed(telecom_simulator).total() == 3
    first = found["evidence"][0]
    age = datetime.now(UTC) - datetime.fromisoformat(first.pop("asked_at"))
    assert abs(age) < timedelta(minutes=5)
    first["facts"].pop("reserved_units", None)
    assert first == {
        "check": "sim_changed",
        "question": "sim_changed",
        "answer": "no",
        "reason": None,
        "code": None,
        "state": "answered",
        "facts": {"sim_changed": False, "is_active": True},
    }
    assert NUMBER not in json.dumps(found)


def test_the_first_suspicious_answer_of_all_refuses(telecom_simulator: Any, subscriber: Any) -> None:
    changed(telecom_simulator, subscriber, hours=5)
    found = decide(gate())
    assert (found["decision"], answers(found)) == ("refuse", {"sim_changed": "yes"})
    assert billed(telecom_simulator) == {"verify-sim": 1}


def test_an_unknown_answer_is_reviewed(telecom_simulator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = decide(gate(msisdn=FOREIGN))
    assert "decision: review, answers: sim_changed: unknown (not_a_subscriber), " in capsys.readouterr().out
    assert found["decision"] == "review"
    assert {each["reason"] for each in found["evidence"]} == {"not_a_subscriber"}
    assert found["reserved_units"] is None
    assert not billed(telecom_simulator)


def test_a_missing_score_is_reviewed_unless_another_rule_is_enough(telecom_simulator: Any) -> None:
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    state.subscriber(WITHOUT_SCORE).sim_changes = []
    state.subscriber(WITHOUT_SCORE).score = None
    assert decide(gate(msisdn=WITHOUT_SCORE, rules=Score(least=300)))["decision"] == "review"
    safe = AnyOf(Score(least=300), Lifetime(months=6))
    assert decide(gate(msisdn=WITHOUT_SCORE, rules=safe))["decision"] == "pay"


def test_the_cheapest_check_is_first(telecom_simulator: Any, subscriber: Any) -> None:
    changed(telecom_simulator, subscriber, hours=5)
    found = decide(
        gate(prices={"lower_score": 5, "younger_sim": "0.2", "more_sims": "0.1", "sim_changed": 1})
    )
    assert list(answers(found)) == ["more_sims", "younger_sim", "sim_changed"]


def test_weights(telecom_simulator: Any, subscriber: Any) -> None:
    rules = Weights({SimChanged(hours=72): 5, Device(imei=OTHER_IMEI): 3}, refuse_at=5, review_at=3)
    assert decide(gate(rules=rules))["decision"] == "review"
    changed(telecom_simulator, subscriber, hours=5)
    assert decide(gate(rules=rules))["decision"] == "refuse"


@pytest.mark.parametrize(("imei", "decision"), [(IMEI, "pay"), (OTHER_IMEI, "refuse")])
def test_an_imei_from_a_template_is_used_and_not_shown(imei: str, decision: str) -> None:
    operator = gate(rules=Device(imei="{{ params.imei }}"))
    found = decide(operator, params={"imei": imei})
    assert found["decision"] == decision
    assert imei not in str(operator.rule_values) + str(operator.msisdn) + json.dumps(found)


def test_templates_and_what_is_not_shown(tmp_path: Path, telecom_simulator: Any) -> None:
    run, path = Run(), tmp_path / "evidence.json"
    for key in ("one", "two"):
        operator = gate(
            msisdn="{{ params.msisdn }}",
            rules=AllOf(SimChanged(hours=72), Device(imei="{{ params.imei }}")),
            dedupe_key="{{ params.key }}",
            conn_id="{{ params.conn_id }}",
            evidence_path="{{ params.path }}",
        )
        params = {
            "msisdn": NUMBER,
            "imei": IMEI,
            "key": key,
            "path": str(path),
            "conn_id": f"{VENDOR}_default",
        }
        assert decide(operator, run, params=params)["requests"] == 2
    shown = str(_serialize_rendered_fields(operator))
    assert path.exists()
    assert str(path) in shown
    assert not any(hidden in shown for hidden in (NUMBER, IMEI))
    assert operator.inherits_from_skipmixin  # what it has skipped is not run by "Clear"


@pytest.mark.parametrize("number", [380670000200, "067 000-02-00", "+38 (067) 000 02 00"])
def test_the_number_may_have_any_common_form(telecom_simulator: Any, number: str | int) -> None:
    run = Run()
    assert decide(gate(msisdn=number, rules=SimChanged(hours=72)), run)["decision"] == "pay"
    assert decide(gate(rules=SimChanged(hours=72)), run)["requests"] == 0


def test_a_wrong_imei_is_refused_before_anything_is_asked(telecom_simulator: Any) -> None:
    operator = gate(rules=AllOf(SimChanged(hours=1), Device(imei="{{ params.imei }}")))
    with pytest.raises(TelecomInputError, match="imei"):
        Run().execute(operator, params={"imei": "12"})
    assert not billed(telecom_simulator)


def test_a_later_try_asks_nothing_again(telecom_simulator: Any) -> None:
    run = Run()
    first = decide(gate(), run)
    again = decide(gate(), run)
    assert again == {**first, "requests": 0}
    assert billed(telecom_simulator).total() == 3
    assert NUMBER not in json.dumps(run.stores["gate"].texts)


def test_answers_that_are_too_old_are_asked_again(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, offset = Run(), [timedelta(0)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + offset[0]

    monkeypatch.setattr(evidence, "datetime", Clock)
    decide(gate(), run)
    offset[0] = timedelta(minutes=59)
    assert decide(gate(), run)["requests"] == 0
    offset[0] = timedelta(minutes=61)
    assert decide(gate(), run)["requests"] == 3
    offset[0] = timedelta(minutes=30)  # another worker's clock
    assert decide(gate(), run)["requests"] == 0
    assert set(billed(telecom_simulator).values()) == {2}


def test_a_vendor_that_is_slower_than_the_evidence_is_young_is_asked_once(telecom_simulator: Any) -> None:
    operator = gate(rules=SimChanged(hours=72), evidence_max_age=timedelta(microseconds=1))
    assert decide(operator)["requests"] == 1
    assert billed(telecom_simulator) == {"verify-sim": 1}


def test_lost_answers_that_are_too_old_at_once_are_asked_for_twice(telecom_simulator: Any) -> None:
    telecom_simulator.fault("half_body", VENDOR, path="verify-sim", times=1000)
    operator = gate(rules=SimChanged(hours=72), evidence_max_age=timedelta(microseconds=1))
    found = decide(operator)
    assert (found["decision"], found["requests"], found["lost_answers"]) == ("review", 2, 2)


@pytest.mark.parametrize(
    "other",
    [{"msisdn": "380670000201"}, {"dedupe_key": "once more"}, {"rules": SimChanged(hours=24)}],
    ids=str,
)
def test_another_question_is_asked(telecom_simulator: Any, other: dict[str, Any]) -> None:
    run = Run()
    decide(gate(rules=SimChanged(hours=72)), run)
    assert decide(gate(**{"rules": SimChanged(hours=72), **other}), run)["requests"] == 1
    assert decide(gate(rules=SimChanged(hours=72)), run)["requests"] == 0
    assert billed(telecom_simulator).total() == 2


def stored(state: str, answer: dict[str, Any], lost: int) -> Store:
    """Return what version 0.1.0 stores about `SimChanged(hours=72)` and the number."""
    body = "d55f9d24ca8383cf92cb358bee1a339da061410ed1070e01882b00ae183ffa68"
    facts = {"outcome": answer, "asked_at": "2026-11-28T14:50:31.405010Z", "lost": lost}
    store = Store()
    store.set("telecom.check.d55f9d24ca8383cf", {"state": state, "body": body, "facts": facts, "order": {}})
    return store


def answered(attempt: int, facts: dict[str, Any]) -> dict[str, Any]:
    answer = {"state": "answered", "attempt": attempt, "answer": "no", "reason": None, "code": None}
    return {**answer, "facts": facts}


def without_time(store: Store) -> dict[str, Any]:
    found = {name: json.loads(text) for name, text in store.texts.items()}
    for entry in found.values():
        datetime.fromisoformat(entry["facts"].pop("asked_at"))
    return found


def test_answers_that_an_earlier_version_has_stored_are_not_bought_again(telecom_simulator: Any) -> None:
    known = {"sim_changed": False, "is_active": True, "reserved_units": 3}
    run, age = Run(), timedelta(days=36_500)
    run.stores["gate"] = stored("done", answered(1, known), 1)
    found = decide(gate(rules=SimChanged(hours=72), evidence_max_age=age), run)
    assert (found["decision"], found["requests"], found["lost_answers"]) == ("pay", 0, 1)
    assert found["reserved_units"] == 3
    assert [each["asked_at"] for each in found["evidence"]] == ["2026-11-28T14:50:31.405010Z"]
    assert not billed(telecom_simulator)


@pytest.mark.parametrize(("attempt", "requests", "decision"), [(1, 1, "pay"), (2, 0, "review")])
def test_lost_answers_that_an_earlier_version_has_stored_are_counted(
    telecom_simulator: Any, attempt: int, requests: int, decision: str
) -> None:
    lost = {"state": "unknown", "attempt": attempt, "answer": "unknown", "reason": "outcome_unknown"}
    run, age = Run(), timedelta(days=36_500)
    run.stores["gate"] = stored("intent", {**lost, "code": None, "facts": {}}, attempt)
    found = decide(gate(rules=SimChanged(hours=72), evidence_max_age=age), run)
    assert (found["decision"], found["requests"], found["lost_answers"]) == (decision, requests, attempt)
    assert billed(telecom_simulator).total() == requests
    if requests:  # what is stored now, that version could read
        known = {"sim_changed": False, "is_active": True, "reserved_units": 1}
        assert without_time(run.stores["gate"]) == without_time(stored("done", answered(2, known), attempt))


def test_answers_of_another_account_are_not_taken(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(telecom_simulator.connection(VENDOR)))
    run, rules = Run(), SimChanged(hours=72)
    decide(gate(rules=rules), run)
    assert decide(gate(rules=rules, conn_id="other"), run)["requests"] == 1


def test_answers_of_the_sandbox_are_no_answers_of_the_live_server(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    """Somebody has tried a Dag with the sandbox, and changes the connection."""
    run, rules = Run(), SimChanged(hours=72)
    hook_for(VENDOR, environment="sandbox")
    decide(gate(rules=rules), run)
    hook_for(VENDOR, environment="live")
    assert decide(gate(rules=rules), run)["requests"] == 1
    assert decide(gate(rules=rules), run)["requests"] == 0


def test_a_new_rule_about_answered_checks_costs_nothing(telecom_simulator: Any) -> None:
    run = Run()
    decide(gate(), run)
    found = decide(gate(rules=Weights({SimChanged(hours=72): 1, Lifetime(months=6): 1}, refuse_at=1)), run)
    assert (found["requests"], found["decision"]) == (0, "pay")


def lose(simulator: Any, path: str, times: int = 1) -> None:
    simulator.fault("reset_after", VENDOR, path=path, times=times)


def test_a_lost_answer_is_asked_once_more_and_reported(
    telecom_simulator: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lose(telecom_simulator, "verify-sim")
    run = Run()
    found = decide(gate(), run)
    assert (found["decision"], found["requests"], found["lost_answers"]) == ("pay", 4, 1)
    assert billed(telecom_simulator)["verify-sim"] == 2
    assert "the answers of 1 requests are lost; they may be billed" in capsys.readouterr().out
    once_more = "The answer to sim_changed is lost, and may be billed; it is requested once more"
    assert caplog.text.count(once_more) == caplog.text.count("once more") == 1
    assert decide(gate(), run)["lost_answers"] == 1


def test_two_lost_answers_are_reviewed_and_never_asked_again(telecom_simulator: Any) -> None:
    lose(telecom_simulator, "verify-sim", 2)
    run = Run()
    kinds = []
    for requests in (4, 0):
        found = decide(gate(), run)
        assert (found["decision"], found["requests"], found["lost_answers"]) == ("review", requests, 2)
        assert found["evidence"][0]["reason"] == "outcome_unknown"
        entries = map(json.loads, run.stores["gate"].texts.values())
        kinds.append(sorted(entry["state"] for entry in entries))
    assert kinds == [["done", "done", "unknown"]] * 2
    assert billed(telecom_simulator)["verify-sim"] == 2


def test_a_lost_answer_is_only_reported_if_asked_for(telecom_simulator: Any) -> None:
    lose(telecom_simulator, "verify-sim")
    found = decide(gate(on_lost_answer="report"))
    assert (found["decision"], found["requests"], found["lost_answers"]) == ("review", 3, 1)


@pytest.mark.parametrize(("status", "error"), [(429, TelecomThrottledError), (401, TelecomAuthError)])
def test_an_error_that_is_not_billed_stops_and_the_next_try_goes_on(
    telecom_simulator: Any, hook_for: Callable[..., Any], status: int, error: type[Exception]
) -> None:
    run = Run()
    hook_for(VENDOR)._client().sync_transport._sleep = lambda seconds: None  # between two tokens
    telecom_simulator.fault("status", VENDOR, path="check-sim-count", status=status, times=20)
    with pytest.raises(error):
        run.execute(gate())
    assert "return_value" not in run.pushed
    telecom_simulator.state.faults.clear()
    found = decide(gate(), run)
    assert (found["requests"], found["lost_answers"]) == (2, 0)
    assert set(billed(telecom_simulator).values()) == {1}


@pytest.mark.parametrize("lost", [0, 1])
def test_after_an_error_that_is_not_billed_the_journal_is_as_before(
    telecom_simulator: Any, lost: int
) -> None:
    """What was known is kept, for example how many answers were lost: another try may still report it."""
    telecom_simulator.fault("status", VENDOR, path="verify-sim", status=429, times=20)
    run, known = Run(), {"sim_changed": False, "is_active": True}
    run.stores["gate"] = stored("done", answered(1, known), lost) if lost else Store()
    before = dict(run.stores["gate"].texts)
    with pytest.raises(TelecomThrottledError):
        run.execute(gate(rules=SimChanged(hours=72), evidence_max_age=timedelta(microseconds=1)))
    if lost:
        assert run.stores["gate"].texts == before
    else:
        (entry,) = map(json.loads, run.stores["gate"].texts.values())
        (wanted,) = map(json.loads, stored("planned", {}, 0).texts.values())
        assert (entry["state"], entry["body"], entry["facts"]) == ("planned", wanted["body"], {})


def test_without_a_token_no_question_is_in_the_journal(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    forget_clients()
    telecom_simulator.fault("status", VENDOR, path="token", status=401, times=20)
    run = Run()
    with pytest.raises(TelecomAuthError):
        run.execute(gate())
    assert run.stores["gate"].texts == {}


def test_the_journal_names_the_question_before_it_is_asked(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, entries = Run(), list[dict[str, Any]]()
    send = Transport.send

    def seen(transport: Any, request: Any) -> Any:
        if "verify-sim" in request.path:
            entries.extend(map(json.loads, run.stores["gate"].texts.values()))
        return send(transport, request)

    monkeypatch.setattr(Transport, "send", seen)
    decide(gate(rules=SimChanged(hours=72)), run)
    (wanted,) = map(json.loads, stored("intent", {}, 0).texts.values())
    assert [(entry["state"], entry["body"]) for entry in entries] == [("intent", wanted["body"])]


def test_a_refused_check_is_unknown(telecom_simulator: Any) -> None:
    found = decide(gate(rules=Score(least=300, model_id="99")))
    (only,) = found["evidence"]
    assert (found["decision"], only["state"], only["reason"]) == ("review", "refused", "refused")


def test_the_evidence_is_written_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "evidence.json"
    found = decide(gate(evidence_path=str(path)))
    written = json.loads(path.read_text())
    assert path.read_text() == json.dumps(written, indent=2) + "\n"
    rules = written.pop("rules")
    assert written == found
    assert [next(iter(rule)) for rule in rules["all_of"]] == ["question", "question", "any_of"]
    assert rules["all_of"][1] == {"question": "more_sims", "name": "", "days": 30, "max_count": 2}
    assert NUMBER not in path.read_text()


def test_a_file_that_cannot_be_written_is_refused_first(telecom_simulator: Any) -> None:
    with pytest.raises(TelecomInputError, match="evidence_path") as caught:
        Run().execute(gate(evidence_path="/proc/evidence.json"))
    assert caught.value.field == "evidence_path"
    assert not billed(telecom_simulator)


def test_a_file_in_the_root_is_not_one_in_the_current_folder() -> None:
    with suppress(TelecomInputError):  # not everybody may write there
        assert open_parent("/evidence.json").path == "/evidence.json"


def test_a_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = decide(gate(rules=SimChanged(hours=72), evidence_path="evidence.json"))
    assert json.loads((tmp_path / "evidence.json").read_text())["decision"] == found["decision"]


@pytest.mark.parametrize(
    "rule", ["all_success", "none_failed", "none_failed_min_one_success", "none_skipped"]
)
def test_a_payment_waits_for_the_decision_with_these_trigger_rules(rule: str) -> None:
    operator = gate(rules=SimChanged(hours=72))
    operator.dag.get_task("pay_out").trigger_rule = rule
    assert decide(operator)["decision"] == "pay"
    if rule != "none_failed":  # within a group it would run after a task that was skipped
        with pytest.raises(DownstreamTasksSkipped):
            Run().execute(gate_with_a_group(rule))


def test_a_teardown_of_the_payment_may_always_run() -> None:
    operator = gate_with_a_group("all_success")
    operator.dag.get_task("payout.two").as_teardown()
    with pytest.raises(DownstreamTasksSkipped):
        Run().execute(operator)


def test_a_branch_may_be_a_group_and_several_tasks() -> None:
    with DAG("dag", schedule=None):
        operator = KyivstarFraudGateOperator(
            task_id="gate", msisdn=NUMBER, rules=RULES, pay=["payout", "log"], review="ask", refuse="stop"
        )
        with TaskGroup("payout") as group:
            BaseOperator(task_id="one") >> BaseOperator(task_id="two")
        operator >> [group, *(BaseOperator(task_id=name) for name in ("log", "ask", "stop"))]
    run = Run()
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        run.execute(operator)
    assert {task[0] for task in skipped.value.tasks} == {"ask", "stop"}
    assert run.pushed["return_value"]["branch"] == ["payout", "log"]


def test_a_branch_that_follows_the_payment_is_not_skipped() -> None:
    with DAG("dag", schedule=None):
        operator = KyivstarFraudGateOperator(
            task_id="gate", msisdn=NUMBER, rules=RULES, pay="pay_out", review="ask", refuse="ask"
        )
        operator >> BaseOperator(task_id="pay_out") >> BaseOperator(task_id="ask")
        operator >> operator.dag.get_task("ask")
    run = Run()
    found = run.execute(operator)
    assert found["decision"] == "pay"
    assert found == run.pushed["return_value"]


def gate_with_a_group(rule: str, **branches: Any) -> KyivstarFraudGateOperator:
    """Return a gate whose branch pay is a group: its second task has a trigger rule."""
    with DAG("dag", schedule=None):
        given = {"pay": "payout", "review": "ask", "refuse": "stop", **branches}
        operator = KyivstarFraudGateOperator(task_id="gate", msisdn=NUMBER, rules=RULES, **given)
        with TaskGroup("payout") as group:
            first, second = BaseOperator(task_id="one"), BaseOperator(task_id="two", trigger_rule=rule)
            first >> second
        operator >> [group, *(BaseOperator(task_id=name) for name in ("ask", "stop"))]
    return operator


@pytest.mark.parametrize("rule", ["all_done", "none_failed", "one_done", "always"])
def test_a_payment_within_a_group_that_runs_after_a_skipped_task_is_refused(
    telecom_simulator: Any, rule: str
) -> None:
    """The gate skips the first tasks of a group only."""
    with pytest.raises(TelecomInputError, match=rf"^pay: payout\.two has the trigger rule {rule}"):
        Run().execute(gate_with_a_group(rule))
    assert not billed(telecom_simulator)


def test_each_part_of_the_payment_must_wait_for_the_decision(telecom_simulator: Any) -> None:
    operator = gate_with_a_group("all_done", pay=["payout", "log"])
    with operator.dag:
        operator >> BaseOperator(task_id="log")
    with pytest.raises(TelecomInputError, match=r"^pay: payout\.two has the trigger rule all_done"):
        Run().execute(operator)
    assert not billed(telecom_simulator)


def test_a_task_within_the_group_of_pay_is_no_other_branch(telecom_simulator: Any) -> None:
    operator = gate_with_a_group("all_success", refuse=["stop", "payout.two"])
    operator >> operator.dag.get_task("payout.two")
    with pytest.raises(TelecomInputError, match=r"^refuse: must not .* share a task with it.*: payout\.two"):
        Run().execute(operator)
    assert not billed(telecom_simulator)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rules": None}, "rules: must be rules"),
    ({"rules": [SimChanged(hours=1)]}, "rules: must be rules"),
    ({"rules": AllOf(SimChanged(hours=1), SimChanged(hours=2))}, "sim_changed occurs twice"),
    ({"rules": Device()}, "^rules: a gate needs the IMEI"),
    ({"prices": {"sim_chnged": 1}}, "prices: sim_chnged is not one of"),
    ({"review": "pay_out"}, "^review: must not be the branch pay"),
    ({"refuse": ["pay_out", "refuse"]}, "refuse: must not be the branch pay"),
    ({"pay": ["pay_out", "log"], "review": ["pay_out"]}, "review: must not be the branch pay"),
    ({"pay": []}, "^pay: must be the id of a task or a task group, or a list of them"),
    ({"review": {"a": 1}}, "^review: must be the id of a task or a task group, or a list of them"),
    ({"refuse": ("refuse", " ")}, "^refuse: "),
    ({"pay": " "}, "^pay: "),
    ({"evidence_max_age": timedelta(0)}, "^evidence_max_age: must be a timedelta above 0"),
    ({"evidence_max_age": 3600}, "^evidence_max_age: must be a timedelta above 0"),
    ({"on_lost_answer": "hope"}, "^on_lost_answer: must be one of repeat_once, report"),
]


@pytest.mark.parametrize(("arguments", "field"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError, match=field):
        gate(**arguments)


@pytest.mark.parametrize(
    ("arguments", "more", "field"),
    [
        ({"pay": "nothing"}, {}, "^pay: nothing is neither a task nor a group"),
        ({"refuse": "elsewhere"}, {}, "^refuse: elsewhere is not directly downstream"),
        ({"msisdn": "+12025550123"}, {}, "^msisdn: must be a Ukrainian number"),
        ({"msisdn": "12"}, {}, "^msisdn: "),
        ({}, {"map_index": 0}, "^msisdn: must not be mapped"),
        ({}, {"map_index": None}, "^msisdn: must not be mapped"),
        ({"evidence_path": " "}, {}, "^evidence_path: "),
        ({"evidence_path": "/tmp/"}, {}, "^evidence_path: "),
    ],
    ids=str,
)
def test_nothing_is_asked_if_an_argument_is_wrong(
    telecom_simulator: Any, arguments: dict[str, Any], more: dict[str, Any], field: str
) -> None:
    operator = gate(**arguments)
    with operator.dag:
        BaseOperator(task_id="elsewhere")
    with pytest.raises(TelecomInputError, match=field):
        Run().execute(operator, **more)
    assert not telecom_simulator.state.ledger.of(VENDOR, "billed_check")


@pytest.mark.parametrize("rule", ["one_success", "one_done", "all_done", "always"])
def test_a_payment_that_does_not_wait_for_the_decision_is_refused(telecom_simulator: Any, rule: str) -> None:
    operator = gate()
    operator.dag.get_task("pay_out").trigger_rule = rule
    with pytest.raises(TelecomInputError, match=f"^pay: pay_out has the trigger rule {rule}"):
        Run().execute(operator)
    assert not billed(telecom_simulator)


class KilledError(BaseException):
    """The process is gone."""


class Steps:
    """Kills a try at a step, or at random: before or after a write or a request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kill_at: int | None = None
        self.likely, self.chance, self.passed = 0.0, random.Random(16), 0
        send, write = Transport.send, Store.set

        def sending(transport: Transport, request: Any) -> Any:
            self.step()
            outcome = send(transport, request)
            self.step()
            return outcome

        def writing(store: Store, *args: Any, **kwargs: Any) -> None:
            self.step()
            write(store, *args, **kwargs)
            self.step()

        monkeypatch.setattr(Transport, "send", sending)
        monkeypatch.setattr(Store, "set", writing)

    def step(self) -> None:
        self.passed += 1
        if self.passed == self.kill_at or self.chance.random() < self.likely:
            raise KilledError


def finish(run: Run, steps: Steps) -> tuple[dict[str, Any], int]:
    """Try until it ends; return the XCom and how many tries were killed."""
    for kills in range(100):
        try:
            return decide(gate(), run), kills
        except KilledError:
            steps.kill_at = None
    raise AssertionError("it does not end")


def check_bill(simulator: Any, found: dict[str, Any], kills: int) -> None:
    """What is billed is what was answered, and at most one more for each answer that is reported lost."""
    bill = billed(simulator)
    asked = Counter(
        {"sim_changed": "verify-sim", "more_sims": "check-sim-count", "younger_sim": "lifetime-check"}.get(
            each["check"], "score"
        )
        for each in found["evidence"]
        if each["state"] == "answered"
    )
    assert asked.total() <= bill.total() <= asked.total() + found["lost_answers"]
    assert max(bill.values()) <= 2
    assert found["lost_answers"] <= kills
    assert found["decision"] == ("pay" if len(asked) == 3 else "review")


def test_killed_at_each_step(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, lost = Steps(monkeypatch), 0
    decide(gate())  # which opens the connection
    steps.passed = 0
    decide(gate())
    total = steps.passed
    assert total >= 3 * 6
    for kill_at in range(1, total + 1):
        telecom_simulator.state.ledger.effects.clear()
        steps.kill_at, steps.passed = kill_at, 0
        found, kills = finish(Run(), steps)
        assert kills == 1
        check_bill(telecom_simulator, found, kills)
        assert found["decision"] == "pay"
        lost += found["lost_answers"]
    assert 3 <= lost < total


@pytest.mark.parametrize("runs", [20, pytest.param(300, marks=pytest.mark.long)])
def test_killed_at_random(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, runs: int) -> None:
    steps, killed = Steps(monkeypatch), 0
    steps.likely = 0.07
    for _ in range(runs):
        telecom_simulator.state.ledger.effects.clear()
        found, kills = finish(Run(), steps)
        check_bill(telecom_simulator, found, kills)
        killed += kills
    assert killed >= runs / 2
