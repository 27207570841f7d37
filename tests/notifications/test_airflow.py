"""Through Airflow's own machinery: callbacks in a worker, the dag-processor, the triggerer, an executor."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import structlog
from airflow.sdk import DAG, AsyncCallback, BaseOperator

from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from tests.eventually import eventually_async
from tests.hooks.test_store import Supervisor
from tests.notifications.contexts import (
    NUMBER,
    RUN_ID,
    datamodel_run,
    datamodel_ti,
    in_worker,
    of_deadline,
    sent,
)

pytestmark = pytest.mark.usefixtures("every_hook")
PATH = "airflow_provider_telecom.notifications.kyivstar_open_telecom.KyivstarSmsNotifier"


def the_dag(notifier: Any) -> Any:
    from types import SimpleNamespace

    with DAG("nightly", schedule=None, on_failure_callback=notifier, on_success_callback=notifier) as dag:
        BaseOperator(task_id="load", retries=1, on_failure_callback=notifier, on_retry_callback=notifier)
    return SimpleNamespace(dags={"nightly": dag})


def text_of(simulator: Any) -> str:
    (message,) = sent(simulator, "kyivstar_open_telecom")
    return str(message["text"])


def test_a_callback_of_a_task_in_a_worker(telecom_simulator: Any, supervisor: Supervisor) -> None:
    from airflow.sdk.execution_time.task_runner import _run_task_state_change_callbacks

    bag = the_dag(KyivstarSmsNotifier(msisdn=NUMBER, text="{{ ti.task_id }}: {{ exception }}"))
    task = bag.dags["nightly"].get_task("load")
    context: Any = in_worker(dag=bag.dags["nightly"])
    _run_task_state_change_callbacks(task, "on_failure_callback", context, structlog.get_logger())
    assert text_of(telecom_simulator).startswith("load: boom https://")
    assert len(supervisor.variables) == 1


def in_dag_processor(request: Any, notifier: Any) -> None:
    from airflow.dag_processing.processor import _execute_callbacks

    _execute_callbacks(the_dag(notifier), [request], structlog.get_logger())


def test_a_callback_of_a_task_in_the_dag_processor(telecom_simulator: Any, supervisor: Supervisor) -> None:
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import TIRunContext
    from airflow.callbacks.callback_requests import TaskCallbackRequest

    facts = {"filepath": "x.py", "bundle_name": "none", "bundle_version": None}
    server = TIRunContext(dag_run=datamodel_run(), max_tries=1)
    request = TaskCallbackRequest(ti=datamodel_ti(), context_from_server=server, **facts)
    in_dag_processor(request, KyivstarSmsNotifier(msisdn=NUMBER, text="{{ exception }}{{ summary }}"))
    assert text_of(telecom_simulator).startswith("Airflow: nightly.load failed (try 1) ")
    assert len(supervisor.variables) == 1


@pytest.mark.parametrize("full", [False, True])
def test_a_callback_of_a_dag_in_the_dag_processor(
    telecom_simulator: Any, supervisor: Supervisor, full: bool
) -> None:
    from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext

    server = DagRunContext(dag_run=datamodel_run(), last_ti=datamodel_ti()) if full else None
    request = DagCallbackRequest(
        filepath="x.py",
        bundle_name="none",
        bundle_version=None,
        dag_id="nightly",
        run_id=RUN_ID,
        msg="task_failure",
        context_from_server=server,
    )
    in_dag_processor(request, KyivstarSmsNotifier(msisdn=NUMBER))
    assert text_of(telecom_simulator).startswith("Airflow: nightly failed (task_failure) in run")
    assert "/tasks/" not in text_of(telecom_simulator)
    assert len(supervisor.variables) == 1


def test_a_callback_without_a_context_knows_the_dags_own_params(telecom_simulator: Any) -> None:
    dag = DAG("nightly", schedule=None, params={"on_call": NUMBER})
    context: Any = {"dag": dag, "run_id": RUN_ID, "reason": "timed_out"}
    KyivstarSmsNotifier(msisdn="{{ params.on_call }}")(context)
    assert "(timed_out)" in text_of(telecom_simulator)


def in_triggerer(callback: AsyncCallback) -> list[Any]:
    from airflow.triggers.callback import CallbackTrigger

    async def run() -> list[Any]:
        trigger = CallbackTrigger(callback.path, {**callback.kwargs, "context": of_deadline()})
        return [event.payload async for event in trigger.run()]

    return asyncio.run(run())


@pytest.mark.parametrize("kind", [KyivstarSmsNotifier, KetchUpSmsNotifier])
def test_a_deadline_in_the_triggerer(telecom_simulator: Any, supervisor: Supervisor, kind: Any) -> None:
    callback = AsyncCallback(kind, kwargs={"msisdn": NUMBER})
    for _ in range(2):
        assert in_triggerer(callback)[-1] == {"state": "success", "body": None}
    vendor = "kyivstar_open_telecom" if kind is KyivstarSmsNotifier else "ketchup_loyalty"
    (message,) = sent(telecom_simulator, vendor)
    assert message["text"].startswith("Airflow: nightly missed its deadline in run ")
    assert len([seen for seen in telecom_simulator.state.requests if "token" not in seen.path]) == 1
    assert len(supervisor.variables) == 1


def test_a_deadline_finds_its_recipients_in_a_variable(
    telecom_simulator: Any, supervisor: Supervisor
) -> None:
    supervisor.variables["on_call"] = NUMBER
    in_triggerer(AsyncCallback(KyivstarSmsNotifier, kwargs={"msisdn": "{{ var.value.on_call }}"}))
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 1


@pytest.mark.parametrize(
    "kwargs",
    [
        {"msisdn": ""},
        {"msisdn": None},
        {"msisdn": [NUMBER] * 20},
        {"msisdn": "+380670000"},
        {"msisdn": NUMBER, "conn_id": "no"},
        {"msisdn": NUMBER, "max_per_hour": 0},
        {"msisdn": NUMBER, "deadline_seconds": "x"},
    ],
)
def test_a_wrong_deadline_callback_shows_no_number(kwargs: Any, telecom_simulator: Any) -> None:
    """Airflow logs the arguments of one that raises."""
    assert in_triggerer(AsyncCallback(KyivstarSmsNotifier, kwargs=kwargs))[-1]["state"] == "success"


def test_many_deadlines_at_once_leave_the_event_loop_free(
    telecom_simulator: Any, supervisor: Supervisor
) -> None:
    async def run() -> float:
        longest, done = 0.0, False

        async def status_check() -> None:
            nonlocal longest
            loop = asyncio.get_running_loop()
            while not done:
                before = loop.time()
                await asyncio.sleep(0.01)
                longest = max(longest, loop.time() - before)

        async def tell(place: int) -> None:
            await KyivstarSmsNotifier(msisdn=NUMBER, context=of_deadline(deadline_id=str(place)))  # type: ignore[arg-type]

        watcher = asyncio.create_task(status_check())
        await asyncio.gather(*(tell(place) for place in range(30)))
        done = True
        await watcher
        return longest

    silence = 3.0
    telecom_simulator.fault("silence", "kyivstar_open_telecom", path="/sms", seconds=silence, times=3)
    assert asyncio.run(run()) < silence  # it would stand still as long as the vendor is silent
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 10


def test_a_deadline_in_an_executor(telecom_simulator: Any, supervisor: Supervisor) -> None:
    from airflow.sdk.execution_time.callback_supervisor import execute_callback

    kwargs = {"msisdn": NUMBER, "context": of_deadline()}
    done = execute_callback(PATH, kwargs, "x.py", None, structlog.get_logger())  # type: ignore[arg-type]
    assert done == (True, None)
    assert supervisor.variables == {}
    assert "missed its deadline" in text_of(telecom_simulator)


def test_variables_can_be_written_where_airflow_says_so() -> None:
    """Supervisors answer a PutVariable in these two places, and have no such message in the third."""
    from airflow.dag_processing.processor import ToManager
    from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor
    from airflow.sdk.execution_time.callback_supervisor import CallbackToSupervisor
    from airflow.sdk.execution_time.comms import PutVariable
    from pydantic import TypeAdapter, ValidationError

    message = PutVariable(key="a", value="b", description=None).model_dump()
    for union in (ToManager, ToTriggerSupervisor):
        assert isinstance(TypeAdapter(union).validate_python(message), PutVariable)
    with pytest.raises(ValidationError):
        TypeAdapter(CallbackToSupervisor).validate_python(message)


def test_a_cancelled_trigger_is_cancelled(telecom_simulator: Any, supervisor: Supervisor) -> None:
    telecom_simulator.fault("silence", "kyivstar_open_telecom", path="/sms", seconds=3)

    def requests() -> int:
        return len([seen for seen in telecom_simulator.state.requests if seen.path.endswith("/sms")])

    async def run() -> None:
        async def tell() -> None:
            await KyivstarSmsNotifier(msisdn=NUMBER, context=of_deadline())  # type: ignore[arg-type]

        task = asyncio.create_task(tell())
        assert await eventually_async(requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await tell()  # as the next triggerer would

    asyncio.run(run())
    assert requests() == 1


def test_native_rendering(telecom_simulator: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    dag = DAG("nightly", schedule=None, render_template_as_native_obj=True)
    context: Any = {**in_worker(dag=dag), "params": {"to": [NUMBER], "code": 7}}
    KyivstarSmsNotifier(msisdn="{{ params.to }}", text="{{ params.code }}")(context)
    KyivstarSmsNotifier(msisdn="{{ '380670000200' }}", text="{{ params.code }}")(context)
    assert text_of(telecom_simulator).startswith("7 https://")
