"""Manage a fleet of NovaConnect SIMs: limit, block, rename, group; store its sessions and the newest bill.

It begins with the company's balance and unpaid bills. To be warned before money ends, begin a Dag with
`NovaConnectBalanceSensor(below=...)` or `NovaConnectUnpaidBillsSensor()`.

Needs the connection `novaconnect_default` with an administrator's token. Nothing here is paid for. The vendor
puts operations into a queue; each task first reads the list of SIMs and changes only those not in the
desired state, so a retry does nothing twice. Blocked SIMs are offline until they are unblocked. A day's data
appears the next night, so the sessions of the last two days are loaded.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, chain, dag, task

from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectGetCompanyOperator,
    NovaConnectListBillsOperator,
    NovaConnectListSimsOperator,
    NovaConnectRenameSimOperator,
    NovaConnectSetGroupsOperator,
    NovaConnectSetLimitOperator,
    NovaConnectUnblockSimsOperator,
)
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
    NovaConnectReportToObjectStorageOperator,
)

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
SIM_IDS = "{{ params.sim_ids }}"


@dag(
    schedule=None,
    tags=["telecom", "novaconnect"],
    params={
        "sim_ids": Param(
            [1041, 1042], type="array", items={"type": "integer"}, description="SIMs of profile TC"
        ),
        "limit_mb": Param(500, type="integer", minimum=1, description="Megabytes in a calendar month"),
        "sim_name": Param("Spare tracker", type="string", description="New name of the first SIM"),
        "group": Param("Spare", type="string", description="The SIMs' group; created if there is none"),
        "output": Param(
            OUTPUT, type="string", description="Folder of the files; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_novaconnect_fleet() -> None:
    waiting: dict[str, Any] = {
        "deferrable": True,
        "poke_interval": 1,
        "exponential_backoff": True,
        "max_wait": timedelta(minutes=1),
        "timeout": timedelta(hours=1),
    }
    company = NovaConnectGetCompanyOperator(task_id="company")
    unpaid = NovaConnectListBillsOperator(task_id="unpaid_bills", only_unpaid=True)
    find = NovaConnectListSimsOperator(task_id="list", select={"profile": "TC"})
    limit = NovaConnectSetLimitOperator(task_id="limit", sim_ids=SIM_IDS, limit_mb="{{ params.limit_mb }}")
    limited = NovaConnectQueueDoneSensor(
        task_id="wait_until_limited",
        operation="limit",
        sim_ids=SIM_IDS,
        desired_state={"limit_mb": "{{ params.limit_mb }}", "limit_type": "month1"},
        **waiting,
    )
    block = NovaConnectBlockSimsOperator(task_id="block", sim_ids=SIM_IDS, max_changes=10)
    blocked = NovaConnectQueueDoneSensor(
        task_id="wait_until_blocked", operation="block", sim_ids=SIM_IDS, **waiting
    )
    unblock = NovaConnectUnblockSimsOperator(task_id="unblock", sim_ids=SIM_IDS, max_changes=10)
    unblocked = NovaConnectQueueDoneSensor(
        task_id="wait_until_unblocked", operation="unblock", sim_ids=SIM_IDS, **waiting
    )
    rename = NovaConnectRenameSimOperator(
        task_id="rename", sim_id="{{ params.sim_ids[0] }}", name="{{ params.sim_name }}"
    )
    group = NovaConnectSetGroupsOperator(
        task_id="group", sim_ids=SIM_IDS, new_group_names=["{{ params.group }}"]
    )
    grouped = NovaConnectQueueDoneSensor(
        task_id="wait_until_grouped",
        operation="group",
        sim_ids=SIM_IDS,
        desired_state={"new_group_names": ["{{ params.group }}"]},
        **waiting,
    )

    sessions = NovaConnectReportToObjectStorageOperator(
        task_id="load_sessions",
        path="{{ params.output }}/novaconnect_sessions",
        report="sessions",
        start="{{ macros.ds_add(dag_run.run_after | ds, -2) }}",
        end="{{ macros.ds_add(dag_run.run_after | ds, -1) }}",
        output_format="csv",
        csv_safe=True,  # for people with spreadsheets
    )
    bill = NovaConnectBillToObjectStorageOperator(
        task_id="load_bill", path="{{ params.output }}/novaconnect_bills", newest=True
    )

    @task
    def report(
        company: dict[str, Any],
        unpaid: dict[str, Any],
        found: dict[str, Any],
        limited: dict[str, Any],
        blocked: dict[str, Any],
    ) -> None:
        """Print the balance, what is unpaid, which SIMs were changed, and which were skipped and why."""
        print(
            f"balance {company['balance_raw']}; {unpaid['count']} bills are unpaid, "
            f"{unpaid['unpaid_cost_eur']} EUR"
        )
        print(f"{found['count']} SIMs in the fleet")
        for name, outcome in (("limit", limited), ("block", blocked)):
            print(f"{name}: changed {outcome['changed']}, skipped {outcome['skipped']}")

    chain([company, unpaid], find, limit, limited, block, blocked, unblock, unblocked, rename, group, grouped)
    [grouped, sessions, bill] >> report(
        company.output, unpaid.output, find.output, limit.output, block.output
    )


example_novaconnect_fleet()
