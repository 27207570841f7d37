"""Kills before and after each rename, removal and opening of a file, and each write to the journal.

A campaign to groups of time zones is sent, and then, after more recipients were added, sent again: its
results are joined, split and joined again.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from tests.operators.fake_clock import KilledError, World, one_try
from tests.running import Run

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sms": (KetchUpSendBulkSmsOperator, {}),
    "viber": (
        KetchUpSendViberOperator,
        {"wait_for_completion": True, "poll_interval": 0.01, "on_unknown": "resend"},
    ),
}
KYIV, LISBON = "Europe/Kyiv", "Europe/Lisbon"
FIRST = {"380670000201": KYIV, "380670000202": LISBON, "380670000203": KYIV, "380670000204": LISBON}
MORE = {"380670000206": KYIV, "380670000209": LISBON, "380670000207": "Europe/Oslo"}


@pytest.fixture
def world(fake_clock: World, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> World:
    """The clock, whose steps are also what happens to files."""
    hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop")
    for name in ("rename", "unlink", "rmdir", "open"):
        do = getattr(ObjectStoragePath, name)

        def step(path: Any, *args: Any, do: Any = do, is_open: bool = name == "open", **options: Any) -> Any:
            if is_open and "w" not in "".join(map(str, args[:1])):
                return do(path, *args, **options)
            fake_clock.step()
            found = do(path, *args, **options)
            fake_clock.step()
            return found

        monkeypatch.setattr(ObjectStoragePath, name, step)
    return fake_clock


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_that_are_joined_split_and_joined_again(
    telecom_simulator: Any, world: World, tmp_path: Path, kind: str, suffix: str
) -> None:
    cls, more = KINDS[kind]
    kill_at, killed = 1, True
    while killed:
        telecom_simulator.state.reset()
        telecom_simulator.state.clock = world
        world.at, world.steps, world.killed = datetime(2026, 12, 1, 10, tzinfo=UTC), 0, 0
        world.kill_at, run = kill_at, Run()
        path = tmp_path / str(kill_at) / f"results.{suffix}"
        for people in (FIRST, FIRST | MORE):
            operator = {
                "recipients": [{"msisdn": number, "tz": zone} for number, zone in people.items()],
                "quiet_hours": ("21:00", "09:00"),
                "timezone_column": "tz",
                "results_path": str(path),
                **more,
            }
            while True:
                try:
                    found = one_try(run, cls(task_id="send", text="Hi", chunk_size=1, **operator), world)
                    break
                except KilledError:
                    gc.collect()
            assert found["accepted"] + found["known_before"] == found["recipients"] == len(people), kill_at
            lines = read_outcomes(ObjectStoragePath(str(path)))
            assert Counter(line["msisdn"] for line in lines) == Counter(people.keys()), kill_at
            assert [each.name for each in path.parent.iterdir()] == [path.name], kill_at
        effects = telecom_simulator.state.ledger.of("ketchup_loyalty", kind)
        assert Counter(effect.facts["msisdn"] for effect in effects) == Counter((FIRST | MORE).keys()), (
            kill_at
        )
        killed = world.killed > 0
        kill_at += 5
    assert kill_at > 100
