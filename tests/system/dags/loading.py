"""Loads calls into a folder that is known when the Dag is parsed, and one that is not; and what follows."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, dag, task

from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)

FOLDER = f"{os.environ['AIRFLOW_HOME']}/lake/calls"


@dag(schedule=None)
def loading() -> None:
    @task(multiple_outputs=True)
    def bounds() -> dict[str, str]:
        now = datetime.now(UTC)
        start, end = now - timedelta(days=2), now - timedelta(hours=1)
        return {"start": start.isoformat(), "end": end.isoformat(), "folder": f"{FOLDER}_too"}

    found: Any = bounds()
    for name, path in (("literal", FOLDER), ("templated", found["folder"])):
        KyivstarFmcCallsToObjectStorageOperator(
            task_id=name, path=path, start=found["start"], end=found["end"]
        )


@dag(schedule=[Asset(f"file://{FOLDER}")])
def after_the_folder() -> None:
    @task
    def show(triggering_asset_events: Any = None) -> dict[str, Any]:
        return dict(next(iter(triggering_asset_events.values()))[0].extra)

    show()


@dag(schedule=[AssetAlias("loading.templated")])
def after_the_alias() -> None:
    @task
    def show(triggering_asset_events: Any = None) -> dict[str, Any]:
        return dict(next(iter(triggering_asset_events.values()))[0].extra)

    show()


loading()
after_the_folder()
after_the_alias()
