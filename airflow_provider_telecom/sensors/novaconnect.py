"""Sensors of NovaConnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.novaconnect import desired_state


class NovaConnectQueueDoneSensor(TelecomSensor):
    """Wait until an operation is done for all SIMs; return `{"operation", "queue_id", "reached"}`, a count.

    With a receiver (docs/callbacks.md) the vendor's call-back ends the waiting, for all operations. It is
    believed only where nothing else tells: if the end of an operation shows in the SIMs (block, unblock,
    limit, tariff, group), they are looked at, and without a receiver that is all there is. The others
    (disconnect, reconnect, ping, sms, repackage) are refused when the Dag is parsed unless there is a
    receiver and a `callback_key`. Raises TelecomMissedError when the vendor says that it failed for a SIM, or
    when a SIM is gone or is in a state that keeps it from ever coming to be so, naming it.

    :param operation: block, unblock, limit, tariff, group, disconnect, reconnect, ping, sms or repackage.
    :param sim_ids: the vendor's ids of the SIMs; most often what an operator returned under `changed`, as
        `"{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['changed'] }}"`. None at all is no error then.
    :param target: what the operation was to make of them. Nothing for block and unblock; `limit_mb` and
        `limit_type` for limit; `package_kb`, `auto_package` and `all_world` for tariff; `group_ids`,
        `new_group_names` and `exact` for group. They mean what they mean to the operators.
    :param queue_id: the vendor's id of the queue, to be returned.
    :param callback_key: what the operator returned under `callback_key`: by which the call-back is known.

    Source: "Список сим-карт" of the vendor's document.
    """

    default_conn_id: ClassVar[str] = "novaconnect_default"
    hook: ClassVar[str] = "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook"
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.status.sims"
    subscription: ClassVar[str | None] = "airflow_provider_telecom.vendors.novaconnect.webhooks.subscription"
    check_arguments: ClassVar[Sequence[str]] = ("operation", "sim_ids", "target", "queue_id", "callback_key")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        operation: str,
        sim_ids: Any,
        target: Mapping[str, Any] | None = None,
        queue_id: str | None = None,
        callback_key: str | None = None,
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.sim_ids, self.target, self.queue_id = operation, sim_ids, target, queue_id
        self.callback_key = callback_key
        if is_literal(sim_ids):
            desired_state.non_empty_ids("sim_ids", sim_ids)
        if is_literal(operation):
            one_of("operation", operation, desired_state.OPERATIONS)
            if not (self._has_subscription and callback_key):
                desired_state.check_observable(operation)
            if operation in desired_state.OBSERVABLE and (target is None or is_literal(target)):
                desired_state.checked(operation, target)
        self._prepare_start_from_trigger(start_from_trigger)
