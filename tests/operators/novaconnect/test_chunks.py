"""Lists of SIMs that are sent in several requests: each has its own entry in the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectPingSimsOperator,
    NovaConnectSetTariffOperator,
)
from airflow_provider_telecom.simulator.novaconnect import VendorState
from tests.running import Run

SIMS = [1001, 1002, 1003, 1005, 1007]
"""The first five SIMs of profile TD without a block; sent as two, two and one."""
REFUSED = '{"code": 400, "message": "no"}'


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any], vendor_state: VendorState) -> Any:
    for sim in SIMS:
        vendor_state.sims[sim].block = "n"
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return found


@pytest.fixture
def done_to(telecom_simulator: Any) -> Callable[[str], list[int]]:
    return lambda kind: [
        effect.facts["id"] for effect in telecom_simulator.state.ledger.of("novaconnect", kind)
    ]


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "block": (NovaConnectBlockSimsOperator, {}),
    "ping": (NovaConnectPingSimsOperator, {}),
    "tariff": (
        NovaConnectSetTariffOperator,
        {"package_kb": 20480, "auto_package": True, "confirm": True},
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, **arguments: Any) -> Any:
    operator, needed = KINDS[kind]
    return operator(**{"task_id": kind, "sim_ids": SIMS, "chunk_size": 2, **needed, **arguments})


class Breaking:
    """An operator's hook whose requests number `number` fail in some way, before or after they are sent."""

    def __init__(self, operator: Any, kind: str, number: int, fail: Callable[[], None]) -> None:
        self.calls: list[list[int]] = []
        method = {"block": "block_sims", "ping": "ping_sims", "tariff": "set_tariff"}[kind]
        send = getattr(operator.hook, method)

        def counted(sim_ids: list[int], *arguments: Any, **more: Any) -> Any:
            self.calls.append(list(sim_ids))
            if len(self.calls) == number:
                fail()
            return send(sim_ids, *arguments, **more)

        setattr(operator.hook, method, counted)


@each_kind
def test_several_requests_and_one_result(
    kind: str, done_to: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    run = Run()
    outcome = run.execute(make(kind))
    assert outcome["queue_id"] == list(vendor_state.queues)
    assert (outcome["callback_key"], outcome["changed"]) == (None, SIMS)
    assert (outcome["unchanged"], outcome["skipped"]) == ([], [])
    assert [(one["sims"], one["first_sim_id"], one["last_sim_id"]) for one in outcome["chunks"]] == [
        (2, 1001, 1002),
        (2, 1003, 1005),
        (1, 1007, 1007),
    ]
    assert [one["queue_id"] for one in outcome["chunks"]] == outcome["queue_id"]
    assert run.execute(make(kind)) == outcome
    assert done_to(kind) == SIMS
    assert sum(seen.path.endswith(f"sim/{kind}") for seen in telecom_simulator.state.requests) == 3


@each_kind
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_chunk_that_was_not_sent_is_sent_by_the_next_try(
    kind: str, failing: int, done_to: Any, telecom_simulator: Any
) -> None:
    run, operator = Run(), make(kind)

    def fail() -> None:
        raise TelecomNotSentError("not sent")

    Breaking(operator, kind, failing, fail)
    with pytest.raises(TelecomNotSentError, match=rf"^chunk {failing} of the SIMs .*: not sent") as caught:
        run.execute(operator)
    assert caught.value.partial == (failing > 1)
    assert done_to(kind) == SIMS[: 2 * (failing - 1)]
    assert run.execute(make(kind))["changed"] == SIMS
    assert done_to(kind) == SIMS


@pytest.mark.parametrize("kind", ["ping", "tariff"])
@pytest.mark.parametrize("arrived", [False, True])
def test_a_chunk_of_unknown_outcome_is_named_and_never_repeated(
    kind: str, arrived: bool, done_to: Any, telecom_simulator: Any
) -> None:
    fault = "reset_after" if arrived else "reset_before"
    run, operator = Run(), make(kind)
    Breaking(operator, kind, 2, lambda: telecom_simulator.fault(fault, "novaconnect", path=f"sim/{kind}"))
    with pytest.raises(OutcomeUnknownError, match=r"chunk 2 of the SIMs \(2 of them, 1003 to 1005"):
        run.execute(operator)
    happened = done_to(kind)
    assert happened == (SIMS[:4] if arrived else SIMS[:2])
    if kind == "tariff" and arrived:  # the list shows it
        assert run.execute(make(kind))["unchanged"] == [1003, 1005]
        assert done_to(kind) == SIMS
        return
    with pytest.raises(OutcomeUnknownError, match="chunk 2"):
        run.execute(make(kind))
    assert done_to(kind) == happened
    outcome = run.execute(make(kind, on_unknown="assume_sent"))
    assert (outcome["changed"], outcome["assumed_sent"]) == ([1001, 1002, 1007], [1003, 1005])
    assert [one.get("assumed_sent") for one in outcome["chunks"]] == [None, True, None]
    assert len(outcome["queue_id"]) == 2
    assert done_to(kind) == [*happened, 1007]
    assert run.execute(make(kind)) == outcome


@pytest.mark.parametrize("kind", ["ping", "tariff"])
def test_resend_repeats_the_chunk_in_doubt_only(kind: str, done_to: Any, telecom_simulator: Any) -> None:
    run, operator = Run(), make(kind, on_unknown="resend")
    Breaking(
        operator, kind, 2, lambda: telecom_simulator.fault("reset_before", "novaconnect", path=f"sim/{kind}")
    )
    with pytest.raises(TelecomUnknownError, match="chunk 2"):
        run.execute(operator)
    assert run.execute(make(kind, on_unknown="resend"))["changed"] == SIMS
    assert done_to(kind) == SIMS


@each_kind
def test_a_refused_chunk_forgets_no_earlier_one(kind: str, done_to: Any, telecom_simulator: Any) -> None:
    run, operator = Run(), make(kind)
    Breaking(
        operator,
        kind,
        3,
        lambda: telecom_simulator.fault("body", "novaconnect", path=f"sim/{kind}", body=REFUSED),
    )
    with pytest.raises(TelecomRejectedError, match="chunk 3"):
        run.execute(operator)
    assert run.execute(make(kind))["changed"] == SIMS
    assert done_to(kind) == SIMS


def test_a_chunk_of_a_state_is_settled_by_the_list(
    done_to: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    run, operator = Run(), make("block")
    Breaking(
        operator, "block", 2, lambda: telecom_simulator.fault("reset_after", "novaconnect", path="sim/block")
    )
    with pytest.raises(TelecomUnknownError, match="chunk 2"):
        run.execute(operator)
    vendor_state.sims[1001].block = "n"  # somebody lifts it: chunk 1 is done, and is not sent again
    outcome = run.execute(make("block"))
    assert (outcome["changed"], len(outcome["chunks"])) == (SIMS, 3)
    assert done_to("block") == SIMS


@each_kind
def test_other_sims_are_refused_while_a_chunk_is_in_doubt(
    kind: str, done_to: Any, telecom_simulator: Any
) -> None:
    run, operator = Run(), make(kind)
    Breaking(
        operator, kind, 2, lambda: telecom_simulator.fault("reset_before", "novaconnect", path=f"sim/{kind}")
    )
    with pytest.raises(TelecomUnknownError):
        run.execute(operator)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(make(kind, sim_ids=[1001, 1002, 1007]))
    assert done_to(kind) == [1001, 1002]


def test_the_same_list_again_after_another_one_is_sent_whole(done_to: Any, vendor_state: VendorState) -> None:
    """A state may be set again: the chunks of the first list do not count for the second time."""
    run = Run()
    run.execute(make("block"))
    for sim in SIMS:
        vendor_state.sims[sim].block = "n"
    run.execute(make("block", sim_ids=[1001]))
    vendor_state.sims[1001].block = "n"
    assert run.execute(make("block"))["changed"] == SIMS
    assert done_to("block") == [*SIMS, 1001, *SIMS]


@pytest.mark.parametrize("kind", ["ping", "tariff"])
def test_a_selection_that_has_changed_since_keeps_the_chunks_that_were_sent(
    kind: str, done_to: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    group = vendor_state.add_group("Chosen")
    for sim in SIMS[:4]:
        vendor_state.sims[sim].groups = [group.id]
    chosen: dict[str, Any] = {"sim_ids": None, "select": {"group": "Chosen"}}
    run, operator = Run(), make(kind, **chosen)

    def fail() -> None:
        raise TelecomNotSentError("not sent")

    Breaking(operator, kind, 2, fail)
    with pytest.raises(TelecomNotSentError):
        run.execute(operator)
    vendor_state.sims[1002].groups, vendor_state.sims[1007].groups = [], [group.id]
    outcome = run.execute(make(kind, **chosen))
    assert done_to(kind) == outcome["changed"] == SIMS


@pytest.mark.parametrize("kind", ["ping", "tariff"])
def test_what_a_refused_try_would_have_sent_later_is_forgotten(
    kind: str, done_to: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    run, sims = Run(), [1001, 1002, 1003]
    telecom_simulator.fault("body", "novaconnect", path=f"sim/{kind}", body=REFUSED)
    with pytest.raises(TelecomRejectedError, match="chunk 1"):
        run.execute(make(kind, sim_ids=sims))
    vendor_state.sims[1003].profile = "TC"
    outcome = run.execute(make(kind, sim_ids=sims))
    assert outcome["changed"] == [1001, 1002]
    vendor_state.sims[1003].profile = "TD"
    assert run.execute(make(kind, sim_ids=sims)) == outcome
    assert done_to(kind) == [1001, 1002]


@each_kind
def test_a_place_of_a_mapped_list_may_be_long(kind: str, done_to: Any) -> None:
    run = Run()
    outcome = run.execute(make(kind), map_index=0)
    assert run.execute(make(kind), map_index=0) == outcome
    assert done_to(kind) == SIMS


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_joins_all_queues(telecom_simulator: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    outcome = Run().execute(
        make("block", wait_for_completion=True, deferrable=deferrable, poll_interval=0.01)
    )
    assert (outcome["reached"], len(outcome["chunks"])) == (5, 3)


@pytest.mark.parametrize("size", [0, 10_001, "2"])
def test_sizes_that_the_receiver_would_refuse(size: Any) -> None:
    with pytest.raises(TelecomInputError, match="chunk_size"):
        make("block", chunk_size=size)


def test_a_smaller_chunk_size_divides_no_request_in_doubt(
    done_to: Any, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    """The request named all SIMs. Whatever is assumed about it holds for all of them."""
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 99)
    telecom_simulator.fault("reset_after", "novaconnect", path="sim/tariff")
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(make("tariff", chunk_size=10))
    queues = len(vendor_state.queues)
    outcome = run.execute(make("tariff", on_unknown="assume_sent"))
    assert outcome["assumed_sent"]
    assert len(vendor_state.queues) == queues


def test_a_sim_that_is_selected_later_is_not_assumed_to_be_sent(
    done_to: Any, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    group = vendor_state.add_group("Chosen")
    for sim in SIMS[:2]:
        vendor_state.sims[sim].groups = [group.id]
    chosen: dict[str, Any] = {"sim_ids": None, "select": {"group": "Chosen"}, "chunk_size": 10}
    run = Run()
    telecom_simulator.fault("reset_before", "novaconnect", path="sim/tariff")
    with pytest.raises(OutcomeUnknownError):
        run.execute(make("tariff", **chosen))
    vendor_state.sims[SIMS[2]].groups = [group.id]
    outcome = run.execute(make("tariff", on_unknown="assume_sent", **chosen))
    assert done_to("tariff") == [SIMS[2]]
    assert (outcome["changed"], outcome["assumed_sent"]) == ([SIMS[2]], SIMS[:2])
