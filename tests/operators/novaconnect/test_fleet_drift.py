"""The drift of a fleet is an asset event with counts; and the schema of the desired state."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from airflow_provider_telecom.assets.novaconnect import NOVACONNECT_FLEET_DRIFT
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect import NovaConnectFleetOperator
from airflow_provider_telecom.operators.novaconnect.fleet import DRIFT_ALIAS
from airflow_provider_telecom.vendors.novaconnect.fleet import SELECTORS, SETTINGS
from tests.operators.novaconnect.fleets import apply, changing, plan
from tests.operators.novaconnect.test_fleet_plan import DESIRED, REFUSED
from tests.running import Run

DATA = Path(__file__).parents[3] / "example_dags" / "data"
SCHEMA = json.loads((DATA / "novaconnect-fleet.schema.json").read_text())
RULES = [{"id": 1001, "blocked": True, "name": "Olena"}, {"id": 1041, "limit_mb": 5}]


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


def drift(desired: Any = RULES, **more: Any) -> NovaConnectFleetOperator:
    return NovaConnectFleetOperator(task_id="drift", mode="drift", desired=desired, **more)


def emitted(run: Run) -> list[Any]:
    return run.outlet_events[DRIFT_ALIAS].asset_alias_events


def test_a_fleet_that_has_drifted_emits_an_event(tmp_path: Path, telecom_simulator: Any) -> None:
    run = Run()
    xcom = run.execute(drift())
    assert (xcom["drifted"], xcom["changed"], xcom["settings"]) == (
        True,
        2,
        {"blocked": 1, "limit": 1, "name": 1},
    )
    (event,) = emitted(run)
    assert event.dest_asset_key.name == NOVACONNECT_FLEET_DRIFT.name
    assert event.dest_asset_key.uri == NOVACONNECT_FLEET_DRIFT.uri
    assert event.extra == {**xcom, "conn_id": "novaconnect_default"}
    assert "Olena" not in str(event)
    assert changing(telecom_simulator) == []
    Run().execute(plan(tmp_path, RULES))
    Run().execute(apply(tmp_path))
    run = Run()
    assert run.execute(drift())["drifted"] is False
    assert emitted(run) == []


def test_only_the_task_that_looks_for_drift_has_the_outlet(tmp_path: Path) -> None:
    assert drift().outlets == [DRIFT_ALIAS]
    assert plan(tmp_path, RULES).outlets == []


def test_drift_has_no_plan(tmp_path: Path) -> None:
    with pytest.raises(TelecomInputError, match="plan_path: must not be given with mode='drift'"):
        drift(plan_path="plan.json")
    with pytest.raises(TelecomInputError, match="plan_path: must be given with mode='apply'"):
        apply(tmp_path, plan_path=None)
    with pytest.raises(TelecomInputError, match="desired: must be given with mode='drift'"):
        drift(None)


def test_the_schema_accepts_what_the_operator_accepts() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    for text in (DESIRED, (DATA / "fleet.yaml").read_text()):
        assert list(validator.iter_errors(yaml.safe_load(text))) == []
    assert SCHEMA["$defs"]["rule"]["properties"].keys() == {*SELECTORS, *SETTINGS}


ONLY_THE_OPERATOR = {"a name twice", "no YAML", "exact none", "no date", "a tag", "nested deeply"} | {
    *("an octal number", "an octal id", "an octal group", "a time")
}


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - ONLY_THE_OPERATOR))
def test_the_schema_refuses_what_the_operator_refuses(name: str) -> None:
    assert list(Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(REFUSED[name][0])))
