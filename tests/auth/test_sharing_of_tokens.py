"""Processes find out that tokens exclude each other, in virtual time: each has its first token of its own."""

from __future__ import annotations

import pytest

from airflow_provider_telecom.auth.client_credentials import AccessToken, ClientCredentials
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request
from tests.auth.rotating_world import CREATE, KEY, LEASE, Worker, World, is_create, run_together


class Process(Worker):
    """A process that makes paid calls, one after the other."""

    def __init__(self, world: World, name: str, calls: int = 1) -> None:
        super().__init__(world, name)
        self.orders = [f"{name}.{number}" for number in range(calls)]
        self.failed: list[object] = []
        self.scheme = ClientCredentials(self._fetch, KEY, lambda: world.now)
        self.scheme._shared.clock = lambda: world.now
        self.scheme._shared.worker_id = name
        self.jwt = self.scheme  # type: ignore[assignment]

    def _fetch(self) -> Call[AccessToken]:
        access: str = yield CREATE
        return AccessToken(Secret(access), 28799)

    def start(self, delay: float = 0.0) -> None:
        self._next_order()
        self.wakes = self.world.now + delay

    def _next_order(self) -> None:
        self.begin(Request("POST", "/sms", Idempotency.NONE, query={"order": self.orders.pop(0)}))

    def step(self) -> None:
        super().step()
        if self._next is None:
            if getattr(self.result, "status", None) != 200:
                self.failed.append(self.result)
            if self.orders:
                wakes = self.wakes
                self._next_order()
                self.wakes = wakes


def together(
    world: World, number: int, calls: int, over: float = 1.0, kind: type[Process] = Process
) -> list[Process]:
    """Start so many processes within some seconds."""
    made = [kind(world, f"P{place}", calls) for place in range(number)]
    for process in made:
        process.start(world.chance.uniform(0, over))
    return made


class Independent(World):
    """A vendor whose tokens are independent."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.tokens: set[str] = set()

    def mint(self) -> str:
        token = super().mint()
        self.tokens.add(token)
        return token

    def answer(self, request: Request) -> object:
        if request.path != "/create":
            used = request.headers["Authorization"].reveal().removeprefix("Bearer ")
            self.live = used if used in self.tokens else None
        return super().answer(request)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("number", "calls", "most"), [(2, 100, 10), (4, 75, 16), (40, 10, 80), (200, 3, 300)]
)
def test_row_51_no_call_fails_and_the_number_of_tokens_is_bounded(
    seed: int, number: int, calls: int, most: int
) -> None:
    world = World(seed)
    processes = together(world, number, calls)
    run_together(world, list(processes))
    assert [failure for process in processes for failure in process.failed] == []
    assert len(world.orders) == number * calls == world.orders.total()
    assert world.mints <= most


def test_independent_tokens_are_not_shared() -> None:
    world = Independent(1)
    run_together(world, list(together(world, 20, 10)))
    assert (world.mints, world.store, world.orders.total()) == (20, {}, 200)


class Alone(Process):
    """A process that can store nothing, since Airflow has no Fernet key."""

    def __init__(self, world: World, name: str, calls: int = 1) -> None:
        super().__init__(world, name, calls)
        self._own: dict[str, str] = {}

    def step(self) -> None:
        shared, self.world.store = self.world.store, self._own
        try:
            super().step()
        finally:
            self.world.store = shared


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("number", "calls", "most"), [(4, 75, 60), (40, 1, 160)])
def test_a_few_calls_succeed_where_nothing_can_be_stored(
    seed: int, number: int, calls: int, most: int
) -> None:
    world = World(seed)
    processes = together(world, number, calls, kind=Alone)
    run_together(world, list(processes))
    assert [failure for process in processes for failure in process.failed] == []
    assert world.orders.total() == len(world.orders) == number * calls
    assert world.mints <= most


@pytest.mark.parametrize("seed", range(3))
def test_processes_that_start_later_take_the_shared_token(seed: int) -> None:
    world = World(seed)
    run_together(world, list(together(world, 4, 50)))
    before = world.mints
    later = together(world, 100, 3, over=60)
    run_together(world, list(later))
    assert world.mints == before
    assert [failure for process in later for failure in process.failed] == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("deaths", [1, 2])
def test_the_process_that_is_about_to_fetch_the_shared_token_is_killed(seed: int, deaths: int) -> None:
    world = World(seed)
    processes = together(world, 12, 20)
    killed = 0
    while calling := [process for process in processes if process.coming is not None]:
        first = min(calling, key=lambda process: (process.wakes, world.chance.random()))
        world.now = max(world.now, first.wakes)
        leads = f'"{first.scheme._shared.worker_id}"' in world.store.get(LEASE, "")
        if killed < deaths and leads and first.coming is not None and is_create(first.coming):
            first.die()
            killed += 1
            continue
        first.step()
    assert killed == deaths
    assert [failure for process in processes for failure in process.failed] == []
    assert max(world.orders.values()) == 1
    assert world.mints <= 12 * 4
