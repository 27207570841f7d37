"""All transfers accept the same bounds, and read them alike: days are included, the end of moments is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect import NovaConnectReportTotalsOperator
from airflow_provider_telecom.simulator import kyivstar_fmc
from airflow_provider_telecom.transfers.ketchup_loyalty_to_object_storage import (
    KetchUpStatsToObjectStorageOperator,
)
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
    NovaConnectReportToObjectStorageOperator,
)
from airflow_provider_telecom.transfers.sunsim_to_object_storage import (
    SunSimCallsToObjectStorageOperator,
    SunSimRecordingsToObjectStorageOperator,
)
from tests.running import Run

KYIV = "Europe/Kyiv"
SUNSIM = {"numbers": ["+79000000000"]}
TRANSFERS: dict[str, tuple[Any, str, dict[str, Any], tuple[str, str]]] = {
    "fmc": (KyivstarFmcCallsToObjectStorageOperator, KYIV, {}, ("start", "end")),
    "sunsim calls": (SunSimCallsToObjectStorageOperator, KYIV, SUNSIM, ("start", "end")),
    "sunsim recordings": (SunSimRecordingsToObjectStorageOperator, KYIV, SUNSIM, ("start", "end")),
    "report": (NovaConnectReportToObjectStorageOperator, "UTC", {"report": "days"}, ("start", "end")),
    "ketchup": (KetchUpStatsToObjectStorageOperator, KYIV, {}, ("time_in_from", "time_in_to")),
}
"""The operators, the zone of their days, their other arguments, and the names of the bounds."""
each_transfer = pytest.mark.parametrize("name", TRANSFERS)


@pytest.fixture(autouse=True)
def connections(hook_for: Callable[..., Any], telecom_simulator: Any) -> None:
    hook_for("kyivstar_fmc")
    hook_for("novaconnect")
    for vendor in ("sunsim", "ketchup_loyalty"):
        hook_for(vendor, vendor_timezone=KYIV)
    for vendor in ("sunsim", "ketchup_loyalty"):
        telecom_simulator.state.vendor_state(vendor, _state_of(vendor)).zone = ZoneInfo(KYIV)
    telecom_simulator.state.vendor_state("kyivstar_fmc", kyivstar_fmc.VendorState)


def _state_of(vendor: str) -> Any:
    from importlib import import_module

    return import_module(f"airflow_provider_telecom.simulator.{vendor}.state").VendorState


def forms(zone: str, is_inclusive: bool) -> dict[str, tuple[Any, Any, dict[str, Any]]]:
    """Return all forms of the same day: both bounds, and the context of a task."""
    day = datetime.now(UTC).date() - timedelta(days=3)
    start = pendulum.datetime(day.year, day.month, day.day, tz=zone)
    end = start.add(days=1) if not is_inclusive else start.add(days=1).subtract(seconds=1)
    context = {"ds": str(day), "data_interval_start": start, "data_interval_end": end}
    return {
        "dates": (day, day, {}),
        "texts of dates": (str(day), f"{day:%d-%m-%Y}", {}),
        "ds": ("{{ ds }}", "{{ ds }}", context),
        "datetimes": (start, end, {}),
        "texts of datetimes": (start.isoformat(), end.in_timezone("UTC").isoformat(), {}),
        "the interval": ("{{ data_interval_start }}", "{{ data_interval_end }}", context),
        "a date and a datetime": (day, end, {}),
    }


@each_transfer
def test_the_same_day_in_all_forms(name: str, tmp_path: Path) -> None:
    kind, zone, others, (first, last) = TRANSFERS[name]
    loaded = {}
    for form, (start, end, context) in forms(zone, is_inclusive=name == "ketchup").items():
        operator = kind(
            task_id="load", path=str(tmp_path / form / "lake"), **others, **{first: start, last: end}
        )
        found = Run().execute(operator, **context)
        loaded[form] = [(one["path"].partition("/lake/")[2], one["rows"]) for one in found["files"]]
    assert len(loaded["dates"]) == 1
    assert "date=" in loaded["dates"][0][0]
    assert all(files == loaded["dates"] for files in loaded.values()), loaded


@each_transfer
@pytest.mark.parametrize("bound", [0, 1])
@pytest.mark.parametrize("wrong", ["yesterday", "", 5, "2026-13-01"])
def test_a_wrong_bound_is_named_when_the_dag_is_parsed(
    name: str, bound: int, wrong: Any, tmp_path: Path
) -> None:
    kind, _, others, names = TRANSFERS[name]
    given = {**dict.fromkeys(names, date(2026, 10, 25)), names[bound]: wrong}
    with pytest.raises(TelecomInputError, match="must be a date like") as caught:
        kind(task_id="load", path=str(tmp_path), **others, **given)
    assert caught.value.field == names[bound]


@each_transfer
@pytest.mark.parametrize("bound", [0, 1])
def test_a_wrong_bound_of_a_template_is_named_before_anything_is_requested(
    name: str, bound: int, tmp_path: Path, telecom_simulator: Any
) -> None:
    kind, _, others, names = TRANSFERS[name]
    given = {**dict.fromkeys(names, "{{ ds }}"), names[bound]: "{{ params.day }}"}
    operator = kind(task_id="load", path=str(tmp_path), **others, **given)
    with pytest.raises(TelecomInputError, match="must be a date like") as caught:
        Run().execute(operator, ds="2026-10-25", params={"day": "soon"})
    assert caught.value.field == names[bound]
    assert not telecom_simulator.state.requests


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("{{ ds }}", "{{ ds }}"),
        ("{{ data_interval_start }}", "{{ data_interval_end }}"),
        (datetime(2026, 1, 5, tzinfo=UTC), date(2026, 1, 5)),
    ],
)
def test_totals_of_a_report(start: Any, end: Any) -> None:
    operator = NovaConnectReportTotalsOperator(task_id="add_up", report="days", start=start, end=end)
    context = {
        "ds": "2026-01-05",
        "data_interval_start": datetime(2026, 1, 5, tzinfo=UTC),
        "data_interval_end": datetime(2026, 1, 6, tzinfo=UTC),
    }
    found = Run().execute(operator, **context)
    assert (found["start"], found["end"]) == ("2026-01-05", "2026-01-05")


@pytest.mark.parametrize("end", ["{{ ds }}", "{{ data_interval_end }}", date(2024, 7, 31)])
def test_bills_by_the_day_that_they_were_added(end: Any, tmp_path: Path) -> None:
    operator = NovaConnectBillToObjectStorageOperator(
        task_id="load", path=str(tmp_path / "lake"), start="01-01-2024", end=end
    )
    context = {"ds": "2024-07-31", "data_interval_end": datetime(2024, 8, 1, tzinfo=UTC)}
    found = Run().execute(operator, **context)
    assert (
        found["bills"]
        == Run().execute(
            NovaConnectBillToObjectStorageOperator(
                task_id="load", path=str(tmp_path / "lake"), start="2024-01-01", end="2024-07-31"
            )
        )["bills"]
    )
