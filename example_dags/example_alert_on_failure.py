"""Fail, and alert the person on call: by KetchUp when the task fails, by Kyivstar when the run fails.

Needs the connections `ketchup_loyalty_default` and `kyivstar_open_telecom_default`. Each run costs one SMS at
each vendor, and a Viber message at KetchUp: not everybody has Viber. The same failure is reported once, and
at most ten failures in an hour. If an alert itself fails, one line is logged: an alert never makes things
worse.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier, KetchUpViberNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier

ON_CALL = "{{ params.on_call }}"


@dag(
    schedule=None,
    tags=["telecom", "alert"],
    params={
        "on_call": Param("380670000200", type="string", description="Who gets the alert"),
        "originator": Param("test", type="string", description="Sender at KetchUp"),
        "sender": Param("messagedesk", type="string", description="Alpha name of Kyivstar's SMS"),
    },
    on_failure_callback=KyivstarSmsNotifier(msisdn=ON_CALL, sender="{{ params.sender }}"),
    doc_md=__doc__,
)
def example_alert_on_failure() -> None:
    @task(
        on_failure_callback=[
            KetchUpSmsNotifier(
                msisdn=ON_CALL,
                originator="{{ params.originator }}",
                text="{{ ti.task_id }} failed: {{ exception }}",
            ),
            KetchUpViberNotifier(msisdn=ON_CALL, sender="{{ params.originator }}"),
        ]
    )
    def load() -> None:
        """Fail on purpose."""
        raise AirflowFailException("the source is empty")

    load()


example_alert_on_failure()
