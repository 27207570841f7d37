"""Assets to schedule Dags on. An event means that a vendor's webhook has arrived, or that polling found it.

    @dag(schedule=[NOVACONNECT_PACKAGE_EMPTY])

`event_payloads` returns what an event holds: facts such as `{"conn_id": "novaconnect_default", "sim_ids":
[1001]}`, ids and states, never phone numbers or texts.
"""

from airflow_provider_telecom.webhooks.assets import event_payloads

__all__ = ["event_payloads"]
