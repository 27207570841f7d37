"""The promo operator: nobody gets anything before the draft is whole, and nobody anything twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.create_promo import KyivstarCreatePromoOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import PromoStateError
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState
from tests.running import Run

PEOPLE = [{"msisdn": str(380670000000 + place), "name": f"N{place}"} for place in range(25)]
NUMBERS = [person["msisdn"] for person in PEOPLE]


@pytest.fixture
def promo(hook_for: Callable[..., Any]) -> Callable[..., KyivstarCreatePromoOperator]:
    hook_for("kyivstar_open_telecom")

    def make(**arguments: Any) -> KyivstarCreatePromoOperator:
        defaults = {"task_id": "promo", "recipients": PEOPLE, "text": "Hi", "chunk_size": 10, "start": True}
        return KyivstarCreatePromoOperator(**{**defaults, **arguments})

    return make


def vendor_state(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("kyivstar_open_telecom", VendorState)
    return found


def reached(simulator: Any) -> Counter[str]:
    """Return how often each number got an SMS of a promo that was started."""
    started = {
        effect.facts["id"] for effect in simulator.state.ledger.of("kyivstar_open_telecom", "promo_started")
    }
    promos = vendor_state(simulator).promos
    return Counter(number for promo_id in started for number, _ in promos[promo_id].audience)


def test_a_promo_is_built_in_chunks_and_started(telecom_simulator: Any, promo: Any) -> None:
    facts = Run().execute(promo())
    assert (facts["recipients"], facts["started"], facts["duplicates"]) == (25, True, 0)
    assert reached(telecom_simulator) == Counter(NUMBERS)
    chunks = [
        effect.facts["count"]
        for effect in telecom_simulator.state.ledger.of("kyivstar_open_telecom", "promo_audience")
    ]
    assert chunks == [10, 10, 5]


def test_without_start_it_stays_a_draft(telecom_simulator: Any, promo: Any) -> None:
    run = Run()
    facts = run.execute(promo(start=False))
    assert not reached(telecom_simulator)
    assert run.execute(promo(start=False)) == facts
    assert len(vendor_state(telecom_simulator).promos) == 1


def test_variables_are_filled_from_columns(telecom_simulator: Any, promo: Any, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("code;msisdn;name\n" + "".join(f"7;{p['msisdn']};{p['name']}\n" for p in PEOPLE))
    arguments = {"text": "${1}: ${2}", "param_columns": ("name", "code"), "recipients": str(path)}
    facts = Run().execute(promo(**arguments))
    audience = vendor_state(telecom_simulator).promos[facts["promo_id"]].audience
    assert audience == [(person["msisdn"], (person["name"], "7")) for person in PEOPLE]


@pytest.mark.parametrize("with_zones", [False, True])
def test_a_column_may_fill_two_variables(telecom_simulator: Any, promo: Any, with_zones: bool) -> None:
    people = [{**person, "tz": "Europe/Kyiv"} for person in PEOPLE]
    more = {"quiet_hours": ("03:00", "03:01"), "timezone_column": "tz"} if with_zones else {}
    columns = ("name", "name", "tz")
    text = "${1} ${2} ${3}"
    facts = Run().execute(promo(recipients=people, text=text, param_columns=columns, **more))
    audience = vendor_state(telecom_simulator).promos[facts["promo_id"]].audience
    assert audience == [
        (person["msisdn"], (person["name"], person["name"], "Europe/Kyiv")) for person in PEOPLE
    ]


@pytest.mark.parametrize("path", [r"/promo$", "/audience"])
def test_a_draft_in_doubt_is_left_behind(telecom_simulator: Any, promo: Any, path: str) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path=path, method="POST", times=2)
    assert Run().execute(promo())["recipients"] == 25
    assert reached(telecom_simulator) == Counter(NUMBERS)
    assert len(vendor_state(telecom_simulator).promos) == 3


def test_three_drafts_in_doubt_are_enough_and_the_next_try_builds_another(
    telecom_simulator: Any, promo: Any
) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/audience", times=3)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(promo())
    assert not reached(telecom_simulator)
    run.execute(promo())
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_start_in_doubt_is_looked_after(telecom_simulator: Any, promo: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/status/WAITING")
    assert Run().execute(promo())["started"]
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_retried_task_starts_nothing_twice(telecom_simulator: Any, promo: Any) -> None:
    run = Run()
    first = run.execute(promo())
    assert run.execute(promo()) == first
    assert len(vendor_state(telecom_simulator).promos) == 1
    assert sum("/status/" in seen.path for seen in telecom_simulator.state.requests) == 1


def test_what_a_person_suspends_stays_suspended(telecom_simulator: Any, promo: Any) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 1000)
    run, operator = Run(), promo()
    facts = run.execute(operator)
    operator.hook.suspend_promo(facts["promo_id"])
    with pytest.raises(PromoStateError, match="SUSPENDED"):
        run.execute(promo())


def test_changed_recipients_are_no_second_promo_in_silence(telecom_simulator: Any, promo: Any) -> None:
    run = Run()
    run.execute(promo())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(promo(recipients=PEOPLE[:3]))
    run.execute(promo(recipients=PEOPLE[:3], dedupe_key="2"))
    assert reached(telecom_simulator)[NUMBERS[0]] == 2


def test_a_draft_that_was_never_started_may_change(telecom_simulator: Any, promo: Any) -> None:
    telecom_simulator.fault("status", "kyivstar_open_telecom", path="/status/WAITING", status=422, times=1)
    run = Run()
    with pytest.raises(TelecomError):
        run.execute(promo())
    run.execute(promo(recipients=PEOPLE[:3]))
    assert reached(telecom_simulator) == Counter(NUMBERS[:3])


def test_a_promo_that_may_have_started_does_not_change(telecom_simulator: Any, promo: Any) -> None:
    run, operator = Run(), promo()
    start = operator.hook.start_promo

    def killed(promo_id: str) -> None:
        start(promo_id)
        raise KeyboardInterrupt

    operator.hook.start_promo = killed
    with pytest.raises(KeyboardInterrupt):
        run.execute(operator)
    for changed in ({"recipients": PEOPLE[:9]}, {"text": "Hello"}, {"sender": "another"}):
        with pytest.raises(TelecomInputError, match="dedupe_key"):
            run.execute(promo(**changed))
    run.execute(promo())
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_place_of_a_mapped_list_that_holds_another_promo_is_refused(
    telecom_simulator: Any, promo: Any
) -> None:
    """The first of two was not built and is taken out, so that the second is the first now."""
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/audience", times=3)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(promo(recipients=PEOPLE[:9]), map_index=0)
    run.execute(promo(recipients=PEOPLE[9:]), map_index=1)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(promo(recipients=PEOPLE[9:]), map_index=0)
    run.execute(promo(recipients=PEOPLE[:9]), map_index=0)
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_draft_of_another_account_is_not_started(
    telecom_simulator: Any, promo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_KYIVSTAR_OPEN_TELECOM_DEFAULT"])
    run = Run()
    draft = run.execute(promo(start=False))["promo_id"]
    other = run.execute(promo(conn_id="other"))["promo_id"]
    assert other != draft
    with pytest.raises(TelecomInputError, match="connection"):
        run.execute(promo())
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_chunk_that_is_too_large_is_halved(telecom_simulator: Any, promo: Any) -> None:
    telecom_simulator.fault("status", "kyivstar_open_telecom", path="/audience", status=413, times=2)
    Run().execute(promo(chunk_size=20))
    assert reached(telecom_simulator) == Counter(NUMBERS)


def test_a_dry_run_sends_nothing(telecom_simulator: Any, promo: Any) -> None:
    assert Run().execute(promo(dry_run=True))["dry_run"] is True
    assert not telecom_simulator.state.requests


def test_a_dry_run_shows_segments_and_a_sample(telecom_simulator: Any, promo: Any) -> None:
    people = [*PEOPLE, {"msisdn": "380670000300", "name": "x" * 160}]
    text = "Hi ${1} “you”"
    facts = Run().execute(promo(recipients=people, text=text, param_columns=["name"], dry_run=True))
    (shown,) = facts["texts"]
    assert (facts["segments"], shown["recipients_by_segments"]) == (25 + 3, {"1": 25, "3": 1})
    assert (shown["sample"], shown["encodings"], shown["price"]) == ("Hi Oksana “you”", {"UCS-2": 26}, None)
    assert [one["position"] for one in shown["outside_gsm_7"]] == [text.index("“") + 1, text.index("”") + 1]
    assert not telecom_simulator.state.requests


def test_a_long_text_creates_no_promo(telecom_simulator: Any, promo: Any) -> None:
    people = [*PEOPLE, {"msisdn": "380670000300", "name": "x" * 160}]
    with pytest.raises(TelecomInputError, match=r"allows 2 SMS.* line 26 \(38067\*+00\): 3 SMS"):
        Run().execute(promo(recipients=people, text="Hi ${1} “you”", param_columns=["name"], max_segments=2))
    with pytest.raises(TelecomInputError, match="text: takes 2 SMS; max_segments allows 1"):
        promo(text="a" * 161, max_segments=1)
    with pytest.raises(TelecomInputError, match="max_segments: is for the channel sms"):
        promo(channel="viber", max_segments=1)
    assert not telecom_simulator.state.requests


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_its_end(telecom_simulator: Any, promo: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 2)
    facts = Run().execute(promo(wait_for_completion=True, deferrable=deferrable, poll_interval=0.01))
    assert (facts["status"], facts["sent_count"]) == ("COMPLETED", 25)


def test_a_person_who_ends_the_task_ends_the_promo(telecom_simulator: Any, promo: Any) -> None:
    import asyncio

    from airflow.sdk.exceptions import TaskDeferred

    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 1000)
    for stops in (True, False):
        operator = promo(wait_for_completion=True, deferrable=True, suspend_on_kill=stops)
        run = Run(f"run {stops}")
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(run.context(operator))
        trigger = deferred.value.trigger

        async def kill() -> None:
            from airflow_provider_telecom.hooks import base

            await trigger.on_kill()  # noqa: B023 - run at once
            for client in list(base._clients.values()):
                await client.aclose()

        asyncio.run(kill())
        (started,) = [
            one for one in vendor_state(telecom_simulator).promos.values() if one.id == trigger.promo_id
        ]
        assert (started.status == "SUSPENDED") is stops


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"chunk_size": 20_001}, "chunk_size: 20001: must be 1 to 20000"),
        ({"wait_for_completion": True, "start": False}, "wait_for_completion"),
        ({"text": "${1}"}, "param_columns: has 0 columns, and the text has ${1}"),
        ({"text": "${2}", "param_columns": ("name",)}, "param_columns: has 1 columns, and the text has ${2}"),
        ({"param_columns": ("name",)}, "param_columns: has 1 columns, and the text has no variables"),
        ({"param_columns": ("surname",), "text": "${1}"}, "recipients: 25 bad rows"),
        ({"recipients": []}, "recipients: are none"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_request(
    telecom_simulator: Any, promo: Any, wrong: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(promo(**wrong))
    assert rule in str(caught.value)
    assert not telecom_simulator.state.requests


PNG = b"\x89PNG\r\n\x1a\n picture"
SHOP = "https://example.com/shop"


@pytest.mark.parametrize(
    ("channel", "more"), [("viber", {}), ("rcs", {"title": "{{ params.t }}", "rcs_content_type": "CARD"})]
)
@pytest.mark.parametrize("path", [None, "/promo$", "/image$", "/audience$"])
def test_a_promo_by_viber_or_rcs(
    telecom_simulator: Any,
    hook_for: Any,
    promo: Any,
    tmp_path: Path,
    channel: str,
    more: Any,
    path: str | None,
) -> None:
    """Whatever is lost on the way: the promo that is started has its picture, and everybody once."""
    hook_for("kyivstar_open_telecom", api_version="v1")
    (tmp_path / "cat.png").write_bytes(PNG)
    arguments = {
        "channel": channel,
        "caption": "Buy",
        "action_url": SHOP,
        "image_path": str(tmp_path / "cat.png"),
        "promo_start": "2026-01-31T08:00:00",
        "ttl_seconds": 60,
        **more,
    }
    if path:
        telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path=path, method="POST")
    run = Run()
    facts = run.execute(promo(**arguments), params={"t": "T"})
    found = vendor_state(telecom_simulator).promos[facts["promo_id"]]
    assert (found.campaign_type, found.image) == (channel.upper(), PNG)
    assert reached(telecom_simulator) == Counter(NUMBERS)
    assert run.execute(promo(**arguments), params={"t": "T"})["promo_id"] == facts["promo_id"]
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(promo(**{**arguments, "caption": "Sell"}), params={"t": "T"})
    assert reached(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("channel", {"channel": "fax"}),
        ("caption", {"caption": "Buy", "action_url": SHOP}),
        ("image_path", {"image_path": "cat.png"}),
        ("title", {"channel": "viber", "title": "T"}),
        ("caption", {"channel": "viber", "caption": "Buy"}),
        ("action_url", {"channel": "viber", "caption": "Buy", "action_url": "shop"}),
        ("ttl_seconds", {"channel": "rcs", "ttl_seconds": 29}),
        ("promo_start", {"channel": "rcs", "promo_start": "tomorrow"}),
    ],
)
def test_wrong_parts_of_a_promo_are_refused_when_the_dag_is_parsed(
    promo: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        promo(**arguments)
    assert caught.value.field == field


def test_a_picture_that_is_not_there_or_none_sends_nothing(
    telecom_simulator: Any, hook_for: Any, promo: Any, tmp_path: Path
) -> None:
    hook_for("kyivstar_open_telecom", api_version="v1")
    (tmp_path / "cat.gif").write_bytes(b"GIF89a")
    for name, said in (("none.png", "image_path: cannot be read"), ("cat.gif", "must be a PNG or a JPEG")):
        with pytest.raises(TelecomInputError, match=said):
            Run().execute(promo(channel="viber", image_path=str(tmp_path / name)))
    hook_for("kyivstar_open_telecom")
    with pytest.raises(TelecomInputError, match="promos by Viber exist in API v1 only"):
        Run().execute(promo(channel="viber"))
    assert telecom_simulator.state.ledger.of("kyivstar_open_telecom", "promo_draft") == []
