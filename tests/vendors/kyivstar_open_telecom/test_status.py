"""Which states are final, and what is fit to be logged; and what an agreed Viber template lets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.vendors.kyivstar_open_telecom import status as checks
from airflow_provider_telecom.vendors.kyivstar_open_telecom.viber_template import check_matches
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from tests.cost import least_cpu_seconds

PROMO_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("kyivstar_open_telecom")


def says(simulator: Any, path: str, body: str) -> None:
    simulator.fault("body", "kyivstar_open_telecom", path=path, body=body)


@pytest.mark.parametrize(
    ("status_check", "status", "stage"),
    [
        (checks.sms, "accepted", Stage.WAITING),
        (checks.sms, "Delivered", Stage.SUCCEEDED),
        (checks.sms, "seen", Stage.SUCCEEDED),
        (checks.sms, "rejected", Stage.WAITING),
        (checks.sms, "EXPIRED", Stage.FAILED),
        (checks.viber, "expired", Stage.FAILED),
        (checks.viber, "accepted", Stage.WAITING),
        (checks.viber, "delivered", Stage.SUCCEEDED),
    ],
)
def test_which_message_has_arrived(
    telecom_simulator: Any, hook: Any, status_check: Callable[..., Any], status: str, stage: Stage
) -> None:
    message_id = "20200000-0000-0000-0000-380670000200"
    says(telecom_simulator, message_id, f'{{"mid": "{message_id}", "status": "{status}", "date": "x"}}')
    assert hook.run(status_check(hook, message_id=message_id)) == PollResult(
        stage, {"status": status, "date": "x"}
    )


@pytest.mark.parametrize("status_check", [checks.sms, checks.viber])
def test_an_address_that_is_not_there_is_no_message_on_its_way(
    telecom_simulator: Any, hook: Any, status_check: Callable[..., Any]
) -> None:
    telecom_simulator.fault(
        "status", "kyivstar_open_telecom", path="/m1$", status=404, body="<html>Not Found</html>"
    )
    with pytest.raises(TelecomRejectedError, match="without the vendor's errorCode"):
        hook.run(status_check(hook, message_id="m1"))


@pytest.mark.parametrize(
    ("status", "stage"),
    [("delivered", Stage.WAITING), ("seen", Stage.SUCCEEDED), ("expired", Stage.FAILED)],
)
def test_until_it_is_seen(telecom_simulator: Any, hook: Any, status: str, stage: Stage) -> None:
    says(telecom_simulator, "/viber/status/a", f'{{"mid": "a", "status": "{status}"}}')
    assert hook.run(checks.viber(hook, message_id="a", until="seen")).stage is stage


@pytest.mark.parametrize(
    ("status", "fails", "stage"),
    [
        ("DRAFT", True, Stage.WAITING),
        ("WAITING", True, Stage.WAITING),
        ("ACTIVE", True, Stage.WAITING),
        ("PAUSED", True, Stage.WAITING),
        ("SUSPENDED", False, Stage.WAITING),
        ("SUSPENDED", True, Stage.FAILED),
    ],
)
def test_which_promo_is_over(
    telecom_simulator: Any, hook: Any, status: str, fails: bool, stage: Stage
) -> None:
    says(telecom_simulator, "/promo/", f'{{"status": "{status}"}}')
    result = hook.run(checks.promo(hook, PROMO_ID, fail_on_suspended=fails))
    assert (result.stage, result.facts["status"]) == (stage, status)
    assert ("note" in result.facts) == (status == "SUSPENDED")


@pytest.mark.parametrize(
    ("least", "stage"), [(None, Stage.SUCCEEDED), (0, Stage.SUCCEEDED), (1, Stage.FAILED)]
)
def test_of_nothing_sent_nothing_is_delivered(
    telecom_simulator: Any, hook: Any, least: Any, stage: Stage
) -> None:
    says(telecom_simulator, f"/promo/{PROMO_ID}$", '{"status": "COMPLETED"}')
    says(telecom_simulator, "/statistics", '{"sentCount": 0, "deliveriesCount": 0, "newCount": 380670000200}')
    result = hook.run(checks.promo(hook, PROMO_ID, min_delivered_percent=least))
    assert result.stage is stage
    assert "380670000200" not in str(result.facts)  # only counts that are known


@pytest.mark.parametrize(
    ("status", "puts"), [("DRAFT", 0), ("WAITING", 1), ("ACTIVE", 1), ("COMPLETED", 0), ("SUSPENDED", 0)]
)
def test_stopping_suspends_only_what_runs(telecom_simulator: Any, hook: Any, status: str, puts: int) -> None:
    promo_id = hook.create_promo("Hello").id
    hook.add_promo_audience(promo_id, ["380670000200"])
    found = telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos[promo_id]
    found.status = status
    hook.run(checks.stop_promo(hook, promo_id=promo_id, fail_on_suspended=False))
    assert sum(seen.method == "PUT" for seen in telecom_simulator.state.requests) == puts


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Your code is {digits}", "Your code is 1"),
        ("{word}, hello", "Ann-Marie, hello"),
        ("Order {word} is {text}.", "Order A/7 is on its way. Soon."),
        ("Замовлення {word} готове", "Замовлення №7 готове"),
        ("{digits}{digits}", "12"),
        ("a.b", "a.b"),
        ("{text}", " "),
    ],
)
def test_a_text_that_fits(template: str, text: str) -> None:
    check_matches(text, template)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Your code is {digits}", "Your code is "),
        ("Your code is {digits}", "Your code is 12 "),
        ("Your code is {digits}", "your code is 12"),
        ("Your code is {digits}", "Your code is ١٢"),
        ("Your code is {digits}", "Your code is 1\n"),
        ("{word}!", "two words!"),
        ("{word}!", "no\u00a0blank!"),
        ("{text}!", "two\nlines!"),
        ("{text}!", "two\u2028lines!"),
        ("{digits}{digits}", "1"),
        ("a.b", "axb"),
    ],
)
def test_a_text_that_does_not_fit(template: str, text: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        check_matches(text, template)
    assert caught.value.field == "text"


@given(st.lists(st.sampled_from(["{digits}", "{word}", "{text}", "a", ". ", "1"]), min_size=1), st.data())
def test_whatever_a_template_says_fits_it(parts: list[str], data: st.DataObject) -> None:
    values = {"{digits}": "0123456789", "{word}": "ab1.é", "{text}": "ab1. é"}
    text = "".join(data.draw(st.text(values[part], min_size=1)) if part in values else part for part in parts)
    template = "".join(parts)
    if not template.strip():
        return
    check_matches(text, template)
    with pytest.raises(TelecomInputError):
        check_matches(f"{text}\n", template)


def test_a_text_of_twice_the_length_costs_twice_as_much() -> None:
    """Trying all ways to split it would cost a hundred times as much."""

    def misfit(length: int) -> None:
        for _ in range(100):
            with pytest.raises(TelecomInputError):
                check_matches("a" * length, "{text}" * 6 + "!")

    assert least_cpu_seconds(lambda: misfit(48)) < 10 * least_cpu_seconds(lambda: misfit(24))
