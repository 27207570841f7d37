"""What makes two tries the same effect: the `dedupe_key`, and the place in a mapped list."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from tests.running import Run


@pytest.fixture
def ring(hook_for: Callable[..., Any]) -> Callable[..., KyivstarFmcOriginateCallOperator]:
    hook_for("kyivstar_fmc")

    def make(**arguments: Any) -> KyivstarFmcOriginateCallOperator:
        return KyivstarFmcOriginateCallOperator(
            task_id="ring", called_number="380670000200", calling_number="380670000201", **arguments
        )

    return make


def rung(simulator: Any) -> int:
    return len(simulator.state.ledger.of("kyivstar_fmc", "call"))


@pytest.mark.parametrize("key", [True, False, 1.5, ["again"], {"a": 1}, b"again"])
def test_a_dedupe_key_is_a_text_or_an_integer(telecom_simulator: Any, ring: Any, key: Any) -> None:
    """A template may render another value."""
    run = Run()
    with pytest.raises(TelecomInputError, match="must be a text or an integer") as caught:
        run.execute(ring(dedupe_key=key))
    assert caught.value.field == "dedupe_key"
    assert not rung(telecom_simulator)
    assert not run.stores["ring"].texts


def test_the_same_dedupe_key_repeats_nothing(telecom_simulator: Any, ring: Any) -> None:
    run = Run()
    for same in (["", None], ["7", 7], ["again", "again"]):
        for key in same:
            run.execute(ring(dedupe_key=key))
    assert rung(telecom_simulator) == 3
    names = sorted(run.stores["ring"].texts)
    assert names[0] == "telecom.sent"
    assert [len(name) for name in names[1:]] == [len("telecom.sent.") + 16] * 2
    assert names[1].startswith("telecom.sent.")


def test_templates_may_say_who_sends_and_what_makes_it_another_effect(ring: Any) -> None:
    assert {"conn_id", "dedupe_key"} <= set(ring().template_fields)


@pytest.mark.parametrize(("map_index", "is_mapped"), [(None, False), (-1, False), (0, True), (3, True)])
def test_a_place_of_a_mapped_list_is_one(ring: Any, map_index: int | None, is_mapped: bool) -> None:
    journal = ring()._journal({"ti": SimpleNamespace(map_index=map_index), "task_state_store": None})
    assert journal._is_mapped is is_mapped


def test_a_log_line_leaves_out_what_the_vendor_has_not_said(
    ring: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"price": "0.02", "currency": "", "changed": [], "skipped": None, "known_before": False}
    assert ring()._log_effect(lambda sending: sending(), lambda: facts) is facts
    assert "has accepted it (known_before: False, price: 0.02)" in capsys.readouterr().out
