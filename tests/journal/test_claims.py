"""The keys of what tasks claim of a budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from airflow_provider_telecom.journal.claims import Claim, read_claim

NEW_YEAR = 1_798_761_600  # 2027-01-01T00:00:00Z


@pytest.fixture(params=["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(("at", "day"), [(NEW_YEAR - 1, "2026-12-31"), (NEW_YEAR, "2027-01-01")])
def test_workers_in_all_zones_use_the_same_day(at: int, day: str) -> None:
    """Otherwise a worker would not see what another one has spent."""
    claim = Claim("autumn", "EUR", at, "dag", "reservation", 1, "c", Decimal("1.50"))
    assert claim.key == f"telecom_budget.autumn.EUR.{day}.{at}.dag.reservation.00000001c1.50"
    assert read_claim(claim.key) == claim
