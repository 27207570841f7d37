"""Run on NovaConnect's webhooks: renew used-up packages and send an SMS about it; load new bills.

**This costs money**: one package per SIM, at most five in a run (`MAX_PACKAGES`; if there are more, nothing
is bought and the run fails), and one SMS. Needs the connections `novaconnect_default` with an
administrator's token and `ketchup_loyalty_default`. Events come from the vendor's webhooks, or from an asset
watcher where the vendor cannot reach Airflow (docs/webhooks.md). Both are only hints. The run acts on what
the vendor's lists say at that moment, so neither a second event nor a retry buys a package again. Runs do
not overlap, and each ends when its packages are active. A run that is started by hand, without events,
checks the SIMs in `params` and loads the newest bill.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_telecom.assets import event_payloads
from airflow_provider_telecom.assets.novaconnect import NOVACONNECT_GENERATE_BILL, NOVACONNECT_PACKAGE_EMPTY
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.novaconnect import NovaConnectRepackageOperator
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
)

CONNECTION = "novaconnect_default"
MAX_PACKAGES = 5
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=NOVACONNECT_PACKAGE_EMPTY | NOVACONNECT_GENERATE_BILL,  # either
    max_active_runs=1,
    tags=["telecom", "novaconnect"],
    params={
        "sim_ids": Param(
            [1008], type="array", items={"type": "integer"}, description="SIMs to check in a run by hand"
        ),
        "msisdn": Param("380670000200", type="string", description="Who gets the SMS"),
        "text": Param(
            "NovaConnect: packages were renewed for the SIMs", type="string", description="Text of the SMS"
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
    def read_events(params: Any = None, triggering_asset_events: Any = None) -> dict[str, Any]:
        """Return the ids in all events of this run: Airflow may pass several events to one run."""
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

    found = read_events()

    buy = NovaConnectRepackageOperator(
        task_id="buy_packages",
        sim_ids="{{ ti.xcom_pull(task_ids='read_events')['sim_ids'] }}",
        only_used_up=True,
        on_unknown_sims="skip",
        max_changes=MAX_PACKAGES,
        confirm=True,
    )

    @task.short_circuit
    def bought_sims(outcome: dict[str, Any]) -> list[int]:
        """Return the SIMs for which a package was bought; skip the next tasks if there are none."""
        print(f"bought for {outcome['changed']}, unchanged {outcome['unchanged']}: {outcome['skipped']}")
        bought: list[int] = outcome["changed"]
        return bought

    @task.sensor(poke_interval=5, timeout=3600)
    def wait_for_packages(bought: list[int]) -> bool:
        """Wait until no SIM is blocked for a used-up package, so that the next run does not buy again."""
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

        blocked = NovaConnectHook(CONNECTION).all_sims(blocked=True)
        return not any(sim.block == "p" and sim.id in bought for sim in blocked)

    send_sms = KetchUpSendSmsOperator(
        task_id="send_sms",
        msisdn="{{ params.msisdn }}",
        originator="{{ params.originator }}",
        text="{{ params.text }} {{ ti.xcom_pull(task_ids='bought_sims') | join(', ') }}",
    )

    @task.short_circuit
    def select_bills(found: dict[str, Any]) -> list[int]:
        """Return the existing bills that the events name; in a run by hand, the newest bill."""
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

        bills = NovaConnectHook(CONNECTION).all_bills()
        if found["by_hand"]:
            return [max(bills, key=lambda bill: (bill.added or 0, bill.id)).id] if bills else []
        return [bill.id for bill in bills if bill.id in found["bill_ids"]]

    file_bills = NovaConnectBillToObjectStorageOperator(
        task_id="file_bills",
        path="{{ params.output }}/novaconnect_new_bills",
        bill_ids="{{ ti.xcom_pull(task_ids='select_bills') }}",
    )

    bought = bought_sims(buy.output)
    found >> buy
    bought >> send_sms
    wait_for_packages(bought)
    select_bills(found) >> file_bills


example_vendor_events()
