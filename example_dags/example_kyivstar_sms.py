"""Send one SMS through Kyivstar Open Telecom and wait until it is delivered.

Needs the connection `kyivstar_open_telecom_default`. On the vendor's live server each run costs one SMS, or
as many as the text takes; reading its status costs nothing. The wait takes no worker slot.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendSmsOperator
from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarSmsDeliveredSensor


@dag(
    schedule=None,
    tags=["telecom", "kyivstar"],
    params={
        "msisdn": Param("380670000200", type="string", description="The recipient"),
        "text": Param("Your order is ready.", type="string"),
        "sender": Param("messagedesk", type="string", description="Alpha name agreed with the vendor"),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_kyivstar_sms() -> None:
    # The vendor cannot detect a duplicate. If it is unknown whether the SMS was sent, the task fails
    # (at-most-once); with on_unknown="resend" it would send the SMS again (at-least-once).
    send = KyivstarSendSmsOperator(
        task_id="send",
        msisdn="{{ params.msisdn }}",
        text="{{ params.text }}",
        sender="{{ params.sender }}",
        max_segments=2,
        ttl_seconds=3600,
        on_unknown="fail",
        multiple_outputs=True,
    )
    KyivstarSmsDeliveredSensor(
        task_id="wait_until_delivered",
        message_id=send.output["message_id"],
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=1),
        timeout=timedelta(hours=1),
    )


example_kyivstar_sms()
