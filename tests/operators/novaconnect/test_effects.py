"""NovaConnect's effects that cannot be taken back: confirmed, sent once, never twice with `fail`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectDisconnectSimsOperator,
    NovaConnectPingSimsOperator,
    NovaConnectReconnectSimsOperator,
    NovaConnectRepackageOperator,
    NovaConnectSendSmsOperator,
    NovaConnectSetTariffOperator,
)
from airflow_provider_telecom.simulator.novaconnect import VendorState
from tests.running import Run

TEXT = "Restart at 21:37"
PACKAGE = {"package_kb": 20480, "auto_package": True, "confirm": True}
EFFECTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "disconnect": (NovaConnectDisconnectSimsOperator, {"confirm": True}, "disconnect"),
    "reconnect": (NovaConnectReconnectSimsOperator, {"confirm": True}, "disconnect"),
    "ping": (NovaConnectPingSimsOperator, {}, "ping"),
    "sms": (NovaConnectSendSmsOperator, {"text": TEXT}, "sms"),
    "tariff": (NovaConnectSetTariffOperator, PACKAGE, "tariff"),
    "repackage": (NovaConnectRepackageOperator, {"confirm": True}, "repackage"),
}
every_effect = pytest.mark.parametrize("name", EFFECTS)
EACH_SIM = {"sim_ids": [1001, 1002]}


@pytest.fixture(autouse=True)
def _connected(hook_for: Callable[..., Any]) -> None:
    hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> Any:
    return telecom_simulator.state.vendor_state("novaconnect", VendorState)


@pytest.fixture
def done_to(telecom_simulator: Any) -> Callable[[str], list[int]]:
    def of(name: str) -> list[int]:
        return [
            effect.facts["id"]
            for effect in telecom_simulator.state.ledger.of("novaconnect", EFFECTS[name][2])
        ]

    return of


def operator_of(name: str, **arguments: Any) -> Any:
    kind, needed, _ = EFFECTS[name]
    return kind(task_id=name, **{**EACH_SIM, **needed, **arguments})


@every_effect
def test_it_is_done_once_in_a_run(done_to: Any, name: str) -> None:
    run = Run()
    first = run.execute(operator_of(name))
    assert first.pop("queue_id")
    assert first == {"callback_key": None, "changed": [1001, 1002], "unchanged": [], "skipped": []}
    assert run.execute(operator_of(name))["changed"] == [1001, 1002]
    assert done_to(name) == [1001, 1002]


@every_effect
def test_an_unknown_outcome_is_never_followed_by_a_copy(
    telecom_simulator: Any, done_to: Any, name: str
) -> None:
    telecom_simulator.state.set_transition(
        "novaconnect.queue", "after_seconds", 3600
    )  # the SIMs show nothing yet
    telecom_simulator.fault("reset_after", "novaconnect", path=f"sim/{name}$")
    run = Run()
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError) as caught:
            run.execute(operator_of(name))
        assert isinstance(caught.value, AirflowFailException)
    telecom_simulator.state.clock.advance(7201)
    telecom_simulator.state.vendor_state("novaconnect", VendorState).settle()
    assert done_to(name) == [1001, 1002]
    assert sum(seen.path.endswith(f"sim/{name}") for seen in telecom_simulator.state.requests) == 1


@every_effect
def test_resend_sends_again(telecom_simulator: Any, done_to: Any, name: str) -> None:
    telecom_simulator.fault("reset_before", "novaconnect", path=f"sim/{name}$")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(operator_of(name, on_unknown="resend"))
    assert done_to(name) == []
    assert run.execute(operator_of(name, on_unknown="resend"))["changed"] == [1001, 1002]
    assert done_to(name) == [1001, 1002]


@every_effect
def test_assume_sent_goes_on_without_an_id(telecom_simulator: Any, done_to: Any, name: str) -> None:
    telecom_simulator.fault("reset_after", "novaconnect", path=f"sim/{name}$")
    assert Run().execute(operator_of(name, on_unknown="assume_sent")) == {"assumed_sent": True}
    assert done_to(name) == [1001, 1002]


@every_effect
def test_what_did_not_leave_is_sent_by_the_next_try(telecom_simulator: Any, done_to: Any, name: str) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(operator_of(name))
    assert run.execute(operator_of(name))["changed"] == [1001, 1002]
    assert done_to(name) == [1001, 1002]


@every_effect
def test_a_list_that_cannot_be_read_leaves_nothing_in_doubt(
    telecom_simulator: Any, done_to: Any, name: str
) -> None:
    telecom_simulator.fault("status", "novaconnect", path="sim/list", status=400)
    run = Run()
    with pytest.raises(Exception, match="sim/list"):
        run.execute(operator_of(name))
    assert run.execute(operator_of(name))["changed"] == [1001, 1002]
    assert done_to(name) == [1001, 1002]


@every_effect
def test_unknown_sims_and_too_many_are_refused(done_to: Any, name: str) -> None:
    with pytest.raises(TelecomInputError, match="1 unknown SIMs"):
        Run().execute(operator_of(name, sim_ids=[1001, 9001]))
    with pytest.raises(TelecomInputError, match="2 SIMs would be changed, at most 1"):
        Run().execute(operator_of(name, max_changes=1))
    assert done_to(name) == []


@pytest.mark.parametrize("name", ["ping", "sms", "tariff", "repackage"])
def test_sims_of_profile_tc_are_skipped(done_to: Any, name: str) -> None:
    outcome = Run().execute(operator_of(name, sim_ids=[1001, 1041]))
    assert outcome["changed"] == done_to(name) == [1001]
    assert outcome["skipped"] == [{"sim_id": 1041, "reason": f"profile TC: {name} is for TD only"}]
    assert Run().execute(operator_of(name, sim_ids=[1042]))["queue_id"] is None


@pytest.mark.parametrize("name", ["disconnect", "reconnect", "tariff", "repackage"])
@pytest.mark.parametrize("word", [False, "yes", 1, None])
def test_an_irreversible_operation_needs_confirm(name: str, word: Any) -> None:
    with pytest.raises(TelecomInputError, match="confirm: must be True"):
        operator_of(name, confirm=word)


@pytest.mark.parametrize("name", ["disconnect", "reconnect", "ping", "sms", "repackage"])
def test_an_unobservable_operation_cannot_be_waited_for(name: str) -> None:
    with pytest.raises(TelecomInputError, match="wait_for_completion: the end of"):
        operator_of(name, wait_for_completion=True)


# --- texts


def test_a_text_reaches_the_sims_and_nothing_else(telecom_simulator: Any) -> None:
    operator, run = operator_of("sms", text="{{ params.what }}"), Run()
    outcome = run.execute(operator, params={"what": TEXT})
    assert {one.facts["text"] for one in telecom_simulator.state.ledger.of("novaconnect", "sms")} == {TEXT}
    assert "21:37" not in f"{outcome}{_serialize_rendered_fields(operator)}{run.stores['sms'].texts}"


def test_another_text_needs_another_key(done_to: Any) -> None:
    run = Run()
    run.execute(operator_of("sms"))
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(operator_of("sms", text="Another"))
    run.execute(operator_of("sms", text="Another", dedupe_key="2"))
    assert len(done_to("sms")) == 4


@pytest.mark.parametrize("text", ["", " ", "x" * 71, "😀" * 36])
def test_texts_that_do_not_fit(telecom_simulator: Any, text: str) -> None:
    with pytest.raises(TelecomInputError, match="text"):
        operator_of("sms", text=text)
    with pytest.raises(TelecomInputError, match="text"):
        Run().execute(operator_of("sms", text="{{ params.what }}"), params={"what": text})
    assert telecom_simulator.state.requests == []


# --- tariff and package


def test_a_reached_tariff_is_unchanged_and_a_locked_one_skipped(vendor_state: Any, done_to: Any) -> None:
    locked_until = int(time.time()) + 86_400
    vendor_state.sims[1001].limit.value, vendor_state.sims[1001].limit.type = 20, "p_unlim"
    vendor_state.sims[1001].tariff.package_auto, vendor_state.sims[1001].tariff.change_lock = (
        True,
        locked_until,
    )
    vendor_state.sims[1002].tariff.change_lock = locked_until
    vendor_state.sims[1003].tariff.change_lock = int(time.time()) - 60
    outcome = Run().execute(operator_of("tariff", sim_ids=[1001, 1002, 1003]))
    assert (outcome["changed"], outcome["unchanged"]) == ([1003], [1001])
    (skipped,) = outcome["skipped"]
    assert skipped["sim_id"] == 1002
    assert "locked until 20" in skipped["reason"]
    assert done_to("tariff") == [1003]


def test_a_lock_without_a_date(vendor_state: Any, done_to: Any) -> None:
    vendor_state.switches.turn_on("change_lock_bool")
    vendor_state.sims[1002].tariff.change_lock = 1
    outcome = Run().execute(operator_of("tariff"))
    assert outcome["changed"] == done_to("tariff") == [1001]
    assert outcome["skipped"] == [
        {"sim_id": 1002, "reason": "its tariff is locked; the vendor names no date"}
    ]


@pytest.mark.parametrize("changed", [{"package_kb": 25600}, {"auto_package": False}, {"all_world": True}])
def test_each_part_of_a_tariff_counts(done_to: Any, telecom_simulator: Any, changed: dict[str, Any]) -> None:
    Run().execute(operator_of("tariff"))
    telecom_simulator.state.vendor_state("novaconnect", VendorState).sims[1001].tariff.change_lock = None
    outcome = Run().execute(operator_of("tariff", sim_ids=[1001], **changed))
    assert outcome["changed"] == [1001]
    assert done_to("tariff") == [1001, 1002, 1001]


def test_an_unknown_outcome_of_a_tariff_is_read_from_the_list(telecom_simulator: Any, done_to: Any) -> None:
    telecom_simulator.fault("reset_after", "novaconnect", path="sim/tariff")
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(operator_of("tariff"))
    assert run.execute(operator_of("tariff"))["unchanged"] == [1001, 1002]
    assert done_to("tariff") == [1001, 1002]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_tariff_can_be_waited_for(telecom_simulator: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    operator = operator_of("tariff", wait_for_completion=True, deferrable=deferrable, poll_interval=0.01)
    assert Run().execute(operator)["reached"] == 2


def test_a_package_is_not_bought_for_sims_that_could_not_use_it(vendor_state: Any, done_to: Any) -> None:
    outcome = Run().execute(operator_of("repackage", sim_ids=[1001, 1008, 1009, 1010]))
    assert outcome["changed"] == done_to("repackage") == [1001, 1008]
    assert [one["sim_id"] for one in outcome["skipped"]] == [1009, 1010]
    assert vendor_state.sims[1008].block == "n"


def test_only_packages_that_are_used_up(vendor_state: Any, done_to: Any) -> None:
    vendor_state.sims[1001].limit.used = vendor_state.sims[1001].limit.value
    vendor_state.sims[1002].limit.used = vendor_state.sims[1002].limit.value - 1
    outcome = Run().execute(operator_of("repackage", sim_ids=[1001, 1002, 1008], only_used_up=True))
    assert (outcome["changed"], outcome["unchanged"]) == ([1001, 1008], [1002])
    assert done_to("repackage") == [1001, 1008]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"package_kb": 15361}, "package_kb"),
        ({"package_kb": 107520}, "package_kb"),
        ({"auto_package": "yes"}, "auto_package"),
        ({"all_world": 1}, "all_world"),
        ({"on_unknown": "hope"}, "on_unknown"),
    ],
)
def test_bad_tariffs_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        operator_of("tariff", **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["ping", "repackage"])
def test_in_doubt_the_sims_are_not_asked_when_they_cannot_tell(
    telecom_simulator: Any, vendor_state: Any, done_to: Any, name: str
) -> None:
    telecom_simulator.fault("reset_after", "novaconnect", path=f"sim/{name}$")
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(operator_of(name))
        vendor_state.sims.clear()  # reading the list would find no SIM to change
    assert sum(seen.path.endswith("sim/list") for seen in telecom_simulator.state.requests) == 1
    assert done_to(name) == [1001, 1002]


def test_a_place_of_a_mapped_list_that_holds_other_sims_is_refused(done_to: Any) -> None:
    """The first of two was refused before anything was sent and is taken out, so the second is the first."""
    run = Run()
    with pytest.raises(TelecomInputError, match="unknown SIMs"):
        run.execute(operator_of("ping", sim_ids=[999_999]), map_index=0)
    run.execute(operator_of("ping", sim_ids=[1001]), map_index=1)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(operator_of("ping", sim_ids=[1001]), map_index=0)
    assert done_to("ping") == [1001]


def test_an_effect_in_doubt_is_not_forgotten_for_one_with_nothing_to_do(
    telecom_simulator: Any, done_to: Any
) -> None:
    telecom_simulator.fault("reset_before", "novaconnect", path="/sim/tariff")
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(operator_of("tariff", sim_ids=[1001]))
    Run("2").execute(operator_of("tariff", sim_ids=[1002]))
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(operator_of("tariff", sim_ids=[1002]))  # which has this tariff already
    assert done_to("tariff") == [1002]


@pytest.mark.parametrize("name", ["ping", "tariff"])
def test_a_choice_that_names_other_sims_now_forgets_none_in_doubt(
    telecom_simulator: Any, vendor_state: Any, done_to: Any, name: str
) -> None:
    """The first try was for SIM 1001 of the group; it has left the group since."""
    group = vendor_state.add_group("Chosen")
    vendor_state.sims[1001].groups = [group.id]
    chosen = {"sim_ids": None, "select": {"group": "Chosen"}, "on_unknown": "resend"}
    telecom_simulator.fault("reset_before", "novaconnect", path=f"/sim/{name}")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(operator_of(name, **chosen))
    vendor_state.sims[1001].groups, vendor_state.sims[1002].groups = [], [group.id]
    with pytest.raises(TelecomInputError, match=r"nobody knows whether it has: 1001\."):
        run.execute(operator_of(name, **chosen))
    assert done_to(name) == []
    vendor_state.sims[1001].groups = [group.id]
    assert run.execute(operator_of(name, **chosen))["changed"] == [1001, 1002]
