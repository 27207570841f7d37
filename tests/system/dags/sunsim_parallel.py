"""Eight tasks at once that share one SunSim token, which is killed again and again under them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from airflow.sdk import dag, task

TASKS = 8
CALLS_EACH = 12


@dag(schedule=None, max_active_tasks=TASKS)
def sunsim_parallel() -> None:
    """Each task makes a dozen paid callbacks and a dozen reads, a second or so apart."""

    @task
    def call_back(number: int) -> int:
        from airflow_provider_telecom.hooks.sunsim import SunSimHook

        hook = SunSimHook()
        for turn in range(CALLS_EACH):
            hook.create_callback(f"7900000{number:02d}{turn:02d}", "79000000000")
            hook.list_calls(["79000000000"], datetime.now() - timedelta(hours=1), datetime.now())
            time.sleep(0.5)
        return CALLS_EACH

    call_back.expand(number=list(range(TASKS)))


sunsim_parallel()
