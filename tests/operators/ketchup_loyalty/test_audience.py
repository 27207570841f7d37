"""Sending from an audience: one text per variant, a part of it, and what a later try refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.bulk.outcomes import OUTCOME_COLUMNS, read_outcomes
from airflow_provider_telecom.calls.errors import TelecomFundsError, TelecomInputError
from airflow_provider_telecom.operators import kyivstar_open_telecom as kyivstar
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import MoreSims
from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState
from tests.bulk.audiences import prepare_audience
from tests.running import Run

TEXTS = {"A": "Hi {name}", "B": "Dear {name}, {city}"}
ROWS = [
    {
        "msisdn": str(380670000200 + place),
        "name": f"n{place}",
        "city": "Kyiv",
        "variant": "AAB"[place % 3],
        "shard": place // 6,
    }
    for place in range(12)
]
EXPECTED = {
    row["msisdn"]: f"Hi {row['name']}" if row["variant"] == "A" else f"Dear {row['name']}, Kyiv"
    for row in ROWS
}


@pytest.fixture(autouse=True)
def _connections(hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty", viber_sender="Shop")
    hook_for("kyivstar_open_telecom", api_version="v1", sender="Shop")


@pytest.fixture
def audience(tmp_path: Path) -> dict[str, Any]:
    return prepare_audience(tmp_path / "audience", ROWS)


OPERATORS: dict[str, Any] = {
    "sms": KetchUpSendBulkSmsOperator,
    "viber": KetchUpSendViberOperator,
    "kyivstar": kyivstar.KyivstarSendBulkSmsOperator,
}


def sending(kind: str, **more: Any) -> Any:
    return OPERATORS[kind](**{"task_id": "send", "text": TEXTS, "chunk_size": 4, **more})


def sent(simulator: Any, kind: str) -> dict[str, str]:
    vendor = "kyivstar_open_telecom" if kind == "kyivstar" else "ketchup_loyalty"
    effects = simulator.state.ledger.of(vendor, "viber" if kind == "viber" else "sms")
    found = {effect.facts["msisdn"]: effect.facts["text"] for effect in effects}
    assert len(found) == len(effects)
    return found


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_each_recipient_gets_the_text_of_their_variant_and_a_row_of_outcomes(
    telecom_simulator: Any, audience: dict[str, Any], tmp_path: Path, kind: str, suffix: str
) -> None:
    path, before = tmp_path / f"outcomes.{suffix}", datetime.now(UTC)
    recipients = audience if suffix == "parquet" else audience["path"]
    found = Run().execute(sending(kind, recipients=recipients, results_path=str(path)))
    assert found["accepted"] == len(ROWS)
    assert sent(telecom_simulator, kind) == EXPECTED
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    assert all(tuple(line)[: len(OUTCOME_COLUMNS)] == OUTCOME_COLUMNS for line in lines)
    assert [(line["msisdn"], line["variant"]) for line in lines] == [
        (row["msisdn"], row["variant"]) for row in ROWS
    ]
    first = lines[0]
    assert first["channel"] == ("viber" if kind == "viber" else "sms")
    assert (
        first["conn_id"]
        == ("kyivstar_open_telecom" if kind == "kyivstar" else "ketchup_loyalty") + "_default"
    )
    assert (first["state"], first["run"]) == ("accepted", "dag/manual__1/send")
    assert first["segments"] == (None if kind == "viber" else 1)
    assert first["message_id"]
    assert first["reference"]
    assert before <= datetime.fromisoformat(first["sent_at"]) <= datetime.now(UTC)
    assert first["final_at"] is None
    assert "380670000200" not in json.dumps(found)


@pytest.mark.parametrize("kind", OPERATORS)
def test_no_number_and_no_text_shows(
    audience: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    """Not in XCom, log, rendered fields, the state store, nor in the errors of a later try."""
    path, run = str(tmp_path / "outcomes.parquet"), Run()
    shown: list[object] = []
    for recipients in ("{{ params.to }}", audience["path"]):
        operator = sending(kind, recipients=recipients, results_path=path, variants="{{ 'A' }}")
        shown.append(run.execute(operator, params={"to": audience["path"]}))
        shown.append(_serialize_rendered_fields(operator))
        assert _serialize_rendered_fields(operator)["recipients"] == audience["path"]
    operator = sending(kind, recipients=audience, results_path=path)
    with pytest.raises(TelecomInputError) as error:
        run.execute(operator)
    shown += [_serialize_rendered_fields(operator), error.value, run.stores["send"].texts, capfd.readouterr()]
    seen = str(shown)
    assert not re.search(r"0670000\d\d\d", seen)
    assert not any(text in seen for text in ("Hi ", "Dear", *TEXTS.values()))
    assert re.fullmatch(r"\*\*\* \(dict of 2\)", _serialize_rendered_fields(operator)["text"])


def test_parquet_has_the_types_of_a_warehouse(audience: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "outcomes.parquet"
    options = {"recipients": audience, "results_path": str(path), "result_columns": ["city"]}
    Run().execute(sending("sms", **options))
    schema = pyarrow.parquet.read_schema(path)
    assert schema.names == [*OUTCOME_COLUMNS, "id", "task_id", "city"]
    assert schema.field("price").type == pyarrow.decimal128(38, 9)
    assert [path.name for path in tmp_path.iterdir() if path.name != "audience"] == ["outcomes.parquet"]


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"variants": "B", "text": "Hi {name}"}, [row["msisdn"] for row in ROWS if row["variant"] == "B"]),
        ({"variants": ["A"], "text": {"A": "Hi"}}, [row["msisdn"] for row in ROWS if row["variant"] == "A"]),
        ({"shard": "1", "text": "Hi"}, [row["msisdn"] for row in ROWS[6:]]),
    ],
)
def test_a_part_of_an_audience(
    telecom_simulator: Any,
    audience: dict[str, Any],
    kind: str,
    selection: dict[str, Any],
    expected: list[str],
) -> None:
    Run().execute(sending(kind, recipients=audience, **selection))
    assert sorted(sent(telecom_simulator, kind)) == expected


def test_look_ups_of_an_audience_complete_their_outcomes(
    telecom_simulator: Any, audience: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "hlr.parquet"
    operator = KetchUpHlrLookupOperator(
        task_id="hlr",
        recipients=audience,
        variants="A",
        results_path=str(path),
        wait_for_completion=True,
        poll_interval=0.01,
    )
    Run().execute(operator)
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    assert [line["msisdn"] for line in lines] == [row["msisdn"] for row in ROWS if row["variant"] == "A"]
    for line in lines:
        assert (line["channel"], line["state"], line["variant"]) == ("hlr", "accepted", "A")
        assert line["status"] is not None
        assert line["final_at"] >= line["sent_at"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_viber_outcomes_are_final_after_waiting(telecom_simulator: Any, tmp_path: Path, suffix: str) -> None:
    """380670000209 is not at Viber. Readers of `status` and `outcome` find what they did."""
    path = tmp_path / f"viber.{suffix}"
    options = {
        "recipients": ["380670000208", "380670000209"],
        "text": "Hi",
        "results_path": str(path),
        "wait_for_completion": True,
        "poll_interval": 0.01,
    }
    run = Run()
    run.execute(sending("viber", **options))
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    assert [line["state"] for line in lines] == ["read", "undelivered"]
    assert [line["outcome"] for line in lines] == ["delivered", "undelivered"]
    assert lines[1]["status"] == "not-viber-user"
    assert {line["send_state"] for line in lines} == {"accepted"}
    assert all(line["final_at"] >= line["sent_at"] for line in lines)
    again = path.read_bytes()
    run.execute(sending("viber", **options))  # a cleared task polls nothing again
    assert path.read_bytes() == again or suffix == "parquet"


@pytest.mark.parametrize("kind", OPERATORS)
def test_no_text_or_too_many_texts_are_refused(audience: dict[str, Any], kind: str) -> None:
    for texts, rule in [
        ({"A": "Hi"}, "has no text for B of the audience's variants A, B"),
        ({**TEXTS, "C": "Hi"}, "has a text for C, but the audience has the variants A, B"),
        ({**TEXTS, "holdout": "Hi"}, "has a text for holdout"),
        ({**TEXTS, "B": "{street}"}, "the column street is missing"),
        ({**TEXTS, "B": "{{ ' ' }}"}, "of the variant B must be a text that is not empty"),
    ]:
        with pytest.raises(TelecomInputError, match=rule):
            Run().execute(sending(kind, recipients=audience, text=texts))


@pytest.mark.parametrize("kind", OPERATORS)
@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"text": {}}, "text: has no variant"),
        ({"text": {"A": " "}}, "text: of the variant A must be a text"),
        ({"text": {"A": 5}}, "text: of the variant A must be a text"),
        ({"text": {"": "Hi"}}, "text: must have names of variants"),
        ({"text": {"A": "Hi {name!r}"}}, "text: of the variant A: may contain only names of columns"),
        ({"text": {"A": "Hi"}, "variants": ["A", "B"]}, "text: has no text for the variant B"),
        ({"text": {"A": "Hi"}, "recipients": ["380670000200"]}, "text: is one per variant"),
        ({"text": "Hi", "recipients": "a/people.csv", "variants": "A"}, "variants: is for an audience"),
        ({"text": "Hi", "recipients": ["380670000200"], "shard": 0}, "shard: is for an audience"),
        ({"text": "Hi", "shard": -1}, "shard: must be a whole number from 0"),
        ({"text": "Hi", "shard": "one"}, "shard: must be a whole number from 0"),
        ({"text": "Hi", "variants": []}, "variants: must be the name of a variant"),
    ],
)
def test_what_is_wrong_is_known_when_the_dag_is_parsed(
    kind: str, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        sending(kind, **{"recipients": "data/audience", **arguments})


@pytest.mark.parametrize(
    ("recipients", "rule"),
    [
        ("nowhere/audience", r"nowhere/audience/audience\.json: is missing"),
        ({"path": "x"}, "must be a list, a path, or what PrepareAudienceOperator returns"),
        ("audience", "must be a list, or a path that ends in"),
    ],
)
def test_what_is_no_audience(recipients: Any, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        Run().execute(sending("sms", recipients=recipients, text="Hi"))


def test_an_audience_that_was_prepared_anew_is_not_the_given_one(audience: dict[str, Any]) -> None:
    prepare_audience(Path(audience["path"]), ROWS[:-1])
    with pytest.raises(TelecomInputError, match="its sha256 is different"):
        Run().execute(sending("sms", recipients=audience))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "more recipients": ({"rows": [*ROWS, {**ROWS[-1], "msisdn": "380670000299"}]}, "another sha256"),
    "another order": ({"rows": [*ROWS[:-2], ROWS[-1], ROWS[-2]]}, "another sha256"),
    "another text of a variant": ({"text": {**TEXTS, "B": "{name}"}}, "the text, or that of a variant"),
    "one variant": ({"variants": ["A"]}, "`variants` or `shard` select others"),
    "one shard": ({"shard": 0}, "`variants` or `shard` select others"),
    "a list": ({"recipients": ROWS, "text": "Hi {name}"}, "there is none now"),
}


@pytest.mark.parametrize("is_done", [False, True], ids=["stopped", "done"])
@pytest.mark.parametrize("change", CHANGES)
def test_after_something_was_sent_nothing_may_change(
    telecom_simulator: Any, audience: dict[str, Any], change: str, is_done: bool
) -> None:
    """Also what is only behind the messages that were sent: the first two are of variant A."""
    state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    run, balance = Run(), state.balance
    if is_done:
        run.execute(sending("sms", recipients=audience))
    else:
        state.balance = type(balance)("0.04")
        with pytest.raises(TelecomFundsError):
            run.execute(sending("sms", recipients=audience, chunk_size=2))
        state.balance = balance
    before = sent(telecom_simulator, "sms")
    more, rule = CHANGES[change]
    more = {"recipients": audience, **more}
    if (rows := more.pop("rows", None)) is not None:
        more["recipients"] = prepare_audience(Path(audience["path"]), rows)
    with pytest.raises(TelecomInputError, match=rule) as error:
        run.execute(sending("sms", **more))
    assert "dedupe_key" in str(error.value)
    if "sha256" in rule:
        assert audience["path"] in str(error.value)
    assert sent(telecom_simulator, "sms") == before
    prepare_audience(Path(audience["path"]), ROWS)
    run.execute(sending("sms", recipients=audience))
    assert sent(telecom_simulator, "sms") == EXPECTED


def test_batches_without_keys_refuse_another_audience_too(
    telecom_simulator: Any, audience: dict[str, Any]
) -> None:
    run = Run()
    run.execute(sending("kyivstar", recipients=audience))
    with pytest.raises(TelecomInputError, match="select others"):
        run.execute(sending("kyivstar", recipients=audience, variants=["A"]))
    assert sent(telecom_simulator, "kyivstar") == EXPECTED


def test_values_that_break_a_rule_name_the_file_and_the_recipient(tmp_path: Path) -> None:
    rows = [{**row, "name": "" if place == 4 else row["name"], "key": "k"} for place, row in enumerate(ROWS)]
    audience = prepare_audience(tmp_path / "audience", rows)
    for options, rule in [
        ({"text": {"A": "{name}", "B": "{name}"}}, r"audience\.parquet: recipient 5: text: would be empty"),
        ({"text": "{name}"}, "recipient 5: text: would be empty"),
        ({"reference_column": "key"}, "recipient 2: key: occurs in an earlier row"),
        ({"originator_column": "name"}, "recipient 5: name: must not be empty"),
        ({"max_recipients": 11}, "are more than max_recipients=11"),
        ({"msisdn_column": "phone"}, "msisdn_column: is for lists and files"),
    ]:
        with pytest.raises(TelecomInputError, match=rule):
            Run().execute(sending("sms", recipients=audience, **options))


def test_checks_of_an_audience(audience: dict[str, Any], tmp_path: Path) -> None:
    def checking(**more: Any) -> Any:
        return kyivstar.KyivstarCheckSubscribersOperator(
            task_id="check",
            checks=[MoreSims(days=30)],
            results_path=str(tmp_path / "checked.jsonl"),
            recipients=audience,
            **more,
        )

    run = Run()
    assert run.execute(checking(variants="A"))["answered"] == 8
    with pytest.raises(TelecomInputError, match="recipients: "):
        run.execute(checking())
    with pytest.raises(TelecomInputError, match=r"results_path: must not end in \.parquet"):
        kyivstar.KyivstarCheckSubscribersOperator(
            task_id="check", checks=[MoreSims(days=30)], results_path="x.parquet", recipients=[]
        )


def test_one_parquet_file_is_a_file_of_recipients(telecom_simulator: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    numbers = [380670000200, 380670000201, 380670000200]
    pyarrow.parquet.write_table(pyarrow.table({"msisdn": numbers, "name": ["a", "b", "c"]}), file)
    found = Run().execute(sending("sms", recipients=str(file), text="Hi {name}"))
    assert (found["accepted"], found["duplicates"]) == (2, 1)
    assert sent(telecom_simulator, "sms") == {"380670000200": "Hi a", "380670000201": "Hi b"}
    nested = pyarrow.table({"msisdn": numbers, "tags": [["a"], ["b"], ["c"]]})
    pyarrow.parquet.write_table(nested, file)
    with pytest.raises(
        TelecomInputError, match=r"people\.parquet: the column tags is list.* no nested columns"
    ):
        Run().execute(sending("sms", recipients=str(file), text="Hi"))
    file.write_bytes(b"msisdn\n380670000200\n")
    with pytest.raises(TelecomInputError, match=r"people\.parquet is not Parquet"):
        Run().execute(sending("sms", recipients=str(file), text="Hi"))


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_dry_run_has_a_row_for_each_variant(
    telecom_simulator: Any, audience: dict[str, Any], kind: str
) -> None:
    found = Run().execute(sending(kind, recipients=audience, dry_run=True))
    assert [(one["variant"], one["recipients"]) for one in found["texts"]] == [("A", 8), ("B", 4)]
    assert sent(telecom_simulator, kind) == {}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_results_of_one_shard_are_not_replaced_by_those_of_another(
    telecom_simulator: Any, audience: dict[str, Any], tmp_path: Path, suffix: str
) -> None:
    path, run = tmp_path / f"outcomes.{suffix}", Run()
    run.execute(sending("sms", recipients=audience, shard=0, results_path=str(path)), map_index=0)
    before = path.read_bytes()
    with pytest.raises(TelecomInputError, match=r"has the results of dag/manual__1/send/0, another task"):
        run.execute(sending("sms", recipients=audience, shard=1, results_path=str(path)), map_index=1)
    assert path.read_bytes() == before
    assert len(sent(telecom_simulator, "sms")) == sum(row["shard"] == 0 for row in ROWS)
    other = sending("sms", recipients=audience, shard=1, results_path=str(path))
    assert Run("manual__2").execute(other, map_index=1)["accepted"]  # another run may replace it
