"""`airflow telecom preview`: the table of a dry run without a Dag."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.bulk.preview_source import PreviewRequest, preview
from airflow_provider_telecom.command import get_telecom_commands
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from tests.bulk.audiences import prepare_audience
from tests.eventually import HANG_SECONDS
from tests.running import Run

PEOPLE = [
    {"msisdn": "380670000201", "name": "Iryna", "variant": "A"},
    {"msisdn": "380670000202", "name": "Оксана", "variant": "B", "timezone": "Asia/Almaty"},
    {"msisdn": "380670000203", "name": "Jan", "variant": "B"},
]
TEXTS = {"A": "Hi {name}", "B": "Hi {name}, come — soon"}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    rows = [f"{one['msisdn']},{one['name']}" for one in PEOPLE]
    file.write_text("\n".join(["msisdn,name", *rows, rows[0]]), encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(prepare_audience(tmp_path / "audience", PEOPLE)["path"])


def run(*arguments: str) -> None:
    """Run the command with arguments as Airflow parses them."""
    (group,) = get_telecom_commands()
    command = next(one for one in group.subcommands if one.name == "preview")
    parser = argparse.ArgumentParser()
    for argument in command.args:
        argument.add_to_parser(parser)
    command.func(parser.parse_args(arguments))


def test_a_file_as_a_table(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--recipients", str(people), "--text", "Hi {name}")
    assert capsys.readouterr().out.splitlines() == [
        "recipients: 3",
        "excluded: duplicate 1",
        "variant  recipients  segments  encoding          price",
        "-        3           3         GSM-7 2, UCS-2 1  -",
        "sample: Hi Oksana",
        "the values of 1 recipients force UCS-2; the text itself does not",
    ]


def test_an_audience_with_prices_is_what_a_dry_run_returns(
    telecom_simulator: Any, hook_for: Callable[..., Any], folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hook_for("ketchup_loyalty")
    texts = [f"{name}={text}" for name, text in TEXTS.items()]
    arguments = ["--recipients", folder, "--text", texts[0], "--text", texts[1], "--sender", "MyShop"]
    run(*arguments, "--conn-id", "ketchup_loyalty_default", "--output", "json")
    found = json.loads(capsys.readouterr().out)
    send = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=folder, text=TEXTS, originator="MyShop", dry_run=True
    )
    facts = Run().execute(send)
    assert found == {name: value for name, value in facts.items() if name in found}
    assert [(one["variant"], one["recipients"], one["price"]) for one in found["texts"]] == [
        ("A", 1, "0.02"),
        ("B", 2, "0.04"),
    ]
    assert found["texts"][1]["outside_gsm_7"] == [{"character": "—", "name": "EM DASH", "position": 17}]
    assert not telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")


def test_windows(folder: str) -> None:
    at = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)  # 18:30 in Kyiv, 21:30 in Almaty
    found = preview(PreviewRequest(folder, TEXTS, quiet_hours="21:00-09:00"), now=at)
    assert found["windows"] == [
        {"timezone": "Europe/Kyiv", "recipients": 2, "opens_at": None},
        {"timezone": "Asia/Almaty", "recipients": 1, "opens_at": "2026-03-03T04:00:00+00:00"},
    ]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--text", "Hi {nickname}"], "recipients: the column nickname is missing"),
        (["--text", "Hi {name"], "text: has a brace that is not part of a {column}"),
        (["--text", "A=Hi", "--text", "B=Ho"], "text: is one per variant, but the audience has no variants"),
        (["--text", "A=Hi", "--text", "A=Ho"], "text: must be one text, or one per variant, each once"),
        (["--text", "Hi " + "x" * 160 + "{name}", "--max-segments", "1"], "line 2 (38067*****01): 2 SMS"),
        (["--text", "Hi", "--max-segments", "0"], "max_segments: 0: must be 1 to 255"),
        (["--text", "Hi", "--quiet-hours", "soon"], "quiet_hours"),
        (["--text", "Hi", "--timezone", "Kyiv"], "timezone"),
        (["--text", "Hi", "--conn-id", "nothing"], "conn_id: there is no connection nothing"),
        (["--text", "Hi", "--msisdn-column", "phone"], "the column phone is missing"),
    ],
)
def test_what_a_task_would_refuse_is_an_error(people: Path, arguments: list[str], rule: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--recipients", str(people), *arguments)
    assert rule in str(ended.value.code)
    assert "0000201" not in str(ended.value.code)


def test_another_variant_than_those_of_the_audience(folder: str) -> None:
    with pytest.raises(SystemExit, match="text: has a text for C, but the audience has the variants A, B"):
        run("--recipients", folder, "--text", "A=Hi", "--text", "B=Ho", "--text", "C=He")


def test_a_vendor_without_prices(telecom_simulator: Any, hook_for: Callable[..., Any], people: Path) -> None:
    hook_for("novaconnect")
    with pytest.raises(SystemExit, match="conn_id: must be a connection of a vendor that quotes prices"):
        run("--recipients", str(people), "--text", "Hi", "--conn-id", "novaconnect_default")


def test_it_shows_no_personal_data(people: Path, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    for output in ("table", "json"):
        run("--recipients", str(people), "--text", "Hi {name} of 380670000777", "--output", output)
        run("--recipients", folder, "--text", "A=Hi {name}", "--text", "B={name}", "--output", output)
    shown = capsys.readouterr().out
    private = ["0000777", *(one[name] for one in PEOPLE for name in ("msisdn", "name"))]
    assert not [one for one in private if one in shown or one[-7:] in shown]


def test_airflow_runs_the_command(people: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow", "telecom", "preview", "--recipients", str(people), "--text"]
    home = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done, refused = (
        subprocess.run(
            [*command, text], env=home, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
        )
        for text in ("Hi {name}", "Hi {nickname}")
    )
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "recipients: 3")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("recipients: the column nickname is missing")
