"""SunSim's hook against the simulator, over real HTTP, blocking and awaited."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_telecom.auth.rotating_jwt import RotationTiming
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
    from_dict,
    to_dict,
)
from airflow_provider_telecom.hooks.sunsim import SunSimHook
from airflow_provider_telecom.simulator.state import Effect
from airflow_provider_telecom.simulator.sunsim import VendorState, responses

NUMBER, OTHER, FOREIGN = "9000000000", "9000000001", "9000000009"
VENDOR_ZONE = "Asia/Yekaterinburg"
Caller = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = replace(
        RotationTiming(),
        settle=(0.01, 0.02),
        wait_for_leader=(0.01, 0.02),
        after_repeated_401=(0.01, 0.02),
        between_mints=0.1,
    )
    monkeypatch.setattr(SunSimHook, "timing", quick)


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> SunSimHook:
    made: SunSimHook = hook_for("sunsim")
    return made


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
    return found


def effects(simulator: Any, kind: str) -> list[Effect]:
    found: list[Effect] = simulator.state.ledger.of("sunsim", kind)
    return found


def utc(days_ago: float = 0) -> datetime:
    return datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days_ago)


class TestCalls:
    def test_callback(self, hook: SunSimHook, call: Caller, telecom_simulator: Any) -> None:
        done = call(hook.create_callback, "+7 900 000-12-34", "89000000000")
        assert done.result["apiName"] == "callback/create"
        (effect,) = effects(telecom_simulator, "callback")
        assert (effect.facts["phone_to"], effect.facts["phone_from"]) == ("89000001234", NUMBER)

    def test_a_callback_is_found_in_the_list_of_calls(self, hook: SunSimHook, call: Caller) -> None:
        call(hook.create_callback, "+79000001234", NUMBER)
        found = call(hook.list_calls, [NUMBER], utc(1), utc(-0.01))
        assert [record.mentions("+79000001234") for record in found.calls].count(True) == 1

    def test_a_number_that_is_given_twice_is_requested_once(self, hook: SunSimHook, call: Caller) -> None:
        both = [NUMBER, f"+7{NUMBER}", f"8{NUMBER}"]
        assert len(call(hook.list_calls, both, utc(30), utc()).calls) == 12
        assert len(call(hook.get_vats_settings, both).settings) == 1

    def test_list_calls(self, hook: SunSimHook, call: Caller, vendor_state: VendorState) -> None:
        found = call(hook.list_calls, [NUMBER, OTHER], utc(30), utc())
        assert len(found.calls) == 24
        assert found.result["apiName"] == "request/getcalllist"
        recorded = call(hook.list_calls, [NUMBER], utc(30), utc(), only_recorded=True)
        assert {record.record_id for record in recorded.calls} <= set(vendor_state.recordings)
        assert 0 < len(recorded.calls) < 12

    def test_each_filter(self, hook: SunSimHook, call: Caller) -> None:
        every = {"numbers": [NUMBER], "start": utc(30), "end": utc()}
        rows = [record.row for record in call(hook.list_calls, **every).calls]
        outgoing = call(hook.list_calls, **every, direction="outgoing").calls
        assert [record.row for record in outgoing] == [row for row in rows if row["direction"] == 1]
        unread = call(hook.list_calls, **every, is_read=False).calls
        assert [record.row for record in unread] == [row for row in rows if row["isRead"] == 0]
        middle = sorted(row["duration"] for row in rows)[6]
        some = call(hook.list_calls, **every, duration_from_seconds=middle, duration_to_seconds=middle).calls
        assert [record.row["duration"] for record in some] == [middle]

    def test_times_in_the_vendors_zone(self, hook_for: Any, call: Caller, vendor_state: VendorState) -> None:
        vendor_state.zone = timezone(timedelta(hours=5))
        hook = hook_for("sunsim", vendor_timezone=VENDOR_ZONE)
        (last,) = [
            made for made in vendor_state.calls[NUMBER] if made.id == vendor_state.calls[NUMBER][-1].id
        ]
        around = timedelta(seconds=2)
        found = call(hook.list_calls, [NUMBER], last.at - around, last.at + around)
        assert [record.row["callId"] for record in found.calls] == [last.id]

    def test_code_and_hash_of_the_request_are_kept(self, hook: SunSimHook, call: Caller) -> None:
        for found in (
            call(hook.create_callback, "+79000001234", NUMBER),
            call(hook.list_calls, [NUMBER], utc(30), utc()),
            call(hook.get_vats_settings, [NUMBER]),
        ):
            assert found.facts == {"code": 0, "request_hash": found.request_hash}
            assert re.fullmatch("[0-9a-f-]{36}", found.request_hash)
        again = call(hook.list_calls, [NUMBER], utc(30), utc(), only_recorded=True)
        recording = call(hook.get_call_record_file, next(one.record_id for one in again.calls))
        assert recording.code == 0
        assert recording.request_hash

    @pytest.mark.parametrize("status", ["200_but_401", "4xx"])
    def test_an_error_has_the_hash_as_its_reference(
        self, hook: SunSimHook, call: Caller, vendor_state: VendorState, status: str
    ) -> None:
        vendor_state.switches.set("error_status", status)
        with pytest.raises(TelecomRejectedError) as caught:
            call(hook.list_calls, [FOREIGN], utc(1), utc())
        assert re.fullmatch("[0-9a-f-]{36}", caught.value.reference)
        assert f"vendor reference {caught.value.reference}" in str(caught.value)
        assert pickle.loads(pickle.dumps(caught.value)).reference == caught.value.reference
        assert from_dict(to_dict(caught.value)).reference == caught.value.reference

    @pytest.mark.parametrize("echo", ["9000000009", "the token", "two words", "", 5])
    @pytest.mark.parametrize("effect", [False, True])
    def test_a_reference_that_may_be_something_else_is_dropped(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, echo: Any, effect: bool
    ) -> None:
        call(hook.get_vats_settings, [NUMBER])
        state: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
        assert state.access is not None
        token = state.access.value.split(".")[1]
        hash_ = f"hash-{echo}" if echo == "9000000009" else token if echo == "the token" else echo
        error = {"errorCode": True} if effect else {"errorCode": 7, "errorMessage": "no"}
        body = json.dumps({"error": error, "requestHash": hash_})
        telecom_simulator.fault("body", "sunsim", path="callback|getcalllist", body=body, times=9)
        method: Any = hook.list_calls
        arguments: Any = ([FOREIGN], utc(1), utc())
        if effect:
            method, arguments = hook.create_callback, ("+79000000009", NUMBER)
        with pytest.raises(TelecomError) as caught:
            call(method, *arguments)
        assert caught.value.reference is None
        assert "reference" not in str(caught.value)

    def test_a_number_of_somebody_elses(self, hook: SunSimHook, call: Caller) -> None:
        with pytest.raises(TelecomRejectedError) as caught:
            call(hook.list_calls, [FOREIGN], utc(1), utc())
        assert caught.value.code == str(responses.NOT_YOUR_NUMBER)
        assert FOREIGN not in str(caught.value)

    def test_recording(self, hook: SunSimHook, call: Caller, vendor_state: VendorState) -> None:
        vendor_state.switches.turn_on("hostile_file_name")
        record_id, content = next(iter(vendor_state.recordings.items()))
        found = call(hook.get_call_record_file, record_id)
        assert found.content == content
        assert found.file_name.startswith("../")
        vendor_state.recordings[record_id] = b"<html>"
        with pytest.raises(TelecomError, match="not MP3"):
            call(hook.get_call_record_file, record_id)

    def test_a_recording_of_some_megabytes(
        self, hook: SunSimHook, call: Caller, vendor_state: VendorState
    ) -> None:
        vendor_state.recordings["big"] = b"ID3" + bytes(20_000_000)
        assert len(call(hook.get_call_record_file, "big").content) == 20_000_003

    def test_a_recording_that_is_not_there(self, hook: SunSimHook, call: Caller) -> None:
        with pytest.raises(TelecomRejectedError) as caught:
            call(hook.get_call_record_file, "none")
        assert caught.value.code == str(responses.NOT_FOUND)


class TestSettings:
    def redirect(self, settings: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = settings[0]["profiles"][0]["scheduleBlocks"][0]["redirectNums"][0]
        return found

    def test_read_edit_write(self, hook: SunSimHook, call: Caller, vendor_state: VendorState) -> None:
        before = call(hook.get_vats_settings, [NUMBER, OTHER])
        assert [entry["num"] for entry in before.settings] == [NUMBER, OTHER]
        expected = before.hash
        self.redirect(before.settings).update(dialTime=45, num="+79001234567")
        call(hook.set_vats_settings, before.settings, expected_hash=expected)
        assert self.redirect([vendor_state.settings[NUMBER]])["dialTime"] == 45
        assert self.redirect([vendor_state.settings[NUMBER]])["num"] == "+79001234567"

    def test_settings_that_are_missing_are_not_left_out_in_silence(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any
    ) -> None:
        body = json.dumps({"error": None, "result": {"vatsSettings": [{"num": NUMBER}]}})
        telecom_simulator.fault("body", "sunsim", path="settings/get", body=body, times=9)
        with pytest.raises(TelecomAnswerError, match="settings of 1 of 2 numbers"):
            call(hook.get_vats_settings, [NUMBER, OTHER])

    def test_somebody_was_quicker(self, hook: SunSimHook, call: Caller, telecom_simulator: Any) -> None:
        mine, theirs = (call(hook.get_vats_settings, [NUMBER]) for _ in range(2))
        expected = mine.hash
        self.redirect(theirs.settings)["dialTime"] = 1
        call(hook.set_vats_settings, theirs.settings)
        with pytest.raises(TelecomRejectedError, match="have changed since"):
            call(hook.set_vats_settings, mine.settings, expected_hash=expected)
        assert len(effects(telecom_simulator, "settings")) == 1

    @pytest.mark.parametrize(("kind", "effects_in_all"), [("reset_before", 1), ("reset_after", 1)])
    def test_an_unknown_outcome_is_settled_by_reading(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, kind: str, effects_in_all: int
    ) -> None:
        before = call(hook.get_vats_settings, [NUMBER])
        expected = before.hash
        self.redirect(before.settings)["dialTime"] = 45
        telecom_simulator.fault(kind, "sunsim", path="settings/set")
        call(hook.set_vats_settings, before.settings, expected_hash=expected)
        assert self.redirect(call(hook.get_vats_settings, [NUMBER]).settings)["dialTime"] == 45
        assert len(effects(telecom_simulator, "settings")) == effects_in_all


class TestTokens:
    def test_pairs(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        first = call(hook.create_tokens)
        second = call(hook.refresh_tokens, first.refresh)
        assert vendor_state.access is not None
        assert second.access.reveal() == vendor_state.access.value != first.access.reveal()
        assert [effect.facts["via"] for effect in effects(telecom_simulator, "token")] == [
            "create",
            "refresh",
        ]
        with pytest.raises(TelecomAuthError):
            call(hook.refresh_tokens, first.refresh.reveal())

    @pytest.mark.parametrize("form", ["iso", "local", "epoch", "epoch_ms", "seconds", "dotted"])
    def test_ends_in_every_form(
        self, hook: SunSimHook, call: Caller, vendor_state: VendorState, form: str
    ) -> None:
        vendor_state.switches.set("token_dates", form)
        vendor_state.switches.turn_on("opaque_tokens")
        pair = call(hook.create_tokens)
        left = pair.access_expires - datetime.now(UTC)
        assert abs(left - timedelta(hours=24)) < timedelta(seconds=10)

    def test_all_calls_use_one_token(self, hook: SunSimHook, call: Caller, telecom_simulator: Any) -> None:
        for _ in range(3):
            call(hook.get_vats_settings, [NUMBER])
        call(SunSimHook().get_vats_settings, [NUMBER])
        assert len(effects(telecom_simulator, "token")) == 1

    def test_a_dead_token_is_replaced_and_the_paid_call_executed_once(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        call(hook.get_vats_settings, [NUMBER])
        vendor_state.revoke_access_tokens()
        call(hook.create_callback, "+79000001234", NUMBER)
        assert len(effects(telecom_simulator, "callback")) == 1
        assert len(effects(telecom_simulator, "token")) == 2

    def test_many_threads_and_one_rotation(
        self, hook: SunSimHook, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        hook.get_vats_settings([NUMBER])
        vendor_state.revoke_access_tokens()
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda _: SunSimHook().create_callback("+79000001234", NUMBER), range(32)))
        assert len(effects(telecom_simulator, "callback")) == 32
        assert len(effects(telecom_simulator, "token")) == 2

    def test_the_portals_button_ends_it_at_once(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        call(hook.get_vats_settings, [NUMBER])
        vendor_state.regenerate_authorization_token()
        telecom_simulator.state.requests.clear()
        with pytest.raises(TelecomAuthError):
            call(hook.create_callback, "+79000001234", NUMBER)
        assert len(telecom_simulator.state.requests) == 2  # the call and one create

    def test_a_lost_answer_of_create_is_not_a_lost_callback(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any
    ) -> None:
        telecom_simulator.fault("reset_after", "sunsim", path="/create", method="GET", times=1)
        call(hook.create_callback, "+79000001234", NUMBER)
        assert len(effects(telecom_simulator, "callback")) == 1
        assert len(effects(telecom_simulator, "token")) == 2

    def test_if_no_token_can_be_had_nothing_was_sent(
        self, hook_for: Any, call: Caller, telecom_simulator: Any
    ) -> None:
        telecom_simulator.fault("status", "sunsim", path="/create", status=503, times=99)
        with pytest.raises(TelecomNotSentError, match="no token could be fetched"):
            call(hook_for("sunsim").create_callback, "+79000001234", NUMBER)
        assert effects(telecom_simulator, "callback") == []

    def test_refresh_strategy(
        self, hook_for: Any, call: Caller, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        hook = hook_for("sunsim", token_strategy="refresh")
        call(hook.get_vats_settings, [NUMBER])
        vendor_state.revoke_access_tokens()
        call(hook.get_vats_settings, [NUMBER])
        vendor_state.access = vendor_state.refresh = None
        call(hook.get_vats_settings, [NUMBER])
        via = [effect.facts["via"] for effect in effects(telecom_simulator, "token")]
        assert via == ["create", "refresh", "create"]

    def test_a_token_that_an_earlier_version_stored_is_used(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any
    ) -> None:
        """Its name and format must not change: a new token would invalidate it for the earlier version."""
        live = hook.create_tokens().access.reveal()
        stored = {"access": live, "expires": 9999999999.0, "minted": 1767225600.5, "young_deaths": []}
        hook._client()._store.save(f"__telecom_sunsim_token__{hook.account_key}", json.dumps(stored))
        call(hook.create_callback, OTHER, NUMBER)
        assert len(effects(telecom_simulator, "token")) == 1

    def test_another_system_with_our_authorization_token_is_reported(
        self, hook: SunSimHook, call: Caller, vendor_state: VendorState
    ) -> None:
        def fight() -> None:
            for _ in range(9):
                vendor_state.mint("create")
                call(hook.get_vats_settings, [NUMBER])

        with pytest.raises(TelecomAuthError, match="another system uses this authorization token"):
            fight()


class TestUnknown:
    @pytest.mark.parametrize("kind", ["reset_after", "close_after", "bad_status_line", "half_body", "html"])
    def test_a_callback_without_an_answer_is_never_repeated(
        self, hook: SunSimHook, call: Caller, telecom_simulator: Any, kind: str
    ) -> None:
        call(hook.get_vats_settings, [NUMBER])
        telecom_simulator.state.requests.clear()
        telecom_simulator.fault(kind, "sunsim", path="callback/create")
        with pytest.raises(TelecomUnknownError):
            call(hook.create_callback, "+79000001234", NUMBER)
        assert len(telecom_simulator.state.requests) == 1
        assert len(effects(telecom_simulator, "callback")) <= 1


class TestConnectionTest:
    def test_without_a_stored_token_nothing_is_asked(self, hook: SunSimHook, telecom_simulator: Any) -> None:
        done, message = hook.test_connection()
        assert not done
        assert message.startswith("not verified: no token is stored")
        assert telecom_simulator.state.requests == []

    def test_with_a_live_token(self, hook: SunSimHook, telecom_simulator: Any) -> None:
        hook.get_vats_settings([NUMBER])
        assert hook.test_connection() == (True, "Connected: the stored token is valid.")
        assert len(effects(telecom_simulator, "token")) == 1

    def test_with_a_dead_token_none_is_made(
        self, hook: SunSimHook, telecom_simulator: Any, vendor_state: VendorState
    ) -> None:
        hook.get_vats_settings([NUMBER])
        vendor_state.revoke_access_tokens()
        assert hook.test_connection() == (
            False,
            "not verified: the stored token is invalid; the next call creates a new one",
        )
        assert len(effects(telecom_simulator, "token")) == 1

    @pytest.mark.parametrize(("status", "body"), [(404, "<html>"), (400, ""), (200, "<html>"), (200, "{}")])
    def test_with_a_host_that_is_not_the_vendors(
        self, hook: SunSimHook, telecom_simulator: Any, status: int, body: str
    ) -> None:
        hook.get_vats_settings([NUMBER])
        telecom_simulator.fault(
            "status", "sunsim", path="getcallrecordfile", status=status, body=body, times=9
        )
        worked, _ = hook.test_connection()
        assert not worked

    def test_with_a_host_that_does_not_answer(self, hook_for: Any, telecom_simulator: Any) -> None:
        hook = hook_for("sunsim")
        hook.get_vats_settings([NUMBER])
        with telecom_simulator.refusing():
            done, message = hook.test_connection()
        assert not done
        assert "not sent" in message
