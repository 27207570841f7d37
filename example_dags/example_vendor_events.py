"""Run when NovaConnect tells something: buy used-up packages anew and say so by SMS; file a new bill.

**This costs money**: a package for each SIM, at most five in a run (`MOST_PACKAGES`; with more nothing is
bought and the run fails), and one SMS. Needs the connections `novaconnect_default` with an
administrator's token and `ketchup_loyalty_default`. Events come from the vendor's posts, or from a
watcher where no vendor can reach Airflow (docs/callbacks.md); both are hints. So what a run does is
decided by what the vendor's lists say as it runs: a package that was bought meanwhile is not bought
again, nor by a retry. Runs come one after the other, and each ends when its packages are there. Started
by hand, without events, it looks at the SIMs in `params` and files the newest bill.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.novaconnect import NovaConnectRepackageOperator
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
)
from airflow_provider_telecom.webhooks.assets import (
    NOVACONNECT_GENERATE_BILL,
    NOVACONNECT_PACKAGE_EMPTY,
    event_payloads,
)

CONNECTION = "novaconnect_default"
MOST_PACKAGES = 5
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=NOVACONNECT_PACKAGE_EMPTY | NOVACONNECT_GENERATE_BILL,  # either
    max_active_runs=1,
    tags=["telecom", "novaconnect"],
    params={
        "sim_ids": Param(
            [1008], type="array", items={"type": "integer"}, description="SIMs to look at, by hand"
        ),
        "msisdn": Param("380670000200", type="string", description="Who is told"),
        "text": Param(
            "NovaConnect: packages were bought anew for the SIMs", type="string", description="What is said"
        ),
        "originator": Param("test", type="string", description="Sender of the SMS"),
        "output": Param(
            OUTPUT, type="string", description="Folder of the files; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_vendor_events() -> None:
    @task
    def what_was_told(params: Any = None, triggering_asset_events: Any = None) -> dict[str, Any]:
        """Return the ids in all events of this run: Airflow may gather several for one."""
        events = [one for each in (triggering_asset_events or {}).values() for one in each]
        ours = [
            facts for one in events for facts in event_payloads(one) if facts.get("conn_id") == CONNECTION
        ]
        sim_ids = {sim_id for facts in ours for sim_id in facts.get("sim_ids", ())}
        bill_ids = {bill_id for facts in ours for bill_id in facts.get("bill_ids", ())}
        return {
            "by_hand": not events,
            "sim_ids": sorted(sim_ids) if events else params["sim_ids"],
            "bill_ids": sorted(bill_ids),
        }

    what = what_was_told()

    buy = NovaConnectRepackageOperator(
        task_id="buy_packages",
        sim_ids="{{ ti.xcom_pull(task_ids='what_was_told')['sim_ids'] }}",
        only_used_up=True,
        on_unknown_sims="skip",
        max_changes=MOST_PACKAGES,
        confirm=True,
    )

    @task.short_circuit
    def was_any_bought(outcome: dict[str, Any]) -> list[int]:
        """Go on if there was a package to buy."""
        print(f"bought for {outcome['changed']}, left alone {outcome['unchanged']}: {outcome['skipped']}")
        bought: list[int] = outcome["changed"]
        return bought

    @task.sensor(poke_interval=5, timeout=3600)
    def wait_for_packages(bought: list[int]) -> bool:
        """Wait until no SIM is blocked any more for the package that ran out: the next run then sees it."""
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

        blocked = NovaConnectHook(CONNECTION).all_sims(blocked=True)
        return not any(sim.block == "p" and sim.id in bought for sim in blocked)

    tell = KetchUpSendSmsOperator(
        task_id="tell",
        msisdn="{{ params.msisdn }}",
        originator="{{ params.originator }}",
        text="{{ params.text }} {{ ti.xcom_pull(task_ids='was_any_bought') | join(', ') }}",
    )

    @task.short_circuit
    def which_bills(what: dict[str, Any]) -> list[int]:
        """Return the bills that were told of and are there; by hand, the newest."""
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

        bills = NovaConnectHook(CONNECTION).all_bills()
        if what["by_hand"]:
            return [max(bills, key=lambda bill: (bill.added or 0, bill.id)).id] if bills else []
        return [bill.id for bill in bills if bill.id in what["bill_ids"]]

    file = NovaConnectBillToObjectStorageOperator(
        task_id="file_bills",
        path="{{ params.output }}/novaconnect_bills_told",
        bill_ids="{{ ti.xcom_pull(task_ids='which_bills') }}",
    )

    bought = was_any_bought(buy.output)
    what >> buy
    bought >> tell
    wait_for_packages(bought)
    which_bills(what) >> file


example_vendor_events()
