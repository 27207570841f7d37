"""The sensors that wait for a telephone call, in a worker and in the triggerer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.sensors.kyivstar_fmc import KyivstarFmcCallHappenedSensor
from airflow_provider_telecom.sensors.sunsim import SunSimCallHappenedSensor
from airflow_provider_telecom.simulator import kyivstar_fmc, sunsim
from airflow_provider_telecom.simulator.sunsim.models import INCOMING, OUTGOING, PhoneCall
from airflow_provider_telecom.vendors.kyivstar_fmc import status as fmc_status
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.sunsim import status as sunsim_status
from tests.running import Run, again

SUBSCRIBER, CALLED = "380670000201", "+380 67 000 02 02"
OWN, OTHER = "9000000000", "+7 900 000-12-34"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
both_ways = pytest.mark.parametrize("deferrable", [False, True])


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def template(moment: datetime) -> tuple[str, dict[str, Any]]:
    """Return a template, and the context in which it is that moment."""
    return "{{ data_interval_start }}", {"data_interval_start": moment}


class TestFmc:
    @pytest.fixture(autouse=True)
    def _hook(self, hook_for: Callable[..., Any]) -> None:
        hook_for("kyivstar_fmc")

    @pytest.fixture
    def vendor_state(self, telecom_simulator: Any) -> kyivstar_fmc.VendorState:
        found: kyivstar_fmc.VendorState = telecom_simulator.state.vendor_state(
            "kyivstar_fmc", kyivstar_fmc.VendorState
        )
        found.calls.clear()
        return found

    @staticmethod
    def sensor(**arguments: Any) -> KyivstarFmcCallHappenedSensor:
        given = {"task_id": "wait", "called_number": CALLED, "calling_number": SUBSCRIBER, "timeout": 0.1}
        return KyivstarFmcCallHappenedSensor(**{**given, "poke_interval": 0.01, **arguments})

    @both_ways
    @pytest.mark.parametrize("form", ["national", "plus"])
    def test_a_call_is_waited_for(
        self, telecom_simulator: Any, vendor_state: Any, deferrable: bool, form: str
    ) -> None:
        telecom_simulator.state.set_switch("kyivstar_fmc.number_form", form)
        began = now() - MINUTE
        vendor_state.add_call(began, 20, "0670000201", "0670000202")
        run, (since, context) = Run(), template(began)
        sensor = self.sensor(since=since, deferrable=deferrable)
        assert run.execute(sensor, **context) == {
            "started_at": began.isoformat(),
            "duration_seconds": 21,
        }
        assert "67000" not in f"{_serialize_rendered_fields(sensor)}{run.events}"

    @pytest.mark.parametrize(
        ("direction", "happened"), [(None, True), ("outgoing", False), ("incoming", True)]
    )
    def test_directions(self, vendor_state: Any, direction: Any, happened: bool) -> None:
        vendor_state.add_call(now() - MINUTE, 20, "0670000202", "0670000201")
        sensor = self.sensor(since=now() - HOUR, direction=direction)
        if happened:
            assert Run().execute(sensor)["duration_seconds"] == 21
        else:
            with pytest.raises(AirflowSensorTimeout):
                Run().execute(sensor)

    @pytest.mark.parametrize(
        "other",
        [
            {"since": timedelta(minutes=1)},
            {"called_number": "0670000203"},
            {"calling_number": "101"},
            {"min_duration_seconds": 22},
        ],
    )
    def test_another_call_does_not_count(self, vendor_state: Any, other: dict[str, Any]) -> None:
        began = now() - 2 * MINUTE
        vendor_state.add_call(began, 20, "0670000201", "0670000202")
        since = began + other.pop("since", timedelta(0))
        with pytest.raises(AirflowSensorTimeout):
            Run().execute(self.sensor(since=since, **other))

    def test_of_several_calls_the_first(self, vendor_state: Any) -> None:
        for minutes in (3, 9, 6):
            vendor_state.add_call(now() - minutes * MINUTE, minutes, "0670000201", "0670000202")
        found = Run().execute(self.sensor(since=now() - HOUR, min_duration_seconds=5))
        assert found["duration_seconds"] == 10

    @pytest.mark.parametrize(
        "switches",
        [{"period_of": "end", "limits": "elapsed"}, {"end_excluded": "on"}, {"row_order": "start"}],
    )
    def test_a_call_of_weeks_ago_takes_several_requests(
        self, telecom_simulator: Any, vendor_state: Any, switches: dict[str, str]
    ) -> None:
        for name, value in switches.items():
            telecom_simulator.state.set_switch(f"kyivstar_fmc.{name}", value)
        began = now() - 20 * DAY
        vendor_state.add_call(began, 20, "0670000201", "0670000202")
        assert Run().execute(self.sensor(since=now() - 29 * DAY))["started_at"] == began.isoformat()
        assert len(telecom_simulator.state.requests) == 2, "the second window has it"

    def test_later_polls_request_the_last_day(self, telecom_simulator: Any, vendor_state: Any) -> None:
        hook, since = _hook("kyivstar_fmc"), str(now() - 20 * DAY)
        result: PollResult = hook.run(fmc_status.call_record(hook, SUBSCRIBER, CALLED, since))
        assert result.stage is Stage.WAITING
        telecom_simulator.state.requests.clear()
        began = now() - 20 * HOUR
        vendor_state.add_call(began, 19 * 3600, "0670000201", "0670000202")
        again = fmc_status.call_record(hook, SUBSCRIBER, CALLED, since, **result.next_arguments)
        assert hook.run(again).facts["started_at"] == began.isoformat()
        assert len(telecom_simulator.state.requests) == 1

    def test_before_its_time_nothing_is_requested(self, telecom_simulator: Any) -> None:
        with pytest.raises(AirflowSensorTimeout):
            Run().execute(self.sensor(since=now() + HOUR))
        assert telecom_simulator.state.requests == []

    def test_a_day_begins_in_kyiv(self, vendor_state: Any) -> None:
        noon = datetime(2026, 10, 20, 12, tzinfo=UTC)
        midnight = datetime(2026, 10, 20, tzinfo=ZoneInfo("Europe/Kyiv")).astimezone(UTC)
        with time_machine.travel(noon, tick=False):
            hook = _hook("kyivstar_fmc")
            for began, happened in ((midnight - MINUTE, False), (midnight, True)):
                vendor_state.calls.clear()
                vendor_state.add_call(began, 20, "0670000201", "0670000202")
                found = hook.run(fmc_status.call_record(hook, SUBSCRIBER, CALLED, date(2026, 10, 20)))
                assert (found.stage is Stage.SUCCEEDED) is happened

    @both_ways
    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"since": "{{ 'yesterday' }}"}, "since"),
            ({"since": "{{ '2026-01-01' }}"}, "since"),
            ({"since": "{{ '2026-01-01T00:00:00' }}"}, "since"),
            ({"called_number": "abc"}, "called_number"),
            ({"calling_number": None}, "calling_number"),
        ],
    )
    def test_wrong_arguments_request_nothing(
        self, telecom_simulator: Any, wrong: dict[str, Any], field: str, deferrable: bool
    ) -> None:
        given = {"since": now() - HOUR, "deferrable": deferrable, **wrong}
        with pytest.raises(TelecomInputError) as caught:
            Run().execute(self.sensor(**given))
        assert caught.value.field == field
        assert telecom_simulator.state.requests == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"since": "soon"},
            {"direction": "both"},
            {"min_duration_seconds": -1},
            {"min_duration_seconds": 1.5},
        ],
    )
    def test_wrong_literals_are_refused_when_the_dag_is_parsed(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(TelecomInputError) as caught:
            self.sensor(**{"since": date(2026, 1, 1), **wrong})
        assert caught.value.field == next(iter(wrong))

    def test_a_deferred_trigger_shows_no_number(self) -> None:
        sensor = self.sensor(since="2026-01-01", deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute({})
        _, kwargs = deferred.value.trigger.serialize()
        assert "67000" not in str(kwargs)
        assert "67 000" not in str(kwargs)
        assert again(deferred.value.trigger)._config().arguments["called_number"] == CALLED

    def test_it_may_start_from_the_trigger(self) -> None:
        with DAG("dag", schedule=None):
            sensor = self.sensor(
                since="{{ dag_run.run_after.isoformat() }}",
                called_number="{{ params.number }}",
                start_from_trigger=True,
            )
        assert sensor.start_from_trigger
        assert sensor.start_trigger_args.trigger_kwargs["called_number"] == "{{ params.number }}"


def _hook(vendor: str) -> Any:
    from airflow_provider_telecom.vendors.description import import_from
    from tests.conftest import HOOKS

    return import_from(HOOKS[vendor])()


class TestSunSim:
    @pytest.fixture(autouse=True, params=["UTC", None], ids=["zone", "no zone"])
    def zone(self, request: pytest.FixtureRequest, hook_for: Callable[..., Any]) -> str | None:
        hook_for("sunsim", **({"vendor_timezone": request.param} if request.param else {}))
        given: str | None = request.param
        return given

    @pytest.fixture
    def vendor_state(self, telecom_simulator: Any) -> Any:
        found = telecom_simulator.state.vendor_state("sunsim", sunsim.VendorState)
        for calls in found.calls.values():
            calls.clear()
        return found

    @staticmethod
    def add(vendor_state: Any, at: datetime, direction: int = INCOMING, seconds: int = 60) -> PhoneCall:
        call = PhoneCall(vendor_state.new_id(), at, OWN, "89000001234", direction, seconds, "rec-1")
        vendor_state.calls[OWN].append(call)
        return call

    @staticmethod
    def sensor(**arguments: Any) -> SunSimCallHappenedSensor:
        given = {"task_id": "wait", "phone_to": OTHER, "phone_from": f"+7{OWN}", "timeout": 0.1}
        return SunSimCallHappenedSensor(**{**given, "poke_interval": 0.01, **arguments})

    @staticmethod
    def moment(at: datetime, zone: str | None) -> datetime:
        return at if zone else at.replace(tzinfo=None)

    @both_ways
    def test_a_call_is_waited_for(self, vendor_state: Any, zone: str | None, deferrable: bool) -> None:
        began = now() - MINUTE
        self.add(vendor_state, began)
        run, (since, context) = Run(), template(self.moment(began, zone))
        sensor = self.sensor(since=since, deferrable=deferrable)
        found = run.execute(sensor, **context)
        assert found == {
            "started_at": began.isoformat() if zone else began.strftime("%Y-%m-%d %H:%M:%S"),
            "duration_seconds": 60,
            "direction": "incoming",
            "record_id": "rec-1",
        }
        assert "90000" not in f"{_serialize_rendered_fields(sensor)}{run.events}"

    @pytest.mark.parametrize(
        ("filters", "happened"),
        [
            ({}, True),
            ({"direction": "outgoing"}, True),
            ({"direction": "incoming"}, False),
            ({"min_duration_seconds": 60}, True),
            ({"min_duration_seconds": 61}, False),
            ({"phone_to": "79000001235"}, False),
        ],
    )
    def test_filters(
        self, vendor_state: Any, zone: str | None, filters: dict[str, Any], happened: bool
    ) -> None:
        self.add(vendor_state, now() - MINUTE, OUTGOING)
        sensor = self.sensor(since=self.moment(now() - HOUR, zone), **filters)
        if happened:
            assert Run().execute(sensor)["direction"] == "outgoing"
        else:
            with pytest.raises(AirflowSensorTimeout):
                Run().execute(sensor)

    @pytest.mark.parametrize("switches", [[], ["end_excluded", "strict_filters"], ["no_calls_null"]])
    def test_a_call_of_weeks_ago(
        self, telecom_simulator: Any, vendor_state: Any, zone: str | None, switches: list[str]
    ) -> None:
        vendor_state.switches.turn_on(*switches)
        since = self.moment(now() - 29 * DAY, zone)
        self.add(vendor_state, now() - 12 * HOUR)
        assert Run().execute(self.sensor(since=since))["duration_seconds"] == 60
        assert sum(seen.path.endswith("getcalllist") for seen in telecom_simulator.state.requests) == 2

    def test_later_polls_request_the_last_days(
        self, telecom_simulator: Any, vendor_state: Any, zone: str | None
    ) -> None:
        hook, since = _hook("sunsim"), self.moment(now() - 29 * DAY, zone).isoformat()
        result = hook.run(sunsim_status.callback(hook, OTHER, OWN, since))
        assert result.stage is Stage.WAITING
        telecom_simulator.state.requests.clear()
        self.add(vendor_state, now() - 20 * HOUR)
        again = hook.run(sunsim_status.callback(hook, OTHER, OWN, since, **result.next_arguments))
        assert again.stage is Stage.SUCCEEDED
        assert len(telecom_simulator.state.requests) == 1

    def test_an_earlier_call_does_not_count(self, vendor_state: Any, zone: str | None) -> None:
        self.add(vendor_state, now() - 3 * MINUTE)
        with pytest.raises(AirflowSensorTimeout):
            Run().execute(self.sensor(since=self.moment(now() - 2 * MINUTE, zone)))

    def test_a_day_begins_at_the_vendors_midnight(
        self, vendor_state: Any, zone: str | None, hook_for: Callable[..., Any]
    ) -> None:
        if zone:
            hook_for("sunsim", vendor_timezone="Asia/Yekaterinburg")
        vendor_state.zone = ZoneInfo("Asia/Yekaterinburg")
        midnight = datetime(2026, 10, 20, tzinfo=vendor_state.zone)
        with time_machine.travel(midnight + 12 * HOUR, tick=False):
            hook = _hook("sunsim")
            for began, happened in ((midnight - MINUTE, False), (midnight, True)):
                vendor_state.calls[OWN][:] = []
                self.add(vendor_state, began.astimezone(UTC))
                found = hook.run(sunsim_status.callback(hook, OTHER, OWN, "2026-10-20"))
                assert (found.stage is Stage.SUCCEEDED) is happened

    def test_before_its_time_nothing_is_requested(self, telecom_simulator: Any, zone: str | None) -> None:
        later = now() + (HOUR if zone else 15 * HOUR)
        with pytest.raises(AirflowSensorTimeout):
            Run().execute(self.sensor(since=self.moment(later, zone)))
        assert telecom_simulator.state.requests == []

    @pytest.mark.parametrize("zone", ["UTC"], indirect=True)  # without it the vendor's present is not known
    def test_no_period_ends_in_the_future_if_the_zone_is_known(
        self, telecom_simulator: Any, vendor_state: Any
    ) -> None:
        vendor_state.switches.turn_on("future_refused")
        self.add(vendor_state, now() - MINUTE)
        assert Run().execute(self.sensor(since=now() - HOUR))["duration_seconds"] == 60

    @both_ways
    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"since": "{{ 'yesterday' }}"}, "since"),
            ({"since": "{{ '2026-01-01' }}"}, "since"),
            ({"phone_to": "abc"}, "phone_to"),
            ({"phone_from": "{{ '380670000200' }}"}, "phone_from"),
        ],
    )
    def test_wrong_arguments_request_nothing(
        self, telecom_simulator: Any, wrong: dict[str, Any], field: str, deferrable: bool
    ) -> None:
        given = {"since": f"{now():%Y-%m-%d}", "deferrable": deferrable, **wrong}
        with pytest.raises(TelecomInputError) as caught:
            Run().execute(self.sensor(**given))
        assert caught.value.field == field
        assert telecom_simulator.state.requests == []

    def test_a_time_must_fit_the_connection(self, telecom_simulator: Any, zone: str | None) -> None:
        with pytest.raises(TelecomInputError, match=r"^since: must be a datetime with"):
            Run().execute(self.sensor(since=now().replace(tzinfo=None) if zone else now()))
        assert telecom_simulator.state.requests == []

    def test_a_number_of_somebody_else_ends_it(self, vendor_state: Any, zone: str | None) -> None:
        with pytest.raises(TelecomRejectedError):
            Run().execute(self.sensor(phone_from="79000000009", since=f"{now() - DAY:%Y-%m-%d}"))

    @pytest.mark.parametrize("wrong", [{"since": 5}, {"direction": "both"}, {"phone_from": "380670000200"}])
    def test_wrong_literals_are_refused_when_the_dag_is_parsed(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(TelecomInputError) as caught:
            self.sensor(**{"since": date(2026, 1, 1), **wrong})
        assert caught.value.field == next(iter(wrong))
