"""Several processes send Kyivstar SMS at once, whether or not a new token invalidates the former one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState

LONG = pytest.mark.long
VENDOR, FIRST_NUMBER = "kyivstar_open_telecom", 380670000000


def send_at_once(
    simulator: Any, store: Path, ways: list[str], messages: int
) -> tuple[Counter[str], dict[str, int]]:
    """Let one process for each way send messages; return their results, and how often each number got one."""
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hooks.kyivstar_stress"),
                *(str(store), str(FIRST_NUMBER + place * messages), str(messages), way),
            ],
            env=os.environ | simulator.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place, way in enumerate(ways)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results: Counter[str] = Counter()
    for process in processes:
        results.update(json.loads(process.communicate()[0].splitlines()[-1]))  # the log comes before it
    effects = simulator.state.ledger.effects
    return results, Counter(effect.facts["msisdn"] for effect in effects if effect.kind == "sms")


def stored_keys(store: Path) -> list[str]:
    with closing(sqlite3.connect(store)) as database:
        return [key for (key,) in database.execute("select key from variable")]


def tokens(simulator: Any) -> int:
    return sum(effect.kind == "token" for effect in simulator.state.ledger.effects)


@pytest.mark.parametrize(
    ("one_token", "ways", "messages"),
    [
        (True, ["threads", "loop"], 20),
        *(
            pytest.param(one_token, ways, messages, marks=LONG)
            for one_token in (True, False)
            for ways, messages in [
                (["threads"] * 4, 300),
                (["loop"] * 4, 300),
                (["threads", "loop"] * 6, 100),
            ]
        ),
    ],
)
def test_row_51_processes_that_send_at_once(
    telecom_simulator: Any, tmp_path: Path, one_token: bool, ways: list[str], messages: int
) -> None:
    if one_token:
        telecom_simulator.state.vendor_state(VENDOR, VendorState).switches.turn_on("one_token")
    store = tmp_path / "store"
    results, sent = send_at_once(telecom_simulator, store, ways, messages)
    total = len(ways) * messages
    assert results == {"ok": total}
    assert len(sent) == sum(sent.values()) == total
    if one_token:
        assert tokens(telecom_simulator) <= 6 * len(ways)
    else:
        assert tokens(telecom_simulator) == len(ways)
        assert stored_keys(store) == []
