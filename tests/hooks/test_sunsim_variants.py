"""SunSim's hook, operators and transfers under each variant that its document allows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomRejectedError
from airflow_provider_telecom.operators.sunsim import (
    SunSimCreateCallbackOperator,
    SunSimGetVatsSettingsOperator,
    SunSimSetVatsSettingsOperator,
)
from airflow_provider_telecom.simulator.sunsim import VendorState
from airflow_provider_telecom.simulator.sunsim.responses import NOT_YOUR_NUMBER
from airflow_provider_telecom.simulator.switches import of_vendor
from airflow_provider_telecom.transfers.sunsim_to_object_storage import (
    SunSimCallsToObjectStorageOperator,
    SunSimRecordingsToObjectStorageOperator,
)
from tests.running import Run

NUMBER, VIP_NUMBER, OTHER = "9000000000", "9000000002", "+79000001234"
OPPOSITE = ("all", "opposite")


def variants(*names: str) -> pytest.MarkDecorator:
    """Run a test under each other value of some switches, and under the opposite of all switches."""
    switches = [one for one in of_vendor("sunsim") if one.name in names]
    assert len(switches) == len(names)
    values = [(one.name, value) for one in switches for value in one.values[1:]]
    return pytest.mark.parametrize("variant", [*values, OPPOSITE], indirect=True, ids="-".join)


TOKENS = ("token_dates", "opaque_tokens", "create_keeps", "error_status")
CALLS = ("success_error", "callback_answer", "strict_filters", "period_limit", "month", "no_calls_null")
ROWS = ("end_excluded", "other_columns", "hostile_file_name", "content_in_result", "wrapped_base64")
SETTINGS = ("sample_settings", "last_seconds", "settings_key", "long_numbers", "plain_redirects")


def test_each_switch_has_its_tests() -> None:
    names = {one.name for one in of_vendor("sunsim") if one.in_presets}
    assert names == {*TOKENS, *CALLS, *ROWS, *SETTINGS}


@pytest.fixture
def variant(request: pytest.FixtureRequest, telecom_simulator: Any) -> tuple[str, str]:
    """Set one switch, or all of them at once."""
    name, value = request.param
    if name == "all":
        telecom_simulator.reset(preset=value)
    else:
        telecom_simulator.state.set_switch(f"sunsim.{name}", value)
    return name, value


@pytest.fixture
def call() -> Callable[..., Any]:
    """Make calls by the sync transport only: the conformance test makes all of them by both transports."""
    return lambda method, *args, **kwargs: method(*args, **kwargs)


@pytest.fixture
def hook(variant: Any, hook_for: Callable[..., Any]) -> Any:
    return hook_for("sunsim", vendor_timezone="UTC")


@pytest.fixture
def vendor_state(hook: Any, telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
    return found


def done(simulator: Any, kind: str) -> int:
    return len(simulator.state.ledger.of("sunsim", kind))


@variants(*TOKENS)
class TestTokens:
    def test_a_new_token_lasts_for_a_day(self, hook: Any, call: Any) -> None:
        pair = call(hook.create_tokens)
        for ends, hours in ((pair.access_expires, 24), (pair.refresh_expires, 25)):
            assert abs(ends - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=1)
        assert call(hook.refresh_tokens, pair.refresh).access != pair.access

    def test_calls_share_a_token(self, hook: Any, call: Any, telecom_simulator: Any) -> None:
        for _ in range(3):
            call(hook.get_vats_settings, [NUMBER])
        assert done(telecom_simulator, "token") == 1

    def test_a_dead_token_is_replaced_and_a_paid_call_made_once(
        self, hook: Any, call: Any, vendor_state: VendorState, telecom_simulator: Any
    ) -> None:
        call(hook.get_vats_settings, [NUMBER])
        vendor_state.revoke_access_tokens()
        call(hook.create_callback, OTHER, NUMBER)
        assert (done(telecom_simulator, "token"), done(telecom_simulator, "callback")) == (2, 1)

    def test_a_dead_authorization_token_ends_it(self, hook: Any, vendor_state: VendorState) -> None:
        hook.get_vats_settings([NUMBER])
        vendor_state.regenerate_authorization_token()
        with pytest.raises(TelecomAuthError):
            hook.create_callback(OTHER, NUMBER)

    def test_the_connection_test(self, hook: Any, vendor_state: VendorState, telecom_simulator: Any) -> None:
        assert not hook.test_connection()[0], "no token is stored"
        hook.get_vats_settings([NUMBER])
        assert hook.test_connection() == (True, "Connected: the stored token is valid.")
        vendor_state.revoke_access_tokens()
        worked, message = hook.test_connection()
        assert (worked, "the stored token is invalid" in message) == (False, True)
        assert done(telecom_simulator, "token") == 1


@variants("error_status", *CALLS, *ROWS)
class TestCalls:
    def test_a_callback(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        operator = SunSimCreateCallbackOperator(task_id="ring", phone_to=OTHER, phone_from=f"7{NUMBER}")
        run = Run()
        assert run.execute(operator)["started"] is True
        run.execute(operator)
        assert done(telecom_simulator, "callback") == 1

    def test_a_lost_callback_is_verified(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        telecom_simulator.state.set_transition("sunsim.callback", "after_polls", 1)
        telecom_simulator.fault("reset_after", "sunsim", path="callback/create")
        operator = SunSimCreateCallbackOperator(
            task_id="ring", phone_to=OTHER, phone_from=f"7{NUMBER}", verify_within_seconds=5
        )
        assert Run().execute(operator)["verified_by_records"]
        assert done(telecom_simulator, "callback") == 1

    def test_a_refusal(self, hook: Any, call: Any, telecom_simulator: Any) -> None:
        with pytest.raises(TelecomRejectedError) as caught:
            call(hook.create_callback, OTHER, "9000000009")
        assert caught.value.code == str(NOT_YOUR_NUMBER)
        assert done(telecom_simulator, "callback") == 0

    def test_call_lists(self, hook: Any, call: Any, vendor_state: VendorState) -> None:
        end = datetime.now(UTC)
        start = end - timedelta(days=28)
        assert len(call(hook.list_calls, [NUMBER, VIP_NUMBER], start, end).calls) == 24
        recorded = call(hook.list_calls, [NUMBER], start, end, only_recorded=True).calls
        ids = {one.record_id for one in recorded}
        assert len(ids) == 8
        assert ids <= set(vendor_state.recordings)
        outgoing = call(hook.list_calls, [NUMBER], start, end, direction="outgoing").calls
        assert len(outgoing) == 6
        for made in vendor_state.calls.values():
            made.clear()
        assert call(hook.list_calls, [NUMBER], start, end).calls == []

    def test_a_recording(self, hook: Any, call: Any, vendor_state: VendorState) -> None:
        record_id, content = next(iter(vendor_state.recordings.items()))
        assert call(hook.get_call_record_file, record_id).content == content
        with pytest.raises(TelecomRejectedError):
            call(hook.get_call_record_file, "none")

    def test_a_week_of_calls_and_recordings(self, vendor_state: VendorState, tmp_path: Path) -> None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        interval = {
            "path": f"file://{tmp_path}",
            "numbers": [NUMBER],
            "start": today - timedelta(days=20),
            "end": today,
        }
        made = [one for one in vendor_state.calls[NUMBER] if interval["start"] <= one.at < today]
        loaded = Run().execute(SunSimCallsToObjectStorageOperator(task_id="calls", **interval))
        assert (loaded["rows"], loaded["windows"]) == (len(made), 20)
        saved = Run().execute(SunSimRecordingsToObjectStorageOperator(task_id="recordings", **interval))
        recorded = [one for one in made if one.record_id]
        assert (saved["saved"], saved["missing"], saved["unreadable"]) == (len(recorded), 0, 0)
        files = {file.read_bytes() for file in tmp_path.rglob("*.mp3")}
        assert files == {vendor_state.recordings[one.record_id] for one in recorded}


@variants("error_status", "success_error", *SETTINGS)
class TestSettings:
    def test_what_was_read_can_be_sent_back(self, hook: Any, call: Any, telecom_simulator: Any) -> None:
        before = call(hook.get_vats_settings, [NUMBER, VIP_NUMBER])
        call(hook.set_vats_settings, before.settings)
        assert done(telecom_simulator, "settings") == 1
        assert call(hook.get_vats_settings, [NUMBER, VIP_NUMBER]).settings == before.settings
        call(hook.set_vats_settings, before.settings, expected_hash=before.hash)
        assert done(telecom_simulator, "settings") == 1, "they are so already"

    def test_every_redirect_rings_longer(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        run = Run()
        read = SunSimGetVatsSettingsOperator(task_id="read", numbers=[NUMBER], return_settings=True)
        before = run.execute(read)
        settings = deepcopy(before["settings"])
        for block in settings[0]["profiles"][0]["scheduleBlocks"]:
            for redirect in block["redirectNums"]:
                redirect["dialTime"] = 45
        arguments = {"settings": settings, "expected_hash": before["hash"]}
        put = SunSimSetVatsSettingsOperator(task_id="set", **arguments)
        assert run.execute(put)["changed"]
        rung = [
            redirect["dialTime"]
            for block in vendor_state.settings[NUMBER]["profiles"][0]["scheduleBlocks"]
            for redirect in block["redirectNums"]
        ]
        assert set(rung) == {45}
        assert done(telecom_simulator, "settings") == 1

    @pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
    def test_a_lost_answer_is_settled_by_reading(self, hook: Any, telecom_simulator: Any, fault: str) -> None:
        before = hook.get_vats_settings([NUMBER])
        expected = before.hash
        before.settings[0]["profiles"][0]["scheduleBlocks"][0]["redirectNums"][0]["num"] = "+79001234567"
        telecom_simulator.fault(fault, "sunsim", path="settings/set")
        hook.set_vats_settings(before.settings, expected_hash=expected)
        assert done(telecom_simulator, "settings") == 1
