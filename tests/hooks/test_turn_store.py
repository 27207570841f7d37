"""The rate limit of the deployment: which store, which account, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import TakeTurn, Turn
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.turns import Schedule, take_turn
from airflow_provider_telecom.hooks import base, turn_store
from tests.system.services import free_port

PASSWORD = "pass%40word-of-the-store"


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AIRFLOW__TELECOM__RATE_LIMIT_URL", url)
    base.forget_clients()


class InMemory:
    """A store in the memory of this process, whose clock moves by hand."""

    def __init__(self) -> None:
        self.rows: dict[str, Schedule] = {}
        self.steps: list[TakeTurn] = []
        self.now = 10**12

    def take(self, step: TakeTurn) -> Turn:
        self.steps.append(step)
        self.now += 1000
        self.rows[step.account], turn = take_turn(self.rows.get(step.account), step, self.now, "1")
        return turn

    def close(self) -> None:
        pass


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    made = InMemory()
    monkeypatch.setattr(base, "turn_store", lambda rate: made if rate else None)
    return made


def patient(hook: Any, store: InMemory) -> Any:
    """Return the hook; its sleeps move the clock of the store."""

    def sleep(seconds: float) -> None:
        store.now += round(seconds * 1_000_000)

    async def sleep_too(seconds: float) -> None:
        sleep(seconds)

    client = hook._client()
    client.sync_transport._sleep = sleep
    new = client.async_transport

    def awaited() -> Any:
        made = new()
        made._sleep = sleep_too
        return made

    client.async_transport = awaited
    return hook


def test_each_request_takes_a_turn(
    hook_for: Callable[..., Any], store: InMemory, call: Callable[..., Any]
) -> None:
    hook = patient(hook_for("ketchup_loyalty", rate_limit="10/s"), store)
    began = store.now
    for _ in range(5):
        call(hook.list_sms_prices)
    assert store.now - began >= 500_000
    assert [step.spacing for step in store.steps] == [0.1] * len(store.steps)
    assert any(step.held for step in store.steps)


def test_connections_of_one_account_share_its_turns(
    hook_for: Callable[..., Any], store: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = patient(hook_for("ketchup_loyalty", rate_limit="10/s"), store)
    one.list_sms_prices()
    two = patient(hook_for("ketchup_loyalty", rate_limit="10/s", timeout_read=7), store)
    two.list_sms_prices()
    assert one._client() is not two._client()
    (account,) = store.rows
    assert account == f"ketchup_loyalty/{one.account_key}"
    other = patient(hook_for("novaconnect", rate_limit="10/s"), store)
    other.get_user()
    assert len(store.rows) == 2
    text = repr(store.steps)
    assert one._read().credentials.secret.reveal() not in text
    assert other._read().credentials.secret.reveal() not in text


def test_a_connection_without_a_rate_takes_no_turn(hook_for: Callable[..., Any], store: InMemory) -> None:
    hook_for("ketchup_loyalty").list_sms_prices()
    assert store.steps == []


def test_a_rate_whose_first_turn_is_an_hour_away_is_an_error(
    hook_for: Callable[..., Any], store: InMemory, telecom_simulator: Any
) -> None:
    """An empty store may have forgotten a request that was sent just now."""
    hook = hook_for("ketchup_loyalty", rate_limit="1/h")
    with pytest.raises(TelecomThrottledError) as caught:
        hook.list_sms_prices()
    assert caught.value.retry_after == 3600
    store.now += 3600 * 1_000_000
    hook.list_sms_prices()


def test_without_a_url_the_rate_counts_in_the_process(
    hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "")
    limits = hook_for("ketchup_loyalty", rate_limit="10/s").account.limits
    assert (limits.spacing, limits.shared) == (0.1, None)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        (f"mysql://user:{PASSWORD}@store/0", "must begin with redis://, rediss:// or postgresql://"),
        (f"user:{PASSWORD}@store", "must begin with redis://"),
        (f"redis://user:{PASSWORD}@store:port/0", "is not a valid URL"),
        (f"redis://user:{PASSWORD}@[store/0", "is not a valid URL"),
    ],
)
def test_a_wrong_url_is_refused_by_name(
    hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, url: str, rule: str
) -> None:
    use(monkeypatch, url)
    with pytest.raises(TelecomInputError) as caught:
        hook_for("ketchup_loyalty", rate_limit="10/s").list_sms_prices()
    assert (caught.value.field, rule in caught.value.rule) == ("[telecom] rate_limit_url", True)
    assert "pass" not in str(caught.value)
    hook_for("ketchup_loyalty").list_sms_prices()  # without a rate_limit, the store is not used


@pytest.mark.parametrize(
    ("url", "rate", "most"),
    [
        ("redis://store/0", "100000/s", "1000/s with Redis"),
        ("rediss://store/0", "1001/s", "1000/s with Redis"),
        ("postgresql://store/turns", "6001/m", "100/s with PostgreSQL"),
    ],
)
def test_a_rate_that_no_store_can_keep_is_refused_by_name(
    hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, url: str, rate: str, most: str
) -> None:
    use(monkeypatch, url)
    with pytest.raises(TelecomInputError) as caught:
        hook_for("ketchup_loyalty", rate_limit=rate).list_sms_prices()
    assert caught.value.field == "extra.rate_limit"
    assert f"must be at most {most}" in caught.value.rule


@pytest.mark.parametrize(
    ("url", "rate"),
    [("redis://store/0", "1000/s"), ("postgresql+psycopg2://store/turns", "6000/m")],
)
def test_the_highest_rates_are_accepted(monkeypatch: pytest.MonkeyPatch, url: str, rate: str) -> None:
    use(monkeypatch, url)
    made = turn_store.turn_store(rate)
    assert made is not None
    made.close()


@pytest.mark.parametrize(("url", "library"), [("redis://s/0", "redis"), ("postgresql://s/t", "psycopg2")])
def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, url: str, library: str) -> None:
    use(monkeypatch, url)
    monkeypatch.setattr(turn_store, "find_spec", lambda name: None if name == library else find_spec(name))
    with pytest.raises(TelecomInputError, match=rf"{library}: pip install .*\[ratelimit\]"):
        turn_store.turn_store("10/s")


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
def test_if_the_store_is_down_nothing_is_sent(
    hook_for: Callable[..., Any],
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Any],
    scheme: str,
) -> None:
    use(monkeypatch, f"{scheme}://user:{PASSWORD}@127.0.0.1:{free_port()}/0")
    hook = hook_for("ketchup_loyalty", originator="Shop", rate_limit="10/s")
    with pytest.raises(TelecomRateLimitStoreError) as caught:
        call(hook.send_sms, "380670000200", "Hi", reference="r1")
    error = caught.value
    assert isinstance(error, TelecomNotSentError)
    assert "which keeps the rate limit, cannot be used" in str(error)
    assert "check [telecom] rate_limit_url" in str(error)
    shown = f"{error!s} {error!r} {pickle.dumps(error)!r} {error.__cause__!r} {error.__context__!r}"
    assert "pass" not in shown
    assert telecom_simulator.state.requests == []
    hook.account.limits.check_breaker()
    with pytest.raises(TelecomRateLimitStoreError):
        hook.wait_until_ready()
