"""Airflow's own Execution API on loopback, over its metadata database, and tries of a task that use it.

Only the pipe between a task and its supervisor is left out: what a task asks goes to the API by the client
that the supervisor uses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import uvicorn

from tests.system.services import free_port

DAG_ID, TASK_ID, RETRIES = "overlapping", "send", 5


@contextmanager
def execution_api() -> Iterator[str]:
    """Serve the api-server's application with the Execution API, and return its address."""
    from airflow.api_fastapi.app import create_app

    port = free_port()
    app = create_app("execution")
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    assert server.started
    try:
        yield f"http://127.0.0.1:{port}/execution/"
    finally:
        server.should_exit = True
        thread.join(30)


def new_run(run_id: str) -> None:
    """Make a run of a Dag with one task, in the database."""
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.sdk import DAG, BaseOperator
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with DAG(DAG_ID, schedule=None) as dag:
        BaseOperator(task_id=TASK_ID, retries=RETRIES)
    with create_session(scoped=False) as session:
        session.merge(DagBundleModel(name="tests"))
        session.commit()
        SerializedDAG.bulk_write_to_db("tests", None, [dag], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG.from_dag(dag), "tests", session=session)
        session.commit()
        DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).create_dagrun(
            run_id=run_id,
            run_after=datetime.now(UTC),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )


@dataclass
class Try:
    """One try of the task, as the process that runs it knows it."""

    ti_id: UUID
    number: int
    run_id: str
    client: Any = field(repr=False)

    @property
    def store(self) -> Any:
        """The task state store that Airflow gives to this try."""
        from airflow._shared.state import TaskScope
        from airflow.sdk.execution_time.context import TaskStateStoreAccessor

        return TaskStateStoreAccessor(self.ti_id, TaskScope(DAG_ID, self.run_id, TASK_ID, -1))

    @property
    def context(self) -> dict[str, Any]:
        """What an operator is given."""
        ti = SimpleNamespace(dag_id=DAG_ID, run_id=self.run_id, task_id=TASK_ID, map_index=-1)
        return {"ti": ti, "run_id": self.run_id, "params": {}, "task_state_store": self.store}

    def execute(self, operator: Any) -> Any:
        """Render and execute an operator of this task."""
        from airflow.sdk import DAG

        with DAG(DAG_ID, schedule=None) as dag:
            dag.add_task(operator)
        operator.render_template_fields(self.context)
        return operator.execute(self.context)


def answer(client: Any, message: Any) -> Any:
    """Answer a task, by the client that its supervisor has."""
    from airflow.sdk.api.client import ServerResponseError
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import comms, request_handlers

    variables = {
        comms.PutVariable: request_handlers.handle_put_variable,
        comms.GetVariableKeys: request_handlers.handle_get_variable_keys,
        comms.DeleteVariable: request_handlers.handle_delete_variable,
    }
    try:
        if (handle := variables.get(type(message))) is not None:
            return handle(client, message)[0] or comms.OKResponse(ok=True)
        store = client.task_state_store
        if isinstance(message, comms.SetTaskStateStore):
            store.set(message.ti_id, message.key, message.value, expires_at=message.expires_at)
            return comms.OKResponse(ok=True)
        assert isinstance(message, comms.GetTaskStateStore)
        found = store.get(message.ti_id, message.key)
    except ServerResponseError as error:
        detail = {"status_code": error.response.status_code}
        raise AirflowRuntimeError(
            comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail)
        ) from None
    if isinstance(found, comms.ErrorResponse):
        return found
    return comms.TaskStateStoreResult.from_task_state_store_response(found)


class Deployment:
    """The API and the database, the task's tries, and what ends them."""

    def __init__(self, url: str, run_id: str) -> None:
        self.url, self.run_id = url, run_id
        self.tries: dict[UUID, Try] = {}
        new_run(run_id)

    def begin(self) -> Try:
        """Queue the task as the scheduler does, and start a try as a worker does."""
        from airflow.executors.local_executor import LocalExecutor
        from airflow.executors.workloads.base import BaseWorkloadSchema
        from airflow.sdk.api.client import Client
        from airflow.utils.state import TaskInstanceState

        with self.task_instance() as ti:
            ti.try_number += 1
            ti.state = TaskInstanceState.QUEUED
            ti_id, number = ti.id, ti.try_number
        assert ti_id not in self.tries
        token = BaseWorkloadSchema.generate_token(str(ti_id), LocalExecutor().jwt_generator)
        begun = Try(ti_id, number, self.run_id, Client(base_url=self.url, token=token, timeout=600))
        begun.client.task_instances.start(ti_id, 1000 + number, datetime.now(UTC))
        self.tries[ti_id] = begun
        return begun

    @contextmanager
    def task_instance(self) -> Iterator[Any]:
        """Give the task's row, and write what was changed."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            yield session.query(TaskInstance).filter_by(dag_id=DAG_ID, run_id=self.run_id).one()

    def send(self, message: Any) -> Any:
        """Answer a task as its supervisor does. What is shared by all tasks is asked for by the last try."""
        ti_id = getattr(message, "ti_id", None) or next(reversed(self.tries))
        return answer(self.tries[ti_id].client, message)

    # What ends a try while its process runs on.

    def retried_by_its_worker(self, old: Try) -> None:
        """The worker says that the task has failed and is to be retried."""
        old.client.task_instances.retry(old.ti_id, datetime.now(UTC), rendered_map_index=None)

    def given_up_by_the_scheduler(self, old: Try) -> None:
        """Its heartbeats do not arrive, so the scheduler takes it for dead."""
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            ti = session.get(TaskInstance, old.ti_id)
            assert ti
            ti.handle_failure("no heartbeat", session=session)

    def cleared_by_a_person(self, old: Try) -> None:
        """Somebody presses "Clear" while it runs."""
        from airflow.models.taskinstance import TaskInstance, clear_task_instances
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            ti = session.get(TaskInstance, old.ti_id)
            assert ti
            clear_task_instances([ti], session)
