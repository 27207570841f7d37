"""People on call: who gets an alert by a Dag's tag or owner, and what a plan with mistakes does."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import AsyncCallback, BaseOperator
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.notifications import on_call
from airflow_provider_telecom.notifications.event import Event, event_from_context
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.notifications.novaconnect import NovaConnectSmsNotifier
from airflow_provider_telecom.notifications.on_call import OnCall
from airflow_provider_telecom.notifications.on_call_plan import Plan
from tests.hooks.test_store import Supervisor
from tests.notifications.contexts import OTHER, a_dag, in_worker, of_deadline, sent

pytestmark = pytest.mark.usefixtures("every_hook")
ANNA, BOHDAN, CHRYSTYNA = "+380670000200", "+380670000201", "+380670000202"
PLAN = f"""
timezone: Europe/Kyiv
people:
  anna: {ANNA}
  bohdan: "{BOHDAN}"
tags:
  billing: bohdan
  night:
    - anna: mon-fri 09:00-18:00
    - bohdan: [mon-thu 18:00-09:00, fri 18:00-00:00, "sat,sun"]
  nobody:
    - anna: sun 03:00-03:30
owners:
  data-team: [bohdan, anna, bohdan]
default: ["{CHRYSTYNA}"]
"""


def at(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Kyiv"))


@pytest.mark.parametrize(
    ("tags", "owners", "people"),
    [
        (["billing"], [], [BOHDAN]),
        (["other", "billing"], ["data-team"], [BOHDAN]),
        (["other"], ["airflow", "data-team"], [BOHDAN, ANNA]),
        (["night", "billing"], [], [BOHDAN]),  # the order of the plan decides, not that of the Dag
        ([], ["airflow"], [CHRYSTYNA]),
        ([], [], [CHRYSTYNA]),
        (["nobody"], [], [CHRYSTYNA]),
    ],
)
def test_the_first_entry_that_fits(tags: list[str], owners: list[str], people: list[str]) -> None:
    found = Plan(PLAN).find(tags, owners, at("2026-11-21T12:00"))
    assert (found.recipients, found.problems) == (people, [])


@pytest.mark.parametrize(
    ("local", "people"),
    [
        ("2026-11-23T09:00", [ANNA]),  # a Monday
        ("2026-11-23T17:59", [ANNA]),
        ("2026-11-23T18:00", [BOHDAN]),
        ("2026-11-24T08:59", [BOHDAN]),
        ("2026-11-23T08:59", [CHRYSTYNA]),  # Sunday's shift ends at midnight
        ("2026-11-27T23:59", [BOHDAN]),
        ("2026-11-28T00:00", [BOHDAN]),
        ("2026-11-29T23:59", [BOHDAN]),
        ("2026-10-25T03:10", [BOHDAN]),  # an hour that comes twice
    ],
)
def test_times_of_people(local: str, people: list[str]) -> None:
    found = Plan(PLAN).find(["night"], [], at(local))
    assert (found.recipients, found.problems) == (people, [])


def test_json_with_tabs_is_a_plan() -> None:
    text = json.dumps(
        {"people": {"anna": ANNA}, "tags": {"billing": ["anna"]}, "default": [BOHDAN]}, indent="\t"
    )
    assert Plan(text).find(["billing"], [], at("2026-11-21T12:00")).recipients == [ANNA]


def test_the_documented_plan_has_no_problems() -> None:
    from airflow_provider_telecom.notifications import on_call_plan

    _, _, text = str(on_call_plan.__doc__).partition(":\n\n")
    assert Plan(text.partition("\n\nAn alert")[0]).problems() == []
    assert Plan(PLAN).problems() == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("billing: bohdan", "billing: carol", "line 7: tags.billing: carol is nobody of people"),
        ("billing: bohdan", "billing: {bohdan: 1, anna: 2}", "line 7: tags.billing: must be people such as"),
        ("billing: bohdan", "billing: [[bohdan]]", "line 7: tags.billing: must be people such as"),
        (
            "billing: bohdan",
            "billing: [bohdan: at night]",
            "line 7: tags.billing: times must be days, hours or",
        ),
        ("billing: bohdan", "billing: [bohdan: mon 9-18]", "line 7: tags.billing: times must be days"),
        ("billing: bohdan", "billing: [bohdan: [{mon: 1}]]", "line 7: tags.billing: times must be days"),
        ("billing: bohdan", 'billing: [bohdan: ""]', "line 7: tags.billing: times must be days"),
        ("billing: bohdan", "billing: +38067000020012345", "line 7: tags.billing: *** "),
        (f'bohdan: "{BOHDAN}"', "bohdan: soon", "line 5: tags.billing: bohdan has no number"),
        (f'bohdan: "{BOHDAN}"', "bohdan: [1]", "line 5: tags.billing: bohdan has no number"),
        (f'bohdan: "{BOHDAN}"', "anna: 1", "line 5: people: anna is given twice"),
        ("people:", "tags: 5\npeople:", "is given twice"),
        ("people:", "persons:", "line 3: persons: is no key of a plan; the keys are timezone, people"),
        ("default:", "default: [\n", "line 17, column 1: is no YAML"),
        (PLAN, f"{ANNA}", "line 1: the plan: must be a mapping"),
        (PLAN, "# empty", "line 1: the plan: must be a mapping"),
        (PLAN, f"tags: 5\ndefault: [{CHRYSTYNA}]", "line 1: tags: must be a mapping"),
        (PLAN, "[" * 5000, "is nested too deeply"),
        (PLAN, "{[a]: b}", "line 1: the plan: has a key that is no name"),
        (PLAN, "a: \x00", "is no YAML"),
        (PLAN, f"default: &{ANNA}\n  - &{ANNA}", "is no YAML"),
    ],
)
def test_mistakes_are_one_line_in_the_log_and_the_alert_goes_on(
    telecom_simulator: Any, supervisor: Supervisor, caplog: Any, old: str, new: str, problem: str
) -> None:
    supervisor.variables["plan"] = PLAN.replace(old, new)
    who = OnCall(variable="plan", fallback=OTHER)
    KetchUpSmsNotifier(msisdn=who)(in_worker(dag=a_dag(tags={"billing"})))
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert problem in error
    assert "\n" not in error
    (message,) = sent(telecom_simulator, "ketchup_loyalty")
    assert message["msisdn"] in (OTHER[1:], CHRYSTYNA[1:])


def test_mistakes_in_other_entries_do_not_matter_until_they_are_checked(caplog: Any) -> None:
    wrong = PLAN.replace("[bohdan, anna, bohdan]", "[carol: mon, dora: [tue 25:00-26:00]]")
    assert Plan(wrong).find(["billing"], [], at("2026-11-21T12:00")).problems == []
    assert Plan(wrong).problems() == [
        "line 14: owners.data-team: carol is nobody of people",
        "line 14: owners.data-team: dora is nobody of people",
        "line 14: owners.data-team: times must be days, hours or both, such as mon-fri, 09:00-18:00 or "
        "sat,sun 18:00-09:00",
    ]
    (without,) = Plan("people: {}").problems()
    assert "default: is missing" in without


@pytest.mark.parametrize(
    ("zone", "problem"),
    [
        ("Europe/Kiew", "line 2: timezone: must be an IANA name"),
        (None, "times need timezone: with an IANA name"),
    ],
)
def test_times_need_a_zone(zone: str | None, problem: str) -> None:
    text = PLAN.replace("timezone: Europe/Kyiv", f"timezone: {zone}" if zone else "")
    found = Plan(text).find(["night"], [], at("2026-11-21T12:00"))
    assert found.recipients == [CHRYSTYNA]
    assert all(problem in each for each in found.problems)


@pytest.mark.parametrize("url", ["", "file://"])
@pytest.mark.parametrize("name", ["plan.yaml", "plan.JSON"])
def test_a_file_is_read_for_each_alert(telecom_simulator: Any, tmp_path: Path, url: str, name: str) -> None:
    plan = tmp_path / name
    notifier = KetchUpSmsNotifier(msisdn=OnCall(path=f"{url}{plan}"))
    for number in (ANNA, BOHDAN):
        plan.write_text(json.dumps({"default": number}))
        notifier(in_worker(run_id=number))
    assert [one["msisdn"] for one in sent(telecom_simulator, "ketchup_loyalty")] == [ANNA[1:], BOHDAN[1:]]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b" " * (1 << 20) + b"a: b"])
def test_a_file_that_cannot_be_read(
    telecom_simulator: Any, tmp_path: Path, caplog: Any, content: bytes | None
) -> None:
    plan = tmp_path / "plan.yaml"
    if content is not None:
        plan.write_bytes(content)
    KetchUpSmsNotifier(msisdn=OnCall(path=str(plan)))(in_worker())
    assert caplog.text.count("no alert sent: msisdn: on call: ") == 1
    KetchUpSmsNotifier(msisdn=OnCall(path=str(plan), fallback=[ANNA, BOHDAN]))(in_worker())
    assert "the fallback is used" in caplog.text
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 2


def test_storage_that_does_not_answer(telecom_simulator: Any, monkeypatch: Any, caplog: Any) -> None:
    import threading

    given_up = threading.Event()
    monkeypatch.setattr(on_call, "READ_SECONDS", 0.01)
    monkeypatch.setattr(on_call, "_file_text", lambda _: given_up.wait() and "")
    KetchUpSmsNotifier(msisdn=OnCall(path="s3://ops/plan.yaml", fallback=ANNA))(in_worker())
    given_up.set()
    assert "the plan cannot be read: TimeoutError; the fallback is used" in caplog.text
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 1


def test_no_variable_and_a_fallback_of_another(
    telecom_simulator: Any, supervisor: Supervisor, caplog: Any
) -> None:
    supervisor.variables["duty"] = ANNA
    who = OnCall(variable="{{ params.plan }}", fallback="{{ var.value.duty }}")
    KetchUpSmsNotifier(msisdn=who)({**in_worker(), "params": {"plan": "plan"}})
    assert "variable: there is no such Variable" in caplog.text
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 1
    KetchUpSmsNotifier(msisdn=OnCall(variable="plan", fallback="{{ 1 / 0 }}"))(in_worker())
    assert (
        "no alert sent: msisdn: on call: variable: there is no such Variable, or it is empty; fallback: "
        in (caplog.text)
    )


async def run_trigger(trigger: Any) -> None:
    async for _ in trigger.run():
        pass


def test_a_deadline_has_no_tags_and_takes_those_that_it_is_given(
    telecom_simulator: Any, supervisor: Supervisor
) -> None:
    from airflow.sdk.serde import deserialize, serialize
    from airflow.triggers.callback import CallbackTrigger

    supervisor.variables["plan"] = PLAN
    for number, tags in enumerate((None, ["billing"])):
        callback = AsyncCallback(KetchUpSmsNotifier, kwargs={"msisdn": OnCall(variable="plan", tags=tags)})
        stored = json.loads(json.dumps(serialize(callback)))
        kwargs: dict[str, Any] = deserialize(stored).kwargs
        kwargs["context"] = of_deadline(deadline_id=str(number))
        asyncio.run(run_trigger(CallbackTrigger(callback.path, kwargs)))
    numbers = [one["msisdn"] for one in sent(telecom_simulator, "ketchup_loyalty")]
    assert numbers == [CHRYSTYNA[1:], BOHDAN[1:]]


def test_sims_are_on_call_too(telecom_simulator: Any, supervisor: Supervisor) -> None:
    supervisor.variables["plan"] = "people: {router: 1001}\ndefault: router"
    NovaConnectSmsNotifier(sim_ids=OnCall(variable="plan"))(in_worker())
    assert len(sent(telecom_simulator, "novaconnect")) == 1


def test_tags_and_owners_of_tasks_and_runs() -> None:
    dag = a_dag(tags={"b", "a"}, default_args={"owner": "data-team"})
    with dag:
        other = BaseOperator(task_id="other", owner="web")
    task = event_from_context({**in_worker(dag=dag), "task": other})
    assert (task.tags, task.owners) == (("a", "b"), ("web",))
    run = event_from_context({"dag": dag, "run_id": "r", "reason": "timed_out"})
    assert (run.tags, run.owners) == (("a", "b"), ("data-team", "web"))
    deadline = event_from_context(of_deadline())
    assert (deadline.tags, deadline.owners) == ((), ())


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "on_call"),
        ({"path": "/a.yaml", "variable": "a"}, "on_call"),
        ({"path": "/a.txt"}, "path"),
        ({"path": "a.yaml"}, "path"),
        ({"variable": " "}, "variable"),
        ({"variable": "a", "tags": "billing"}, "tags"),
        ({"variable": "a", "tags": []}, "tags"),
        ({"variable": "a", "fallback": []}, "fallback"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{field}: "):
        OnCall(**wrong)


@pytest.mark.parametrize("wrong", [{"fallback": "+1"}, {"fallback": [ANNA] * 11}])
def test_a_wrong_fallback_is_refused_when_the_dag_is_parsed(wrong: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError, match="msisdn"):
        KetchUpSmsNotifier(msisdn=OnCall(variable="plan", **wrong))


def test_a_dict_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(TelecomInputError, match="on_call: has only fallback, path, tags, variable"):
        KetchUpSmsNotifier(msisdn={"file": "a"})  # type: ignore[arg-type]


def test_its_text_has_no_numbers() -> None:
    assert str(OnCall(variable="plan", fallback=ANNA)) == "OnCall(variable='plan', fallback=***)"


YAML = st.recursive(
    st.sampled_from(["anna", ANNA, "mon-fri", "18:00-09:00", "5", "~"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["anna", ANNA, "a"]), inner),
)


@given(
    st.dictionaries(st.sampled_from(["timezone", "people", "tags", "owners", "default", "x"]), YAML)
    | st.text()
)
def test_whatever_a_plan_is_problems_have_no_numbers(plan: Any) -> None:
    text = plan if isinstance(plan, str) else json.dumps(plan)

    def refuse(_: str) -> None:
        raise TelecomInputError("msisdn", "is no number")

    for check in (refuse, lambda _: None):
        try:
            made = Plan(text, check)
            problems = [*made.problems(), *made.find(["a"], ["anna"], at("2026-11-21T12:00")).problems]
        except TelecomInputError as error:
            problems = [str(error)]
        assert not any(ANNA[4:] in problem for problem in problems)


def test_an_event_alone_decides(supervisor: Supervisor) -> None:
    """So an alert that is sent later, by another Dag, goes to the same people."""
    supervisor.variables["plan"] = PLAN
    event = Event("failed", "nightly", "r", tags=("billing",))
    found = OnCall(variable="plan").recipients(event, lambda _: None, lambda value: value)
    assert found.recipients == [BOHDAN]
