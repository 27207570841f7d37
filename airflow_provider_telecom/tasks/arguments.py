"""The parameters that tasks pass to their base classes: `**kwargs: Unpack[...]` shows them to type checkers.

Each class here has the parameters of one base class, or joins several. A test compares them with the
signatures.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Required, TypeAlias, TypedDict

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context, RetryPolicy, TaskGroup

    from airflow_provider_telecom.journal.unknown import OnUnknown


Callbacks: TypeAlias = "Callable[[Context], None] | Sequence[Callable[[Context], None]] | None"


class TaskArguments(TypedDict, total=False):
    """The parameters of Airflow's `BaseOperator`."""

    task_id: Required[str]
    allow_nested_operators: bool
    dag: DAG | None
    default_args: dict[str, Any] | None
    depends_on_past: bool
    do_xcom_push: bool
    doc: str | None
    doc_json: str | None
    doc_md: str | None
    doc_rst: str | None
    doc_yaml: str | None
    email: str | Sequence[str] | None
    email_on_failure: bool
    email_on_retry: bool
    end_date: datetime | None
    execution_timeout: timedelta | None
    executor: str | None
    executor_config: dict[str, Any] | None
    ignore_first_depends_on_past: bool
    inlets: object
    logger_name: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    max_retry_delay: timedelta | float | None
    multiple_outputs: bool
    on_execute_callback: Callbacks
    on_failure_callback: Callbacks
    on_retry_callback: Callbacks
    on_skipped_callback: Callbacks
    on_success_callback: Callbacks
    outlets: object
    owner: str
    params: MutableMapping[str, object] | None
    pool: str | None
    pool_slots: int
    post_execute: object
    pre_execute: object
    priority_weight: int
    queue: str
    render_template_as_native_obj: bool | None
    resources: dict[str, Any] | None
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    retry_policy: RetryPolicy | None
    run_as_user: str | None
    sla: timedelta | None
    start_date: datetime | None
    task_display_name: str | None
    task_group: TaskGroup | None
    trigger_rule: str
    wait_for_downstream: bool
    wait_for_past_depends_before_skipping: bool
    weight_rule: object


class OperatorArguments(TaskArguments, total=False):
    """The parameters of `TelecomOperator`."""

    conn_id: str | None


class JournaledArguments(OperatorArguments, total=False):
    """The parameters of `JournaledOperator` and `IdempotentOperator`."""

    dedupe_key: str


class NonIdempotentArguments(JournaledArguments, total=False):
    """The parameters of `NonIdempotentOperator`."""

    on_unknown: OnUnknown


class CallArguments(NonIdempotentArguments, total=False):
    """The parameters of `CallOperator`."""

    verify_within_seconds: int


class PollArguments(OperatorArguments, total=False):
    """The parameters of `DeferrableOperator` that say how to wait."""

    deferrable: bool
    poll_interval: float
    wait_timeout: float
    tolerated_errors: int


class DeferrableArguments(PollArguments, total=False):
    """The parameters of `DeferrableOperator`."""

    wait_for_completion: bool


class JournaledDeferrableArguments(JournaledArguments, DeferrableArguments):
    """The parameters of an effect that can be waited for."""


class NonIdempotentDeferrableArguments(NonIdempotentArguments, DeferrableArguments):
    """The parameters of an effect without an idempotency key that can be waited for."""


class SensorArguments(TaskArguments, total=False):
    """The parameters of `TelecomSensor`."""

    conn_id: str | None
    deferrable: bool
    start_from_trigger: bool
    tolerated_errors: int
    poke_interval: timedelta | float
    timeout: timedelta | float | None
    mode: str
    exponential_backoff: bool
    max_wait: timedelta | float | None
    soft_fail: bool
    silent_fail: bool
    never_fail: bool
