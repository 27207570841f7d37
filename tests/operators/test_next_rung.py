"""Who moves on to the next channel: known failures only, and never somebody who may have the message."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_telecom.bulk import extra, fallback
from airflow_provider_telecom.bulk.audience_folder import read_info
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.next_rung import SelectFallbackOperator, outcome_paths
from tests.bulk.audiences import prepare_audience
from tests.bulk.outcome_files import outcome, write_outcomes
from tests.running import Run

NUMBERS = [f"3806700002{place:02}" for place in range(60)]
A, B, C, D = NUMBERS[:4]


def audience(folder: Path, numbers: list[str]) -> dict[str, Any]:
    rows = [
        {"msisdn": number, "name": f"N{place}", "variant": "AB"[place % 2], "timezone": "Europe/Kyiv"}
        for place, number in enumerate(numbers)
    ]
    return prepare_audience(folder / "audienceX", rows)


def selecting(folder: Path, people: Any, rows: list[dict[str, Any]], **more: Any) -> SelectFallbackOperator:
    given: dict[str, Any] = {
        "task_id": "select",
        "audience": people,
        "outcomes": write_outcomes(folder / more.pop("file", "viber.jsonl"), rows),
        "channel": "viber",
        "conn_ids": ["ketchup_loyalty_default"],
        "output": str(folder / "fallback"),
        "unreachable_codes": ["41"],
        **more,
    }
    return SelectFallbackOperator(**given)


def chosen(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(f"{found['path']}/audience.parquet").to_pylist()
    return rows


CASES: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "undelivered": ([{"state": "undelivered"}], None),
    "expired": ([{"state": "expired"}], None),
    "refused_unreachable": ([{"state": "refused", "code": "41"}], None),
    "refused_not_sent": ([{"state": "refused", "code": "not_sent"}], None),
    "refused_other": ([{"state": "refused", "code": "45"}], "refused"),
    "refused_without_code": ([{"state": "refused"}], "refused"),
    "refused_without_proof": ([{"state": "refused", "code": "41", "final_at": None}], "refused"),
    "delivered": ([{"state": "delivered"}], "delivered"),
    "read": ([{"state": "read"}], "read"),
    "accepted": ([{"state": "accepted"}], "accepted"),
    "known_before": ([{"state": "known_before"}], "known_before"),
    "unknown": ([{"state": "unknown"}], "unknown"),
    "silent": ([{"state": "silent"}], "silent"),
    "nothing": ([], "no_outcome"),
    "another_connection": ([{"state": "expired", "conn_id": "another"}], "other_sender"),
    "another_channel": ([{"state": "expired", "channel": "sms"}], "other_sender"),
    "two_failures": ([{"state": "expired"}, {"state": "refused", "code": "not_sent"}], None),
    "one_of_two_failed": ([{"state": "expired"}, {"state": "delivered"}], "delivered"),
    "one_of_two_unknown": ([{"state": "unknown"}, {"state": "undelivered"}], "unknown"),
    "delivered_elsewhere": ([{"state": "expired"}, {"state": "delivered", "conn_id": "x"}], "other_sender"),
}


@pytest.mark.parametrize("name", ["viber.jsonl", "viber.parquet"])
def test_only_known_failures_move_on(tmp_path: Path, name: str) -> None:
    people = audience(tmp_path, NUMBERS[: len(CASES)])
    rows = [
        outcome(number, **given)
        for number, (all_given, _) in zip(NUMBERS, CASES.values(), strict=False)
        for given in all_given
    ]
    found = Run().execute(selecting(tmp_path, people, rows, file=name))
    moved = [number for number, (_, stays) in zip(NUMBERS, CASES.values(), strict=False) if stays is None]
    written = chosen(found)
    assert [row["msisdn"] for row in written] == moved
    assert written[0] == {"msisdn": A, "name": "N0", "variant": "A", "timezone": "Europe/Kyiv"}
    stayed = [stays for _, stays in CASES.values() if stays is not None]
    assert found["excluded"] == {reason: stayed.count(reason) for reason in dict.fromkeys(stayed)}
    assert (found["recipients"], found["rows"]) == (len(moved), len(CASES))
    assert found["columns"] == ["name"]
    assert sum(found["variants"].values()) == sum(found["timezones"].values()) == len(moved)
    assert not any(number in json.dumps(found) for number in NUMBERS)


def test_two_bills_on_request(tmp_path: Path) -> None:
    rows = [outcome(A, "silent"), outcome(B, "unknown"), outcome(C, "accepted"), outcome(D, "delivered")]
    people = audience(tmp_path, [A, B, C, D])
    for states, moved in ({("silent",): [A], ("unknown",): [B], ("silent", "unknown"): [A, B]}).items():
        operator = selecting(tmp_path, people, rows, climb_on=states, output=str(tmp_path / "".join(states)))
        assert [row["msisdn"] for row in chosen(Run().execute(operator))] == moved


def test_only_those_of_whom_it_is_certain_that_nothing_has_left(tmp_path: Path) -> None:
    rows = [
        outcome(A, "refused", code="not_sent", sent_at=None),
        outcome(B, "refused", code="41"),
        outcome(C, "expired"),
        outcome(D, "undelivered"),
    ]
    people = audience(tmp_path, [A, B, C, D])
    found = Run().execute(selecting(tmp_path, people, rows, move_on="not_sent", unreachable_codes=[]))
    assert [row["msisdn"] for row in chosen(found)] == [A]
    assert found["excluded"] == {"refused": 1, "undelivered": 1, "expired": 1}


def test_nothing_is_left_for_another_connection_if_all_were_refused(tmp_path: Path) -> None:
    """The next channel may still reach them, or says what is wrong."""
    refused = [outcome(A, "refused", code="41"), outcome(B, "refused", code="45")]
    people = audience(tmp_path, [A, B])
    with pytest.raises(AirflowSkipException):
        Run().execute(selecting(tmp_path, people, refused, move_on="not_sent", unreachable_codes=[]))


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [outcome(number, "expired") for number in NUMBERS]
    people = audience(tmp_path, NUMBERS)
    first = Run().execute(selecting(tmp_path, people, rows))
    again = Run().execute(selecting(tmp_path, people, rows[::-1]))
    assert first == again
    info = read_info(first["path"])
    assert info.sha256 == first["sha256"]
    assert info.policy["fallback"]["audience"] == people["path"]  # type: ignore[index]


def test_loud_about_who_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [outcome(A, "expired"), outcome(C, "unknown"), outcome(D, "refused", code="45")]
    rows += [outcome("380670000999", "expired"), outcome(NUMBERS[4], "expired", conn_id="another")]
    with caplog.at_level(logging.INFO):
        Run().execute(selecting(tmp_path, audience(tmp_path, NUMBERS[:5]), rows))
    text = caplog.text
    table = {"sent to": 5, "move on": 1, "stay: unknown": 1, "stay: no_outcome": 1}
    assert all(re.search(rf"^  {name} +{count}$", text, re.M) for name, count in table.items())
    assert "1 recipients stay: the outcomes have no row for them\n" in text
    assert "1 recipients stay: the outcomes have a row of another channel or connection for them" in text
    assert "nobody knows whether their message was sent" in text
    assert "another channel does not cure (code 45: 1)\n" in text
    assert "1 numbers of the outcomes are not in the audience" in text
    assert not any(number in text for number in (*NUMBERS, "380670000999"))


def test_all_paths_may_be_templates(tmp_path: Path) -> None:
    people = audience(tmp_path, [A, B, C])
    given = {"audience": f"{people['path']}/", "conn": "second", "output": str(tmp_path / "new")}
    given["outcomes"] = write_outcomes(
        tmp_path / "sms.jsonl",
        [
            outcome(A, "expired", conn_id="second"),
            outcome(B, "expired"),
            outcome(C, "read", conn_id="second"),
        ],
    )
    operator = SelectFallbackOperator(
        task_id="select",
        channel="viber",
        audience="{{ params.audience }}",
        outcomes=["{{ params.outcomes }}"],
        conn_ids=["{{ params.conn }}"],
        output="{{ params.output }}",
    )
    found = Run().execute(operator, params=given)
    assert found == {
        "path": f"{given['output']}/{found['sha256'][:16]}",
        "sha256": read_info(found["path"]).sha256,
        "recipients": 1,
        "rows": 3,
        "excluded": {"read": 1, "other_sender": 1},
        "variants": {"A": 1, "B": 0},
        "timezones": {"Europe/Kyiv": 1},
        "shards": 1,
        "columns": ["name"],
    }
    assert read_info(found["path"]).policy["fallback"]["audience"] == people["path"]  # type: ignore[index]
    operator.conn_ids = "second"  # an XCom
    assert Run().execute(operator, params=given) == found
    operator.conn_ids = ["second", " "]
    with pytest.raises(TelecomInputError, match=r"^conn_ids: "):
        Run().execute(operator, params=given)


def test_each_place_of_a_mapped_task_needs_a_folder_of_its_own(tmp_path: Path) -> None:
    people, run = audience(tmp_path, [A, B]), Run()
    found = run.execute(selecting(tmp_path, people, [outcome(A, "expired")]), map_index=0)
    (tmp_path / "fallback" / "started.json").write_text(json.dumps({"sha256": found["sha256"]}))
    with pytest.raises(TelecomInputError, match=r"those whom another task, dag/manual__1/select/0, has sel"):
        run.execute(selecting(tmp_path, people, [outcome(A, "expired")]), map_index=1)
    assert run.execute(selecting(tmp_path, people, [outcome(B, "expired")]), map_index=0) == found


def test_a_relative_output_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [outcome(A, "expired")]
    found = Run().execute(selecting(tmp_path, audience(tmp_path, [A, B]), rows, output="new"))
    assert found["path"].startswith(f"{tmp_path}/new/")
    with pytest.raises(TelecomInputError, match=r"^output: cannot be written to"):
        Run().execute(selecting(tmp_path, audience(tmp_path, [A, B]), rows, output="/proc/new"))


def test_a_send_that_begins_while_another_try_selects_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, run = audience(tmp_path, [A, B]), Run()
    found = run.execute(selecting(tmp_path, people, [outcome(A, "expired")]))
    operator = selecting(tmp_path, people, [outcome(A, "expired"), outcome(B, "expired")])

    def begin(*args: Any) -> Any:
        (tmp_path / "fallback" / "started.json").write_text(json.dumps({"sha256": found["sha256"]}))
        return select(*args)

    select = fallback.select
    monkeypatch.setattr(fallback, "select", begin)
    assert run.execute(operator) == found


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"channel": "fax"}, "channel: must be one of sms, viber, rcs, multichannel, call"),
    ({"move_on": "hope"}, "move_on: must be one of failed, not_sent"),
    ({"move_on": "not_sent"}, "move_on: not_sent goes without climb_on and unreachable_codes"),
    (
        {"move_on": "not_sent", "unreachable_codes": [], "climb_on": ["silent"]},
        "move_on: not_sent goes without climb_on and unreachable_codes",
    ),
    ({"climb_on": ["silent", "delivered"]}, "climb_on: must be one of silent, unknown"),
    ({"climb_on": [" "]}, "climb_on: "),
    ({"unreachable_codes": ["41", ""]}, "unreachable_codes: "),
    ({"memory_limit": " "}, "memory_limit: "),
    ({"conn_ids": "ketchup_loyalty_default"}, "conn_ids: must be a list of at least one connection"),
    ({"conn_ids": []}, "conn_ids: must be a list of at least one connection"),
    ({"outcomes": []}, "outcomes: are missing: no task has written any"),
    ({"outcomes": ["a", " "]}, "outcomes: "),
    ({"output": " "}, "output: "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=str)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], message: str) -> None:
    usual = {"audience": "a/b", "outcomes": "viber.jsonl", "channel": "viber", "conn_ids": ["x"]}
    usual |= {"task_id": "select", "output": "c", "unreachable_codes": ["41"]}
    SelectFallbackOperator(**usual)
    with pytest.raises(TelecomInputError) as caught:
        SelectFallbackOperator(**{**usual, **arguments})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("library", ["duckdb", "pyarrow"])
def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == library else name)
    with pytest.raises(TelecomInputError, match=rf"^output: needs the library {library}: .*\[campaigns\]"):
        SelectFallbackOperator(
            task_id="select", audience="a/b", outcomes="c", channel="sms", conn_ids=["x"], output="d"
        )


@pytest.mark.parametrize("channel", ["sms", "viber", "rcs", "multichannel", "call"])
def test_all_channels_have_fallbacks(channel: str) -> None:
    made = SelectFallbackOperator(
        task_id="select",
        audience="a/b",
        outcomes="{{ params.outcomes }}",
        channel=channel,
        conn_ids=["{{ params.conn_id }}"],
        output="{{ params.output }}",
        climb_on="silent",
    )
    assert (made.channel, made.climb_on, made.memory_limit) == (channel, ["silent"], "600MB")


@pytest.mark.parametrize(
    ("outcomes", "paths"),
    [
        ("a.jsonl", ["a.jsonl"]),
        (["a", None, "b"], ["a", "b"]),
        (("a", {"outcomes": "b", "results": "c"}), ["a", "b"]),
        ({"results": "c"}, ["c"]),
        ({"outcomes": None, "results": "c"}, ["c"]),
    ],
    ids=str,
)
def test_what_names_files_of_outcomes(outcomes: Any, paths: list[str]) -> None:
    assert outcome_paths(outcomes) == paths


@pytest.mark.parametrize("outcomes", [{"sent": 1}, ["a", {}], 5, None], ids=str)
def test_what_names_no_file_of_outcomes(outcomes: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"^outcomes: "):
        outcome_paths(outcomes)


def test_nobody_left_skips(tmp_path: Path) -> None:
    refused = [outcome(A, "read"), outcome(B, "refused", code="45")]
    people = audience(tmp_path, [A, B])
    with pytest.raises(AirflowSkipException):
        Run().execute(selecting(tmp_path, people, refused, output=str(tmp_path / "one")))
    with pytest.raises(AirflowSkipException):
        Run().execute(selecting(tmp_path, people, [outcome(A, "read"), outcome(B, "delivered")]))
    assert list((tmp_path / "fallback").iterdir()) == []


def test_all_refused_for_another_reason_is_an_error(tmp_path: Path) -> None:
    rows = [outcome(number, "refused", code=code) for number, code in ((A, "45"), (B, "44"))]
    with pytest.raises(TelecomRejectedError, match=r"all 2 messages were .*\(code 44: 1, code 45: 1\)"):
        Run().execute(selecting(tmp_path, audience(tmp_path, [A, B]), rows))


BAD: dict[str, tuple[Callable[[Path, Any], Any], str]] = {
    "outcomes_of_another_vendor": (
        lambda folder, people: selecting(folder, people, [outcome(A, "expired", conn_id="kyivstar")]),
        r"outcomes: .*viber\.jsonl: all rows are of others: .* viber and kyivstar; viber and ketchup_loyalty",
    ),
    "no_file": (
        lambda folder, people: selecting(folder, people, [], outcomes=str(folder / "missing.jsonl")),
        r"outcomes: there is no file .*missing\.jsonl$",
    ),
    "not_outcomes": (
        lambda folder, people: selecting(folder, people, [{"msisdn": A}]),
        r"outcomes: .*viber\.jsonl: is no file of outcomes",
    ),
    "a_list": (
        lambda folder, _: selecting(folder, [A], [outcome(A, "expired")]),
        "audience: must be an audience",
    ),
    "another_hash": (
        lambda folder, people: selecting(folder, {**people, "sha256": "0" * 64}, [outcome(A, "expired")]),
        "audience: .* has changed",
    ),
    "a_state_that_never_moves_on": (
        lambda folder, people: selecting(folder, people, [], climb_on=("delivered",)),
        "climb_on: ",
    ),
    "no_connection": (
        lambda folder, people: selecting(folder, people, [], conn_ids=[]),
        "conn_ids: must be a list",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(tmp_path: Path, case: str) -> None:
    make, text = BAD[case]
    people = audience(tmp_path, [A, B])
    with pytest.raises(TelecomInputError, match=text):
        Run().execute(make(tmp_path, people))


def sending(found: dict[str, Any], folder: Path, **more: Any) -> KetchUpSendBulkSmsOperator:
    given = {"results_path": str(folder / "sms.jsonl"), "originator": "Shop", "task_id": "send", **more}
    return KetchUpSendBulkSmsOperator(recipients=found, text="Hi", **given)


def sent(simulator: Any) -> list[str]:
    return [one.facts["msisdn"] for one in simulator.state.ledger.of("ketchup_loyalty", "sms")]


def test_late_receipts_before_and_after_the_next_send(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for("ketchup_loyalty")
    people, run = audience(tmp_path, [A, B, C, D]), Run()
    before = [outcome(A, "expired"), outcome(B, "expired"), outcome(C, "read"), outcome(D, "silent")]
    stale = run.execute(selecting(tmp_path, people, before))
    late = [outcome(A, "delivered"), *before[1:]]
    operator = selecting(tmp_path, people, late)  # a receipt comes before the first message: A has it
    with pytest.raises(TelecomInputError, match="1 of 2 recipients would not be selected any more"):
        run.execute(sending(stale, tmp_path))
    assert sent(telecom_simulator) == []
    found = run.execute(operator)
    assert [row["msisdn"] for row in chosen(found)] == [B]
    run.execute(sending(found, tmp_path))
    assert sent(telecom_simulator) == [B]

    later = [outcome(A, "delivered"), outcome(B, "delivered"), outcome(C, "read"), outcome(D, "expired")]
    again = selecting(tmp_path, people, later)  # now B has two messages, and D failed: nothing changes
    assert run.execute(again) == found
    run.execute(sending(found, tmp_path))
    with pytest.raises(TelecomInputError, match="another sha256"):
        run.execute(sending(stale, tmp_path))
    with pytest.raises(TelecomInputError, match="sending has begun from another selection"):
        run.execute(sending(stale, tmp_path / "other", task_id="other"))
    assert sent(telecom_simulator) == [B]


def test_the_selection_of_another_run_or_task_is_not_taken(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    """With a folder without `{{ run_id }}`: those whose messages failed before may have got this one."""
    hook_for("ketchup_loyalty")
    people, run = audience(tmp_path, [A, B]), Run()
    run.execute(sending(run.execute(selecting(tmp_path, people, [outcome(A, "expired")])), tmp_path))
    now = selecting(tmp_path, people, [outcome(A, "read"), outcome(B, "expired")], file="now.jsonl")
    with pytest.raises(TelecomInputError, match="those whom another task, dag/manual__1/select, has sel"):
        Run("manual__2").execute(now)
    other = selecting(tmp_path, people, [outcome(B, "expired")], file="now.jsonl", task_id="other")
    with pytest.raises(TelecomInputError, match="each task a folder of its own"):
        run.execute(other)
    assert sent(telecom_simulator) == [A]


def test_a_send_whose_messages_were_all_refused_is_not_repeated_after_they_have_moved_on(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    """A cleared task sends refused messages again if all were: now they could be accepted."""
    hook_for("ketchup_loyalty", viber_sender="Shop")
    people, run = audience(tmp_path, [A, B]), Run()

    def viber(**more: Any) -> KetchUpSendViberOperator:
        path = str(tmp_path / "viber.parquet")
        given = {"task_id": "viber", "recipients": people, "results_path": path, **more}
        return KetchUpSendViberOperator(text="Hi", **given)

    refused = [outcome(number, "refused", code="41", run="dag/manual__1/viber") for number in (A, B)]
    found = run.execute(selecting(tmp_path, people, refused))
    run.execute(sending(found, tmp_path))
    with pytest.raises(TelecomInputError, match="another task has begun to send to those"):
        run.execute(viber())
    assert telecom_simulator.state.ledger.of("ketchup_loyalty", "viber") == []
    run.execute(viber(task_id="another", results_path=str(tmp_path / "another.parquet")))
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "viber")) == 2
    assert sent(telecom_simulator) == [A, B]


def test_a_second_connection_that_refused_all_is_not_repeated_either(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    """It sends to an audience of its own, and those move on whom neither connection has reached."""
    hook_for("ketchup_loyalty", viber_sender="Shop")
    people, run = audience(tmp_path, [A, B]), Run()
    left = {"code": "not_sent", "sent_at": None, "run": "dag/manual__1/viber"}
    not_sent = selecting(
        tmp_path,
        people,
        [outcome(number, "refused", **left) for number in (A, B)],
        file="first.jsonl",
        task_id="select_2",
        move_on="not_sent",
        unreachable_codes=[],
        output=str(tmp_path / "second"),
    )
    taken_over = run.execute(not_sent)
    refused = [outcome(number, "refused", code="41", run="dag/manual__1/viber_2") for number in (A, B)]
    select = selecting(tmp_path, people, refused)
    select.outcomes = [not_sent.outcomes, select.outcomes]
    run.execute(sending(run.execute(select), tmp_path))
    viber = KetchUpSendViberOperator(
        task_id="viber_2", recipients=taken_over, text="Hi", results_path=str(tmp_path / "viber_2.parquet")
    )
    with pytest.raises(TelecomInputError, match="another task has begun to send to those"):
        run.execute(viber)
    assert telecom_simulator.state.ledger.of("ketchup_loyalty", "viber") == []
    assert sent(telecom_simulator) == [A, B]
