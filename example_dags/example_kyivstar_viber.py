"""Send two Viber messages through Kyivstar, a transaction and an advertisement, and wait for both.

Needs the connection `kyivstar_open_telecom_default`. Each run costs one transactional and one advertising
message on the vendor's live server. A transaction must match a template agreed with the vendor:
otherwise it is charged as advertising, so the task refuses it before anything is sent.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendViberOperator
from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarViberDeliveredSensor


@dag(
    schedule=None,
    tags=["telecom", "kyivstar", "viber"],
    params={
        "msisdn": Param("380670000200", type="string", description="The recipient"),
        "sender": Param("messagedesk", type="string", description="Viber alpha name agreed with the vendor"),
        "code": Param("4711", type="string", pattern="^[0-9]+$", description="The code in the transaction"),
        "offer": Param("Two coffees for one, today only.", type="string", description="The advertisement"),
        "image_url": Param("https://example.com/coffee.png", type="string", format="uri"),
        "action_url": Param("https://example.com/offer", type="string", format="uri"),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_kyivstar_viber() -> None:
    transaction = KyivstarSendViberOperator(
        task_id="send_transaction",
        kind="transaction",
        msisdn="{{ params.msisdn }}",
        text="Your code is {{ params.code }}",
        template="Your code is {digits}",
        sender="{{ params.sender }}",
        ttl_seconds=3600,
        multiple_outputs=True,
    )
    promotion = KyivstarSendViberOperator(
        task_id="send_promotion",
        kind="promotion",
        msisdn="{{ params.msisdn }}",
        text="{{ params.offer }}",
        image_url="{{ params.image_url }}",
        caption="See more",
        action_url="{{ params.action_url }}",
        sender="{{ params.sender }}",
        ttl_seconds=3600,
        multiple_outputs=True,
    )
    for sent in (transaction, promotion):
        KyivstarViberDeliveredSensor(
            task_id=sent.task_id.replace("send", "wait_for"),
            message_id=sent.output["message_id"],
            deferrable=True,
            poke_interval=1,
            exponential_backoff=True,
            max_wait=timedelta(minutes=1),
            timeout=timedelta(hours=1),
        )


example_kyivstar_viber()
