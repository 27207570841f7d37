"""How long a check takes tells nothing of a signature: each live secret is compared, in constant time."""

from __future__ import annotations

import hmac

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.webhooks.address import Address, Receiver

SECRETS = ("made-up-secret-of-this-year-0123456789", "of-last-year-0123456789-0123456789")
ADDRESS = Address("ketchup", "viber", "default", "n1")


def signature(secret: str) -> str:
    return Receiver("https://a.example.com", (Secret(secret),)).url(ADDRESS).rpartition("/")[2]


def changed(given: str, place: int) -> str:
    other = "B" if given[place] == "A" else "A"
    return "".join(other if number == place else char for number, char in enumerate(given))


GIVEN = {
    "the first secret's": (signature(SECRETS[0]), True),
    "the second secret's": (signature(SECRETS[1]), True),
    "wrong at its beginning": (changed(signature(SECRETS[0]), 0), False),
    "wrong at its end": (changed(signature(SECRETS[0]), 31), False),
    "none": ("", False),
}


@pytest.mark.parametrize("secrets", [SECRETS[:1], SECRETS])
@pytest.mark.parametrize("given", GIVEN)
def test_each_secret_is_compared_whole_whatever_is_given(
    given: str, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, compared = hmac.compare_digest, []

    def counted(expected: bytes, found: bytes) -> bool:
        compared.append((expected, found))
        return compare(expected, found)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    text, right = GIVEN[given]
    known = Receiver("https://a.example.com", tuple(map(Secret, secrets))).knows(ADDRESS, text)
    assert known == (right and text in map(signature, secrets))
    assert compared == [(signature(secret).encode(), text.encode()) for secret in secrets]
