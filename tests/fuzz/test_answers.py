"""Whatever a vendor answers: no effect twice, no false success, no raw exception, no endless wait.

A short form of 1,000 answers always runs. `TELECOM_FUZZ_ANSWERS=50000 pytest tests/fuzz` runs the long form,
with other answers each time; a failing answer is printed in its smallest form.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.hooks import base
from tests.endpoints import Row, rows
from tests.fuzz.answer import Answer
from tests.fuzz.mutations import unusual
from tests.fuzz.oracle import accepted, may_succeed
from tests.fuzz.server import Plan, Server, serving
from tests.transports import TRANSPORTS

pytestmark = pytest.mark.xdist_group("fuzz")
LONG_RUN = int(os.environ.get("TELECOM_FUZZ_ANSWERS", "0"))
# The most requests that may have had their effect, by class. Requests with a key all have the same key;
# a Viber message may go out once more when it has been found by its key.
MOST_EFFECTS = {"X": 1, "S": 1, "D": 1, "K": 5, "R": 4, "RB": 2, "T": 4}
MAX_WAIT, DEADLINE = 300.0, 0.4


@dataclass(frozen=True)
class Recorded:
    """An endpoint, what it is called with, its good answer, and those of other calls that it takes."""

    row: Row
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    good: Answer
    others: dict[tuple[str, str], Answer]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, telecom_simulator_server: Any) -> list[Recorded]:
    """Call each endpoint once and keep its answer."""
    return [_record(row, telecom_simulator_server, tmp_path_factory.mktemp("recorded")) for row in rows()]


@pytest.fixture(scope="module")
def server(recorded: list[Recorded]) -> Iterator[Server]:
    """Run the server."""
    with serving({key: answer for each in recorded for key, answer in each.others.items()}) as running:
        yield running


def _record(row: Row, simulator: Any, folder: Path) -> Recorded:
    simulator.reset()
    simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 3600)
    hook = _hook(row.vendor, simulator.connection(row.vendor), row.extra)
    transport = hook._client().sync_transport._transport
    send, answers = transport.send, {}

    def recording(request: Any) -> Any:
        answer = send(request)
        path = urlsplit(request.url(simulator.base(row.vendor))).path
        answers[request.method, path] = answer
        return answer

    transport.send = recording
    args, kwargs = row.prepare(hook, folder)
    getattr(hook, row.method)(*args, **kwargs)
    good = {key: _answer(answer) for key, answer in answers.items()}
    saved = next((arg for arg in args if isinstance(arg, Path)), None)
    last = (
        list(good.values())[-1]
        if saved is None
        else replace(list(good.values())[-1], body=saved.read_bytes())
    )
    return Recorded(row, args, kwargs, last, good)


def _answer(response: Any) -> Answer:
    kind = response.headers.get("content-type", "").encode()
    return Answer(headers=((b"Content-Type", kind),) if kind else (), body=response.body)


def _hook(vendor: str, connection: dict[str, Any], extra: Mapping[str, Any]) -> Any:
    from airflow_provider_telecom.vendors.description import import_from
    from tests.conftest import HOOKS

    connection = {**connection, "extra": {**connection["extra"], **extra}}
    os.environ[f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"] = json.dumps(connection)
    base._clients.clear()
    return import_from(HOOKS[vendor])()


@pytest.fixture(scope="module", autouse=True)
def _own_connections_and_silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    kept = dict(os.environ)
    yield
    for name in set(os.environ) - set(kept):
        del os.environ[name]
    os.environ.update(kept)
    logging.disable(logging.NOTSET)


@dataclass
class Ending:
    """How a call ended: its result or its error, and the waits that it asked for."""

    result: Any
    error: BaseException | None
    waits: list[float]


def _run(each: Recorded, url: str, simulator: Any, is_async: bool, deadline: float = DEADLINE) -> Ending:
    """Make one call against the server, with short time-outs and waits that are only noted."""
    row = each.row
    connection = simulator.connection(row.vendor)
    connection["host"] = url + urlsplit(connection["host"]).path
    extra = {**row.extra, "timeout_read": deadline / 2, "timeout_connect": 30}
    hook = _hook(row.vendor, connection, extra)
    method, client, waits = getattr(hook, row.method), hook._client(), []
    late = [0.0]
    client.account.limits.clock = lambda: time.monotonic() + late[0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        late[0] += seconds

    async def asleep(seconds: float) -> None:
        sleep(seconds)

    async def run() -> Any:
        client.async_transport()._sleep = asleep
        try:
            return await hook.aio(method, *each.args, **each.kwargs)
        finally:
            await hook.aclose()

    client.sync_transport._sleep = sleep
    try:
        result = asyncio.run(run()) if is_async else method(*each.args, **each.kwargs)
    except BaseException as error:
        return Ending(None, error, waits)
    finally:
        client.sync_transport.close()
    return Ending(result, None, waits)


def _answers(each: Recorded) -> st.SearchStrategy[list[Answer]]:
    """One unusual answer for all requests, or for the first one only, or two in turn."""
    one, good = unusual(each.good), each.good
    if any(isinstance(arg, Path) for arg in each.args):  # a download may take an hour, if bytes keep coming
        one = one.map(lambda answer: replace(answer, end="hang") if answer.end == "drip" else answer)
    return st.one_of(
        one.map(lambda first: [first]),
        one.map(lambda first: [first, good]),
        st.tuples(one, one).map(list),
    )


@pytest.mark.parametrize("is_async", [False, True], ids=TRANSPORTS)
def test_the_recorded_answers_are_good(
    recorded: list[Recorded], server: Server, telecom_simulator_server: Any, is_async: bool
) -> None:
    """Without a change every call succeeds: else the test below would see nothing but errors."""
    for each in recorded:
        plan = Plan(each.row.http, each.row.pattern, [each.good])
        ended = _run(each, server.follow(plan), telecom_simulator_server, is_async, deadline=120)
        assert ended.error is None, each.row
        assert len(plan.bodies) == 1
        if each.row.cls in "XSDK":
            assert may_succeed(each.row, each.good), each.row


@pytest.mark.parametrize("row", rows(), ids=str)
def test_unusual_answers(
    row: Row, recorded: list[Recorded], server: Server, telecom_simulator_server: Any
) -> None:
    each = next(each for each in recorded if str(each.row) == str(row))

    @settings(
        max_examples=_share(row),
        deadline=None,
        derandomize=not LONG_RUN,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(answers=_answers(each), is_async=st.booleans())
    def check(answers: list[Answer], is_async: bool) -> None:
        plan = Plan(row.http, row.pattern, answers)
        ended = _run(each, server.follow(plan), telecom_simulator_server, is_async)
        _judge(row, plan, ended)

    check()


def _share(row: Row) -> int:
    """Return how many answers a row gets: the classes that cost most get most."""
    weights = {"X": 4, "K": 2, "S": 2, "D": 2}
    all_in_all = sum(weights.get(each.cls, 1) for each in rows())
    return max(1, round((LONG_RUN or 1000) * weights.get(row.cls, 1) / all_in_all))


def _judge(row: Row, plan: Plan, ended: Ending) -> None:
    """Assert the four promises."""
    note(
        f"{row.cls} {row}: {ended.error!r} {ended.result!r}, {len(plan.bodies)} requests, waits {ended.waits}"
    )
    given_answers = [plan.answers[min(place, len(plan.answers) - 1)] for place in range(len(plan.bodies))]
    effects = [answer for answer in given_answers if not _was_refused(row, answer)]
    assert len(effects) <= MOST_EFFECTS["X" if row.one_shot else row.cls], "an effect happened twice"
    if row.cls == "K":
        assert all(b"r1" in body for body in plan.bodies), "a request without its key"
    assert not isinstance(ended.error, TelecomInputError)
    assert ended.error is None or isinstance(ended.error, TelecomError), "a raw exception"
    assert not plan.outlasted, "the client listens for ever"
    assert all(0 <= wait <= MAX_WAIT + 20 for wait in ended.waits), "a wait beyond the limit"
    if ended.error is None and row.cls in "XSDK":
        assert given_answers
        assert may_succeed(row, given_answers[-1]), "a success that the document does not know"
        results = getattr(ended.result, "results", None)
        if results is not None:
            assert sum(result.accepted for result in results) <= accepted(given_answers[-1])


def _was_refused(row: Row, answer: Answer) -> bool:
    """Whether an answer says that the request was refused, so that it may be sent again."""
    if answer.refuses or (row.method == "delete_statistics_export" and answer.status == b"404"):
        return True  # the document has two addresses for the latter
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    return (
        row.vendor == "ketchup_loyalty" and isinstance(document, dict) and str(document.get("error")) == "11"
    )
