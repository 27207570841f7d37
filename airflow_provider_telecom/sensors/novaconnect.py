"""Sensors of NovaConnect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_telecom.operators.base import is_literal
from airflow_provider_telecom.sensors.base import TelecomSensor
from airflow_provider_telecom.vendors.novaconnect import targets


class NovaConnectQueueDoneSensor(TelecomSensor):
    """Wait until an operation is done for all SIMs; return `{"operation", "queue_id", "reached"}`, a count.

    No call of the vendor asks for a queue, so this looks at the SIMs: an operation whose end shows in none
    (disconnect, reconnect, ping, sms, repackage) is refused when the Dag is parsed. Raises TelecomMissedError
    when a SIM is gone or is in a state that keeps it from ever coming to be so, naming it.

    :param operation: block, unblock, limit, tariff or group.
    :param sim_ids: the vendor's ids of the SIMs; most often what an operator returned under `changed`, as
        `"{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['changed'] }}"`. None at all is no error then.
    :param target: what the operation was to make of them. Nothing for block and unblock; `limit_mb` and
        `limit_type` for limit; `package_kb`, `auto_package` and `all_world` for tariff; `group_ids`,
        `new_group_names` and `exact` for group. They mean what they mean to the operators.
    :param queue_id: the vendor's id of the queue. Only returned, for now.

    Source: "Список сим-карт" of the vendor's document.
    """

    default_conn_id: ClassVar[str] = "novaconnect_default"
    hook: ClassVar[str] = "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook"
    watch: ClassVar[str] = "airflow_provider_telecom.vendors.novaconnect.watches.sims"
    watched: ClassVar[Sequence[str]] = ("operation", "sim_ids", "target", "queue_id")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *watched)

    def __init__(
        self,
        *,
        operation: str,
        sim_ids: Any,
        target: Mapping[str, Any] | None = None,
        queue_id: str | None = None,
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.sim_ids, self.target, self.queue_id = operation, sim_ids, target, queue_id
        if is_literal(sim_ids):
            targets.some_ids("sim_ids", sim_ids)
        if is_literal(operation):
            targets.check_shown(operation)
            if target is None or is_literal(target):
                targets.checked(operation, target)
        self._start_from_trigger(start_from_trigger)
