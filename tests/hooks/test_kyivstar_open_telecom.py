"""Kyivstar's calls over real HTTP, blocking and awaited."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import MessageState, PromoState

NUMBER, FOREIGN, WITHOUT_SCORE = "380670000200", "380500000000", "380670000099"
VENDOR = "kyivstar_open_telecom"
Make = Callable[..., Any]


@pytest.fixture
def hook(hook_for: Make) -> Any:
    return hook_for(VENDOR)


@pytest.fixture
def vendor_state(telecom_simulator: Any, hook: Any) -> Any:
    hook.fetch_token()  # the first request creates the state
    return telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState)


def hook_of(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any]) -> KyivstarOpenTelecomHook:
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_OPEN_TELECOM_DEFAULT", json.dumps(connection))
    return KyivstarOpenTelecomHook()


def paths(simulator: Any) -> list[str]:
    return [seen.path for seen in simulator.state.requests]


def test_a_token_is_fetched(hook: Any, call: Make) -> None:
    token = call(hook.fetch_token)
    assert token.value.reveal().startswith("sim_")
    assert token.expires_in == 28799


def test_the_token_is_fetched_once_for_many_calls(telecom_simulator: Any, hook: Any) -> None:
    for _ in range(3):
        hook.check_lifetime(NUMBER)
    assert paths(telecom_simulator).count("/idp/oauth2/token") == 1


def test_the_subscriber_checks(hook: Any, call: Make) -> None:
    assert call(hook.verify_sim, NUMBER, 48).is_active in (True, False)
    assert 1 <= call(hook.check_sim_count, NUMBER, 120).sim_count <= 10
    assert call(hook.check_lifetime, NUMBER).lifetime_duration.time_unit == "MONTHS"
    assert call(hook.get_score, NUMBER) in range(300, 851)


def test_the_device_check(vendor_state: Any, hook: Any, call: Make) -> None:
    vendor_state.subscriber(NUMBER).imei = "490154203237518"
    assert call(hook.check_device, NUMBER, imei="490154203237518").matches is True
    assert call(hook.check_device, NUMBER, imei="35693803564380").matches is False
    assert call(hook.check_device, NUMBER, days_period=30).imei_count >= 1


def test_wrapped_answers_read_alike(vendor_state: Any, hook: Any, call: Make) -> None:
    vendor_state.switches.turn_on("resource")
    assert call(hook.check_sim_count, NUMBER, 120).sim_count >= 1
    assert call(hook.send_sms, NUMBER, "hi").message_id
    promo = call(hook.create_promo, "Hello")
    (listed,) = call(hook.all_promos)
    assert (listed.id, listed.text_to_send, listed.param_count) == (promo.id, "Hello", 0)


def test_a_foreign_number_is_not_found_and_not_billed(telecom_simulator: Any, hook: Any, call: Make) -> None:
    with pytest.raises(TelecomNotFoundError):
        call(hook.verify_sim, FOREIGN, 1)
    assert telecom_simulator.state.ledger.of("kyivstar_open_telecom", "billed_check") == []


def test_no_score_is_none(hook: Any, call: Make) -> None:
    assert call(hook.get_score, WITHOUT_SCORE) is None
    with pytest.raises(TelecomRejectedError):
        call(hook.get_score, NUMBER, model_id="12")


def test_a_404_of_a_gateway_is_no_data(telecom_simulator: Any, hook: Any, call: Make) -> None:
    telecom_simulator.fault("status", VENDOR, path="/(score|verify-sim)$", status=404, body="<html>", times=9)
    for method, args in ((hook.get_score, (NUMBER,)), (hook.verify_sim, (NUMBER, 1))):
        with pytest.raises(TelecomRejectedError, match="address is not known") as caught:
            call(method, *args)
        assert not isinstance(caught.value, TelecomNotFoundError)


def test_an_sms_is_sent_and_delivered(telecom_simulator: Any, hook: Any, call: Make) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
    sent = call(hook.send_sms, "067 000 02 00", "Вітаємо", max_segments=2, ttl_seconds=3600)
    assert sent.reserved_segments == 1
    assert call(hook.get_sms, sent.message_id).state is MessageState.ACCEPTED
    status = call(hook.get_sms, sent.message_id)
    assert (status.is_delivered, status.message_id) == (True, sent.message_id)
    assert abs(status.moment - datetime.now(UTC)) < timedelta(minutes=1)
    (effect,) = telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")
    assert effect.facts["msisdn"] == NUMBER


def test_a_status_that_is_not_there_yet_is_not_found(vendor_state: Any, hook: Any, call: Make) -> None:
    with pytest.raises(TelecomNotFoundError) as caught:
        call(hook.get_sms, "00000000-0000-0000-0000-000000000000")
    assert caught.value.code == "1040"


def test_a_sender_that_was_not_agreed_on_is_refused(hook: Any, call: Make) -> None:
    with pytest.raises(TelecomRejectedError) as caught:
        call(hook.send_sms, NUMBER, "hi", sender="forbidden")
    assert caught.value.status == 422


def test_viber_messages_are_sent_and_seen(telecom_simulator: Any, hook: Any, call: Make) -> None:
    first = call(hook.send_viber_transaction, NUMBER, "Ваш код: 1234", ttl_seconds=60)
    second = call(
        hook.send_viber_promotion,
        NUMBER,
        "Sale",
        image_url="https://a.example/1.png",
        caption="Buy",
        action_url="https://a.example/buy",
    )
    third = call(hook.send_viber_promotion, NUMBER, image_url="https://a.example/1.png")
    for sent in (first, second, third):
        assert call(hook.get_viber, sent.message_id).state is MessageState.SEEN
    charged = [
        effect.facts["charged"]
        for effect in telecom_simulator.state.ledger.of("kyivstar_open_telecom")
        if "charged" in effect.facts
    ]
    assert charged == ["transaction", "promotion", "promotion"]


def test_a_promo_from_draft_to_statistics(telecom_simulator: Any, hook: Any, call: Make) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1)
    promo = call(hook.create_promo, "Hello ${1}")
    assert (promo.state, promo.param_count) == (PromoState.DRAFT, 1)
    assert "WAITING" in promo.next_available_statuses
    assert call(hook.add_promo_audience, promo.id, [(NUMBER, ["Ann"]), ["067 000 02 01", ["Bob"]]]).name
    assert call(hook.start_promo, promo.id).state is PromoState.WAITING
    while (present := call(hook.get_promo, promo.id)).state is not PromoState.COMPLETED:
        assert present.state in (PromoState.WAITING, PromoState.ACTIVE)
    counts = call(hook.get_promo_statistics, promo.id)
    assert (counts.sent_count, counts.deliveries_count, counts.was_not_sent) == (2, 2, 0)


def test_a_promo_is_suspended(telecom_simulator: Any, hook: Any, call: Make) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 100)
    promo = call(hook.create_promo, "Hello")
    call(hook.add_promo_audience, promo.id, [NUMBER])
    call(hook.start_promo, promo.id)
    assert call(hook.suspend_promo, promo.id).state is PromoState.SUSPENDED
    with pytest.raises(TelecomRejectedError):
        call(hook.suspend_promo, promo.id)


def test_an_audience_too_large_is_refused_before_anything_is_sent(
    telecom_simulator: Any, hook: Any, call: Make
) -> None:
    promo = hook.create_promo("Hello")
    before = len(telecom_simulator.state.requests)
    with pytest.raises(TelecomInputError):
        call(hook.add_promo_audience, promo.id, [NUMBER] * 21_000)
    assert len(telecom_simulator.state.requests) == before


def test_a_full_chunk_is_taken(telecom_simulator: Any, hook: Any, call: Make) -> None:
    promo = hook.create_promo("Hello")
    call(hook.add_promo_audience, promo.id, [380670000000 + n for n in range(20_000)])
    (effect,) = telecom_simulator.state.ledger.of("kyivstar_open_telecom", "promo_audience")
    assert effect.facts["count"] == 20_000


def test_promos_are_listed_in_pages_and_whole(hook: Any, call: Make) -> None:
    made = [hook.create_promo(f"Hello {n}").id for n in range(5)]
    page = call(hook.list_promos, page_size=2)
    assert [promo.id for promo in page.items] == made[:2]
    assert page.next_page is not None
    assert [promo.id for promo in hook.run(page.next_page()).items] == made[2:4]
    assert [promo.id for promo in call(hook.all_promos, page_size=2)] == made
    later = datetime.now(UTC) + timedelta(days=1)
    assert call(hook.all_promos, start_date_from=later, sort_by="startDate", sort_direction="DESC") == []


@pytest.mark.parametrize("environment", ["mock", "sandbox"])
def test_another_environment_never_talks_to_the_live_server(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    connection = telecom_simulator.connection(VENDOR)
    connection["extra"]["environment"] = environment
    if environment == "mock":
        connection |= {"login": "sim_mock_client", "password": "sim_mock_client_secret"}
    hook = hook_of(monkeypatch, connection)
    sent = hook.send_sms(NUMBER, "hi")
    assert hook.get_sms(sent.message_id).message_id == sent.message_id
    hook.all_promos()
    assert [path for path in paths(telecom_simulator) if path.startswith("/rest/")] == []
    assert len([path for path in paths(telecom_simulator) if path.startswith(f"/{environment}/rest/")]) == 3


def test_a_mock_client_is_refused_by_the_live_server(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = telecom_simulator.connection(VENDOR)
    connection |= {"login": "sim_mock_client", "password": "sim_mock_client_secret"}
    with pytest.raises(TelecomAuthError) as caught:
        hook_of(monkeypatch, connection).check_lifetime(NUMBER)
    assert caught.value.status == 401


def test_dead_tokens_are_replaced_and_a_paid_sms_goes_out_once(
    telecom_simulator: Any, vendor_state: Any, hook: Any, call: Make
) -> None:
    call(hook.check_lifetime, NUMBER)
    vendor_state.revoke_tokens()
    call(hook.send_sms, NUMBER, "hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 1


def test_a_lost_answer_of_a_paid_sms_is_unknown_and_not_repeated(
    telecom_simulator: Any, hook: Any, call: Make
) -> None:
    telecom_simulator.fault("reset_after", VENDOR, path="/sms$")
    with pytest.raises(TelecomUnknownError):
        call(hook.send_sms, NUMBER, "hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 1
    assert paths(telecom_simulator).count("/rest/v1beta/sms") == 1


def test_a_token_server_that_is_down_leaves_the_sms_unsent(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.fault("status", VENDOR, path="token", status=503, times=4)
    with pytest.raises(TelecomNotSentError):
        hook.send_sms(NUMBER, "hi")
    assert paths(telecom_simulator) == ["/idp/oauth2/token"] * 4
    assert hook.send_sms(NUMBER, "hi").message_id


def test_the_connection_is_tested_with_a_token_and_free_reads(telecom_simulator: Any, hook: Any) -> None:
    good, message = hook.test_connection()
    assert good
    assert "28799 seconds" in message
    assert "live server" in message
    assert paths(telecom_simulator)[1:] == ["/idp/oauth2/token", "/rest/v1beta/promo", "/rest/v1/promo"]


def test_a_wrong_secret_is_said_and_not_shown(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = telecom_simulator.connection(VENDOR) | {"password": "sim_wrong_secret"}
    good, message = hook_of(monkeypatch, connection).test_connection()
    assert not good
    assert "credentials are refused" in message
    assert "sim_wrong_secret" not in message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"login": None}, "login"),
        ({"login": "a:b"}, "login"),
        ({"password": None}, "password"),
        ({"extra": {"environment": "test"}}, "extra.environment"),
        ({"extra": {"originator": "x"}}, "extra.originator"),
    ],
)
def test_a_wrong_connection_is_refused_by_field(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], field: str
) -> None:
    connection = {"conn_type": VENDOR, "login": "client", "password": "secret", **changes}
    with pytest.raises(TelecomInputError) as caught:
        hook_of(monkeypatch, connection).send_sms(NUMBER, "hi")
    assert caught.value.field == field


def test_three_fields_are_enough_and_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": VENDOR, "login": "client", "password": "hush-hush"}
    hook = hook_of(monkeypatch, connection)
    assert hook._read().transport_options.base_url == "https://api-gateway.kyivstar.ua"
    assert hook.options.prefix == "/rest/v1beta"
    assert hook.credentials.login == "client"
    assert "hush-hush" not in f"{hook!r} {hook.credentials!r} {hook._auth(hook._read(), AccountLimits())!r}"
