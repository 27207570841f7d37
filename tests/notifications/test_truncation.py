"""Texts are cut to one SMS, visibly, and the link at the end stays whole."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.notifications.truncation import (
    ONE_SMS,
    SEVENTY_CHARACTERS,
    THOUSAND_CHARACTERS,
    LengthLimit,
    clean_text,
)

LINK = "https://airflow.example/dags/nightly/runs/manual__1/tasks/load"
GSM = "@£$ ÅΔ_ abcXYZ09|^{}€~[]\\'\n"
LETTERS = st.text(GSM + "жїє…“”😀👩‍🚀\ud83d\ude00\x00\t") | st.text()


def links(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, most - 20).map(lambda size: "https://a.example/" + "r" * size)


@given(LETTERS, links(200))
@example("x" * 500, LINK)
@example("ж" * 500, LINK)
@example("x" * 97 + "😀", LINK)
def test_always_one_sms_with_the_link_whole(text: str, link: str) -> None:
    whole = ONE_SMS.fit(text, [link])
    assert sms_segments(whole) == 1
    whole.encode()  # no half of a surrogate pair
    if sms_segments(link) == 1:
        assert whole == link or whole.endswith(f" {link}")


@given(LETTERS, links(80))
def test_seventy_whatever_the_alphabet(text: str, link: str) -> None:
    whole = SEVENTY_CHARACTERS.fit(text, [link])
    assert len(whole.encode("utf-16-le")) <= 140
    if len(link) <= 70:
        assert whole.endswith(link)


@given(LETTERS)
def test_a_cut_shows_and_takes_no_more_than_it_must(text: str) -> None:
    whole = ONE_SMS.fit(text)
    if whole == clean_text(text):
        return
    assert whole.endswith("..")
    kept = len(whole) - 2
    assert clean_text(text).startswith(whole[:-2])
    assert sms_segments(f"{clean_text(text)[: kept + 1].rstrip()}..") > 1 or clean_text(text)[kept].isspace()


@given(st.text(GSM, min_size=161, max_size=400))
def test_a_cut_never_changes_the_alphabet(text: str) -> None:
    whole = ONE_SMS.fit(text, [LINK])
    assert sms_segments(whole + "x" * (160 - len(whole) - sum(map("^{}\\[~]|€".count, whole)))) == 1


def test_what_fits_is_not_changed() -> None:
    assert ONE_SMS.fit("It failed", [LINK]) == f"It failed {LINK}"
    assert ONE_SMS.fit("x" * 160) == "x" * 160
    assert ONE_SMS.fit("ж" * 70) == "ж" * 70
    assert ONE_SMS.fit("x" * 161) == "x" * 158 + ".."
    assert ONE_SMS.fit("ж" * 71) == "ж" * 68 + ".."
    assert ONE_SMS.fit("x" * 100 + "😀") == "x" * 100 + ".."


def test_the_first_tail_that_fits_is_taken() -> None:
    assert ONE_SMS.fit("It failed", ["x" * 161, LINK]) == f"It failed {LINK}"
    assert ONE_SMS.fit("It failed", ["x" * 161]) == "It failed"


def test_a_tail_that_leaves_too_little_of_the_text_gives_way() -> None:
    shorter = "https://airflow.example/required_actions"
    assert ONE_SMS.fit("ж" * 90, [LINK, shorter], least=20) == f"{'ж' * 27}.. {shorter}"
    assert ONE_SMS.fit("ж" * 8, [LINK, shorter], least=20) == f"{'ж' * 8} {shorter}"
    assert ONE_SMS.fit("x" * 900, [LINK, shorter], least=20).endswith(LINK)
    assert ONE_SMS.fit("ж" * 90, [LINK], least=20) == f"{'ж' * 5}.. {LINK}"


@given(LETTERS, links(200), links(80), st.integers(0, 30))
def test_what_a_message_must_keep_makes_it_no_longer(text: str, link: str, other: str, least: int) -> None:
    whole = ONE_SMS.fit(text, [link, other], least)
    assert sms_segments(whole) == 1
    assert whole.endswith((link, other))


@pytest.mark.parametrize(("length_limit", "size"), [(THOUSAND_CHARACTERS, 1000), (SEVENTY_CHARACTERS, 70)])
def test_other_frames(length_limit: LengthLimit, size: int) -> None:
    assert length_limit.fit("ж" * 5000) == "ж" * (size - 2) + ".."


def test_blanks_and_broken_pairs_are_tidied() -> None:
    assert clean_text(" a\t\x00 b\x1b[0m\nc\r\n") == "a b [0m\nc"
    assert clean_text("\ud83d\ude00 \ud83d") == "😀 �"
