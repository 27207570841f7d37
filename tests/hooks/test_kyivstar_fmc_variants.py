"""Kyivstar FMC's hook, operator and transfer find the same under every variant of the vendor's document."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from airflow_provider_telecom.simulator.kyivstar_fmc import KYIV, VendorState
from airflow_provider_telecom.simulator.switches import of_vendor
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.kyivstar_fmc import status
from airflow_provider_telecom.vendors.poll_result import Stage
from tests.running import Run

A, B, SHORT = "0670000201", "0670000202", "101"
PUT_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When Kyiv's clocks go from 04:00 back to 03:00."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORMATS = ("json", "csv", "xml")
Make = Callable[..., Any]
SETTINGS = [
    *(
        pytest.param({switch.full_name: value}, id=f"{switch.name}={value}")
        for switch in of_vendor("kyivstar_fmc")
        for value in switch.values[1:]
        if switch.in_presets
    ),
    *(pytest.param(preset, id=str(preset)) for preset in ("default", "opposite", 1, 2, 3)),
]
ABOUT_FORMATS = re.compile(r"csv|xml|bom|column")
every_variant = pytest.mark.parametrize("setting", SETTINGS)
every_variant_and_format = pytest.mark.parametrize(
    ("format", "setting"),
    [
        pytest.param(format, *setting.values, id=f"{format}-{setting.id}")
        for setting in SETTINGS
        for format in FORMATS
        if format == "json" or "=" not in setting.id or ABOUT_FORMATS.search(setting.id)
    ],
)
"""Variants that are not about formats are read from JSON only: the meaning of a row is the same in all."""


@pytest.fixture
def vendor_state(telecom_simulator: Any, setting: Any) -> VendorState:
    """Return the empty state of a vendor that follows one variant, or one of many at once."""
    if isinstance(setting, dict):
        for name, value in setting.items():
            telecom_simulator.state.set_switch(name, value)
    elif isinstance(setting, int):
        telecom_simulator.reset(setting, preset="random")
    else:
        telecom_simulator.reset(preset=setting)
    found: VendorState = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState)
    found.calls.clear()
    return found


@pytest.fixture
def hook(vendor_state: VendorState, hook_for: Make) -> Any:
    return hook_for("kyivstar_fmc")


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def called(number: str) -> str:
    """Return a number as all of the vendor's forms have it in common."""
    return number[-9:]


@every_variant_and_format
def test_records(vendor_state: VendorState, hook: Any, tmp_path: Path, format: str) -> None:
    start = now() - 5 * HOUR
    names = {"calling_name": 'Олена; "Бо", <1>', "called_name": "", "department": "A & B"}
    booked = [
        vendor_state.add_call(start, 13, A, B, **names),
        vendor_state.add_call(start, 13, A, B, **names),
        vendor_state.add_call(start + HOUR, 600, B, SHORT),
    ]
    found = hook.get_call_records(start - HOUR, format=format, names=True, departments=True, ownership=True)
    assert Counter(
        (one.start, called(one.calling_number), called(one.called_number)) for one in found
    ) == Counter((one.start, called(one.calling), called(one.called)) for one in booked)
    assert {one.end - one.start for one in found} == {timedelta(seconds=13), timedelta(seconds=600)}
    assert sum(names["calling_name"] in one.model_extra.values() for one in found) == 2
    size = hook.download_call_records(tmp_path / "calls", start - HOUR, format=format)
    assert (tmp_path / "calls").stat().st_size == size > 100


@every_variant_and_format
def test_no_records(hook: Any, tmp_path: Path, format: str) -> None:
    assert hook.get_call_records(now() - DAY, format=format) == []
    assert hook.download_call_records(tmp_path / "calls", now() - DAY, format=format) < 100


@every_variant
def test_periods_up_to_the_limits(hook: Any) -> None:
    for change in (PUT_BACK, datetime(2027, 3, 28, 1, tzinfo=UTC)):
        for days in (10, 1, 3 / 24, 1 / 48, -1 / 48):
            moment = change + DAY * days
            with time_machine.travel(moment, tick=False):
                assert hook.get_call_records(moment - 7 * DAY + HOUR, moment) == []
                assert hook.get_call_records(moment - 30 * DAY + HOUR) == []
                if abs(moment - PUT_BACK) >= HOUR:  # else 7 days are an hour more or less for some vendors
                    assert hook.get_call_records(end=moment) == []


@every_variant_and_format
def test_a_load_over_the_change_of_the_clocks(
    vendor_state: VendorState, hook: Any, tmp_path: Path, format: str
) -> None:
    """A month with calls of all lengths, many of them around the change: each is loaded once."""
    with time_machine.travel(PUT_BACK + 12 * DAY, tick=False):
        for minutes in range(-6 * 1440, 11 * 1440, 171):
            vendor_state.add_call(
                PUT_BACK + timedelta(minutes=minutes), (13, 4000, 40_000)[minutes % 3], A, B
            )
        for minutes in range(-90, 91, 7):
            vendor_state.add_call(PUT_BACK + timedelta(minutes=minutes), 13, A, B)
        operator = KyivstarFmcCallsToObjectStorageOperator(
            task_id="load",
            path=str(tmp_path),
            start=PUT_BACK - 6.5 * DAY,
            end=PUT_BACK + 11.5 * DAY,
            source_format=format,
            names=True,
        )
        summary = Run().execute(operator)
    files = tmp_path.glob("date=*/calls*.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    shown = Counter(row["start_timestamp"].replace("T", " ") for row in rows)
    assert shown == Counter(
        str(call.start.astimezone(KYIV).replace(tzinfo=None)) for call in vendor_state.calls
    )
    assert summary["rows"] == len(vendor_state.calls)
    assert {row["calling_msisdn"] for row in rows} == {f"38{A}"}
    for row in rows:
        if not row["time_ambiguous"]:
            start = datetime.fromisoformat(row["start_utc"].replace("Z", "+00:00"))
            assert str(start.astimezone(KYIV).replace(tzinfo=None)) == row["start_timestamp"].replace(
                "T", " "
            )


@every_variant
def test_a_call_is_verified_in_both_passes_of_the_hour_that_happens_twice(
    vendor_state: VendorState, hook: Any
) -> None:
    for since in (-90, -30, -1, 0, 20, 61):
        vendor_state.calls.clear()
        started = PUT_BACK + timedelta(minutes=since)
        vendor_state.add_call(started - 3 * HOUR, 60, A, B)
        with time_machine.travel(started + timedelta(minutes=3), tick=False):
            check = status.call_record(hook, A, B, started.isoformat())
            assert hook.run(check).stage is Stage.WAITING, since
            vendor_state.add_call(started + timedelta(seconds=1), 60, A, B)
            check = status.call_record(hook, A, B, started.isoformat())
            assert hook.run(check).stage is Stage.SUCCEEDED, since


@every_variant
def test_a_call_rings_once(telecom_simulator: Any, vendor_state: VendorState, hook: Any) -> None:
    run = Run()
    ring = {"task_id": "ring", "called_number": B, "calling_number": A}
    for _ in range(2):
        assert run.execute(KyivstarFmcOriginateCallOperator(**ring)) == {"started": True}
    assert len(telecom_simulator.state.ledger.of("kyivstar_fmc", "call")) == 1
    with pytest.raises(TelecomRejectedError):
        hook.originate_call("+79000000000", A)
    vendor_state.activated = False
    with pytest.raises(TelecomAuthError):
        hook.originate_call(B, A)
    assert len(telecom_simulator.state.ledger.of("kyivstar_fmc", "call")) == 1


@pytest.mark.parametrize("setting", [{"kyivstar_fmc.csv_encoding": "cp1251"}], ids=str)
def test_another_encoding_is_an_error_without_the_option(
    vendor_state: VendorState, hook: Any, tmp_path: Path
) -> None:
    start = now() - 2 * HOUR
    vendor_state.add_call(start, 13, A, B, calling_name="Олена")
    with pytest.raises(TelecomAnswerError):
        hook.get_call_records(start - HOUR, format="csv", names=True)
    load = {
        "task_id": "load",
        "path": str(tmp_path),
        "start": start - HOUR,
        "end": start + HOUR,
        "names": True,
        "source_format": "csv",
    }
    with pytest.raises(TelecomAnswerError, match="utf-8"):
        Run().execute(KyivstarFmcCallsToObjectStorageOperator(**load))
    Run().execute(KyivstarFmcCallsToObjectStorageOperator(**load, encoding="cp1251"))
    files = tmp_path.glob("date=*/calls*.jsonl")  # two, if midnight in Kyiv is within the interval
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert [row["calling_name"] for row in rows] == ["Олена"]
