"""A campaign in shards: an audience, a mapped send, and the join of what the shards have written."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty.bulk import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.outcomes import JoinOutcomesOperator

FOLDER = os.environ.get("TELECOM_SHARDS_FILES", "")
SHARDS = 8
RUN = FOLDER + "/{{ run_id }}"

with DAG("shards", schedule=None, max_active_tasks=SHARDS):
    audience = PrepareAudienceOperator(
        task_id="audience",
        recipients=f"{FOLDER}/people.csv",
        shards=SHARDS,
        output=f"{RUN}/audience",
    )
    send = KetchUpSendBulkSmsOperator.partial(
        task_id="send",
        recipients=audience.output,
        text="Hi from {{ run_id }}",
        originator="Shop",
        results_path=RUN + "/sms-{{ ti.map_index }}.jsonl",
        retries=3,
        retry_delay=timedelta(seconds=1),
    ).expand(shard=list(range(SHARDS)))
    join = JoinOutcomesOperator(
        task_id="join", outcomes=f"{RUN}/sms-*.jsonl", files=SHARDS, results_path=f"{RUN}/all.jsonl"
    )
    send >> join
