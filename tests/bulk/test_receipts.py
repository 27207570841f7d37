"""What a receipt changes in a line, of several receipts which one counts, and how they are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_telecom.bulk.outcomes import Origin, time_text
from airflow_provider_telecom.bulk.receipt_index import open_receipt_index
from airflow_provider_telecom.bulk.receipts import OutcomeCheck, Receipt, Totals, receipt_update
from airflow_provider_telecom.calls.errors import TelecomInputError

SENT = datetime(2026, 3, 1, 9, tzinfo=UTC)
ORIGIN = Origin("sms", "shop", "dag/run/send")


def at(seconds: float) -> str:
    return time_text(SENT + timedelta(seconds=seconds))


def line(state: str = "accepted", **more: Any) -> dict[str, Any]:
    return {**ORIGIN.line("380670000201", state, message_id="1", sent_at=at(0)), **more}


NOW = at(100)


@pytest.mark.parametrize("state", ["accepted", "known_before", "silent", "unknown"])
def test_a_final_state_replaces_one_that_is_not_final(state: str) -> None:
    found = receipt_update(line(state), Receipt("delivered", "Delivered", at(5)), NOW)
    assert found == {"state": "delivered", "status": "Delivered", "final_at": at(5)}


def test_without_the_vendors_time_it_came_when_it_was_read() -> None:
    assert receipt_update(line(), Receipt("expired"), NOW)["final_at"] == NOW


@pytest.mark.parametrize(
    ("before", "receipt", "after"),
    [
        (("delivered", 5), Receipt("read", "Read", at(9)), "read"),
        (("read", 9), Receipt("delivered", "Delivered", at(10)), "read"),
        (("undelivered", 5), Receipt("delivered", "Delivered", at(9)), "delivered"),
        (("delivered", 9), Receipt("undelivered", "Failed", at(5)), "delivered"),  # it is late
        (("delivered", 5), Receipt("undelivered", "Failed", at(9)), "undelivered"),
        (("undelivered", 5), Receipt("delivered", "Delivered"), "delivered"),  # read last
        (("undelivered", 9), Receipt("delivered", "Delivered", at(5)), "delivered"),  # clocks differ
        (("expired", 9), Receipt("read", "Read", at(5)), "read"),
        (("delivered", 5), Receipt(None, "Sending"), "delivered"),
        (("delivered", 5), Receipt(None, "Teleported"), "delivered"),
        (("delivered", 5), None, "delivered"),
    ],
)
def test_the_newest_final_state_counts(
    before: tuple[str, float], receipt: Receipt | None, after: str
) -> None:
    given = line(before[0], final_at=at(before[1]))
    assert {**given, **receipt_update(given, receipt, NOW)}["state"] == after


def test_a_word_that_nobody_knows_is_no_failure() -> None:
    assert receipt_update(line(), Receipt(None, "Teleported", at(5)), NOW) == {"status": "Teleported"}


def test_reading_does_not_change_when_it_was_delivered() -> None:
    given = line("delivered", final_at=at(5))
    assert receipt_update(given, Receipt("read", "Read", at(3600)), NOW)["final_at"] == at(5)


def test_what_was_refused_stays_refused() -> None:
    assert "state" not in receipt_update(line("refused"), Receipt("delivered", "Delivered"), NOW)


def test_a_price_is_taken_over_where_none_is_known() -> None:
    receipt = Receipt("delivered", price=Decimal("0.02"), currency="EUR")
    assert receipt_update(line(), receipt, NOW)["price"] == "0.02"
    assert "price" not in receipt_update(line(price="0.05"), receipt, NOW)


def test_totals() -> None:
    totals = Totals()
    for seconds in range(1, 101):
        totals.add(line("delivered", final_at=at(seconds), price="0.02", currency="EUR"))
    for state in ("silent", "unknown", "refused", "undelivered"):
        totals.add(line(state))
    facts = totals.facts()
    assert (facts["messages"], facts["final"], facts["delivered"], facts["silent"]) == (104, 102, 100, 1)
    assert (facts["delay_p50"], facts["delay_p95"]) == (50.0, 95.0)
    assert (facts["price"], facts["currency"]) == ("2.00", "EUR")
    assert facts["final_percent"] == 99.019  # 101 of 102: nobody can have a receipt of the unknown one
    totals.add(line("delivered", price="1", currency="USD"))
    assert (totals.facts()["price"], totals.facts()["currency"]) == (None, "EUR,USD")


def test_the_share_is_rounded_down() -> None:
    totals = Totals()
    totals.states.update({"delivered": 999_999, "silent": 1})
    assert totals.final_percent < 100
    assert not totals.reaches(100)
    assert Totals().final_percent == 100


def test_totals_of_nothing() -> None:
    facts = Totals().facts()
    assert (facts["price"], facts["currency"], facts["delay_p50"]) == ("0", None, None)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"conn_id": "other"}, "row 2: conn_id must be shop"),
        ({"channel": "viber"}, "row 2: channel must be one of sms"),
        ({"state": "lost"}, "row 2: state must be one of"),
        ({"sent_at": "2026-03-01 09:00:00"}, "row 2: sent_at must be a time"),
    ],
)
def test_rows_of_another_connection_are_refused(more: dict[str, Any], rule: str) -> None:
    check = OutcomeCheck("out.parquet", "shop", ("sms",))
    check.check(line())
    with pytest.raises(TelecomInputError, match=f"^outcomes: out.parquet, {rule}"):
        check.check(line(**more))


def test_the_index_keeps_the_newest_final_receipt_of_a_message() -> None:
    with open_receipt_index() as index:
        index.add([
            ("1", Receipt("delivered", "Delivered", at(5), "0.02", "EUR")),
            ("1", Receipt("undelivered", "Failed", at(3))),
            ("1", Receipt(None, "Sending", at(9))),
            ("2", Receipt(None, "Sent")),
            ("2", Receipt("expired", "Expired")),
            ("3", Receipt("delivered")),
        ])
        found = index.find(["1", "2", "4"])
        assert found["1"] == Receipt("delivered", "Delivered", at(5), "0.02", "EUR")
        assert found["2"].state == "expired"
        assert "4" not in found
        assert index.unused == 1
