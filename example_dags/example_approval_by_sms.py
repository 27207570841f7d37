"""Ask a person by SMS before a campaign is sent: how many get it, what it costs, and the link to answer.

`preview` reads the recipients and asks the vendor for the price. Then `approve` sends an SMS to the person
who decides, and waits without a worker. The link in it opens the page "Required Actions" of Airflow, where
the person logs in and approves or rejects. Without an answer within eight hours the campaign is rejected:
nothing is sent.

Who may answer is decided by Airflow's permissions, and by `assigned_users` if you add it to `approve`. The
SMS is only a message: nobody can answer by it.

Needs the connection `ketchup_loyalty_default`, and Airflow's `[api] base_url` for the link. Each run costs
one SMS for the question and, if it is approved, one for each recipient. A second try of `approve`, and
"Clear", ask again by another SMS; the campaign is sent once.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, chain, dag

from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

RECIPIENTS = str(Path(__file__).parent / "data" / "recipients.csv")
SUBJECT = (
    "Send {{ ti.xcom_pull(task_ids='preview')['recipients'] }} SMS for "
    "{{ ti.xcom_pull(task_ids='preview')['price'] }} {{ ti.xcom_pull(task_ids='preview')['currency'] }}?"
)


@dag(
    schedule=None,
    tags=["telecom", "ketchup", "approval"],
    params={
        "recipients": Param(RECIPIENTS, type="string", description="CSV with msisdn and name; a path or URL"),
        "text": Param("{name}, your gift is waiting for you", type="string"),
        "approver": Param("380670000200", type="string", description="Who is asked"),
        "originator": Param("test", type="string", maxLength=14, description="Sender agreed with the vendor"),
        "max_cost": Param("50", type="string", description="Maximum cost, in the account's currency"),
    },
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_approval_by_sms() -> None:
    campaign: dict[str, Any] = {
        "recipients": "{{ params.recipients }}",
        "text": "{{ params.text }}",
        "originator": "{{ params.originator }}",
        "max_cost": "{{ params.max_cost }}",
    }
    preview = KetchUpSendBulkSmsOperator(task_id="preview", dry_run=True, **campaign)
    approve = ApprovalOperator(
        task_id="approve",
        subject=SUBJECT,
        body="Text: {{ params.text }}",
        notifiers=KetchUpSmsNotifier(msisdn="{{ params.approver }}", originator="{{ params.originator }}"),
        response_timeout=timedelta(hours=8),
        defaults="Reject",
        retries=1,
        retry_delay=timedelta(seconds=5),
    )
    send = KetchUpSendBulkSmsOperator(task_id="send", **campaign)
    chain(preview, approve, send)


example_approval_by_sms()
