"""The keys of the inbox's rows: a new version must find what an earlier one has stored."""

from __future__ import annotations

from hashlib import sha256

import pytest

from airflow_provider_telecom.webhooks import keys


@pytest.mark.parametrize(
    ("number", "key"),
    [(0, "log:000000000"), (199, "log:000000000"), (200, "log:000000001"), (4_815_162, "log:000024075")],
)
def test_a_page_of_the_log_has_200_posts(number: int, key: str) -> None:
    assert keys.log_page_key(number) == key


def test_each_subject_of_a_topic_has_a_deduplication_record() -> None:
    def key(text: str) -> str:
        return f"mark:{sha256(text.encode()).hexdigest()}"

    assert keys.deduplication_key("sunsim/call/mine", "22") == key("sunsim/call/mine/22")
    assert keys.deduplication_key("sunsim/call/mine") == key("sunsim/call/mine/")


def test_the_other_keys_are_names_and_topics() -> None:
    assert keys.references_key("sunsim/call/mine/n1") == "bound:sunsim/call/mine/n1"
    assert (keys.ENTRY, keys.REFERENCES, keys.DAY, keys.HEAD) == ("entry:", "bound:", "day:", "head")
