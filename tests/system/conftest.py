"""The services that system tests run against, and a way to show what they measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.system.services import Postgres, running_postgres, running_redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
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
