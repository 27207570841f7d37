"""SMS segments: our count and the simulator's, both compared with the independent package smsutil."""

from __future__ import annotations

import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.checks import sms_segments
from airflow_provider_telecom.simulator.sms import segments

ONE_SEPTET = "@£$ éØΔ\nabcXYZ09?"
TWO_SEPTETS = "^{}\\[~]|€\f"
ONE_UNIT = "жїє…“”\u200d"
TWO_UNITS = "😀👩🚀"


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Runs of one character each, so that pairs meet the limits of the segments at every offset."""
    alphabet = draw(st.sampled_from([ONE_SEPTET + TWO_SEPTETS, ONE_SEPTET + ONE_UNIT + TWO_UNITS]))
    runs = st.tuples(st.sampled_from(alphabet), st.integers(1, 160))
    return "".join(char * count for char, count in draw(st.lists(runs, min_size=1, max_size=12)))


@given(texts() | st.text(ONE_SEPTET + TWO_SEPTETS + ONE_UNIT + TWO_UNITS, min_size=1))
@example("a" * 152 + "€" + "b" * 152)  # 306 septets, but the escape pair would lie across the first limit
@example("ж" * 66 + "😀" + "ж" * 66)  # 134 code units, the surrogate pair in the same place
@example("€" * 80)
@example("😀" * 35)
@example("😀" * 67)
def test_no_pair_is_split_between_segments(text: str) -> None:
    expected = len(smsutil.split(text).parts)
    assert (sms_segments(text), segments(text)) == (expected, expected)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), min_size=1))
def test_any_text_is_counted_alike(text: str) -> None:
    """ESC is excluded: smsutil takes it for a character of GSM-7, where it is only the escape itself."""
    expected = len(smsutil.split(text).parts)
    assert (sms_segments(text), segments(text)) == (expected, expected)
