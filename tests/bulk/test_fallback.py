"""Who moves on to the next channel, and that nobody gets two messages: without an operator or a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk import fallback
from airflow_provider_telecom.bulk.audience_folder import AudienceInfo, read_info, write_info
from airflow_provider_telecom.bulk.fallback import (
    Fallback,
    Selection,
    audience_path,
    begin_sending,
    select,
    started_audience,
)
from airflow_provider_telecom.calls.errors import TelecomInputError
from tests.bulk.audiences import prepare_audience
from tests.bulk.outcome_files import outcome, write_outcomes

A, B, C, D, E, F = (f"38067000020{place}" for place in range(6))
ZONES = ("Europe/Kyiv", "Asia/Almaty")
VIBER, SECOND, SELECT = "dag/manual__1/viber", "dag/manual__1/viber_2", "dag/manual__1/select"
MEMORY = "100MB"
AS_OF = "2026-03-01T00:00:00Z"


def audience(folder: Path, numbers: Sequence[str] = (A, B, C, D, E, F)) -> str:
    """Write an audience; return its folder."""
    rows = [
        {
            "name": f"N{place}",
            "msisdn": number,
            "variant": "AB"[place // 3],
            "timezone": ZONES[place % 2],
            "shard": place % 3,
        }
        for place, number in enumerate(numbers)
    ]
    path = str(prepare_audience(folder / "audience", rows)["path"])
    write_info(path, replace(read_info(path), as_of=AS_OF))
    return path


def rule(folder: Path, source: str, rows: list[dict[str, Any]], **more: Any) -> Fallback:
    given: dict[str, Any] = {
        "audience": source,
        "sha256": "",
        "outcomes": [write_outcomes(folder / more.pop("file", "viber.jsonl"), rows)],
        "channel": "viber",
        "conn_ids": ["ketchup_loyalty_default"],
        "codes": [],
        "climb_on": [],
        "run": SELECT,
        **more,
    }
    return Fallback(**given)


def expired(*numbers: str, **more: Any) -> list[dict[str, Any]]:
    return [outcome(number, "expired", **{"run": VIBER, **more}) for number in numbers]


def not_sent(*numbers: str, **more: Any) -> list[dict[str, Any]]:
    given = {"code": "not_sent", "sent_at": None, "run": VIBER, **more}
    return [outcome(number, "refused", **given) for number in numbers]


def selected(folder: Path, given: Fallback, name: str = "fallback") -> tuple[str, AudienceInfo]:
    """Select, and return the new audience's file and description."""
    output = ObjectStoragePath(folder / name)
    output.mkdir(parents=True, exist_ok=True)
    _, info = select(given, output, MEMORY)
    return str(audience_path(output, info) / "audience.parquet"), info


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_new_audience_has_the_columns_and_the_order_of_the_old_one(tmp_path: Path) -> None:
    rows = [*expired(F, B, C), outcome(A, "read"), outcome(D, "delivered"), outcome("380670000999", "read")]
    given = rule(tmp_path, audience(tmp_path), rows, codes=["41"], climb_on=["silent"])
    output = ObjectStoragePath(tmp_path / "fallback")
    found, info = select(given, output, MEMORY)
    assert found == Selection(
        rows=6,
        recipients=3,
        stayed={"delivered": 1, "read": 1, "no_outcome": 1},
        refused={},
        outside=1,
        variants=found.variants,
        timezones=found.timezones,
    )
    assert list(found.stayed) == ["delivered", "read", "no_outcome"]
    assert info == AudienceInfo(
        rows=6,
        recipients=3,
        sha256=info.sha256,
        excluded=found.stayed,
        variants={"A": 2, "B": 1},
        timezones={"Asia/Almaty": 2, "Europe/Kyiv": 1},
        shards=3,
        columns=["name"],
        policy={
            "fallback": {
                "audience": given.audience,
                "sha256": "",
                "outcomes": given.outcomes,
                "channel": "viber",
                "conn_ids": ["ketchup_loyalty_default"],
                "codes": ["41"],
                "climb_on": ["silent"],
                "only_not_sent": False,
                "run": SELECT,
            }
        },
        as_of=AS_OF,
    )
    assert list(info.timezones) == sorted(info.timezones)
    folder = audience_path(output, info)
    assert folder.name == info.sha256[:16]
    assert read_info(folder) == info
    table = pyarrow.parquet.read_table(str(folder / "audience.parquet"))
    assert table.to_pylist() == [
        {"msisdn": B, "name": "N1", "variant": "A", "timezone": ZONES[1], "shard": 1},
        {"msisdn": C, "name": "N2", "variant": "A", "timezone": ZONES[0], "shard": 2},
        {"msisdn": F, "name": "N5", "variant": "B", "timezone": ZONES[1], "shard": 2},
    ]
    assert files(tmp_path / "fallback") == {f"{folder.name}/audience.{end}" for end in ("parquet", "json")}


def test_a_large_audience_keeps_its_order(tmp_path: Path) -> None:
    """It is read in two parts."""
    numbers = [str(380670000000 + place) for place in range(100_003)]
    moving = [numbers[place] for place in (0, 1, 99_999, 100_000, 100_002)]
    source = prepare_audience(tmp_path / "audience", [{"msisdn": number} for number in numbers])["path"]
    path, info = selected(tmp_path, rule(tmp_path, source, expired(*moving[::-1])))
    assert pyarrow.parquet.read_table(path).column("msisdn").to_pylist() == moving
    assert (info.rows, info.recipients, info.timezones) == (100_003, 5, {"Europe/Kyiv": 5})


def test_an_audience_in_many_parts_keeps_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "_BATCH", 1)
    path, _ = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(F, B, C)))
    assert pyarrow.parquet.read_table(path).column("msisdn").to_pylist() == [B, C, F]


WHO_MOVES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [A, B, C]),
    ({"codes": ["41"]}, [A, B, C, D]),
    ({"climb_on": ["silent"]}, [A, B, C, E]),
    ({"climb_on": ["unknown"]}, [A, B, C, F]),
    ({"only_not_sent": True}, [A]),  # of the others something may have left
]


@pytest.mark.parametrize(("given", "moving"), WHO_MOVES, ids=str)
def test_who_moves_on(tmp_path: Path, given: dict[str, Any], moving: list[str]) -> None:
    rows = [*not_sent(A), *expired(B), outcome(C, "undelivered"), outcome(D, "refused", code="41")]
    rows += [outcome(E, "silent"), outcome(F, "unknown")]
    path, _ = selected(tmp_path, rule(tmp_path, audience(tmp_path), rows, **given))
    assert pyarrow.parquet.read_table(path).column("msisdn").to_pylist() == moving


def test_a_variant_of_which_nobody_moves_on_is_kept(tmp_path: Path) -> None:
    _, info = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(A)))
    assert info.variants == {"A": 1, "B": 0}


def test_no_audience_is_written_if_nobody_moves_on(tmp_path: Path) -> None:
    output = ObjectStoragePath(tmp_path / "fallback")
    refused = [outcome(A, "refused", code="45"), outcome(B, "refused"), outcome(C, "refused", code="45")]
    found, info = select(rule(tmp_path, audience(tmp_path), refused, codes=["41"]), output, MEMORY)
    assert info == AudienceInfo(rows=6, recipients=0, sha256="")
    assert (found.recipients, found.stayed) == (0, {"refused": 3, "no_outcome": 3})
    assert found.refused == {"": 1, "45": 2}
    assert not (tmp_path / "fallback").exists()


def test_outcomes_without_rows_are_no_mistake(tmp_path: Path) -> None:
    found, info = select(rule(tmp_path, audience(tmp_path), []), ObjectStoragePath(tmp_path), MEMORY)
    assert (found.stayed, info.recipients) == ({"no_outcome": 6}, 0)


def test_only_rows_of_others_are_a_mistake(tmp_path: Path) -> None:
    for other in ({"channel": "sms"}, {"conn_id": "kyivstar"}):
        rows = expired(A, B, **other)
        given = rule(tmp_path, audience(tmp_path), rows, conn_ids=["ketchup_loyalty_default", "second"])
        with pytest.raises(
            TelecomInputError, match=r"^outcomes: .*viber\.jsonl: all rows are of others"
        ) as one:
            select(given, ObjectStoragePath(tmp_path), MEMORY)
        shown = (other.get("channel", "viber"), other.get("conn_id", "ketchup_loyalty_default"))
        assert f"have {' and '.join(shown)}; viber and ketchup_loyalty_default or second" in str(one.value)


def test_another_audience_is_refused(tmp_path: Path) -> None:
    source = audience(tmp_path)
    given = rule(tmp_path, f"{source}/", expired(A))
    assert selected(tmp_path, given)[1].recipients == 1
    with pytest.raises(TelecomInputError, match=r"^audience: .*/audience: the audience has changed"):
        selected(tmp_path, replace(given, sha256="0" * 64))
    file = Path(source) / "audience.parquet"
    content = file.read_bytes()
    file.write_bytes(content + b"\0")
    with pytest.raises(TelecomInputError, match=r"^audience: .*/audience: the audience has changed"):
        selected(tmp_path, given)
    file.unlink()
    with pytest.raises(TelecomInputError, match=r"^audience: .*audience\.parquet is missing"):
        selected(tmp_path, given)


# What version 0.1.0 stores when somebody has moved on from the messages of `VIBER`
MOVED_ON = "moved_on/ea4b490d278d98b6.json"


def test_sending_begins_once_from_one_selection(tmp_path: Path) -> None:
    source, output = audience(tmp_path), ObjectStoragePath(tmp_path / "fallback")
    first, info = selected(tmp_path, rule(tmp_path, source, expired(A)))
    path, later = selected(tmp_path, rule(tmp_path, source, [*expired(A), *expired(B, run=SECOND)]))
    assert started_audience(output, SELECT) is None
    begin_sending(path, later, "dag/manual__1/sms")
    begin_sending(path, later, "dag/manual__1/sms")  # another try
    assert started_audience(output, SELECT) == later
    with pytest.raises(TelecomInputError, match=r"^recipients: .*sending has begun from another selection"):
        begin_sending(first, info, "dag/manual__1/sms")
    assert json.loads((tmp_path / "fallback" / "started.json").read_text()) == {"sha256": later.sha256}
    assert json.loads((Path(source) / MOVED_ON).read_text()) == {"run": VIBER, "to": str(output)}
    assert len(files(Path(source) / "moved_on")) == 2
    info = read_info(source)
    for run in (VIBER, SECOND):  # they could send again if all their messages were refused
        with pytest.raises(TelecomInputError, match=r"^recipients: .*parquet: another task has begun"):
            begin_sending(f"{source}/audience.parquet", info, run)
    begin_sending(f"{source}/audience.parquet", info, "dag/manual__1/another")


def test_a_task_whose_recipients_have_moved_on_by_an_earlier_version_sends_nothing(tmp_path: Path) -> None:
    source = audience(tmp_path)
    begin_sending(f"{source}/audience.parquet", read_info(source), VIBER)
    assert files(Path(source)) == {"audience.parquet", "audience.json"}
    (Path(source) / MOVED_ON).parent.mkdir()
    (Path(source) / MOVED_ON).write_text("{}")
    with pytest.raises(TelecomInputError, match="another task has begun to send to those whose messages of"):
        begin_sending(f"{source}/audience.parquet", read_info(source), VIBER)
    begin_sending(f"{source}/audience.parquet", read_info(source), SECOND)


def test_nobody_gets_two_messages_by_connections_that_took_over_from_each_other(tmp_path: Path) -> None:
    """Each sends to an audience of its own; those whom none has reached move on from the first one."""
    source = audience(tmp_path)
    second, info = selected(tmp_path, rule(tmp_path, source, not_sent(A, B), only_not_sent=True), "second")
    rows = not_sent(A, conn_id="second", run=SECOND)
    given = {"only_not_sent": True, "file": "second.jsonl", "conn_ids": ["second"]}
    third, last = selected(tmp_path, rule(tmp_path, str(Path(second).parent), rows, **given), "third")
    assert (info.recipients, last.recipients) == (2, 1)
    both = [*rows, *not_sent(A), *not_sent(B, conn_id="second", run="third")]
    sms, people = selected(
        tmp_path, rule(tmp_path, source, both, conn_ids=["ketchup_loyalty_default", "second"]), "sms"
    )
    begin_sending(sms, people, "dag/manual__1/sms")
    for path, description, run in ((second, info, SECOND), (third, last, "third")):
        with pytest.raises(TelecomInputError, match="another task has begun to send to those whose messages"):
            begin_sending(path, description, run)
    begin_sending(sms, people, VIBER)  # an audience of another rung


def test_a_late_receipt_stops_the_first_message(tmp_path: Path) -> None:
    source = audience(tmp_path)
    path, info = selected(tmp_path, rule(tmp_path, source, expired(A, B, C)))
    rule(tmp_path, source, [*expired(A), outcome(B, "delivered"), *expired(D)])
    with pytest.raises(TelecomInputError, match=r"^recipients: .*: 2 of 3 recipients would not be selected"):
        begin_sending(path, info, "dag/manual__1/sms")
    assert files(tmp_path / "fallback") == {
        f"{info.sha256[:16]}/audience.{end}" for end in ("parquet", "json")
    }
    assert files(Path(source)) == {"audience.parquet", "audience.json"}
    rule(tmp_path, source, expired(A, B, C, D))
    begin_sending(path, info, "dag/manual__1/sms")
    assert started_audience(ObjectStoragePath(tmp_path / "fallback"), SELECT) == info


def test_an_audience_that_was_changed_after_it_was_selected_is_refused(tmp_path: Path) -> None:
    path, info = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(A, B)))
    other, _ = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(A)), "other")
    Path(path).write_bytes(Path(other).read_bytes())
    with pytest.raises(TelecomInputError, match=r"^audience: .* has changed"):
        begin_sending(path, info, "dag/manual__1/sms")


@pytest.mark.parametrize("content", ["", "[]", "{}", "5", "null"])
def test_a_damaged_file_stops_everything(tmp_path: Path, content: str) -> None:
    path, info = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(A)))
    (tmp_path / "fallback" / "started.json").write_text(content)
    actions: list[Callable[[], object]] = [
        lambda: begin_sending(path, info, "dag/manual__1/sms"),
        lambda: started_audience(ObjectStoragePath(tmp_path / "fallback"), SELECT),
    ]
    for action in actions:
        with pytest.raises(TelecomInputError, match=r"^recipients: .*started\.json is damaged"):
            action()


def test_another_task_or_run_does_not_take_the_selection(tmp_path: Path) -> None:
    output = ObjectStoragePath(tmp_path / "fallback")
    path, info = selected(tmp_path, rule(tmp_path, audience(tmp_path), expired(A)))
    begin_sending(path, info, "dag/manual__1/sms")
    with pytest.raises(TelecomInputError, match=f"^output: .*/fallback: .* whom another task, {SELECT}, has"):
        started_audience(output, "dag/manual__2/select")
    for policy in ({}, {"fallback": {**asdict(rule(tmp_path, "", [])), "run": ""}}):
        write_info(Path(path).parent, replace(info, policy=policy))  # nobody knows which task it was
        assert started_audience(output, "dag/manual__2/select") == read_info(Path(path).parent)


def test_of_several_messages_the_first_state_of_this_order_is_the_reason(tmp_path: Path) -> None:
    order = ("delivered", "read", "unknown", "silent", "accepted", "known_before", "refused")
    source = audience(tmp_path)
    rows = [outcome(A, state) for state in order]
    rows += [outcome(B, state, conn_id="another") for state in order] + expired(B)
    for place, state in enumerate(order):
        given = rule(tmp_path, source, [*rows[place:][::-1], *expired(C)])
        found, _ = select(given, ObjectStoragePath(tmp_path), MEMORY)
        assert found.stayed == {state: 1, "other_sender": 1, "no_outcome": 3}
        assert list(found.stayed) == [state, "other_sender", "no_outcome"]
