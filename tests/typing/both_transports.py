"""The types of sync and async calls, as type checkers see them: checked by `make types`, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook
from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord
from airflow_provider_telecom.vendors.novaconnect.models import Queued


def a_worker_gets_results() -> None:
    assert_type(KyivstarFmcHook().get_call_records(), list[CallRecord])
    assert_type(NovaConnectHook().block_sims([1]), Queued)


async def a_trigger_awaits_the_same() -> None:
    hook = KyivstarFmcHook()
    assert_type(await hook.aio(hook.get_call_records, format="csv"), list[CallRecord])


def downloads_go_to_paths_of_both_kinds() -> None:
    assert_type(KyivstarFmcHook().download_call_records(Path("calls.csv")), int)
    assert_type(KyivstarFmcHook().download_call_records(ObjectStoragePath("s3://bucket/calls.csv")), int)


def wrong_arguments_are_seen() -> None:
    KyivstarFmcHook().get_call_records(form="csv")  # type: ignore[call-arg]
    KyivstarFmcHook().get_call_records(format="pdf")  # type: ignore[arg-type]


async def also_in_async_calls() -> None:
    hook = KyivstarFmcHook()
    await hook.aio(hook.get_call_records, form="csv")  # type: ignore[call-arg]
