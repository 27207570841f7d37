"""The rotating token: each race, driven by hand or by chance against a store without compare-and-swap."""

from __future__ import annotations

import json
import time
from inspect import signature
from typing import Any

import pytest

from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, secrets_in
from airflow_provider_telecom.calls.endpoint import Exclusive, LoadToken, Sleep, Step
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomNoAnswerError,
    TelecomNotSentError,
)
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Response
from tests.auth.rotating_world import (
    KEY,
    LEASE,
    TIMING,
    Host,
    Worker,
    World,
    is_create,
    is_load,
    is_store,
    quick,
    run_together,
    stored,
    with_a_revoked_token,
)

START = World().now
YEAR_10000 = 253_402_300_800


@pytest.fixture
def world() -> World:
    return World()


def access(world: World) -> str:
    found: str = json.loads(world.store[KEY])["access"]
    return found


def is_pause(step: Step) -> bool:
    return isinstance(step, Sleep)


def pauses(worker: Worker) -> list[Sleep]:
    return [step for step in worker.steps if isinstance(step, Sleep)]


class TestOneWorker:
    def test_the_first_call_mints_and_publishes(self, world: World) -> None:
        assert Worker(world).begin().finish().status == 200
        assert (world.mints, access(world), world.store[LEASE]) == (1, "T1", "{}")

    def test_the_next_call_takes_the_token_from_memory(self, world: World) -> None:
        worker = Worker(world)
        worker.begin().finish()
        assert worker.begin().finish().status == 200
        assert len(worker.steps) == 1

    def test_another_worker_takes_it_from_the_store(self, world: World) -> None:
        Worker(world, "A").begin().finish()
        other = Worker(world, "B").begin()
        assert other.finish().status == 200
        assert (len(other.steps), world.mints) == (2, 1)

    def test_a_paid_call_that_meets_a_401_is_executed_once(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        assert worker.begin().finish().status == 200
        assert (world.callbacks, worker.unauthorized, world.mints) == (1, 1, 1)

    def test_another_token_in_the_store_is_used_before_minting(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        world.store[KEY] = stored(world.mint(), world.now + 86_400, world.now)
        assert worker.begin().finish().status == 200
        assert (world.mints, pauses(worker)) == (1, [])
        assert worker.begin().finish().status == 200
        assert len(worker.steps) == 1

    @pytest.mark.parametrize("has_a_token", [False, True])
    def test_a_caller_waits_for_its_host_for_two_minutes_and_looks_for_a_token_every_5_seconds(
        self, world: World, has_a_token: bool
    ) -> None:
        world.step_takes = 0
        host = Host()
        stopped, waiting = Worker(world, "A", host=host), Worker(world, "B", host=host)
        if has_a_token:
            with_a_revoked_token(world, stopped, waiting)
        stopped.begin().until(is_load(LEASE))
        with pytest.raises(TelecomNotSentError, match="another process of this host"):
            waiting.begin().finish()
        assert world.now - START == 120
        assert sum(isinstance(step, LoadToken) for step in waiting.steps) == 24 - has_a_token
        assert world.callbacks == world.mints == 0

    def test_behind_a_stopped_process_of_its_host_a_caller_takes_the_token_of_another_host(
        self, world: World
    ) -> None:
        host = Host()
        stopped, waiting = Worker(world, "A", host=host), Worker(world, "B", host=host)
        with_a_revoked_token(world, stopped, waiting)
        stopped.begin().until(is_load(LEASE))
        waiting.begin().until(lambda step: isinstance(step, Exclusive))
        world.store[KEY] = stored(world.mint(), world.now + 86_400, world.now)
        assert waiting.finish().status == 200
        assert world.now - 1_800_000_000.0 < TIMING.lock_wait + 1
        assert stopped.finish().status == 200
        assert (world.mints, world.callbacks) == (1, 2)

    def test_an_error_of_the_call_under_the_lock_is_not_taken_for_a_lock_that_is_held(
        self, world: World
    ) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        world.create_fails = [TelecomNotSentError("not sent: refused")]
        with pytest.raises(TelecomNotSentError, match="refused"):
            worker.begin().finish()

    def test_a_revoked_token_in_memory_and_another_in_the_store_need_no_pause(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        world.store[KEY] = stored("T0b", world.now + 3700, world.now - 100)
        assert worker.begin().finish().status == 200
        assert (worker.unauthorized, pauses(worker)) == (2, [Sleep(*TIMING.settle)])

    def test_a_caller_that_waited_its_turn_takes_what_the_one_before_it_fetched(self, world: World) -> None:
        first, second = Worker(world), Worker(world)
        with_a_revoked_token(world, first)
        second.jwt = first.jwt
        second.begin()
        first.begin().finish()
        assert second.finish().status == 200
        assert len(second.steps) == 2
        assert world.mints == 1

    def test_a_lease_of_its_own_left_over_is_not_waited_for(self, world: World) -> None:
        worker = Worker(world, "A")
        world.store[LEASE] = json.dumps({"me": "A", "at": world.now})
        worker.begin().finish()
        assert pauses(worker) == [Sleep(0.5, 1)]

    @pytest.mark.parametrize(
        "text",
        ["", "nonsense", "[]", '"x"', '{"access": "x"}', '{"young_deaths": 7}', "[" * 20_000],
        ids=lambda text: text[:20],
    )
    def test_junk_in_the_store_is_no_token(self, world: World, text: str) -> None:
        world.store = {KEY: text, LEASE: text}
        assert Worker(world).begin().finish().status == 200
        assert access(world) == "T1"

    @pytest.mark.parametrize(
        "corrupt",
        [
            *(
                {"access": value}
                for value in ("токен", "a\nb", " a", "\ud800", "", 5, None, ["a"], "a" * 9000)
            ),
            *({"expires": value} for value in (10**400, float("inf"), float("nan"), "soon", -1, True, None)),
            {"expires": YEAR_10000},
            *({"minted": value} for value in (10**400, float("-inf"), float("nan"), [], 1e300)),
        ],
    )
    def test_a_corrupt_token_in_the_store_is_replaced(self, world: World, corrupt: dict[str, Any]) -> None:
        """No request is sent with it: it would raise in the HTTP library, in every call."""
        world.store[KEY] = json.dumps({**json.loads(stored("T0", world.now + 86_400, world.now)), **corrupt})
        worker = Worker(world)
        assert worker.begin().finish().status == 200
        assert (world.mints, worker.unauthorized, access(world)) == (1, 0, "T1")
        assert Worker(world, "B").begin().finish().status == 200
        assert world.mints == 1

    @pytest.mark.parametrize("refresh", ["токен", "a\nb", 5, ""])
    def test_a_corrupt_refresh_token_is_left_out(self, world: World, refresh: Any) -> None:
        world.store[KEY] = stored(world.mint(), world.now + 86_400, world.now, refresh=refresh)
        worker = Worker(world)
        assert worker.begin().finish().status == 200
        assert worker.jwt._token
        assert worker.jwt._token.refresh is None

    def test_a_token_may_have_been_created_at_any_time(self, world: World) -> None:
        world.store[KEY] = stored(world.mint(), YEAR_10000 - 1, 0)
        assert Worker(world).begin().finish().status == 200
        assert world.mints == 1

    def test_the_refresh_token_of_a_revoked_token_is_passed_on_by_the_store(self, world: World) -> None:
        """With it SunSim creates the next pair."""
        first, second = Worker(world, "A"), Worker(world, "B")
        first.refresh = Secret("R1")
        first.begin().finish()
        assert first.replaced == [None]
        world.mint()
        second.begin().finish()
        [revoked] = second.replaced
        assert revoked
        assert (revoked.access, revoked.refresh) == (Secret("T1"), Secret("R1"))
        world.mint()
        first.begin().finish()
        assert world.mints == 5

    def test_a_token_is_written_once(self, world: World) -> None:
        worker = Worker(world).begin()
        worker.finish()
        assert sum(map(is_store(KEY), worker.steps)) == 1

    def test_a_token_replaces_a_revoked_one_that_would_have_been_valid_for_longer(self, world: World) -> None:
        worker = Worker(world)
        worker.lifetime = 7200
        with_a_revoked_token(world, worker)
        assert worker.begin().finish().status == 200
        assert (worker.unauthorized, access(world)) == (1, "T1")

    def test_junk_among_the_early_revocations_is_left_out(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        world.store[KEY] = stored("T0", world.now, 0, young_deaths=["x", None, 5, 10**400, True])
        assert worker.begin().finish().status == 200

    def test_stored_never_mints(self, world: World) -> None:
        worker = Worker(world)
        stored = worker.jwt.stored()
        next(stored)
        with pytest.raises(StopIteration) as done:
            stored.send(None)
        assert done.value.value is None
        assert world.mints == 0

    def test_a_401_is_returned_after_three_replacements(self, world: World) -> None:
        worker = Worker(world, timing=quick(max_early_revocations=99, tolerated_early_revocations=99))
        with_a_revoked_token(world, worker)
        world.answer = self.refusing_all_but_create(world)  # type: ignore[method-assign]
        assert worker.begin().finish().status == 401
        assert (worker.unauthorized, world.mints) == (4, 3)
        assert pauses(worker).count(Sleep(1, 5)) == 2

    def test_a_token_of_the_same_moment_that_is_refused_too_makes_it_pause(self, world: World) -> None:
        world.step_takes = 0
        timing = quick(lease=0, max_early_revocations=99, tolerated_early_revocations=99)
        worker = Worker(world, timing=timing)
        with_a_revoked_token(world, worker)
        world.answer = self.refusing_all_but_create(world)  # type: ignore[method-assign]
        assert worker.begin().finish().status == 401
        assert pauses(worker) == [Sleep(1, 5)] * 2

    @staticmethod
    def refusing_all_but_create(world: World) -> Any:
        return lambda request: world.mint() if request.path == "/create" else Response(401, {})

    def test_without_leases_nothing_but_the_token_is_stored(self, world: World) -> None:
        worker = Worker(world, timing=quick(lease=0))
        with_a_revoked_token(world, worker)
        assert worker.begin().finish().status == 200
        assert set(world.store) == {KEY}
        assert pauses(worker) == []


class TestEarly:
    def ageing(self, world: World, worker: Worker) -> Worker:
        token = worker.world.mint()
        world.store[KEY] = stored(token, world.now + 600, world.now - 85_800)
        return worker

    def test_a_token_is_renewed_before_it_expires(self, world: World) -> None:
        worker = self.ageing(world, Worker(world))
        assert worker.begin().finish().status == 200
        assert (world.mints, worker.unauthorized, access(world)) == (2, 0, "T2")

    def test_while_somebody_else_renews_it_the_old_one_is_used(self, world: World) -> None:
        worker = self.ageing(world, Worker(world))
        world.store[LEASE] = json.dumps({"me": "B", "at": world.now})
        assert worker.begin().finish().status == 200
        assert (world.mints, pauses(worker)) == (1, [])

    def test_if_renewing_fails_the_call_goes_on_and_the_next_does_not_try_at_once(self, world: World) -> None:
        worker = self.ageing(world, Worker(world))
        world.create_fails = [TelecomNoAnswerError("read timed out"), TelecomNoAnswerError("again")]
        assert worker.begin().finish().status == 200
        assert worker.begin().finish().status == 200
        assert len(world.create_fails) == 1
        assert world.store[LEASE] == "{}"

    @pytest.mark.parametrize(("seconds", "tries"), [(29.5, 1), (30, 2)])
    def test_renewing_is_tried_again_after_30_seconds(self, world: World, seconds: float, tries: int) -> None:
        world.step_takes = 0
        worker = self.ageing(world, Worker(world, timing=quick(lease=0)))
        world.create_fails = [TelecomNoAnswerError("read timed out"), TelecomNoAnswerError("again")]
        worker.begin().finish()
        world.now += seconds
        worker.begin().finish()
        assert len(worker.replaced) == tries

    def test_workers_renew_it_at_different_times(self) -> None:
        """Between an hour and half an hour before it expires: they rarely wait for each other."""
        renewed = [self.is_renewed(left=2700) for _ in range(100)]
        assert True in renewed
        assert False in renewed
        assert self.is_renewed(left=1799)
        assert not any(self.is_renewed(left=3601) for _ in range(100))

    @staticmethod
    def is_renewed(left: float) -> bool:
        world = World()
        world.store[KEY] = stored(world.mint(), world.now + left, world.now - 40_000)
        Worker(world, timing=quick(lease=0)).begin().finish()
        return world.mints == 2

    def test_renewing_early_is_no_early_revocation(self, world: World) -> None:
        worker = Worker(world, timing=quick(between_mints=0))
        worker.lifetime = 1000
        for _ in range(9):
            assert worker.begin().finish().status == 200
        assert world.mints == 9
        assert json.loads(world.store[KEY])["young_deaths"] == []

    def test_a_fresh_token_is_left_alone(self, world: World) -> None:
        worker = Worker(world)
        world.store[KEY] = stored(world.mint(), world.now + 3601, world.now)
        worker.begin().finish()
        assert world.mints == 1


class TestRaces:
    def pair(self, world: World) -> tuple[Worker, Worker]:
        a, b = Worker(world, "A"), Worker(world, "B")
        with_a_revoked_token(world, a, b)
        return a.begin(), b.begin()

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("count", [2, 20])
    def test_all_see_a_401_and_one_rotates(self, seed: int, count: int) -> None:
        world = World(seed)
        workers = [Worker(world, f"W{number}") for number in range(count)]
        with_a_revoked_token(world, *workers)
        began = world.now
        for worker in workers:
            worker.begin()
        run_together(world, workers)
        assert [worker.result.status for worker in workers] == [200] * count
        assert (world.mints, world.callbacks) == (1, count)
        assert world.now - began < 5

    def test_both_write_the_lease_at_once_and_the_last_writer_leads(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_store(LEASE))
        b.until(is_store(LEASE))
        a.step()
        b.step()
        a.until(is_load(LEASE)).step()  # reads B's
        assert b.finish().status == 200
        assert a.finish().status == 200
        assert world.mints == 1

    def test_a_write_slower_than_the_settling_makes_two_leaders_and_heals(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_store(LEASE))
        b.until(is_create)  # A's write has not arrived when B reads back
        a.until(is_create)
        b.finish()
        assert a.finish().status == 200
        assert (world.mints, world.live) == (2, "T2")
        assert b.begin().finish().status == 200
        assert (b.unauthorized, world.mints, world.callbacks) == (2, 2, 3)

    def test_a_leader_stalls_beyond_its_lease_and_mints_all_the_same(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_create)
        assert b.finish().status == 200  # waits for the lease to run out, then leads
        assert a.finish().status == 200  # wakes, mints, and kills B's token
        assert (world.mints, access(world)) == (2, "T2")
        assert b.begin().finish().status == 200
        assert (world.mints, b.unauthorized) == (2, 2)

    def test_a_leader_that_wakes_does_not_end_the_lease_of_the_next(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_create)
        b.until(is_create)
        a.until(lambda step: getattr(step, "path", "") == "/callback")
        assert json.loads(world.store[LEASE])["me"] == "B"

    def test_a_leader_is_killed_before_publishing_and_the_next_waits_for_its_lease_only(
        self, world: World
    ) -> None:
        a, b = self.pair(world)
        a.until(is_create).step()  # T1 exists and nobody will know it
        died = world.now
        assert b.finish().status == 200
        assert (world.mints, access(world)) == (2, "T2")
        assert world.now - died < TIMING.lease + 2 * TIMING.settle[1] + TIMING.wait_for_leader[1] + 1

    def test_the_older_of_two_new_tokens_is_not_published_over_the_younger(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_create).step()  # A mints T1 and stalls
        b.finish()  # B mints T2 and publishes
        assert access(world) == "T2"
        assert a.finish().status == 200
        assert (a.unauthorized, access(world), world.mints) == (1, "T2", 2)

    def test_two_new_tokens_of_the_same_second_heal_by_one_more_rotation(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_create).step()
        expires = world.now + 86_400
        b.finish()
        world.store[KEY] = stored("T2", expires, world.now)
        assert a.finish().status == 200
        assert (a.unauthorized, world.mints) == (2, 3)
        assert b.begin().finish().status == 200
        assert world.mints == 3

    def test_a_token_that_changes_while_the_lease_is_taken_is_used(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_store(LEASE))
        b.finish()
        assert a.finish().status == 200
        assert (world.mints, world.store[LEASE]) == (1, "{}")

    def test_reading_back_finds_an_older_token_written_over_ours(self, world: World) -> None:
        a, b = self.pair(world)
        a.until(is_create).step()
        b.until(is_create).step()  # T2, after A's T1
        a.until(is_store(KEY))  # A has read the store, and is about to write T1
        b.until(is_store(KEY)).step()
        a.step()
        assert access(world) == "T1"
        assert b.finish().status == 200
        assert access(world) == "T2"
        assert a.finish().status == 200
        assert world.mints == 2

    def test_the_next_call_recovers_from_a_lost_response_to_create(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        world.create_fails = [TelecomNoAnswerError("read timed out")]
        with pytest.raises(TelecomNotSentError, match="no token could be fetched"):
            worker.begin().finish()
        assert world.store[LEASE] == "{}"
        assert worker.begin().finish().status == 200
        assert (world.mints, world.callbacks) == (1, 1)

    def test_a_wrong_authorization_token_fails_at_once_and_delays_nobody(self, world: World) -> None:
        a, b = self.pair(world)
        world.create_fails = [TelecomAuthError("HTTP 401"), TelecomAuthError("HTTP 401")]
        with pytest.raises(TelecomAuthError):
            a.finish()
        began = world.now
        with pytest.raises(TelecomAuthError):
            b.finish()
        assert world.now - began < 2
        assert world.create_fails == []

    @pytest.mark.parametrize("skew", [-7200.0, 7200.0])
    def test_a_skewed_clock_costs_nothing_but_time(self, skew: float) -> None:
        world = World()
        workers = [Worker(world, f"W{number}", skew=skew * (number % 2)) for number in range(6)]
        with_a_revoked_token(world, *workers)
        for worker in workers:
            worker.begin()
        run_together(world, workers)
        assert [worker.result.status for worker in workers] == [200] * 6
        assert world.mints == 1

    @pytest.mark.parametrize("skew", [-7200.0, 7200.0])
    def test_the_lease_of_a_killed_leader_with_a_skewed_clock_runs_out_in_time(self, skew: float) -> None:
        world = World()
        a, b = Worker(world, "A", skew=skew), Worker(world, "B")
        with_a_revoked_token(world, a, b)
        a.begin().until(is_create)
        b.begin().finish()
        assert world.now - b.jwt._tried_at < 1
        assert TIMING.lease <= b.jwt._tried_at - 1_800_000_000.0 < TIMING.lease + 5

    @pytest.mark.parametrize(("seconds", "is_taken"), [(14.9, False), (15, True)])
    def test_a_lease_that_does_not_change_for_15_seconds_has_expired(
        self, world: World, seconds: float, is_taken: bool
    ) -> None:
        worker = Worker(world, "A")
        world.store[LEASE] = json.dumps({"me": "B", "at": 0})
        worker.begin()
        while worker.coming != Sleep(0.3, 1):
            worker.step()
        world.now = START + seconds
        worker.step()
        while is_load(KEY)(worker.coming) or is_load(LEASE)(worker.coming):  # type: ignore[arg-type]
            worker.step()
        assert is_store(LEASE)(worker.coming) is is_taken  # type: ignore[arg-type]

    def test_a_leader_that_never_ends_is_not_waited_for_without_end(self, world: World) -> None:
        worker = Worker(world)
        with_a_revoked_token(world, worker)
        worker.begin()
        while worker.until(is_load(LEASE)).coming:
            world.store[LEASE] = json.dumps({"me": "B", "at": world.now})
            worker.step()
        with pytest.raises(TelecomNotSentError, match="too long"):
            worker.finish()
        assert world.callbacks == 0

    @pytest.mark.parametrize(("seconds", "gives_up"), [(59.5, False), (60, True)])
    def test_a_leader_is_waited_for_for_a_minute(self, world: World, seconds: float, gives_up: bool) -> None:
        worker = Worker(world, "A", timing=quick(lease=1000))
        world.store[LEASE] = json.dumps({"me": "B", "at": 0})
        worker.begin().until(is_pause)
        world.now = START + seconds
        worker.step()
        assert isinstance(worker.result, TelecomNotSentError) is gives_up

    @pytest.mark.parametrize(
        "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 10))]
    )
    def test_200_workers_whose_leaders_stall_or_are_killed_all_succeed(self, seed: int) -> None:
        world = World(seed)
        workers = [Worker(world, f"W{number}") for number in range(200)]
        with_a_revoked_token(world, *workers)
        for worker in workers:
            worker.begin()
            worker.wakes += world.chance.uniform(0, 2)
        stalls = 0
        while waiting := [worker for worker in workers if worker.coming is not None]:
            first = min(waiting, key=lambda worker: worker.wakes)
            world.now = max(world.now, first.wakes)
            if is_create(first.coming) and stalls < 2:  # type: ignore[arg-type]
                stalls += 1
                first.wakes += world.chance.uniform(1, 40)
                continue
            first.step()
        assert {worker.result.status for worker in workers} == {200}
        assert world.callbacks == 200
        assert world.mints <= 4
        assert max(worker.unauthorized for worker in workers) <= 3


class TestAnotherSystem:
    """Two systems with one authorization token revoke each other's tokens: that becomes an error."""

    def fight(self, world: World, worker: Worker, kills: int) -> None:
        for _ in range(kills):
            world.mint()
            worker.begin().finish()
            world.now += 5

    def test_five_early_revocations_are_tolerated_and_the_sixth_is_an_error(self, world: World) -> None:
        worker = Worker(world)
        worker.begin().finish()
        self.fight(world, worker, 5)
        with pytest.raises(TelecomAuthError, match="another system uses this authorization token"):
            self.fight(world, worker, 1)

    def test_the_count_is_shared(self, world: World) -> None:
        a, b = Worker(world, "A"), Worker(world, "B")
        a.begin().finish()
        self.fight(world, a, 3)
        self.fight(world, b, 2)
        with pytest.raises(TelecomAuthError, match="another system"):
            self.fight(world, b, 1)

    @pytest.mark.parametrize(("age", "count"), [(60, 1), (60.5, 0)])
    def test_a_token_that_is_revoked_within_a_minute_was_revoked_early(
        self, world: World, age: float, count: int
    ) -> None:
        world.step_takes = 0
        world.store[KEY] = stored("T0", world.now + 80_000, world.now - age)
        Worker(world).begin().finish()
        assert len(json.loads(world.store[KEY])["young_deaths"]) == count

    @pytest.mark.parametrize(("ago", "count"), [(599.5, 2), (600, 1)])
    def test_an_early_revocation_counts_for_10_minutes(self, world: World, ago: float, count: int) -> None:
        world.step_takes = 0
        earlier = [world.now - ago]
        world.store[KEY] = stored("T0", world.now + 80_000, world.now, young_deaths=earlier)
        Worker(world).begin().finish()
        assert len(json.loads(world.store[KEY])["young_deaths"]) == count

    @pytest.mark.parametrize(("seconds", "waits"), [(29.5, True), (30, False)])
    def test_after_a_few_a_worker_creates_a_token_every_30_seconds(
        self, world: World, seconds: float, waits: bool
    ) -> None:
        world.step_takes = 0
        worker = Worker(world, timing=quick(lease=0))
        worker.begin().finish()
        world.now += seconds
        world.store[KEY] = stored("T1", world.now + 80_000, world.now, young_deaths=[world.now] * 2)
        world.mint()
        worker.begin().until(lambda step: is_pause(step) or is_create(step))
        assert is_pause(worker.coming) is waits  # type: ignore[arg-type]

    def test_a_few_are_replaced_at_once_and_then_it_slows_down(self, world: World) -> None:
        worker = Worker(world)
        worker.begin().finish()
        began = world.now
        self.fight(world, worker, 2)
        assert world.now - began < 15
        self.fight(world, worker, 1)
        assert world.now - began > TIMING.between_mints

    def test_while_it_waits_another_workers_token_is_noticed(self, world: World) -> None:
        worker = Worker(world)
        worker.begin().finish()
        self.fight(world, worker, 2)
        world.mint()
        worker.begin().until(lambda step: step == Sleep(*TIMING.wait_for_leader))
        world.store[KEY] = stored(world.mint(), world.now + 86_400, world.now)
        mints, began = world.mints, world.now
        assert worker.finish().status == 200
        assert world.mints == mints
        assert world.now - began < 2

    def test_revocations_of_old_tokens_and_of_long_ago_do_not_count(self, world: World) -> None:
        worker = Worker(world)
        worker.begin().finish()
        for _ in range(12):
            world.now += TIMING.early_revocation + 1
            self.fight(world, worker, 1)
        self.fight(world, worker, 3)
        world.now += TIMING.early_revocation_window
        self.fight(world, worker, 1)
        assert len(json.loads(world.store[KEY])["young_deaths"]) <= 1

    def test_the_limits_can_be_set(self, world: World) -> None:
        worker = Worker(world, timing=quick(max_early_revocations=50, tolerated_early_revocations=50))
        worker.begin().finish()
        self.fight(world, worker, 20)
        assert worker.result.status == 200


def test_the_secrets_of_a_stored_text() -> None:
    assert secrets_in(stored("a", 1, 1, refresh="r")) == ["a", "r"]
    assert secrets_in(stored("a", 1, 1)) == ["a"]
    assert secrets_in("{}") == secrets_in(None) == secrets_in("junk") == []


def test_it_does_not_show_its_token(world: World) -> None:
    worker = Worker(world)
    before = repr(worker.jwt)
    worker.begin().finish()
    assert repr(worker.jwt) == before
    assert "T1" not in "".join(map(repr, worker.steps))
    assert isinstance(worker.jwt, RotatingJwt)


def test_its_token_comes_from_the_store_or_is_new() -> None:
    parameters = "mint key timing clock monotonic worker_id is_revoked"
    assert list(signature(RotatingJwt).parameters) == parameters.split()


def test_workers_have_names_and_clocks_of_their_own(world: World) -> None:
    began, names = time.time(), set()
    for worker in (Worker(world), Worker(world)):
        worker.jwt = RotatingJwt(worker._mint, KEY)
        world.store.clear()
        assert worker.begin().finish().status == 200
        assert began <= json.loads(world.store[KEY])["minted"] <= time.time()
        names.add(worker.jwt.worker_id)
    assert len(names) == 2
