"""Dry runs and limits of segments of KetchUp's sends: the table, the refusals, and that nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.bulk.preview import CampaignText
from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
from airflow_provider_telecom.bulk.recipients import read_recipients
from airflow_provider_telecom.bulk.text_template import TextTemplate
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from tests.bulk.audiences import prepare_audience
from tests.cost import least_cpu_seconds
from tests.running import Run

PEOPLE = [
    {"msisdn": "380670000201", "name": "Iryna"},
    {"msisdn": "380670000202", "name": "Оксана"},
    {"msisdn": "48600000203", "name": "x" * 160},
    {"msisdn": "380670000201", "name": "again"},
]

Make = Callable[..., Any]


@pytest.fixture
def bulk(hook_for: Callable[..., Any]) -> Make:
    hook_for("ketchup_loyalty")

    def make(**arguments: Any) -> KetchUpSendBulkSmsOperator:
        defaults = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "originator": "MyShop"}
        return KetchUpSendBulkSmsOperator(**{**defaults, **arguments})

    return make


def sent(simulator: Any) -> int:
    ledger = simulator.state.ledger
    return sum(len(ledger.of("ketchup_loyalty", kind)) for kind in ("sms", "viber", "hlr"))


def test_a_dry_run_has_the_whole_table(telecom_simulator: Any, bulk: Make) -> None:
    facts = Run().execute(bulk(dry_run=True))
    assert facts == {
        "recipients": 3,
        "duplicates": 1,
        "bad_rows": 0,
        "rejects": None,
        "dry_run": True,
        "excluded": {"duplicate": 1},
        "price": "0.10",  # 2 in Ukraine at 0.02, and 2 segments to Poland at 0.03
        "currency": "EUR",
        "segments": 4,
        "texts": [
            {
                "variant": None,
                "recipients": 3,
                "encodings": {"GSM-7": 2, "UCS-2": 1},
                "segments": 4,
                "recipients_by_segments": {"1": 2, "2": 1},
                "outside_gsm_7": [],
                "more_outside_gsm_7": 0,
                "price": "0.10",
                "sample": "Hi Oksana",
            }
        ],
    }
    assert sent(telecom_simulator) == 0


def test_the_price_of_a_dry_run_is_that_of_the_send(telecom_simulator: Any, bulk: Make) -> None:
    text = "{name}, знижка"
    price = Run().execute(bulk(text=text, dry_run=True))["price"]
    assert Decimal(Run().execute(bulk(text=text))["price"]) == Decimal(price)


def test_the_log_of_a_dry_run_is_the_table_without_personal_data(
    telecom_simulator: Any, bulk: Make, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Hi {name} “best” of 380670000777"
    facts = Run().execute(bulk(text=text, dry_run=True, rejects_path=None))
    seen = capsys.readouterr().out + caplog.text + json.dumps(facts, ensure_ascii=False)
    assert "because of “ (LEFT DOUBLE QUOTATION MARK, position 11)" in seen
    assert "excluded: duplicate 1" in seen
    assert "sample: Hi Oksana “best” of ***" in seen
    for private in ("0000201", "0000202", "0000203", "Iryna", "Оксана", "x" * 8, "0000777"):
        assert private not in seen


def test_one_text_for_all_is_encoded_once(telecom_simulator: Any, bulk: Make) -> None:
    (text,) = Run().execute(bulk(text="ж" * 71, dry_run=True))["texts"]
    assert (text["encodings"], text["recipients_by_segments"]) == ({"UCS-2": 3}, {"2": 3})
    assert text["outside_gsm_7"] == [{"character": "ж", "name": "CYRILLIC SMALL LETTER ZHE", "position": 1}]


def test_characters_are_at_their_positions_in_the_text(telecom_simulator: Any, bulk: Make) -> None:
    text = "So {name}: абвгґдеєжзи"
    (found,) = Run().execute(bulk(text=text, dry_run=True))["texts"]
    assert found["outside_gsm_7"][0] == {
        "character": "а",
        "name": "CYRILLIC SMALL LETTER A",
        "position": text.index("а") + 1,
    }
    assert (len(found["outside_gsm_7"]), found["more_outside_gsm_7"]) == (10, 1)
    assert found["sample"] == "So Oksana: абвгґдеєжзи"


def test_viber_messages_and_look_ups_have_no_segments(telecom_simulator: Any, bulk: Make) -> None:
    viber = KetchUpSendViberOperator(
        task_id="viber", recipients=PEOPLE, text="Вітаємо, {name}", sender="MyShop", dry_run=True
    )
    facts = Run().execute(viber)
    assert (facts["segments"], facts["price"], facts["currency"]) == (None, "0.04", "EUR")
    assert (facts["texts"][0]["sample"], facts["texts"][0]["outside_gsm_7"]) == ("Вітаємо, Oksana", [])
    look_up = KetchUpHlrLookupOperator(task_id="hlr", recipients=PEOPLE, dry_run=True)
    facts = Run().execute(look_up)
    assert (facts["segments"], facts["recipients"], facts["texts"][0]["price"]) == (None, 3, "0.006")
    assert sent(telecom_simulator) == 0


def test_a_text_with_too_many_segments_is_refused_with_its_line(
    telecom_simulator: Any, bulk: Make, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    rows = ["msisdn;name", "380670000201;Iryna", "380670000201;again", "380670000202;Оксана"]
    rows += [f"38067000{place:04};{'x' * 160}" for place in range(300, 325)]
    file.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(TelecomInputError) as raised:
        Run().execute(bulk(recipients=str(file), max_segments=1))
    said = str(raised.value)
    assert said.startswith("max_segments: allows 1 SMS, and the texts of 25 recipients take more, so nothing")
    assert "line 5 (38067*****00): 2 SMS; line 6 (38067*****01): 2 SMS" in said
    assert said.endswith("; and 5 more")
    assert "380670000300" not in said
    assert sent(telecom_simulator) == 0
    with pytest.raises(TelecomInputError, match=r"CYRILLIC SMALL LETTER ZHE, position 12"):
        Run().execute(bulk(recipients=str(file), text="{name} and ж", max_segments=2))
    assert Run().execute(bulk(recipients=str(file), max_segments=2))["accepted"] == 27


def test_skipping_bad_rows_does_not_skip_long_texts(telecom_simulator: Any, bulk: Make) -> None:
    with pytest.raises(TelecomInputError, match=r"line 3 \(48600\*+03\)"):
        Run().execute(bulk(on_bad_rows="skip", max_segments=1, dry_run=True))


def test_a_text_without_values_is_refused_when_the_dag_is_parsed(bulk: Make) -> None:
    rule = r"text: takes 2 SMS as UCS-2, because of — \(EM DASH, position 1\); max_segments allows 1"
    with pytest.raises(TelecomInputError, match=rule):
        bulk(text="—" + "a" * 70, max_segments=1)
    bulk(text="{{ params.text }}" + "a" * 300, max_segments=1)
    for wrong in (0, 256, "1"):
        with pytest.raises(TelecomInputError, match="max_segments"):
            bulk(max_segments=wrong)


def test_one_sms(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty")
    common = {"task_id": "send", "msisdn": "380670000201", "originator": "MyShop", "max_segments": 1}
    with pytest.raises(TelecomInputError, match="takes 2 SMS; max_segments allows 1"):
        KetchUpSendSmsOperator(text="a" * 161, **common)
    later = KetchUpSendSmsOperator(text="{{ 'a' * 161 }}", **common)
    with pytest.raises(TelecomInputError, match="takes 2 SMS; max_segments allows 1"):
        Run().execute(later)
    assert sent(telecom_simulator) == 0
    assert Run().execute(KetchUpSendSmsOperator(text="a" * 160, **common))["message_id"]


@pytest.mark.parametrize(
    ("text", "limit", "said"),
    [
        ("Hi", None, ["the text goes to 3 recipients in 3 segments, GSM-7"]),
        ("ж", None, ["in 3 segments, UCS-2", "because of ж (CYRILLIC SMALL LETTER ZHE, position 1)"]),
        ("Hi {name}", 2, ["3 recipients in 4 (2 x 1, 1 x 2) segments, GSM-7 2, UCS-2 1", "values of 1"]),
        ("Hi {name}", None, []),
    ],
)
def test_the_log_of_a_send_has_the_segments(
    telecom_simulator: Any,
    bulk: Make,
    capsys: pytest.CaptureFixture[str],
    text: str,
    limit: int | None,
    said: list[str],
) -> None:
    """Personal texts are only encoded beforehand if there is a limit."""
    assert Run().execute(bulk(text=text, max_segments=limit))["accepted"] == 3
    log = capsys.readouterr().out
    assert [one for one in said if one not in log] == []
    assert ("segments, " in log) is bool(said)


def test_variants_are_shown_and_priced_one_by_one(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    rows = [
        {"msisdn": f"38067000{place:04}", "name": f"N{place}", "variant": "AB"[place % 2]}
        for place in range(5)
    ]
    audience = prepare_audience(tmp_path / "audience", rows)
    texts = {"A": "Hi {name}", "B": "Hi {name} — and a dash" + "x" * 60}
    facts = Run().execute(bulk(recipients=audience, text=texts, dry_run=True))
    found = [(one["variant"], one["recipients"], one["segments"], one["price"]) for one in facts["texts"]]
    assert found == [("A", 3, 3, "0.06"), ("B", 2, 4, "0.08")]
    assert (facts["price"], facts["segments"]) == ("0.14", 7)
    one_text = Run().execute(bulk(recipients=audience, text="Hi {name}", dry_run=True))
    assert [(one["variant"], one["recipients"]) for one in one_text["texts"]] == [("A", 3), ("B", 2)]
    alone = Run().execute(bulk(recipients=audience, text={"B": texts["B"]}, variants="B", dry_run=True))
    assert [(one["variant"], one["price"]) for one in alone["texts"]] == [("B", "0.08")]
    with pytest.raises(TelecomInputError, match=r"texts of 2 recipients take more .*EM DASH.* recipient 2 "):
        Run().execute(bulk(recipients=audience, text=texts, max_segments=1))
    with pytest.raises(TelecomInputError, match=r"max_cost: 0\.10: is less than what it would cost"):
        Run().execute(bulk(recipients=audience, text=texts, max_cost="0.10", dry_run=True))
    assert sent(telecom_simulator) == 0


def test_a_preview_costs_little_more_than_reading_the_recipients() -> None:
    people = [{"msisdn": str(380670000000 + place), "name": f"N{place}"} for place in range(20_000)]
    text = "Hello {name}, your order is ready and waits for you until tomorrow evening at the shop."
    template = TextTemplate(text)
    with read_recipients(people, RecipientColumns(values=template.columns)) as audience:
        fill = least_cpu_seconds(lambda: [template.fill(entry[1:]) for entry in audience.entries()])
        preview = least_cpu_seconds(lambda: CampaignText(text, template.fill).previews(audience))
    assert preview < 8 * fill
