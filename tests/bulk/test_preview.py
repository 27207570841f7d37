"""The counts of a preview against a naive model that encodes each text with the package smsutil."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import smsutil
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.preview import CampaignText, preview_lines, sample_text, texts_facts
from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
from airflow_provider_telecom.bulk.recipients import read_recipients
from airflow_provider_telecom.bulk.text_template import TextTemplate, VariantTexts

LETTERS = "aZ9 €[жї“😀"
TEXTS = st.lists(st.sampled_from([*LETTERS, "{name}", "a" * 60, "ж" * 30]), min_size=1, max_size=8)
PEOPLE = st.lists(st.tuples(st.text(LETTERS, max_size=90), st.sampled_from("AB")), min_size=1, max_size=12)


def encoded(text: str) -> tuple[str, int]:
    found = smsutil.split(text)
    return ("UCS-2" if found.encoding == "utf_16_be" else "GSM-7", len(found.parts))


@settings(max_examples=200)
@given(TEXTS.map("".join), TEXTS.map("".join), PEOPLE, st.booleans())
def test_counts_are_those_of_a_naive_model(
    first: str, second: str, people: list[tuple[str, str]], has_variants: bool
) -> None:
    first, second = f"{first}.", f"{second}."  # not blank
    rows = [
        {"msisdn": str(380670000000 + place), "name": name, "variant": variant}
        for place, (name, variant) in enumerate(people)
    ]
    texts = {"A": first, "B": second}
    template: Any = VariantTexts(texts) if has_variants else TextTemplate(first)
    place = 1 + list(template.columns).index("variant") if has_variants else None
    with read_recipients(rows, RecipientColumns(values=template.columns)) as audience:
        campaign = CampaignText(texts if has_variants else first, template.fill, place)
        found = texts_facts(campaign.previews(audience))
    expected: dict[str | None, Counter[tuple[str, int]]] = {}
    for name, variant in people:
        key = variant if has_variants else None
        filled = (texts[variant] if has_variants else first).replace("{name}", name)
        expected.setdefault(key, Counter())[encoded(filled)] += 1
    assert [one["variant"] for one in found["texts"]] == sorted(expected, key=str)
    for one in found["texts"]:
        counts = expected[one["variant"]]
        assert one["recipients"] == counts.total()
        assert one["segments"] == sum(size * count for (_, size), count in counts.items())
        for encoding in ("GSM-7", "UCS-2"):
            wanted = sum(count for (name, _), count in counts.items() if name == encoding)
            assert one["encodings"].get(encoding, 0) == wanted
        text = texts[one["variant"]] if has_variants else first
        for character in one["outside_gsm_7"]:
            assert text[character["position"] - 1] == character["character"]
    assert found["segments"] == sum(one["segments"] for one in found["texts"])
    assert list(preview_lines({"recipients": len(people), **found}))


@pytest.mark.parametrize("number", ["380670000201", "067 000 02 01", "+38 (067) 000-02-01"])
def test_a_preview_shows_no_number_that_is_in_the_text(number: str) -> None:
    assert sample_text(f"{{name}}, call {number}").removeprefix("Oksana, call ") in ("***", "+***")
