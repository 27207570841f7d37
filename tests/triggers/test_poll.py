"""The trigger crosses Airflow's database whole, polls, and ends with one event."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom import vendors
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
)
from airflow_provider_telecom.triggers import polling
from airflow_provider_telecom.triggers.poll import PATH, TelecomPollTrigger, WakeSignal, trigger_kwargs
from airflow_provider_telecom.triggers.polling import (
    PollConfig,
    Poller,
    TelecomFailedError,
    facts_from_event,
    poll_until_done,
    started_from_event,
)
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from tests.triggers import scripted
from tests.triggers.scripted import DELIVERED, EXPIRED, WAITING, config, events, script

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcї"), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["message_id", "task_ids", "до", "reference"]), JSON, max_size=3)


@pytest.fixture(autouse=True)
def _connection(hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty")


def run(trigger: TelecomPollTrigger) -> list[Any]:
    return asyncio.run(events(trigger))


# Crossing the database.


@given(ARGUMENTS, st.floats(0.1, 1e6), st.none() | st.floats(1, 1e6), st.none() | st.text(max_size=5))
def test_it_crosses_the_database_whole(
    arguments: Any, interval: float, most: float | None, stop: Any
) -> None:
    whole = PollConfig(
        "hooks.Hook",
        "status.check",
        "Ключ",
        arguments,
        interval,
        7,
        bool(stop),
        max_interval=most,
        stop=stop,
    )
    trigger = TelecomPollTrigger.from_config(whole)
    for again in (scripted.deferred(trigger), scripted.started(PATH, trigger_kwargs(whole))):
        assert type(again) is TelecomPollTrigger
        assert again.serialize() == trigger.serialize()
        assert again._config() == whole


@given(ARGUMENTS)
def test_an_event_crosses_the_database_whole(facts: Any) -> None:
    event = {"stage": "reached", "facts": facts}
    assert scripted.as_the_worker_gets_it(event) == event


def status_checks() -> list[Any]:
    """Return all status checks."""
    found = []
    for vendor in iter_modules(vendors.__path__):
        if vendor.ispkg:
            module = import_module(f"{vendors.__name__}.{vendor.name}.status")
            found += [
                each
                for _, each in inspect.getmembers(module, inspect.isfunction)
                if _is_status_check(each, module)
            ]
    return found


def _is_status_check(function: Any, module: Any) -> bool:
    return function.__module__ == module.__name__ and not function.__name__.startswith("_")


def test_no_argument_of_a_status_check_hides_an_attribute_of_the_trigger() -> None:
    """They are attributes of the trigger, so that Airflow can render them."""
    taken = set(dir(TelecomPollTrigger(conn_id="", settings={})))
    assert len(status_checks()) > 8
    for status_check in status_checks():
        names = list(inspect.signature(status_check).parameters)[1:]
        assert not taken & set(names), status_check


# Polling.


def test_it_polls_until_it_succeeds() -> None:
    with script(WAITING, WAITING, DELIVERED):
        (event,) = run(TelecomPollTrigger.from_config(config(started={"id": "1"})))
    assert (event["stage"], event["facts"]) == ("reached", {"status": "delivered"})
    assert started_from_event(scripted.as_the_worker_gets_it(event)) == {"id": "1"}
    assert len(scripted.polls) == 3


def test_the_next_poll_gets_the_next_arguments() -> None:
    next_arguments = WAITING.__class__(WAITING.stage, {}, {"task_ids": ["2"]})
    with script(next_arguments, DELIVERED):
        run(TelecomPollTrigger.from_config(config(arguments={"task_ids": ["1", "2"], "least": 3})))
    assert [arguments for _, arguments in scripted.polls] == [
        {"task_ids": ["1", "2"], "least": 3},
        {"task_ids": ["2"], "least": 3},
    ]


def test_it_polls_with_jitter() -> None:
    poller = Poller(config(poll_interval=100.0))
    pauses = [poller.next_delay() for _ in range(200)]
    assert all(100 <= pause <= 110 for pause in pauses)
    assert max(pauses) - min(pauses) > 5


@pytest.mark.parametrize(("poll_interval", "spread"), [(5.0, 5.0), (3600.0, 10.0)])
def test_many_do_not_poll_first_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, poll_interval: float, spread: float
) -> None:
    pauses = []

    async def pause(signal: WakeSignal, seconds: float) -> bool:
        pauses.append(seconds)
        return False

    monkeypatch.setattr(WakeSignal, "wait", pause)

    async def first_polls() -> None:
        triggers = [TelecomPollTrigger.from_config(config(poll_interval=poll_interval)) for _ in range(100)]
        await asyncio.gather(*(events(trigger) for trigger in triggers))

    with script(DELIVERED):
        asyncio.run(first_polls())
    assert len(scripted.polls) == len(pauses) == 100
    quarters = {int(4 * seconds / spread) for seconds in pauses}
    assert quarters == {0, 1, 2, 3}  # one of 10**12 runs misses a quarter


def test_pauses_end_together_and_not_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: dict[float, list[float]] = {}

    async def pause(seconds: float) -> None:
        begun = asyncio.get_running_loop().time()
        await WakeSignal().wait(seconds)
        ends.setdefault(asyncio.get_running_loop().time(), []).append(begun + seconds)

    async def pauses() -> None:
        loop, clock = asyncio.get_running_loop(), [0.0]
        monkeypatch.setattr(loop, "time", lambda: clock[0])
        waiting = [asyncio.create_task(pause(number / 1000)) for number in range(1, 101)]
        while not all(task.done() for task in waiting):
            for _ in range(5):
                await asyncio.sleep(0)
            clock[0] += 0.001

    asyncio.run(pauses())
    assert len(ends) == 10  # not 100: ten each begin to poll together
    assert all(asked - 1e-6 <= ended <= asked + 0.011 for ended, those in ends.items() for asked in those)


@pytest.mark.parametrize("how", ["awaited", "blocking"])
def test_it_obeys_retry_after(how: str) -> None:
    with script(TelecomThrottledError("slow", retry_after=0.4), DELIVERED):
        ended(how, config())
    assert scripted.gaps()[0] >= 0.4


def test_back_off_grows_to_its_bound() -> None:
    poller = Poller(config(poll_interval=10, exponential_backoff=True, max_interval=60))
    pauses = []
    for _ in range(5):
        pauses.append(poller.next_delay())
        poller.record(WAITING)
    assert [round(pause / 10) for pause in pauses][:2] == [1, 2]
    assert all(60 <= pause <= 66 for pause in pauses[3:])


# Errors.


def ended(how: str, whole: PollConfig) -> dict[str, Any]:
    """Wait, and return the facts or raise, as a task does in a worker or after the triggerer."""
    if how == "blocking":
        return poll_until_done(whole, 60)
    (payload,) = run(scripted.deferred(TelecomPollTrigger.from_config(whole)))
    return facts_from_event(scripted.as_the_worker_gets_it(payload))


TEMPORARY = [
    TelecomNotSentError,
    TelecomThrottledError,
    TelecomServerError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
]


@pytest.mark.parametrize("how", ["awaited", "blocking"])
@pytest.mark.parametrize("kind", TEMPORARY)
def test_so_many_consecutive_temporary_errors_are_ignored(how: str, kind: type[TelecomError]) -> None:
    error = kind("no")
    with script(error, error, error, WAITING, error, error, error, DELIVERED):
        assert ended(how, config(tolerated_errors=3)) == {"status": "delivered"}
    assert len(scripted.polls) == 8


@pytest.mark.parametrize("how", ["awaited", "blocking"])
@pytest.mark.parametrize("tolerated", [0, 1, 3])
def test_no_more_are_ignored(how: str, tolerated: int) -> None:
    error = TelecomServerError("no", call="GET /sms", status=503, code="7")
    with script(error), pytest.raises(TelecomServerError) as caught:
        ended(how, config(tolerated_errors=tolerated))
    assert len(scripted.polls) == tolerated + 1
    assert str(caught.value) == str(error)


@pytest.mark.parametrize("how", ["awaited", "blocking"])
@pytest.mark.parametrize(
    "error",
    [
        TelecomInputError("message_id", "is empty"),
        TelecomRejectedError("no", call="GET /sms", status=400, code="21"),
        TelecomAuthError("no", call="GET /sms", status=403),
    ],
)
def test_a_permanent_error_ends_it_at_once_with_its_class(how: str, error: TelecomError) -> None:
    with script(WAITING, error), pytest.raises(type(error)) as caught:
        ended(how, config())
    assert len(scripted.polls) == 2
    assert type(caught.value) is type(error)
    assert caught.value.__dict__ == error.__dict__


@pytest.mark.parametrize("how", ["awaited", "blocking"])
def test_another_final_state_fails(how: str) -> None:
    with script(WAITING, EXPIRED), pytest.raises(TelecomFailedError, match="status: expired"):
        ended(how, config())


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"conn_id": "nobody"}, Exception),
        ({"status_check": "tests.triggers.scripted.nothing"}, AttributeError),
    ],
)
def test_a_wrong_configuration_fails(wrong: Any, kind: type[Exception]) -> None:
    with script(DELIVERED), pytest.raises(kind):
        ended("awaited", config(**wrong))


def test_a_person_who_ends_the_task_ends_it_at_the_vendor() -> None:
    with script(DELIVERED):
        trigger = TelecomPollTrigger.from_config(
            config(arguments={"queue_id": 1}, stop=f"{scripted.HERE}.scripted")
        )
        asyncio.run(scripted.deferred(trigger).on_kill())
        assert [arguments for _, arguments in scripted.polls] == [{"queue_id": 1}]
        asyncio.run(TelecomPollTrigger.from_config(config()).on_kill())
    assert len(scripted.polls) == 1


# The log.


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == polling.__name__]


@pytest.fixture
def poller(caplog: pytest.LogCaptureFixture) -> Iterator[tuple[Poller, list[float]]]:
    """Return a poller, and the time that it sees."""
    caplog.set_level("INFO", logger=polling.__name__)
    now = [1000.0]
    with script(WAITING):
        yield Poller(config(), lambda: now[0]), now


def test_a_state_is_logged_when_it_changes_and_now_and_then(poller: Any, caplog: Any) -> None:
    poll, now = poller
    for _ in range(5):
        poll.record(WAITING)
        now[0] += 30
    assert logged(caplog) == ["Waiting: status: sent (poll 1, after 0 s)"]
    now[0] += polling.LOG_EVERY_SECONDS
    poll.record(WAITING)
    poll.record(WAITING)
    poll.record(PollResult(Stage.WAITING, {"status": "sent", "waiting": 2}))
    poll.record(DELIVERED)
    assert logged(caplog)[1:] == [
        "Waiting: status: sent (poll 6, after 750 s)",
        "Waiting: status: sent, waiting: 2 (poll 8, after 750 s)",
        "Succeeded: status: delivered (poll 9, after 750 s)",
    ]


def test_ignored_errors_are_logged_once_and_now_and_then(poller: Any, caplog: Any) -> None:
    poll, now = poller
    error = TelecomServerError("no", call="GET /sms", status=503)
    for _ in range(3):
        poll.tolerate(error)
        now[0] += 30
    poll.record(WAITING)
    with pytest.raises(TelecomAuthError):
        poll.tolerate(TelecomAuthError("no"))
    assert logged(caplog) == [
        "A poll failed (error 1 in a row, 3 are ignored; poll 1, after 0 s): GET /sms: no (HTTP 503)",
        "Waiting: status: sent (poll 4, after 90 s)",
    ]


def test_the_log_is_short_and_holds_no_numbers(poller: Any, caplog: Any) -> None:
    poll, _ = poller
    facts = {"note": "+380670000200 of 2026-01-31", "ids": ["20200000-0000-0000-0000-380670000200"] * 99}
    poll.record(PollResult(Stage.WAITING, facts))
    poll.record(PollResult(Stage.WAITING, {}))
    long, nothing = logged(caplog)
    assert "0000200" not in long
    assert "+*** of 2026-01-31" in long
    assert len(long) < 600
    assert nothing == "Waiting: nothing yet (poll 2, after 0 s)"


@pytest.mark.parametrize("how", ["awaited", "blocking"])
def test_workers_and_triggerers_log_alike(how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger=polling.__name__)
    with script(WAITING, WAITING, TelecomServerError("no"), DELIVERED):
        ended(how, config())
    starts = [line.partition(" (")[0] for line in logged(caplog)]
    assert starts == ["Waiting: status: sent", "A poll failed", "Succeeded: status: delivered"]
