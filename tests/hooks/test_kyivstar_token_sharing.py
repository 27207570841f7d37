"""Several processes send Kyivstar SMS at once, whether or not a new token invalidates the former one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState
from tests.hooks.kyivstar_stress import send_at_once

LONG = pytest.mark.long
VENDOR = "kyivstar_open_telecom"


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
