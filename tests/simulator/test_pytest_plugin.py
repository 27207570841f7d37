"""The fixture `telecom_simulator` as a user's tests have it: in a folder and a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from airflow_provider_telecom.hooks import base

PLUGINS = ("airflow_provider_telecom.simulator.pytest_plugin", "airflow_provider_telecom.hooks.pytest_plugin")
REAL = '{"conn_type": "ketchup_loyalty", "password": "a real key"}'
TESTS = """
import json, os
import pytest

NAMES = [f"AIRFLOW_CONN_{name}_DEFAULT" for name in (
    "KYIVSTAR_OPEN_TELECOM", "KETCHUP_LOYALTY", "KYIVSTAR_FMC", "SUNSIM", "NOVACONNECT")]
REAL = os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"]

def test_sets_the_default_connections(telecom_simulator):
    hosts = [json.loads(os.environ[name])["host"] for name in NAMES]
    assert all(host.startswith(telecom_simulator.url + "/") for host in hosts)

def test_a_test_may_set_its_own(telecom_simulator, monkeypatch):
    monkeypatch.setenv(NAMES[0], "mine")
    assert os.environ[NAMES[0]] == "mine"

def test_without_it_the_environment_is_as_before():
    assert os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"] == REAL
    assert NAMES[0] not in os.environ

@pytest.mark.telecom_simulator(connections=False)
class TestMarked:
    def test_sets_none(self, telecom_simulator):
        assert os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"] == REAL

    @pytest.mark.telecom_simulator(connections=True, preset="opposite", seed=3)
    def test_the_nearest_marker_wins(self, telecom_simulator):
        assert os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"] != REAL
        assert telecom_simulator.state.seed == 3

@pytest.mark.telecom_simulator(conections=False)
def test_a_misspelt_option(telecom_simulator): ...

@pytest.mark.telecom_simulator(preset="oposite")
def test_a_misspelt_preset(telecom_simulator): ...

def down(telecom_simulator):
    from airflow_provider_telecom.calls.errors import TelecomError
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    telecom_simulator.fault("status", "ketchup_loyalty", status=500, times=99)
    with pytest.raises(TelecomError, match="HTTP 500"):
        KetchUpHook().get_sms("1")

@pytest.mark.parametrize("number", range(2))
def test_a_vendor_that_is_down_is_down_for_one_test_only(telecom_simulator, number, monkeypatch):
    from airflow_provider_telecom.calls import retry
    monkeypatch.setattr(retry, "_FIRST_BACK_OFF", 0.001)
    down(telecom_simulator)
"""


def run(folder: Path, *arguments: str) -> str:
    (folder / "test_mine.py").write_text(TESTS)
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "--strict-markers", *plugins, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
            "AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT": REAL,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_it_sets_the_default_connections_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    said = run(tmp_path)
    assert "the marker telecom_simulator takes connections, preset, seed; unknown: conections" in said
    assert "preset must be default, opposite, random" in said
    assert re.search(r"\b7 passed,(?: \d+ warnings?,)? 2 errors", said), said


def test_a_setting_turns_the_connections_off(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\ntelecom_simulator_connections = false\n")
    said = run(tmp_path, "-k", "sets_the_default or nearest")
    assert "1 failed, 1 passed" in said, said


def test_clients_are_forgotten() -> None:
    base.forget_clients()
    assert not base._clients
