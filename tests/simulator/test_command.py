"""The commands: `telecom-simulator` and `airflow telecom simulator`."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airflow_provider_telecom.command import get_telecom_commands
from airflow_provider_telecom.simulator.__main__ import options, port, transition
from airflow_provider_telecom.simulator.state import Transition
from airflow_provider_telecom.simulator.switches import SWITCHES
from tests.eventually import HANG_SECONDS

MODULE = [sys.executable, "-m", "airflow_provider_telecom.simulator"]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*MODULE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def exports(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the exported variables that the command prints, parsed as a shell does."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    while len(found) < 5:
        line = process.stdout.readline()
        assert line, "the command ended early"
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            found[name] = value
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_exports_serves_and_ends_on_a_signal(number: signal.Signals) -> None:
    with running(
        "--port",
        "0",
        "--transition",
        "ketchup_loyalty.sms=after_seconds:2",
        "--preset",
        "opposite",
        "--switch",
        "kyivstar_fmc.trailing_comma=off",
    ) as process:
        found = exports(process)
        assert sorted(found) == [
            "AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT",
            "AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT",
            "AIRFLOW_CONN_KYIVSTAR_OPEN_TELECOM_DEFAULT",
            "AIRFLOW_CONN_NOVACONNECT_DEFAULT",
            "AIRFLOW_CONN_SUNSIM_DEFAULT",
        ]
        host = json.loads(found["AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT"])["host"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/kyivstar_fmc", host)
        assert httpx.get(f"{host}/api/onebox/v1/originate", timeout=HANG_SECONDS).status_code == 400
        process.send_signal(number)
        assert process.wait(HANG_SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_signal_ends_it_as_soon_as_it_prints() -> None:
    with running("--port", "0") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0


def test_a_transition_reaches_the_state() -> None:
    with running("--port", "0", "--transition", "ketchup_loyalty.sms=after_seconds:60") as process:
        ketchup = json.loads(exports(process)["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
        headers = {"X-API-KEY": ketchup["password"]}
        order = {
            "destination": "phone",
            "originator": "test",
            "body": "Hello",
            "msisdn": "380670000200",
            "reference": "t1",
        }
        httpx.post(
            f"{ketchup['host']}/rest/sms/create", json=order, headers=headers, timeout=HANG_SECONDS
        ).raise_for_status()
        status = httpx.get(f"{ketchup['host']}/rest/sms/t1", headers=headers, timeout=HANG_SECONDS).json()
        assert status["status"] == "accepted"


def test_switches_and_presets_reach_the_simulator() -> None:
    with running(
        "--port", "0", "--preset", "opposite", "--switch", "kyivstar_fmc.trailing_comma=off"
    ) as process:
        fmc = json.loads(exports(process)["AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT"])["host"]
        rows = httpx.get(f"{fmc.removesuffix('/kyivstar_fmc')}/_control/switches").json()
        shown = {f"{row['vendor']}.{row['name']}": row["value"] for row in rows}
        expected = {each.full_name: each.value_under("opposite", 0) for each in SWITCHES}
        assert shown == expected | {"kyivstar_fmc.trailing_comma": "off"}


def test_a_busy_port_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        number = busy.getsockname()[1]
        done = subprocess.run(
            [*MODULE, "--port", str(number)],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    expected = f"telecom-simulator: port {number} on 127.0.0.1 cannot be used: Address already in use\n"
    assert done.stderr == expected


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (
            ["--transition", "ketchup_loyalty.sms"],
            "argument --transition: must be like ketchup_loyalty.sms=after_seconds:2",
        ),
        (["--port", "99999"], "argument --port: must be a number from 0 to 65535"),
        (["--seed", "x"], "argument --seed"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(arguments: list[str], rule: str) -> None:
    done = subprocess.run(
        [*MODULE, *arguments], capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 2
    assert rule in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ketchup_loyalty.sms=after_seconds:2", ("ketchup_loyalty.sms", Transition("after_seconds", 2))),
        ("novaconnect=after_polls:3", ("novaconnect", Transition("after_polls", 3))),
        ("kyivstar_open_telecom=immediate", ("kyivstar_open_telecom", Transition())),
        ("sunsim.callback=after_seconds:0.5", ("sunsim.callback", Transition("after_seconds", 0.5))),
    ],
)
def test_a_transition_is_read(text: str, read: tuple[str, Transition]) -> None:
    assert transition(text) == read


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be like"),
        ("ketchup_loyalty.sms=slowly:2", "must be like"),
        ("=after_seconds:2", "must begin with one of kyivstar_open_telecom, ketchup_loyalty"),
        ("ketchpu.sms=after_seconds:2", "must begin with one of kyivstar_open_telecom, ketchup_loyalty"),
        ("ketchup_loyalty.sms=after_seconds", "must be a number"),
        ("ketchup_loyalty.sms=after_seconds:soon", "must be a number"),
        ("ketchup_loyalty.sms=after_seconds:-1", "must be a number"),
        ("ketchup_loyalty.sms=after_seconds:nan", "must be a number"),
    ],
)
def test_a_wrong_transition_is_refused(text: str, rule: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rule):
        transition(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("8090", 8090), ("65535", 65535)])
def test_ports(text: str, number: int) -> None:
    assert port(text) == number


@pytest.mark.parametrize("text", ["", "-1", "65536", "http", "80.5"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        port(text)


def test_airflow_gets_one_group_with_the_simulator() -> None:
    (group,) = get_telecom_commands()
    assert group.name == "telecom"
    simulator = next(one for one in group.subcommands if one.name == "simulator")
    assert simulator.name == "simulator"
    assert [argument.flags for argument in simulator.args] == [(flag,) for flag in options()]


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "AIRFLOW_HOME": str(tmp_path), "COLUMNS": "120"}


def test_airflow_knows_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    with pytest.raises(SystemExit) as ended:
        get_parser().parse_args(["telecom", "simulator", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "Usage: airflow telecom simulator" in shown
    assert all(flag in shown for flag in options())


def test_airflow_runs_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow", "telecom", "simulator", "--port", "0"]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            host = json.loads(exports(process)["AIRFLOW_CONN_SUNSIM_DEFAULT"])["host"]
            assert (
                httpx.get(host.removesuffix("/sunsim") + "/_control/health", timeout=HANG_SECONDS).json()[
                    "ok"
                ]
                is True
            )
            process.terminate()
            assert process.wait(HANG_SECONDS) == 0
        finally:
            process.kill()
