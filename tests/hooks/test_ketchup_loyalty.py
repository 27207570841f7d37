"""KetchUp's calls over real HTTP, sync and async, compared with the simulator's state."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import FaultKind
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrQuery,
    HlrState,
    IndividualSms,
    MessageState,
    Recipient,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError

VENDOR = "ketchup_loyalty"
A, B, EXPIRES, NEVER = "380670000201", "380670000202", "380670000208", "380670000209"
TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
VIBERS = [ViberRecipient(A, "r1"), ViberRecipient(B, "r2")]
QUIRKS = ["stray_blanks", "numbers", "single_result", "messages_key", "capital_status", "bare_read", "no_id"]
Make = Callable[..., Any]


@pytest.fixture
def hook(hook_for: Make) -> Any:
    return hook_for(VENDOR, viber_sender="Shop", vendor_timezone="UTC")


@pytest.fixture
def vendor_state(telecom_simulator: Simulator) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def sent(simulator: Simulator, kind: str = "sms") -> list[dict[str, Any]]:
    return [effect.facts for effect in simulator.state.ledger.of("ketchup_loyalty", kind)]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def period() -> dict[str, Any]:
    return {"time_in_from": now() - timedelta(hours=1), "time_in_to": now() + timedelta(hours=1)}


# --- SMS


def test_one_sms_is_sent_and_delivered(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    result = call(hook.send_sms, "067 000 02 01", "Вітаємо", reference="r1", validity_hours=24, tariff=3)
    assert (result.accepted, result.price, result.currency) == (True, Decimal("0.02"), "EUR")
    (facts,) = sent(telecom_simulator)
    assert facts["msisdn"] == A
    assert (facts["text"], facts["originator"], facts["reference"]) == ("Вітаємо", "test", "r1")
    assert (facts["validity_hours"], facts["tariff"], facts["send_at"]) == (24, 3, None)
    assert call(hook.get_sms, result.id).state is MessageState.SENT
    status = call(hook.get_sms_by_reference, "r1")
    assert (status.state, status.msisdn, status.id) == (MessageState.DELIVERED, A, result.id)
    assert abs(status.delivered_at("UTC") - now()) < timedelta(minutes=1)


def test_one_text_for_many(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    people = [*TWO, Recipient(EXPIRES, "r3"), Recipient(NEVER, "r4")]
    batch = call(hook.send_sms_to_many, people, "Hi")
    assert [one.reference for one in batch.results] == ["r1", "r2", "r3", "r4"]
    assert [one["msisdn"] for one in sent(telecom_simulator)] == [A, B, EXPIRES, NEVER]
    task = call(hook.get_sms_task, batch.task_id)
    assert (task.sent, task.delivered, task.expired, task.undeliverable, task.final) == (4, 2, 1, 1, 4)
    assert task.total_price == batch.total_price == Decimal("0.08")


def test_a_text_for_each(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    texts = [IndividualSms(A, "Hi A", "r1"), IndividualSms(B, "Hi B", "r2", originator="other")]
    batch = call(hook.send_individual_sms, texts)
    assert all(one.accepted for one in batch.results)
    assert batch.task_id
    shown = [(one["msisdn"], one["text"], one["originator"]) for one in sent(telecom_simulator)]
    assert shown == [(A, "Hi A", "test"), (B, "Hi B", "other")]


def test_some_of_many_are_refused(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    call(hook.send_sms, A, "Hi", reference="r1")
    texts = [IndividualSms(A, "Hi", "r1"), IndividualSms(B, "Hi", "r2", originator="forbidden")]
    first, second = call(hook.send_individual_sms, texts).results
    assert (first.accepted, first.duplicate) == (True, True)
    assert (second.accepted, second.code) == (False, "32")
    assert len(sent(telecom_simulator)) == 1


def test_a_number_of_no_country_of_theirs_is_refused_alone(hook: Any, call: Make) -> None:
    people = [Recipient(A, "r1"), Recipient("+4915123456789", "r2")]
    assert [one.code for one in call(hook.send_sms_to_many, people, "Hi").results] == [None, "21"]


def test_500_at_once(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    people = [Recipient(f"380670000{number:03d}", f"r{number}") for number in range(500)]
    batch = call(hook.send_sms_to_many, people, "Hi")
    assert len({one.id for one in batch.results}) == 500
    assert batch.total_price == Decimal(10)
    assert len(sent(telecom_simulator)) == 500


def test_a_package_too_large_is_refused_whole(
    telecom_simulator: Simulator, hook: Any, call: Make, vendor_state: VendorState
) -> None:
    vendor_state.max_package = 1
    with pytest.raises(TelecomRejectedError) as caught:
        call(hook.send_sms_to_many, TWO, "Hi")
    assert (type(caught.value), caught.value.code) == (TelecomRejectedError, "12")
    assert sent(telecom_simulator) == []


def test_a_price_is_told_and_nothing_sent(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    texts = [IndividualSms(A, "x" * 161, "r1"), IndividualSms(B, "x", "r2")]
    assert call(hook.price_sms, A, "Hi").total_price == Decimal("0.02")
    assert call(hook.price_sms_to_many, TWO, "Hi").total_price == Decimal("0.04")
    assert call(hook.price_individual_sms, texts).total_price == Decimal("0.06")
    assert call(hook.price_viber, VIBERS, "Hi").total_price == Decimal("0.02")
    assert telecom_simulator.state.ledger.effects == []


@pytest.mark.parametrize("destination", ["phone", "phones", "individual", "viber"])
def test_row_07_a_message_is_sent_when_it_is_due(
    telecom_simulator: Simulator, hook: Any, call: Make, destination: str
) -> None:
    """The simulator refuses a sending time by another name, which a lenient vendor might overlook."""
    due = (now() + timedelta(hours=2)).astimezone(timezone(timedelta(hours=3)))
    if destination == "phone":
        call(hook.send_sms, A, "Hi", reference="r1", schedule_at=due)
    elif destination == "phones":
        call(hook.send_sms_to_many, [Recipient(A, "r1")], "Hi", schedule_at=due)
    elif destination == "individual":
        call(hook.send_individual_sms, [IndividualSms(A, "Hi", "r1")], schedule_at=due)
    else:
        call(hook.send_viber, [ViberRecipient(A, "r1")], "Hi", schedule_at=due)
    kind = "viber" if destination == "viber" else "sms"
    assert sent(telecom_simulator, kind)[0]["send_at"] == due
    ask = hook.get_viber_by_reference if kind == "viber" else hook.get_sms_by_reference
    assert call(ask, "r1").state is MessageState.SCHEDULED


def test_a_time_that_has_passed_is_refused(hook: Any, call: Make) -> None:
    with pytest.raises(TelecomRejectedError, match="vendor code 10"):
        call(hook.send_sms, A, "Hi", reference="r1", schedule_at=now() - timedelta(hours=1))


def test_row_18_a_numeric_reference_is_no_id(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    first = call(hook.send_sms, A, "Hi", reference="r1")
    second = call(hook.send_sms, B, "Hi", reference=first.id + "0")
    assert call(hook.get_sms_by_reference, first.id + "0").id == second.id
    assert call(hook.get_sms, first.id).msisdn == A


def test_what_is_not_there_is_not_found(hook: Any, call: Make) -> None:
    for method, argument, code in (
        (hook.get_sms, "1", "20"),
        (hook.get_sms_by_reference, "r9", "20"),
        (hook.get_sms_task, "1", "30"),
        (hook.get_hlr, "1", "60"),
        (hook.get_hlr_by_reference, "r9", "60"),
        (hook.get_viber, "1", "40"),
        (hook.get_viber_by_reference, "r9", "40"),
        (hook.get_statistics, "abc", "90"),
    ):
        with pytest.raises(TelecomNotFoundError) as caught:
            call(method, argument)
        assert caught.value.code == code


def test_price_lists(hook: Any, call: Make) -> None:
    for method, price in (
        (hook.list_sms_prices, "0.02"),
        (hook.list_hlr_prices, "0.002"),
        (hook.list_viber_prices, "0.01"),
    ):
        assert {one.country: one.price for one in call(method)}["UA"] == Decimal(price)


def test_a_tariff_that_is_not_active_is_refused(hook: Any, call: Make, vendor_state: VendorState) -> None:
    vendor_state.inactive_tariffs.add(4)
    with pytest.raises(TelecomRejectedError, match="vendor code 9"):
        call(hook.list_sms_prices, 4)
    assert call(hook.list_hlr_prices)


# --- keys, lost answers, haste and money


@pytest.mark.parametrize(
    "kind", ["reset_after", "close_after", "half_body", "garbage", "status_after", "bad_status_line"]
)
@pytest.mark.parametrize("what", ["sms", "many", "hlr", "hlrs"])
def test_a_lost_answer_costs_nothing(
    telecom_simulator: Simulator, hook: Any, call: Make, kind: FaultKind, what: str
) -> None:
    send: dict[str, Callable[[], Any]] = {
        "sms": lambda: [call(hook.send_sms, A, "Hi", reference="r1")],
        "many": lambda: call(hook.send_sms_to_many, TWO, "Hi").results,
        "hlr": lambda: [call(hook.create_hlr, A, reference="r1")],
        "hlrs": lambda: call(hook.create_hlrs, [HlrQuery(A, "r1"), HlrQuery(B, "r2")]).results,
    }
    telecom_simulator.fault(kind, "ketchup_loyalty")
    results = send[what]()
    assert all(one.accepted and one.duplicate for one in results)
    assert len(telecom_simulator.state.requests) == 2
    assert len(telecom_simulator.state.ledger.effects) == len(results)
    if what.startswith("hlr"):
        assert all(one.id for one in results)


def test_without_keys_a_lost_answer_is_not_asked_for_again(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, [ViberRecipient(A)], "Hi", without_keys=True)
    assert len(telecom_simulator.state.requests) == 1
    assert len(sent(telecom_simulator, "viber")) == 1


def test_row_01_haste_is_waited_out(
    telecom_simulator: Simulator, hook: Any, call: Make, vendor_state: VendorState
) -> None:
    vendor_state.throttle = 2
    assert call(hook.send_sms, A, "Hi", reference="r1").accepted
    assert len(telecom_simulator.state.requests) == 3
    vendor_state.throttle = 9
    with pytest.raises(TelecomThrottledError):
        call(hook.send_sms, A, "Hi", reference="r2")
    assert len(sent(telecom_simulator)) == 1


def test_no_money(telecom_simulator: Simulator, hook: Any, call: Make, vendor_state: VendorState) -> None:
    vendor_state.balance = Decimal("0.03")
    with pytest.raises(TelecomFundsError) as caught:
        call(hook.send_sms_to_many, TWO, "Hi")
    assert caught.value.code == "8"
    assert sent(telecom_simulator) == []


@pytest.mark.parametrize("quirk", ["", "status_401"])
def test_a_wrong_key_is_an_auth_error_at_once(
    telecom_simulator: Simulator,
    hook_for: Make,
    call: Make,
    vendor_state: VendorState,
    monkeypatch: pytest.MonkeyPatch,
    quirk: str,
) -> None:
    vendor_state.switches.turn_on(*filter(None, [quirk]))
    hook = hook_for(VENDOR)
    connection = telecom_simulator.connection(VENDOR)
    monkeypatch.setenv("AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT", json.dumps({**connection, "password": "x1y2"}))
    with pytest.raises(TelecomAuthError) as caught:
        call(hook.send_sms, A, "Hi", reference="r1")
    assert caught.value.code == "1"
    assert "x1y2" not in str(caught.value)
    assert len(telecom_simulator.state.requests) == 1


def test_a_blocked_account_is_an_auth_error(hook: Any, call: Make, vendor_state: VendorState) -> None:
    vendor_state.blocked = True
    with pytest.raises(TelecomAuthError, match="vendor code 3"):
        call(hook.get_sms, "1")


# --- quirks


@pytest.mark.parametrize("quirk", QUIRKS)
def test_answers_of_any_spelling_read_alike(
    hook: Any, call: Make, vendor_state: VendorState, quirk: str
) -> None:
    vendor_state.switches.turn_on(quirk)
    assert call(hook.send_sms, A, "Hi", reference="r1").price == Decimal("0.02")
    batch = call(hook.send_sms_to_many, [Recipient(A, "r1"), Recipient(B, "r2")], "Hi")
    assert [one.duplicate for one in batch.results] == [True, False]
    assert batch.total_price == Decimal("0.02")
    assert call(hook.send_sms_to_many, [Recipient(A, "r3")], "Hi").results[0].accepted
    assert call(hook.get_sms_by_reference, "r2").state is MessageState.DELIVERED
    assert call(hook.get_sms_task, batch.task_id).delivered == 1
    assert call(hook.create_hlr, A, reference="r1").id
    assert call(hook.create_hlrs, [HlrQuery(B, "r2")]).results[0].accepted
    assert call(hook.get_hlr_by_reference, "r1").state is HlrState.ACTIVE
    assert [one.key_returned for one in call(hook.send_viber, VIBERS, "Hi").results] == [True, True]
    assert call(hook.get_viber_by_reference, "r1").state is MessageState.READ
    assert {one.mcc for one in call(hook.list_sms_prices)} >= {"255", "424"}


def test_row_01_the_examples_codes_of_hlr(hook: Any, call: Make, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("hlr_example_codes")
    first = call(hook.create_hlr, A, reference="r1")
    again = call(hook.create_hlr, A, reference="r1")
    assert (again.id, again.duplicate, again.code) == (first.id, True, "13")
    with pytest.raises(TelecomRejectedError) as caught:
        call(hook.create_hlr, "+4915123456789", reference="r2")
    assert (caught.value.code, "Incorrect msisdn" in str(caught.value)) == ("11", True)
    with pytest.raises(TelecomNotFoundError):
        call(hook.get_hlr, "1")


# --- HLR


def test_look_ups(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    result = call(hook.create_hlr, "+380 67 000 02 01", reference="r1", tariff=9)
    assert result.price == Decimal("0.002")
    many = call(hook.create_hlrs, [HlrQuery(B, "r2"), HlrQuery(NEVER, "r3"), HlrQuery("380670000288", "r4")])
    assert [one.accepted for one in many.results] == [True, True, True]
    facts = sent(telecom_simulator, "hlr")[0]
    assert (facts["msisdn"], facts["tariff"]) == (A, 9)
    found = call(hook.get_hlr, result.id)
    assert (found.state, found.network, found.details.ported) == (HlrState.ACTIVE, "25503", True)
    assert abs(found.status_at - now()) < timedelta(minutes=1)
    states = [call(hook.get_hlr_by_reference, key).state for key in ("r2", "r3", "r4")]
    assert states == [HlrState.ACTIVE, HlrState.ABSENT, HlrState.FAILED]
    assert call(hook.get_hlr_by_reference, "r2").details.roaming is True


# --- Viber


def test_viber_messages_are_sent_and_read(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    batch = call(
        hook.send_viber,
        [*VIBERS, ViberRecipient(NEVER, "r3")],
        "Hello",
        sender="My Company",
        promotional=True,
        image_url="http://a.example/logo.png",
        caption="Join us!",
        action_url="http://a.example",
        validity_seconds=3600,
    )
    assert [(one.reference, one.key_returned) for one in batch.results] == [
        ("r1", True),
        ("r2", True),
        ("r3", True),
    ]
    assert batch.total_price == Decimal("0.03")
    facts = sent(telecom_simulator, "viber")[0]
    assert (facts["originator"], facts["promotional"], facts["validity_seconds"]) == (
        "My Company",
        True,
        3600,
    )
    assert facts["options"] == {
        "img": "http://a.example/logo.png",
        "caption": "Join us!",
        "action": "http://a.example",
    }
    assert call(hook.get_viber, batch.results[0].id).state is MessageState.READ
    assert call(hook.get_viber_by_reference, "r3").state is MessageState.NOT_VIBER_USER


def test_a_viber_message_that_is_known_already(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    call(hook.send_viber, VIBERS, "Hi")
    again = call(hook.send_viber, VIBERS, "Hi").results
    assert [(one.duplicate, one.code) for one in again] == [(True, "43"), (True, "43")]
    assert len(sent(telecom_simulator, "viber")) == 2


def test_row_14_a_key_in_the_wrong_field_is_not_kept(
    telecom_simulator: Simulator, hook_for: Make, hook: Any, call: Make, vendor_state: VendorState
) -> None:
    vendor_state.switches.turn_on("viber_reference")
    assert [one.key_returned for one in call(hook.send_viber, VIBERS, "Hi").results] == [False, False]
    for option in ("reference", "both"):
        other = hook_for(VENDOR, viber_sender="Shop", viber_key=option)
        people = [ViberRecipient(A, f"a{option}"), ViberRecipient(B, f"b{option}")]
        assert all(one.key_returned for one in call(other.send_viber, people, "Hi").results)
    assert len(sent(telecom_simulator, "viber")) == 6


def test_an_unregistered_viber_sender_is_refused(hook: Any, call: Make) -> None:
    with pytest.raises(TelecomRejectedError, match="vendor code 45"):
        call(hook.send_viber, VIBERS, "Hi", sender="forbidden")


# --- statistics


@pytest.mark.parametrize("format", ["json", "xml", "csv"])
def test_an_export_from_order_to_deletion(
    telecom_simulator: Simulator, hook: Any, call: Make, tmp_path: Path, format: str
) -> None:
    call(hook.send_sms_to_many, TWO, "Hi; there")
    key = call(hook.create_statistics_export, **period(), message_type="sms", originator="test")
    rows = call(hook.get_statistics, key, format)
    assert [str(row["msisdn"]) for row in rows] == [A, B]
    assert {row["body"] for row in rows} == {"Hi; there"}
    target = tmp_path / "export"
    assert call(hook.download_statistics, key, target, format) == target.stat().st_size > 100
    assert [one.key for one in call(hook.list_statistics_exports)] == [key]
    assert call(hook.delete_statistics_export, key) is None
    assert call(hook.list_statistics_exports) == []
    if format == "csv":
        with target.open(newline="") as file:
            assert list(csv.DictReader(file)) == rows


def test_an_export_of_messages(hook: Any, call: Make) -> None:
    wanted = call(hook.send_sms, A, "Hi", reference="r1")
    call(hook.send_sms, B, "Hi", reference="r2")
    key = call(hook.create_statistics_export, message_ids=[wanted.id])
    assert [row["message_ID"] for row in call(hook.get_statistics, key)] == [int(wanted.id)]
    missing = call(hook.create_statistics_export, message_ids=[1])
    with pytest.raises(TelecomNotFoundError, match="vendor code 60"):
        call(hook.get_statistics, missing)


def test_a_file_that_is_not_ready_leaves_none(
    telecom_simulator: Simulator, hook: Any, call: Make, tmp_path: Path
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 3)
    call(hook.send_sms, A, "Hi", reference="r1")
    key = call(hook.create_statistics_export, **period(), message_type="sms")
    with pytest.raises(KetchUpNotReadyError):
        call(hook.get_statistics, key)
    with pytest.raises(KetchUpNotReadyError):
        call(hook.download_statistics, key, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []
    assert call(hook.download_statistics, key, tmp_path / "export") > 0


def test_an_empty_export_is_no_error_and_no_file(hook: Any, call: Make, tmp_path: Path) -> None:
    key = call(hook.create_statistics_export, **period(), message_type="viber")
    for format in ("json", "xml", "csv"):
        assert call(hook.get_statistics, key, format) == []
        assert call(hook.download_statistics, key, tmp_path / "export", format) == 0
    assert list(tmp_path.iterdir()) == []


def test_csv_needs_a_type(hook: Any, call: Make, tmp_path: Path) -> None:
    call(hook.send_sms, A, "Hi", reference="r1")
    key = call(hook.create_statistics_export, **period())
    with pytest.raises(TelecomRejectedError, match="vendor code 7"):
        call(hook.download_statistics, key, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_the_sixth_export_is_refused(hook: Any, call: Make) -> None:
    for _ in range(5):
        call(hook.create_statistics_export, **period())
    with pytest.raises(TelecomRejectedError) as caught:
        call(hook.create_statistics_export, **period())
    assert caught.value.code == "92"
    assert len(call(hook.list_statistics_exports)) == 5


def test_row_06_typographic_json_fails_by_name_and_other_formats_do_not(
    hook: Any, call: Make, vendor_state: VendorState
) -> None:
    vendor_state.switches.turn_on("typographic_quotes")
    call(hook.send_sms, A, "Hi “there”", reference="r1")
    key = call(hook.create_statistics_export, **period(), message_type="sms")
    with pytest.raises(TelecomAnswerError, match="not JSON"):
        call(hook.get_statistics, key, "json")
    for format in ("csv", "xml"):
        assert [row["body"] for row in call(hook.get_statistics, key, format)] == ["Hi “there”"]


def test_row_20_a_key_in_an_object(hook: Any, call: Make, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("key_object")
    key = call(hook.create_statistics_export, **period())
    assert [one.key for one in call(hook.list_statistics_exports)] == [key]


@pytest.mark.parametrize("quirk", ["", "delete_at_stat_list"])
def test_row_21_an_export_is_deleted_at_either_path(
    telecom_simulator: Simulator, hook: Any, call: Make, vendor_state: VendorState, quirk: str
) -> None:
    vendor_state.switches.turn_on(*filter(None, [quirk]))
    key = call(hook.create_statistics_export, **period())
    call(hook.delete_statistics_export, key)
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "stat_delete")) == 1
    with pytest.raises(TelecomNotFoundError) as caught:
        call(hook.delete_statistics_export, key)
    assert caught.value.code == "90"


def test_filters_reach_the_vendor(hook: Any, call: Make) -> None:
    call(hook.send_sms_to_many, [*TWO, Recipient(NEVER, "r3")], "Hi")
    for filters, numbers in (
        ({"msisdns": ["0670000202"]}, [B]),
        ({"status": "Undelivered"}, [NEVER]),
        ({"source_type": "web"}, []),
        ({"country_name": "Ukraine", "operator_id": 25503, "clicks": ("<", 1)}, [A, B, NEVER]),
        ({"time_sent_from": now() + timedelta(minutes=30)}, []),
    ):
        key = call(hook.create_statistics_export, **period(), **filters)
        assert [str(row["msisdn"]) for row in call(hook.get_statistics, key)] == numbers
        call(hook.delete_statistics_export, key)


# --- the connection


def test_row_02_a_connection_is_tested_by_the_price_list(telecom_simulator: Simulator, hook: Any) -> None:
    assert hook.test_connection() == (True, "Connected: SMS prices for 6 countries.")
    assert [seen.path for seen in telecom_simulator.state.requests] == ["/rest/sms/prices/0"]
    assert telecom_simulator.state.ledger.effects == []


def test_a_wrong_base_path_is_an_error_that_names_it(hook_for: Make) -> None:
    worked, message = hook_for(VENDOR, base_path="/v9").test_connection()
    assert not worked
    assert "GET /v9/sms/prices/{tariff}" in message
    assert "check the host and base_path" in message
