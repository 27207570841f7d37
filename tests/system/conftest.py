"""The services that system tests run against, and a way to show what they measured."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.system.services import Postgres, running_postgres, running_redis


@pytest.fixture(scope="session")
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process by way of all `finally`, so that what it started ends too."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def postgres(_ended_by_sigterm: None) -> Iterator[Postgres]:
    """A PostgreSQL for the session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis(_ended_by_sigterm: None) -> Iterator[str]:
    """The address of a Redis for the session."""
    with running_redis() as url:
        yield url


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return a function that shows a figure, whether the test passes or not."""

    def show(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n    {text}")
            sys.stdout.flush()

    return show
