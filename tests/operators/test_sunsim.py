"""SunSim's operators: phones ring once; settings are read, edited, set and read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.sunsim import (
    SunSimCreateCallbackOperator,
    SunSimGetVatsSettingsOperator,
    SunSimSetVatsSettingsOperator,
    vats,
)
from airflow_provider_telecom.simulator.sunsim.state import NUMBERS, VendorState
from tests.running import Run

CALLBACK, SET, READ = "callback/create", "settings/set", "settings/get"
OWN = [f"7{number}" for number in NUMBERS]


@pytest.fixture(autouse=True)
def connection(hook_for: Callable[..., Any]) -> None:
    hook_for("sunsim", vendor_timezone="UTC")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
    return found


def effects(simulator: Any, kind: str) -> int:
    return len(simulator.state.ledger.of("sunsim", kind))


def asked(simulator: Any, path: str) -> int:
    return sum(request.path.endswith(path) for request in simulator.state.requests)


class TestCallback:
    @staticmethod
    def ring(**arguments: Any) -> SunSimCreateCallbackOperator:
        given = {"task_id": "ring", "phone_to": "+7 900 000-02-00", "phone_from": OWN[0], **arguments}
        return SunSimCreateCallbackOperator(**given)

    def test_a_retried_task_rings_once(self, telecom_simulator: Any) -> None:
        run = Run()
        first = run.execute(self.ring())
        assert run.execute(self.ring()) == first
        assert (first["started"], first["code"], len(first["request_hash"])) == (True, 0, 36)
        (call,) = telecom_simulator.state.ledger.of("sunsim", "callback")
        assert (call.facts["phone_from"], call.facts["phone_to"]) == ("9000000000", "89000000200")

    def test_an_unknown_outcome_fails_loudly_and_stays_so(self, telecom_simulator: Any) -> None:
        telecom_simulator.fault("reset_after", "sunsim", path=CALLBACK)
        run = Run()
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                run.execute(self.ring())
        assert effects(telecom_simulator, "callback") == 1

    @pytest.mark.parametrize("body", ['{"error": true}', '{"success": false}', "-1", '"not activated"'])
    def test_an_answer_that_says_neither_yes_nor_no_is_unknown(
        self, telecom_simulator: Any, body: str
    ) -> None:
        telecom_simulator.fault("body", "sunsim", path=CALLBACK, body=body)
        run = Run()
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                run.execute(self.ring())
        assert asked(telecom_simulator, CALLBACK) == 1

    def test_resend_and_assume_sent(self, telecom_simulator: Any) -> None:
        telecom_simulator.fault("reset_after", "sunsim", path=CALLBACK)
        run = Run()
        with pytest.raises(TelecomUnknownError):
            run.execute(self.ring(on_unknown="resend"))
        assert run.execute(self.ring(on_unknown="assume_sent")) == {"assumed_sent": True}
        assert effects(telecom_simulator, "callback") == 1

    def test_what_was_not_sent_is_sent_by_the_next_try(self, telecom_simulator: Any) -> None:
        run = Run()
        with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
            run.execute(self.ring())
        run.execute(self.ring())
        assert effects(telecom_simulator, "callback") == 1

    @pytest.mark.parametrize("wrong", [{"phone_to": "12"}, {"phone_from": "380670000200"}])
    def test_wrong_numbers_send_nothing(self, telecom_simulator: Any, wrong: Any) -> None:
        with pytest.raises(TelecomInputError, match=next(iter(wrong))):
            Run().execute(self.ring(**wrong))
        assert not telecom_simulator.state.requests

    def test_a_number_of_somebody_else_is_refused(self, telecom_simulator: Any) -> None:
        run = Run()
        with pytest.raises(TelecomRejectedError):
            run.execute(self.ring(phone_from="79000000009"))
        assert effects(telecom_simulator, "callback") == 0

    def test_airflow_stores_no_number(self) -> None:
        from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

        operator, run = self.ring(), Run()
        run.execute(operator)
        shown = str(_serialize_rendered_fields(operator)) + str(run.stores["ring"].texts)
        assert "0000000" not in shown
        assert "000-02-00" not in shown

    def test_a_listed_call_proves_it(self, telecom_simulator: Any) -> None:
        telecom_simulator.state.set_transition("sunsim.callback", "after_polls", 2)
        telecom_simulator.fault("reset_after", "sunsim", path=CALLBACK)
        run = Run()
        facts = run.execute(self.ring(verify_within_seconds=5))
        assert facts == {"started": True, "verified_by_records": True}
        assert run.execute(self.ring()) == facts
        assert effects(telecom_simulator, "callback") == 1

    def test_a_miss_proves_nothing(self, telecom_simulator: Any) -> None:
        Run("another").execute(self.ring(phone_to="79000000201"))
        telecom_simulator.fault("reset_before", "sunsim", path=CALLBACK)
        with pytest.raises(OutcomeUnknownError):
            Run().execute(self.ring(verify_within_seconds=1))
        assert effects(telecom_simulator, "callback") == 1

    def test_nobody_can_look_without_the_vendors_time_zone(
        self, telecom_simulator: Any, hook_for: Callable[..., Any]
    ) -> None:
        hook_for("sunsim")
        with pytest.raises(TelecomInputError, match="needs vendor_timezone"):
            Run().execute(self.ring(verify_within_seconds=1))
        assert not telecom_simulator.state.requests


def read(**arguments: Any) -> SunSimGetVatsSettingsOperator:
    return SunSimGetVatsSettingsOperator(**{"task_id": "read", "numbers": OWN, **arguments})


class TestGet:
    def test_a_summary(self) -> None:
        facts = Run().execute(read())
        assert {**facts, "hash": len(facts["hash"]), "request_hash": len(facts["request_hash"])} == {
            "hash": 64,
            "numbers": 3,
            "profiles": [[11], [21], [31, 32]],
            "path": None,
            "code": 0,
            "request_hash": 36,
        }

    def test_airflow_stores_no_number_unless_asked(self) -> None:
        from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

        operator = read()
        facts = Run().execute(operator)
        assert "0000000" not in f"{facts}{_serialize_rendered_fields(operator)}"
        assert Run().execute(read(return_settings=True))["settings"][0]["num"] == NUMBERS[0]

    def test_a_file(self, tmp_path: Path, vendor_state: VendorState) -> None:
        path = tmp_path / "new" / "vats.json"
        facts = Run().execute(read(path=str(path)))
        assert facts["path"] == str(path)
        assert json.loads(path.read_text()) == [vendor_state.settings[number] for number in NUMBERS]
        assert [entry.name for entry in path.parent.iterdir()] == ["vats.json"]

    @pytest.mark.parametrize("numbers", [[], ["12"], "79000000000"])
    def test_wrong_numbers_ask_nothing(self, telecom_simulator: Any, numbers: Any) -> None:
        with pytest.raises(TelecomInputError, match=r"^numbers: "):
            Run().execute(read(numbers=numbers))
        assert not telecom_simulator.state.requests


def put(**arguments: Any) -> SunSimSetVatsSettingsOperator:
    return SunSimSetVatsSettingsOperator(**{"task_id": "set", **arguments})


def block(settings: list[dict[str, Any]], number: int = 0, profile: int = 0, place: int = 0) -> Any:
    return settings[number]["profiles"][profile]["scheduleBlocks"][place]


class TestSet:
    @pytest.fixture
    def before(self) -> dict[str, Any]:
        found: dict[str, Any] = Run().execute(read(return_settings=True))
        return found

    @pytest.fixture
    def given(self, before: dict[str, Any]) -> dict[str, Any]:
        """The arguments for an edit: another number is rung at work, and all phones at once."""
        settings = deepcopy(before["settings"])
        block(settings).update(dialModeCode=2)
        block(settings)["redirectNums"][0].update(num="+7 900 123-45-67", dialTime=45)
        return {"settings": settings, "expected_hash": before["hash"]}

    def test_read_edit_set(
        self, telecom_simulator: Any, vendor_state: VendorState, before: Any, given: Any
    ) -> None:
        facts = Run().execute(put(**given))
        now = Run().execute(read())
        assert facts.pop("request_hash") != now["request_hash"]
        assert facts == {"changed": True, "hash": now["hash"], "numbers": 3, "code": 0}
        assert now["hash"] != before["hash"]
        assert block([vendor_state.settings[NUMBERS[0]]])["redirectNums"][0]["num"] == "9001234567"
        assert effects(telecom_simulator, "settings") == 1

    def test_by_a_file(self, telecom_simulator: Any, tmp_path: Path, given: Any) -> None:
        path = tmp_path / "vats.json"
        path.write_text(json.dumps(given["settings"]))
        operator = put(path=str(path), expected_hash="{{ ti.xcom_pull(task_ids='read')['hash'] }}")
        assert Run(read={"hash": given["expected_hash"]}).execute(operator)["changed"]
        assert effects(telecom_simulator, "settings") == 1

    @pytest.mark.parametrize("with_hash", [True, False])
    def test_nothing_is_sent_when_they_are_so_already(
        self, telecom_simulator: Any, before: Any, with_hash: bool
    ) -> None:
        expected = before["hash"] if with_hash else None
        facts = Run().execute(put(settings=before["settings"], expected_hash=expected))
        assert facts == {"changed": False, "hash": before["hash"], "numbers": 3}
        assert asked(telecom_simulator, SET) == 0

    def test_a_retried_task_sets_nothing_twice(self, telecom_simulator: Any, given: Any) -> None:
        run = Run()
        first, second = run.execute(put(**given)), run.execute(put(**given))
        assert {name: first[name] for name in second} == second
        assert asked(telecom_simulator, SET) == 1

    def test_somebody_was_quicker(
        self, telecom_simulator: Any, vendor_state: VendorState, given: Any
    ) -> None:
        block([vendor_state.settings[NUMBERS[1]]]).update(isActive=0)
        with pytest.raises(TelecomRejectedError, match="have changed since they were read"):
            Run().execute(put(**given))
        assert asked(telecom_simulator, SET) == 0

    def test_without_a_hash_they_are_set_whatever_has_changed(
        self, vendor_state: VendorState, given: Any
    ) -> None:
        block([vendor_state.settings[NUMBERS[1]]]).update(isActive=0)
        assert Run().execute(put(settings=given["settings"]))["changed"]
        assert block([vendor_state.settings[NUMBERS[1]]])["isActive"] == 1

    @pytest.mark.parametrize(("fault", "requests"), [("reset_before", 2), ("reset_after", 1)])
    def test_a_lost_answer_is_settled_by_reading(
        self, telecom_simulator: Any, given: Any, fault: str, requests: int
    ) -> None:
        telecom_simulator.fault(fault, "sunsim", path=SET)
        assert Run().execute(put(**given))["changed"]
        assert asked(telecom_simulator, SET) == requests
        assert effects(telecom_simulator, "settings") == 1

    def test_two_lost_answers_are_settled_by_the_next_try(self, telecom_simulator: Any, given: Any) -> None:
        run = Run()
        telecom_simulator.fault("reset_before", "sunsim", path=SET, times=2)
        with pytest.raises(TelecomUnknownError):
            run.execute(put(**given))
        assert run.execute(put(**given))["changed"]
        assert effects(telecom_simulator, "settings") == 1

    def test_settings_that_show_later_are_waited_for(
        self, telecom_simulator: Any, given: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vats, "POLL_DELAYS", (0, 0, 0))
        telecom_simulator.state.set_transition("sunsim.settings", "after_polls", 3)
        assert Run().execute(put(**given))["changed"]
        assert asked(telecom_simulator, SET) == 1

    @pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
    def test_a_lost_answer_and_settings_that_show_later(
        self, telecom_simulator: Any, given: Any, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        """It can't be distinguished from a lost request, so it is repeated: the same state once more."""
        monkeypatch.setattr(vats, "POLL_DELAYS", (0, 0, 0))
        telecom_simulator.state.set_transition("sunsim.settings", "after_polls", 2)
        telecom_simulator.fault(fault, "sunsim", path=SET)
        assert Run().execute(put(**given))["changed"]
        assert asked(telecom_simulator, SET) == 2

    def test_a_state_that_is_not_what_was_sent_fails_loudly(
        self, telecom_simulator: Any, given: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vats, "POLL_DELAYS", (0, 0))
        telecom_simulator.fault("body", "sunsim", path=SET, status=200, body='{"error": {"errorCode": 0}}')
        with pytest.raises(TelecomRejectedError) as caught:
            Run().execute(put(**given))
        assert "number 90000***00, profile 11, block 111: dialModeCode" in str(caught.value)
        assert "redirect 1: num" in str(caught.value)
        assert "9001234567" not in str(caught.value)

    @pytest.mark.parametrize("quirk", ["", "plain_redirects"])
    def test_profiles_of_vip_lists_are_left_alone(self, vendor_state: VendorState, quirk: str) -> None:
        vendor_state.switches.turn_on(*filter(None, [quirk]))
        for each in vendor_state.settings[NUMBERS[2]]["profiles"][1]["scheduleBlocks"]:
            each["redirectNums"][0]["num"] = "+79000000101"
        vendor_state.settings[NUMBERS[2]]["profiles"][1]["workdayDefDay"] = 3
        vip = deepcopy(vendor_state.settings[NUMBERS[2]]["profiles"][1])
        before = Run().execute(read(numbers=OWN[2:], return_settings=True))
        block(before["settings"])["redirectNums"][0]["dialTime"] = 45
        facts = Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))
        assert facts["changed"]
        if not quirk:
            assert vendor_state.settings[NUMBERS[2]]["profiles"][1] == vip

    @pytest.mark.parametrize("odd", ["", 0, None, "380670000200", "+49 30 1234567", "sip:office", 112])
    @pytest.mark.parametrize("edited", ["another profile", "the same profile"])
    def test_a_redirect_number_that_was_not_edited_may_be_anything(
        self, telecom_simulator: Any, vendor_state: VendorState, odd: Any, edited: str
    ) -> None:
        vendor_state.vip_profiles.clear()
        redirects = vendor_state.settings[NUMBERS[2]]["profiles"][1]["scheduleBlocks"][0]["redirectNums"]
        redirects.append({**redirects[0], "id": 777, "num": odd})
        before = Run().execute(read(numbers=OWN[2:], return_settings=True))
        block(before["settings"], 0, 0 if edited == "another profile" else 1)["redirectNums"][0].update(
            dialTime=45
        )
        arguments = {"settings": before["settings"], "expected_hash": before["hash"]}
        assert Run().execute(put(**arguments))["changed"]
        stored = vendor_state.settings[NUMBERS[2]]["profiles"][1]["scheduleBlocks"][0]["redirectNums"]
        assert stored[1]["num"] == odd

    @pytest.mark.parametrize("odd", ["", 0, "380670000200"])
    def test_a_redirect_number_that_was_edited_is_checked(
        self, telecom_simulator: Any, before: Any, odd: Any
    ) -> None:
        block(before["settings"])["redirectNums"][0]["num"] = odd
        with pytest.raises(TelecomInputError, match=r"profile 11, block 111: redirectNums\.num"):
            Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))
        assert asked(telecom_simulator, SET) == 0

    def test_an_edit_of_one_is_refused_by_name(self, vendor_state: VendorState, before: Any) -> None:
        block(before["settings"], 2, 1)["redirectNums"][0]["dialTime"] = 45
        with pytest.raises(TelecomRejectedError) as caught:
            Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))
        assert "number 90000***02, profile 32, block 321, redirect 1: dialTime" in str(caught.value)

    @pytest.mark.parametrize(
        ("edit", "expected"),
        [
            (
                lambda s: block(s)["scheduleJson"]["schedule"]["days"]["1"]["times"].clear(),
                "day 1: times leave",
            ),
            (lambda s: block(s, place=1)["redirectNums"][0].update(dialTime=91), "block 112: dialTime: 91"),
            (lambda s: s[0]["profiles"][0].update(isUseCalendar=2), "profile 11: isUseCalendar"),
            (lambda s: s.clear(), "settings: must be a list with at least one entry"),
        ],
    )
    def test_wrong_settings_are_refused_before_anything_is_set(
        self, telecom_simulator: Any, before: Any, edit: Any, expected: str
    ) -> None:
        edit(before["settings"])
        with pytest.raises(TelecomInputError) as caught:
            Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))
        assert expected in str(caught.value)
        assert asked(telecom_simulator, SET) == 0

    def test_the_workday_is_set_only_with_the_calendar(
        self, telecom_simulator: Any, vendor_state: VendorState, before: Any
    ) -> None:
        profile = before["settings"][0]["profiles"][0]
        profile["workdayDefDay"] = 5
        with pytest.raises(TelecomInputError, match="profile 11: workdayDefDay: may be set only with"):
            Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))
        assert asked(telecom_simulator, SET) == 0
        profile["isUseCalendar"] = 1
        assert Run().execute(put(settings=before["settings"], expected_hash=before["hash"]))["changed"]
        assert vendor_state.settings[NUMBERS[0]]["profiles"][0]["workdayDefDay"] == 5

    def test_airflow_stores_no_number(self, given: Any) -> None:
        from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

        operator, run = put(**given), Run()
        facts = run.execute(operator)
        assert "0000000" not in f"{facts}{_serialize_rendered_fields(operator)}{run.stores['set'].texts}"

    @pytest.mark.parametrize(
        ("wrong", "expected"),
        [
            ({"settings": [], "path": "a.json"}, "settings: or path must be given, not both"),
            ({"expected_hash": "abc"}, "expected_hash: must be the hash of a read"),
        ],
    )
    def test_wrong_arguments_are_refused_when_the_dag_is_parsed(self, wrong: Any, expected: str) -> None:
        with pytest.raises(TelecomInputError, match=expected):
            put(**wrong)

    @pytest.mark.parametrize(
        ("wrong", "text", "expected"),
        [
            ({}, None, "settings: or path must be given"),
            ({"path": "{tmp}/a.json"}, None, "path: there is no file"),
            ({"path": "{tmp}/a.json"}, "[", "does not hold JSON"),
            ({"path": "{tmp}/a.json"}, "{}", "settings: must be a list"),
            ({"settings": "x"}, None, "settings: must be a list"),
            ({"settings": [{}], "expected_hash": "{{ 1 }}"}, None, "expected_hash: must be the hash"),
        ],
    )
    def test_wrong_arguments_are_refused_before_the_first_request(
        self, telecom_simulator: Any, tmp_path: Path, wrong: Any, text: str | None, expected: str
    ) -> None:
        if text is not None:
            (tmp_path / "a.json").write_text(text)
        if "path" in wrong:
            wrong = {"path": wrong["path"].format(tmp=tmp_path)}
        with pytest.raises(TelecomError, match=expected):
            Run().execute(put(**wrong))
        assert not telecom_simulator.state.requests
