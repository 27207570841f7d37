"""Alert by SMS at once, and by a telephone call if nobody acknowledges the alert within ten minutes.

Needs the connections `ketchup_loyalty_default` and `kyivstar_fmc_default`. The task fails in its first try
on purpose: this costs one SMS, and a run of `example_alert_escalation_on_call` asks for an answer on
Airflow's page of required actions. A minute later the task is tried again and succeeds, so the escalation
ends by itself and nobody is called. With `recovers` set to false it fails again: then answer, or be called.

In your own deployment put `on_call` into a module that all Dag files import, and the line with
`on_call.dag()` into one Dag file.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag, get_current_context, task

from airflow_provider_telecom.notifications.escalation import EscalatingNotifier
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier

ON_CALL = Param("380670000200", type="string", description="Who gets the SMS and the call")
CALLING_NUMBER = Param(
    "380670000100", type="string", description="The subscriber of the PBX who is called first"
)

on_call = EscalatingNotifier(
    KetchUpSmsNotifier(msisdn="{{ params.on_call }}", originator="test", max_per_hour=5),
    then=[
        (
            timedelta(minutes=10),
            KyivstarFmcCallNotifier(
                msisdn="{{ params.on_call }}", calling_number="{{ params.calling_number }}"
            ),
        )
    ],
    dag_id="example_alert_escalation_on_call",
)
on_call.dag(params={"on_call": ON_CALL, "calling_number": CALLING_NUMBER})


@dag(
    schedule=None,
    tags=["telecom", "alert"],
    params={
        "on_call": ON_CALL,
        "recovers": Param(True, type="boolean", description="Whether the second try succeeds"),
    },
    default_args={"on_retry_callback": on_call, "on_failure_callback": on_call},
    doc_md=__doc__,
)
def example_alert_escalation() -> None:
    @task(retries=1, retry_delay=timedelta(minutes=1))
    def load() -> None:
        """Fail on purpose."""
        context = get_current_context()
        if context["ti"].try_number == 1 or not context["params"]["recovers"]:
            raise RuntimeError("the source is empty")

    load()


example_alert_escalation()
