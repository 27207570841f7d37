"""`airflow telecom budget`: what was spent, from a real database to which tasks have written by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace

import pytest
from airflow.models.variable import Variable
from airflow.sdk.execution_time import task_runner
from airflow.utils.session import create_session

from airflow_provider_telecom.bulk.budget_store import Reservation
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.command import get_telecom_commands, print_budgets
from airflow_provider_telecom.journal.journal import Journal
from tests.bulk.variables import Variables
from tests.running import Store

NIGHT = 1_795_816_800.0
"""2026-11-27 22:00 UTC, when the 28th begins in Kyiv."""
pytestmark = [pytest.mark.xdist_group("execution_api")]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Variables]:
    from airflow.utils.db import initdb

    initdb()
    forget_budgets()  # an example Dag may have left some
    found = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    yield found
    forget_budgets()


def forget_budgets() -> None:
    with create_session(scoped=False) as session:
        session.query(Variable).filter(Variable.key.startswith("telecom_budget.")).delete()


def reserve(budget: Budget, task: str, price: str, at: float) -> Reservation:
    found = Reservation(budget, Journal(Store()), f"spring/run-380670000201/{task}", "", lambda: at)
    found.reserve(Decimal(0), Decimal(price))
    return found


def printed(capsys: pytest.CaptureFixture[str], name: str | None, output: str = "table") -> str:
    capsys.readouterr()
    print_budgets(SimpleNamespace(name=name, output=output))  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_the_table(variables: Variables, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, None) == "Nothing was spent of a budget.\n"
    assert printed(capsys, "mrketing") == "Nothing was spent of the budget mrketing.\n"
    budget = Budget("marketing", "EUR", per_day="2000", timezone="Europe/Kyiv")
    reserve(budget, "before", "3", NIGHT - 1).settle(Decimal("2.5"))
    reserve(budget, "a", "1200", NIGHT).settle(Decimal(1190))
    reserve(budget, "b", "10.50", NIGHT + 60)
    reserve(Budget("other_1", "UAH", per_task="5"), "c", "5", NIGHT)
    reserve(Budget("otherX1", "UAH", per_task="5"), "d", "5", NIGHT)  # _ is no wildcard
    with create_session(scoped=False) as session:
        for key, value in variables.values.items():
            session.add(Variable(key=key, val=value))  # type: ignore[no-untyped-call]
    rows = json.loads(printed(capsys, "marketing", "json"))
    assert rows[0] == {
        "budget": "marketing",
        "currency": "EUR",
        "day": "2026-11-28",
        "timezone": "Europe/Kyiv",
        "spent": "1190",
        "reserved": "10.5",
        "cap": "2000",
        "left": "799.5",
        "tasks": [
            {"task": "spring/run-***/a", "spent": "1190", "reserved": "0"},
            {"task": "spring/run-***/b", "spent": "0", "reserved": "10.5"},
        ],
    }
    assert [(row["day"], row["spent"]) for row in rows[1:]] == [("2026-11-27", "2.5")]
    table = printed(capsys, None)
    assert [line.split()[0] for line in table.splitlines()] == [
        "budget",
        *("marketing", "marketing", "otherX1", "other_1"),
    ]
    assert "spring" not in table
    assert "spring/run-***/c" in printed(capsys, "other_1")
    assert printed(capsys, "other_1").count("other") == 1
    assert "380670000201" not in table + json.dumps(rows)


def test_the_command_is_there() -> None:
    (group,) = get_telecom_commands()
    assert "budget" in [command.name for command in group.subcommands]  # type: ignore[union-attr]
