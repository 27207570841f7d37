"""The report of a ladder: who was reached by which rung, and what it cost, to the cent."""

from __future__ import annotations

import csv
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ladder_report import LadderReportOperator
from tests.bulk.audiences import prepare_audience
from tests.bulk.outcome_files import outcome, write_outcomes
from tests.running import Run

A, B, C, D, E, F = (f"38067000020{place}" for place in range(6))
EUR = {"price": "0.01", "currency": "EUR"}
DEARER = {"price": "0.1234567", "currency": "EUR"}


def rung(folder: Path, name: str, numbers: list[str], rows: list[dict[str, Any]], **more: Any) -> Any:
    people = [{"msisdn": number, **more} for number in numbers]
    return {
        "name": name,
        "audience": prepare_audience(folder / "audiences" / name, people),
        "outcomes": write_outcomes(folder / f"{name}.jsonl", rows),
    }


def two_rungs(folder: Path, **more: Any) -> list[dict[str, Any]]:
    viber = [
        outcome(A, "read", **EUR),
        outcome(B, "expired", **EUR),
        outcome(C, "delivered", **EUR),  # it came late
        outcome(D, "unknown"),
        outcome(E, "refused", code="41"),
        outcome("380670000999", "refused", code="41"),
    ]
    sms = [
        outcome(B, "delivered", channel="sms", **DEARER),
        outcome(C, "delivered", channel="sms", **DEARER),
        outcome(E, "silent", channel="sms"),
    ]
    return [
        rung(folder, "viber", [A, B, C, D, E, F], viber, **more),
        rung(folder, "sms", [B, C, E], sms, **more),
    ]


def lines(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return found
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text("utf-8").splitlines()))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_each_recipient_has_a_path_and_a_price(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "report" / f"report.{suffix}"
    rungs = two_rungs(tmp_path)
    found = Run().execute(LadderReportOperator(task_id="report", rungs=rungs, report_path=str(path)))
    names = ("path", "reached_by", "currency")
    assert {line["msisdn"]: tuple(line[name] or None for name in names) for line in lines(path)} == {
        A: ("viber:read", "viber", "EUR"),
        B: ("viber:expired > sms:delivered", "sms", "EUR"),
        C: ("viber:delivered > sms:delivered", "viber", "EUR"),
        D: ("viber:unknown", None, None),
        E: ("viber:refused > sms:silent", None, None),
        F: ("viber:no_outcome", None, None),
    }
    prices = [line["price"] and Decimal(line["price"]) for line in lines(path)]
    assert [price or None for price in prices] == [
        Decimal("0.01"),
        Decimal("0.1334567"),
        Decimal("0.1334567"),
        None,
        None,
        None,
    ]
    assert [int(line["deliveries"]) for line in lines(path)] == [1, 1, 2, 0, 0, 0]
    assert [int(line["may_be_paid"]) for line in lines(path)] == [0, 0, 0, 1, 0, 0]
    assert found == {
        "recipients": 6,
        "delivered": 3,
        "delivered_twice": 1,
        "unknown": 1,
        "prices": {"EUR": "0.2769134"},
        "price_per_delivered": {"EUR": "0.0923"},
        "may_be_paid": 1,
        "unpriced": 1,
        "report": str(path),
        "rungs": [
            {
                "name": "viber",
                "recipients": 6,
                "delivered": 2,
                "states": {"refused": 2, "delivered": 1, "read": 1, "expired": 1, "unknown": 1},
                "no_outcome": 1,
                "prices": {"EUR": "0.03"},
                "unpriced": 0,
            },
            {
                "name": "sms",
                "recipients": 3,
                "delivered": 2,
                "states": {"delivered": 2, "silent": 1},
                "no_outcome": 0,
                "prices": {"EUR": "0.2469134"},
                "unpriced": 1,
            },
        ],
    }


def test_the_table_and_the_warnings_are_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Run().execute(LadderReportOperator(task_id="report", rungs=two_rungs(tmp_path)))
    text = caplog.text
    assert " rung  recipients  delivered  read  expired  refused  silent  unknown          price" in text
    assert "viber           6          1     1        1        2       0        1       0.03 EUR" in text
    assert "delivered to 3 of 6 recipients" in text
    assert "price in all: 0.2769134 EUR; for each of them 0.0923 EUR" in text
    for warning in (
        "1 recipients got more than one message",
        "1 messages may be paid for",
        "1 messages have no price",
        "1 recipients have no outcome",
        "1 numbers of the outcomes are not in the audience",
    ):
        assert warning in text
    assert "3806" not in text


def test_several_currencies_are_never_added_up(tmp_path: Path) -> None:
    people = [{"msisdn": A, "variant": "B"}]
    audience = prepare_audience(tmp_path / "audience", people)
    first = write_outcomes(tmp_path / "viber.parquet", [outcome(A, "expired", **EUR)])
    rows = [outcome(A, "delivered", channel="sms", price="0.5", currency="UAH")]
    second = write_outcomes(tmp_path / "sms.parquet", rows)
    rungs = [
        {"name": "viber", "audience": audience, "outcomes": first},
        {"name": "sms", "audience": audience["path"], "outcomes": [second]},
    ]
    path = tmp_path / "report.jsonl"
    found = Run().execute(LadderReportOperator(task_id="report", rungs=rungs, report_path=str(path)))
    assert found["prices"] == {"EUR": "0.01", "UAH": "0.5"}
    [line] = lines(path)
    assert (line["price"], line["currency"], line["variant"]) == (None, "EUR,UAH", "B")


def test_a_skipped_rung_is_left_out(tmp_path: Path) -> None:
    rungs = two_rungs(tmp_path)
    skipped = {**rungs[1], "audience": None, "outcomes": str(tmp_path / "missing.jsonl")}
    found = Run().execute(LadderReportOperator(task_id="report", rungs=[rungs[0], skipped]))
    assert [one["name"] for one in found["rungs"]] == ["viber"]
    rungs = [{**rung_, "audience": None} for rung_ in rungs]
    with pytest.raises(AirflowSkipException):
        Run().execute(LadderReportOperator(task_id="report", rungs=rungs))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"outcomes": "missing.jsonl"}, r"outcomes: there is no file .*missing\.jsonl$"),
        ({"audience": ["380670000200"]}, "rungs: viber: audience must be an audience"),
        ({"more": 1}, "rungs: each rung has audience, name, outcomes, and nothing else"),
    ],
)
def test_bad_input(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    rungs = two_rungs(tmp_path)
    with pytest.raises(TelecomInputError, match=text):
        Run().execute(LadderReportOperator(task_id="report", rungs=[rungs[0] | change]))


def test_bad_input_when_the_dag_is_parsed() -> None:
    with pytest.raises(TelecomInputError, match="rungs: must have at least one"):
        LadderReportOperator(task_id="report", rungs=[])
    given = {"name": "viber", "audience": "a/b", "outcomes": "c"}
    with pytest.raises(TelecomInputError, match="report_path: must end in"):
        LadderReportOperator(task_id="report", rungs=[given], report_path="report.xlsx")


def test_a_recipient_who_was_handed_over_is_not_refused(tmp_path: Path) -> None:
    first = [
        outcome(A, "delivered", **EUR),
        outcome(B, "refused", code="not_sent"),
        outcome(C, "refused", code="not_sent"),
    ]
    write_outcomes(tmp_path / "second.jsonl", [outcome(B, "delivered", **EUR)])
    step = rung(tmp_path, "sms", [A, B, C], first)
    step["outcomes"] = [step["outcomes"], str(tmp_path / "second.jsonl")]
    path = tmp_path / "report.csv"
    found = Run().execute(LadderReportOperator(task_id="report", rungs=[step], report_path=str(path)))
    assert found["rungs"][0]["states"] == {"delivered": 2, "not_sent": 2}
    assert {line["msisdn"]: line["path"] for line in lines(path)} == {
        A: "sms:delivered",
        B: "sms:delivered",
        C: "sms:not_sent",
    }
    assert (found["prices"], found["unpriced"]) == ({"EUR": "0.02"}, 0)
