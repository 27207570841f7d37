"""Send a Kyivstar promo (an SMS campaign) to everybody in a CSV file, wait until it ends, and report.

Needs the connection `kyivstar_open_telecom_default`. The draft and its audience cost nothing and reach
nobody; `start` costs at least one SMS per recipient on the vendor's live server.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCreatePromoOperator,
    KyivstarGetPromoOperator,
    KyivstarListPromosOperator,
    KyivstarPromoStatisticsOperator,
    KyivstarStartPromoOperator,
)
from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarPromoFinishedSensor

RECIPIENTS = str(Path(__file__).parent / "data" / "recipients.csv")


@dag(
    schedule=None,
    tags=["telecom", "kyivstar", "campaign"],
    params={
        "recipients": Param(RECIPIENTS, type="string", description="CSV with msisdn and name; a path or URL"),
        "text": Param("${1}, дякуємо, що ви з нами!", type="string", description="${1} is the name"),
        "sender": Param("messagedesk", type="string", description="Alpha name agreed with the vendor"),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_kyivstar_promo() -> None:
    draft = KyivstarCreatePromoOperator(
        task_id="draft",
        recipients="{{ params.recipients }}",
        text="{{ params.text }}",
        param_columns=["name"],
        sender="{{ params.sender }}",
        max_recipients=10_000,
        multiple_outputs=True,
    )
    promo_id: Any = draft.output["promo_id"]
    # A good place for an approval: nothing has been paid for yet.
    start = KyivstarStartPromoOperator(task_id="start", promo_id=promo_id)
    finished = KyivstarPromoFinishedSensor(
        task_id="wait_until_finished",
        promo_id=promo_id,
        min_delivered_percent=50,
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=5),
        timeout=timedelta(days=1),
    )
    count = KyivstarPromoStatisticsOperator(task_id="count", promo_id=promo_id)

    @task
    def report(counts: dict[str, Any]) -> None:
        """Print the counts to the task's log."""
        for name, value in counts.items():
            print(f"{name:<30} {value}")

    # What the vendor says of this promo, and of all promos that were started today.
    status = KyivstarGetPromoOperator(task_id="status", promo_id=promo_id)
    today = KyivstarListPromosOperator(
        task_id="promos_of_today",
        start_date_from="{{ dag_run.start_date.date() }}",
        sort_by="startDate",
        sort_direction="DESC",
    )

    start >> finished >> count >> status >> today
    report(count.output)


example_kyivstar_promo()
