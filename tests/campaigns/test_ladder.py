"""What is checked when a Dag with a ladder is parsed, and how its tasks hang together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.campaigns import (
    Budget,
    CallRung,
    Failover,
    KyivstarSmsRung,
    MultichannelRung,
    SmsRung,
    ViberRung,
    message_ladder,
)
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator

BUDGET = Budget("marketing", "EUR", per_day="2000")


def prepared(**more: Any) -> PrepareAudienceOperator:
    given: dict[str, Any] = {
        "task_id": "audience",
        "recipients": "people/spring.csv",
        "columns": {"msisdn": "phone", "name": "first_name"},
        "output": "audiences/{{ run_id }}",
        **more,
    }
    return PrepareAudienceOperator(**given)


def ladder(rungs: Any, audience: Any = None, **more: Any) -> DAG:
    with DAG("ladder", schedule=None) as dag:
        people = prepared().output if audience is None else audience() if callable(audience) else audience
        given: dict[str, Any] = {"group_id": "spring", "outcomes": "outcomes/{{ run_id }}", **more}
        message_ladder(audience=people, rungs=rungs, **given)
    return dag


def test_three_tasks_for_each_rung_and_a_report() -> None:
    rungs = [ViberRung("Hi {name}"), SmsRung("Hi"), KyivstarSmsRung("Hi", price_per_message="0.5")]
    dag = ladder(rungs, budget=BUDGET, report="reports/{{ run_id }}.csv", deferrable=True)
    above = {one.task_id: one.upstream_task_ids for one in dag.tasks}
    assert above == {
        "audience": set(),
        "spring.viber.send": {"audience"},
        "spring.viber.receipts": {"spring.viber.send"},
        "spring.sms.audience": {"audience", "spring.viber.receipts"},
        "spring.sms.send": {"spring.sms.audience"},
        "spring.sms.receipts": {"spring.sms.send"},
        "spring.kyivstar_sms.audience": {"spring.sms.audience", "spring.sms.receipts"},
        "spring.kyivstar_sms.send": {"spring.kyivstar_sms.audience"},
        "spring.kyivstar_sms.receipts": {"spring.kyivstar_sms.send"},
        "spring.report": {
            *("audience", "spring.sms.audience", "spring.kyivstar_sms.audience"),
            *("spring.viber.receipts", "spring.sms.receipts", "spring.kyivstar_sms.receipts"),
        },
    }
    rules = {one.task_id: one.trigger_rule for one in dag.tasks if one.trigger_rule != "all_success"}
    assert rules == {"spring.report": "none_failed"}
    read = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))
    assert set(read.task_dict) == set(above)


def test_a_second_connection_takes_over() -> None:
    """It sends to those who have certainly got nothing; the next rung to those whom neither has reached."""
    sms = SmsRung("Hi", connections=["first", "second"], failover=Failover(failures=2))
    dag = ladder([sms, CallRung(min_duration_seconds=5)])
    above = {one.task_id: one.upstream_task_ids for one in dag.tasks}
    assert above == {
        "audience": set(),
        "spring.sms.send": {"audience"},
        "spring.sms.receipts": {"spring.sms.send"},
        "spring.sms.audience_2": {"audience", "spring.sms.send"},
        "spring.sms.send_2": {"spring.sms.audience_2"},
        "spring.sms.receipts_2": {"spring.sms.send_2"},
        "spring.call.audience": {"audience", "spring.sms.receipts", "spring.sms.receipts_2"},
        "spring.call.send": {"spring.call.audience"},
        "spring.call.receipts": {"spring.call.send"},
        "spring.report": {
            *("audience", "spring.call.audience"),
            *("spring.sms.receipts", "spring.sms.receipts_2", "spring.call.receipts"),
        },
    }
    tasks: dict[str, Any] = dag.task_dict
    assert (tasks["spring.sms.send"].conn_id, tasks["spring.sms.send_2"].conn_id) == ("first", "second")
    assert tasks["spring.sms.send"].failover == Failover(failures=2)
    assert tasks["spring.sms.send_2"].failover is None
    assert tasks["spring.sms.receipts_2"].conn_id == "second"
    assert (tasks["spring.sms.audience_2"].move_on, tasks["spring.sms.audience_2"].conn_ids) == (
        "not_sent",
        ["first"],
    )
    assert tasks["spring.call.audience"].conn_ids == ["first", "second"]
    assert tasks["spring.call.audience"].trigger_rule == "none_failed_min_one_success"


def test_calls_by_either_vendor() -> None:
    fmc = CallRung(min_duration_seconds=5, caller="380670000100")
    sunsim = CallRung(by="sunsim", name="sunsim", min_duration_seconds=5, caller="79000000000")
    names = {one.task_id: type(one).__name__ for one in ladder([fmc, sunsim]).tasks}
    assert names["spring.call.send"] == "KyivstarFmcBulkCallOperator"
    assert names["spring.call.receipts"] == "KyivstarFmcCollectReceiptsOperator"
    assert names["spring.sunsim.send"] == "SunSimBulkCallbackOperator"
    assert names["spring.sunsim.receipts"] == "SunSimCollectReceiptsOperator"


def test_the_vendor_falls_back_by_itself_in_one_rung() -> None:
    rung = MultichannelRung("Hi", "Hello", viber_wait=timedelta(minutes=20), wait=timedelta(hours=2))
    send: Any = ladder([rung], max_segments=2).get_task("spring.multichannel.send")
    assert (send.viber_text, send.sms_text, send.first) == ("Hi", "Hello", "viber")
    assert (send.viber_ttl_seconds, send.sms_ttl_seconds, send.max_segments) == (1200, 6000, 2)


def test_the_wait_is_also_the_validity() -> None:
    rungs = [ViberRung("Hi", wait=timedelta(minutes=20)), SmsRung("Hi", wait=timedelta(hours=3.5))]
    dag = ladder(rungs)
    viber: Any = dag.get_task("spring.viber.send")
    sms: Any = dag.get_task("spring.sms.send")
    receipts: Any = dag.get_task("spring.viber.receipts")
    assert (viber.validity_seconds, sms.validity_hours) == (1200, 4)
    assert receipts.wait_timeout == timedelta(minutes=25)  # so that its expiry is known by then
    own: Any = ladder([ViberRung("Hi", options={"validity_seconds": 99, "promotional": True})])
    assert own.get_task("spring.viber.send").validity_seconds == 99
    assert own.get_task("spring.viber.send").promotional


def test_what_all_rungs_share() -> None:
    dag = ladder(
        [ViberRung("Hi"), SmsRung("Hi", conn_id="second")],
        budget=BUDGET,
        quiet_hours=("21:00", "09:00"),
        timezone="Europe/Kyiv",
        max_segments=2,
        climb_on=("silent",),
    )
    sms: Any = dag.get_task("spring.sms.send")
    select: Any = dag.get_task("spring.sms.audience")
    assert (sms.budget, sms.quiet_hours, sms.timezone) == (BUDGET, ("21:00", "09:00"), "Europe/Kyiv")
    assert (sms.conn_id, sms.max_segments) == ("second", 2)
    assert sms.results_path == "outcomes/{{ run_id }}/spring-sms.parquet"
    assert (select.channel, select.conn_ids) == ("viber", ["ketchup_loyalty_default"])
    assert (select.climb_on, select.unreachable_codes) == (["silent"], ["11", "41"])
    assert select.output_path == (
        "{{ ti.xcom_pull(task_ids='audience', map_indexes=-1)['path'] }}"
        "/fallback/{{ ti.dag_id }}/{{ run_id }}/spring-sms"
    )


SMS = SmsRung("Hi")


def _not_the_whole_output() -> Any:
    @task(multiple_outputs=True)
    def split() -> dict[str, Any]:
        return {}

    return split()["path"]


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no_rungs": (lambda: ladder([]), "rungs: must be a list of at least one rung"),
    "no_rung": (lambda: ladder(["sms"]), "rungs: must be rungs such as SmsRung, not str"),
    "no_text": (lambda: ladder([SmsRung("  ")]), "text: of the rung sms is missing: it would reach nobody"),
    "no_text_at_all": (
        lambda: ladder([ViberRung(None)]),  # type: ignore[arg-type]  # on purpose
        "text: of the rung viber is missing",
    ),
    "no_text_of_a_variant": (
        lambda: ladder([SmsRung({"A": ""})]),
        "text: of the rung sms: of the variant A must be a text that is not empty",
    ),
    "a_variant_is_left_out": (
        lambda: ladder(
            [SMS, ViberRung({"A": "Hi"})],
            lambda: prepared(variants={"A": 45, "B": 45, "holdout": 10}, salt="x").output,
        ),
        "text: of the rung viber has no text for the variant B",
    ),
    "another_variant": (
        lambda: ladder(
            [SmsRung({"A": "Hi", "C": "Hi"})], lambda: prepared(variants={"A": 100}, salt="x").output
        ),
        "text: of the rung sms is for the variant C, but the audience has the variants A",
    ),
    "no_variants": (
        lambda: ladder([SmsRung({"A": "Hi"})]),
        "text: of the rung sms is for the variant A, but the audience has no variants",
    ),
    "a_column_that_the_audience_has_not": (
        lambda: ladder([SmsRung("Hi {nmae}")]),
        "text: of the rung sms has the column nmae, which the audience has not: it has name",
    ),
    "falls_back_to_itself": (
        lambda: ladder([SMS, ViberRung("Hi"), SmsRung("Hello", name="again")]),
        "rungs: again falls back to sms itself: both send by sms of ketchup_loyalty with the connection "
        "ketchup_loyalty_default",
    ),
    "equal_names": (
        lambda: ladder([SMS, SmsRung("Hi", conn_id="second")]),
        "rungs: two have the name sms: give one another name=",
    ),
    "a_name_of_ours": (lambda: ladder([SmsRung("Hi", name="report")]), "rungs: two have the name report"),
    "a_name_with_a_dot": (lambda: SmsRung("Hi", name="a.b"), "name: of a rung must have letters"),
    "no_wait": (lambda: SmsRung("Hi", wait=timedelta(0)), "wait: of the rung sms must be a timedelta"),
    "a_negative_wait": (lambda: ViberRung("Hi", wait=timedelta(-1)), "wait: of the rung viber must be"),
    "a_wait_of_seconds": (
        lambda: ViberRung("Hi", wait=900),  # type: ignore[arg-type]  # on purpose
        "wait: of the rung viber must be a timedelta",
    ),
    "an_option_of_ours": (
        lambda: SmsRung("Hi", options={"budget": None}),
        "options: of the rung sms budget is set by the ladder",
    ),
    "an_option_that_is_none": (
        lambda: ladder([ViberRung("Hi", options={"pictre_url": "x"})]),
        "pictre_url: is not a parameter of KetchUpSendViberOperator",
    ),
    "climb_on_delivered": (lambda: ladder([SMS], climb_on=("read",)), "climb_on: must be one of"),
    "a_list_of_numbers": (
        lambda: ladder([SMS], ["380670000200"]),
        "audience: must be the output of PrepareAudienceOperator",
    ),
    "a_csv": (lambda: ladder([SMS], "people/spring.csv"), "audience: must be the output of Prepare"),
    "a_part_of_an_output": (lambda: ladder([SMS], _not_the_whole_output), "audience: must be the whole"),
    "no_folder": (lambda: ladder([SMS], outcomes=" "), "outcomes: must be a folder"),
    "a_budget_without_a_price": (
        lambda: ladder([KyivstarSmsRung("Hi")], budget=BUDGET),
        "price_per_message: goes with budget",
    ),
    "a_call_by_nobody": (
        lambda: CallRung(by="sunsim", min_duration_seconds=5),
        "caller: of the rung call is needed for SunSim",
    ),
    "a_text_of_one_of_two_channels": (
        lambda: MultichannelRung("Hi", ""),
        "text: of the rung multichannel is missing",
    ),
    "a_viber_wait_as_long_as_the_whole": (
        lambda: MultichannelRung("Hi", "Hi", viber_wait=timedelta(days=1)),
        "viber_wait: of the rung multichannel must be a timedelta, longer than 0 and shorter than wait",
    ),
    "the_vendor_has_tried_that_already": (
        lambda: ladder([MultichannelRung("Hi", "Hi"), KyivstarSmsRung("Hi")]),
        "rungs: kyivstar_sms falls back to multichannel itself: both send by sms of kyivstar_open_telecom",
    ),
    "a_failover_to_nobody": (
        lambda: SmsRung("Hi", failover=Failover()),
        "failover: of the rung sms needs connections",
    ),
    "a_connection_twice": (
        lambda: SmsRung("Hi", connections=["a", "a"]),
        "connections: of the rung sms names a connection twice: it would fall back to itself",
    ),
    "two_ways_to_name_a_connection": (
        lambda: SmsRung("Hi", conn_id="a", connections=["a", "b"]),
        "connections: of the rung sms goes without conn_id",
    ),
    "a_connection_of_two_rungs": (
        lambda: ladder([SmsRung("Hi", connections=["a", "b"]), SmsRung("Hi", name="c", conn_id="b")]),
        "rungs: c falls back to sms itself: both send by sms of ketchup_loyalty with the connection b",
    ),
    "the_files_of_a_second_connection": (
        lambda: ladder([SmsRung("Hi", connections=["a", "b"]), SmsRung("Hi", name="sms_2", conn_id="c")]),
        "rungs: two have the name sms_2",
    ),
    "a_timezone_without_quiet_hours": (
        lambda: ladder([SMS], timezone="Europe/Kyiv"),
        "timezone: is for quiet_hours",
    ),
    "a_report_of_another_kind": (lambda: ladder([SMS], report="report.xlsx"), "report_path: must end in"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_when_the_dag_is_parsed(case: str) -> None:
    make, text = BAD[case]
    with pytest.raises(TelecomInputError, match=f"^{text}"):
        make()


def test_the_same_channel_over_two_connections() -> None:
    dag = ladder([SMS, SmsRung("Hi", name="second", conn_id="ketchup_second")])
    assert "spring.second.send" in dag.task_ids


def test_two_ladders_of_one_name_in_other_groups_share_no_file() -> None:
    with DAG("ladder", schedule=None) as dag:
        for name in ("east", "west"):
            with TaskGroup(group_id=name):
                message_ladder("spring", prepared(task_id="audience").output, [SMS], outcomes="outcomes")
    paths = [task.results_path for task in dag.tasks if task.task_id.endswith("send")]
    assert paths == ["outcomes/east.spring-sms.parquet", "outcomes/west.spring-sms.parquet"]


def test_importing_it_imports_no_operator() -> None:
    code = (
        "import sys, airflow.sdk; import airflow_provider_telecom.campaigns; "
        "print([name for name in sys.modules if 'provider_telecom.operators' in name or name == 'duckdb'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[]")
