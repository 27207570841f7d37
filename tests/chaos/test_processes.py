"""The killing process: where a try dies, what outlives it, and what is said of a full disk."""

from __future__ import annotations

import errno
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import DiskFullError, FileStore, Kill, KillingProcess, step

pytestmark = pytest.mark.xdist_group("chaos")
HERE = "tests.chaos.test_processes"


def writes(order: dict[str, Any]) -> str:
    """Write three values, each in two steps."""
    store = FileStore(Path(order["store"]))
    for place in range(3):
        store.set(f"{place}", place)
    return "written"


def steps_and_lines(order: dict[str, Any]) -> int:
    """Pass two steps, and run code of the provider."""
    from airflow_provider_telecom.calls.phone import e164

    step()
    step()
    return len(e164("380670000201", "UA"))


def fails(order: dict[str, Any]) -> None:
    """Raise the error that was asked for."""
    if number := order.get("errno"):
        raise OSError(number, "made up")
    raise ValueError("no")


@pytest.fixture
def processes(killing_process: KillingProcess) -> KillingProcess:
    return killing_process


def test_what_is_stored_outlives_a_kill_before_and_after_each_write(
    processes: KillingProcess, tmp_path: Path
) -> None:
    for point in range(1, 7):
        path = tmp_path / f"{point}.json"
        assert processes.run(f"{HERE}:writes", {"store": str(path)}, Kill(step=point)).killed
        there = json.loads(path.read_text()) if path.exists() else {}
        assert list(there) == [str(place) for place in range(point // 2)]
    ended = processes.run(f"{HERE}:writes", {"store": str(tmp_path / "whole.json")}, Kill(step=7))
    assert (ended.killed, ended.result, ended.steps) == (False, "written", 6)


def test_the_same_line_kills_again(processes: KillingProcess) -> None:
    whole = processes.run(f"{HERE}:steps_and_lines", {}, Kill(line=10**9))
    assert (whole.result, whole.steps) == (12, 2)
    assert whole.lines >= 3
    for line, killed in ((1, True), (whole.lines, True), (whole.lines + 1, False)):
        assert processes.run(f"{HERE}:steps_and_lines", {}, Kill(line=line)).killed == killed


def test_a_time_kills(processes: KillingProcess) -> None:
    assert processes.run(f"{HERE}:steps_and_lines", {}, Kill(seconds=0)).killed
    assert not processes.run(f"{HERE}:steps_and_lines", {}, Kill(seconds=100)).killed


def test_an_error_is_reported_with_its_base_classes(processes: KillingProcess) -> None:
    ended = processes.run(f"{HERE}:fails", {})
    assert ended.is_a("ValueError")
    assert ended.is_a("Exception")
    assert not ended.is_a("OSError")
    assert ended.error
    assert (ended.error["text"], ended.error["retries"]) == ("no", True)


def test_a_full_disk_is_no_result(processes: KillingProcess) -> None:
    with pytest.raises(DiskFullError, match="made up"):
        processes.run(f"{HERE}:fails", {"errno": errno.ENOSPC})
    assert processes.run(f"{HERE}:fails", {"errno": errno.EIO}).is_a("OSError")


def test_kills_are_drawn_from_all_places() -> None:
    dice = random.Random(0)
    drawn = [Kill.drawn(dice, 5, 7, seconds=0.5) for _ in range(500)]
    assert {kill.step for kill in drawn} == {None, 1, 2, 3, 4, 5}
    assert {kill.line for kill in drawn} == {None, *range(1, 8)}
    assert any(kill.seconds is not None for kill in drawn)
    assert all(Kill.drawn(dice, 5, 7).seconds is None for _ in range(100))
    assert str(Kill(line=3)) == "line 3"
    assert str(Kill()) == "never"
