"""SMS segments: our count and the simulator's, both compared with the independent package smsutil."""

from __future__ import annotations

import random

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.segments import (
    OtherCharacter,
    characters_outside_gsm_7,
    encode_sms,
    segments_of_all,
    sms_segments,
)
from airflow_provider_telecom.simulator.sms import segments

ONE_SEPTET = "@£$ éØΔ\nabcXYZ09?"
TWO_SEPTETS = "^{}\\[~]|€\f"
ONE_UNIT = "жїє…“”\u200d"
TWO_UNITS = "😀👩🚀"
GSM_7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ALPHABETS = {
    "GSM 7-bit": GSM_7_BASIC + TWO_SEPTETS * 4,
    "Cyrillic": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя 0123456789,.!" + ONE_SEPTET,
    "emoji": ONE_SEPTET + ONE_UNIT + TWO_UNITS,
}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Runs of one character each, so that pairs meet the limits of the segments at every offset."""
    alphabet = draw(st.sampled_from([ONE_SEPTET + TWO_SEPTETS, ONE_SEPTET + ONE_UNIT + TWO_UNITS]))
    runs = st.tuples(st.sampled_from(alphabet), st.integers(1, 160))
    return "".join(char * count for char, count in draw(st.lists(runs, min_size=1, max_size=12)))


def compare(text: str) -> None:
    expected = smsutil.split(text)
    encoding = "UCS-2" if expected.encoding == "utf_16_be" else "GSM-7"
    assert encode_sms(text) == (encoding, len(expected.parts))
    assert (sms_segments(text), segments(text)) == (len(expected.parts), len(expected.parts))


@given(texts() | st.text(ONE_SEPTET + TWO_SEPTETS + ONE_UNIT + TWO_UNITS, min_size=1))
@example("a" * 152 + "€" + "b" * 152)  # 306 septets, but the escape pair would lie across the first limit
@example("ж" * 66 + "😀" + "ж" * 66)  # 134 code units, the surrogate pair in the same place
@example("€" * 80)
@example("😀" * 35)
@example("😀" * 67)
def test_no_pair_is_split_between_segments(text: str) -> None:
    compare(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), min_size=1))
def test_any_text_is_counted_alike(text: str) -> None:
    """ESC is excluded: smsutil takes it for a character of GSM-7, where it is only the escape itself."""
    compare(text)


@given(st.lists(texts() | st.text(ONE_SEPTET + TWO_SEPTETS + ONE_UNIT + TWO_UNITS), max_size=4))
@example(["x" * 160, ""])
@example(["x" * 159 + "€"])
@example(["ї" * 70])
@example(["x" * 71, "ї"])
@example(["ї" * 69 + "\U0001f600"])
def test_many_texts_are_counted_as_one_by_one(several: list[str]) -> None:
    assert segments_of_all(several) == list(map(sms_segments, several))


def random_texts(count: int) -> None:
    chance = random.Random("segments")
    for alphabet in ALPHABETS.values():
        for _ in range(count):
            compare("".join(chance.choices(alphabet, k=chance.randint(1, 400))))


def test_random_texts_in_three_alphabets() -> None:
    random_texts(1_000)


@pytest.mark.long
def test_a_hundred_thousand_random_texts_in_three_alphabets() -> None:
    random_texts(33_334)


def test_the_characters_that_force_ucs_2_are_named() -> None:
    assert characters_outside_gsm_7("Kava “na vynos” — 2€ “so”😀\x00") == [
        OtherCharacter("“", "LEFT DOUBLE QUOTATION MARK", 6),
        OtherCharacter("”", "RIGHT DOUBLE QUOTATION MARK", 15),
        OtherCharacter("—", "EM DASH", 17),
        OtherCharacter("😀", "GRINNING FACE", 26),
        OtherCharacter("\x00", "U+0000", 27),
    ]
    assert characters_outside_gsm_7("2€ [so]") == []
