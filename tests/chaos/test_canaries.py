"""Nothing that is private shows anywhere, whatever goes wrong; and what shows is found.

Each failure with some members of the family in `make test`, all with all of them in `make test-long`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR
from tests.chaos import canaries
from tests.chaos.canaries import FAILURES, PHONE, play_notifier, play_task
from tests.test_family import NOTIFIERS, TASKS, members

EVERY = 31
"""One of so many cases is in the sample."""


def cases(family: list[Any]) -> Iterator[Any]:
    """Yield each member under each failure."""
    for place, (member, failure) in enumerate((member, failure) for member in family for failure in FAILURES):
        marks = [] if place % EVERY == 0 else [pytest.mark.long]
        yield pytest.param(*member.values, failure, id=f"{member.id}-{failure}", marks=marks)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    # Not KetchUp's pauses before it looks for a message of unknown outcome.
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return a function that returns what was written since it was called last."""
    return lambda: "".join(capfd.readouterr())


@pytest.mark.parametrize(("module", "name", "arguments", "failure"), cases(TASKS))
def test_no_task_shows_anything_private(
    module: str,
    name: str,
    arguments: dict[str, Any],
    failure: str,
    telecom_simulator: Any,
    output: Callable[[], str],
) -> None:
    if ".sensors." in module:
        arguments = {**arguments, "timeout": 0.2, "poke_interval": 0.05}
    assert play_task(telecom_simulator, module, name, arguments, failure, output) == []


@pytest.mark.parametrize(
    ("module", "name", "arguments", "failure"), cases(list(members("notifications", NOTIFIERS)))
)
def test_no_alert_shows_whom_it_goes_to(
    module: str,
    name: str,
    arguments: dict[str, Any],
    failure: str,
    telecom_simulator: Any,
    output: Callable[[], str],
) -> None:
    assert play_notifier(telecom_simulator, module, name, arguments, failure, output) == []


def test_what_is_looked_at_has_happened(telecom_simulator: Any, output: Callable[[], str]) -> None:
    module, arguments = (
        "airflow_provider_telecom.notifications.kyivstar_open_telecom",
        {"msisdn": "380670000200"},
    )
    assert play_notifier(telecom_simulator, module, "KyivstarSmsNotifier", arguments, "none", output) == []
    sent = telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")
    assert [effect.facts["msisdn"] for effect in sent] == [PHONE, PHONE]


class Careless(TelecomOperator):
    """An operator that shows what it should not, at the place that is named."""

    vendor = VENDOR
    template_fields = (*TelecomOperator.template_fields, "msisdn")
    where: ClassVar[str] = ""

    def __init__(self, *, msisdn: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msisdn = msisdn

    def execute(self, context: Any) -> Any:
        if self.where == "log":
            logging.getLogger("airflow_provider_telecom.careless").debug("to %s", self.msisdn)
        if self.where == "state store":
            context["task_state_store"].set("to", self.msisdn)
        if self.where == "error":
            raise ValueError(f"cannot send to {self.msisdn}")
        if self.where == "pushed":
            context["ti"].xcom_push("to", self.msisdn)
        return self.msisdn if self.where == "xcom" else None


@pytest.mark.parametrize("where", ["log", "state store", "error", "pushed", "xcom", "rendered fields"])
def test_what_shows_is_found(
    where: str, telecom_simulator: Any, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Careless, "where", where)
    found = play_task(telecom_simulator, __name__, "Careless", {"msisdn": "380670000200"}, "none", output)
    assert any(problem.startswith(f"{where}: {PHONE[3:]}") for problem in found)


def test_a_token_in_a_frame_is_found() -> None:
    assert canaries.shown({canaries.FRAMES: "token='made-up-token'"}, ["made-up-token"])
    assert not canaries.shown({canaries.FRAMES: f"msisdn={PHONE}"}, ["made-up-token"])
