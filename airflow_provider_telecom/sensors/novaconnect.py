"""Sensors of NovaConnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.novaconnect import VENDOR, arguments
from airflow_provider_telecom.vendors.novaconnect.operations import (
    OBSERVABLE,
    OPERATIONS,
    check_observable,
    parse_operation,
)


class NovaConnectQueueDoneSensor(TelecomSensor):
    """Wait until an operation is done for all SIMs; return `{"operation", "queue_id", "reached"}`, a count.

    With a receiver (docs/webhooks.md) the vendor's webhook ends the wait, for all operations. If the list of
    SIMs shows the result of an operation (block, unblock, limit, tariff, group), the list decides: the
    webhook only starts a check, and no receiver is needed. The others (disconnect, reconnect, ping, sms,
    repackage) are refused when the Dag is parsed unless there is a receiver and a `callback_key`. Raises
    TelecomFailedError if the vendor reports that it failed for a SIM, or if a SIM is not in the list or in a
    state that prevents the operation; the error names the SIM.

    :param operation: block, unblock, limit, tariff, group, disconnect, reconnect, ping, sms or repackage.
    :param sim_ids: the vendor's ids of the SIMs; usually what an operator returned under `changed`, as
        `"{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['changed'] }}"`. That may be empty.
    :param desired_state: the state that the operation brings the SIMs to. Nothing for block and unblock;
        `limit_mb` and `limit_type` for limit; `package_kb`, `auto_package` and `all_world` for tariff;
        `group_ids`, `new_group_names` and `exact` for group. They have the same meaning as for the operators.
    :param queue_id: the vendor's id of the queue, to be returned.
    :param callback_key: what the operator returned under `callback_key`; it identifies the webhook.

    Source: "Список сим-карт" of the vendor's document.
    """

    vendor = VENDOR
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.status.sim_operation"
    subscription: ClassVar[str | None] = "airflow_provider_telecom.vendors.novaconnect.webhooks.subscription"
    check_arguments: ClassVar[Sequence[str]] = (
        "operation",
        "sim_ids",
        "desired_state",
        "queue_id",
        "callback_key",
    )
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *check_arguments)

    def __init__(
        self,
        *,
        operation: str,
        sim_ids: Any,
        desired_state: Mapping[str, Any] | None = None,
        queue_id: str | None = None,
        callback_key: str | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.sim_ids, self.desired_state = operation, sim_ids, desired_state
        self.queue_id, self.callback_key = queue_id, callback_key
        if is_literal(sim_ids):
            arguments.rendered_nonempty_ids("sim_ids", sim_ids)
        if is_literal(operation):
            one_of("operation", operation, OPERATIONS)
            if not (self._has_subscription and callback_key):
                check_observable(operation)
            if operation in OBSERVABLE and (desired_state is None or is_literal(desired_state)):
                parse_operation(operation, desired_state)
        self._prepare_start_from_trigger()
