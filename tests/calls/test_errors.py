"""What the class of an error says about another try and about the outcome."""

from __future__ import annotations

import pytest

from airflow_provider_telecom.calls import errors
from airflow_provider_telecom.calls.errors import TelecomError

# (temporary, outcome_unknown): False in the second column needs proof, so it is True where nothing is known.
TABLE = {
    errors.TelecomError: (False, True),
    errors.TelecomInputError: (False, False),
    errors.TelecomRejectedError: (False, False),
    errors.TelecomNotFoundError: (False, False),
    errors.TelecomFundsError: (False, False),
    errors.TelecomAuthError: (False, False),
    errors.TelecomRedirectError: (False, False),
    errors.TelecomThrottledError: (True, False),
    errors.TelecomServerError: (True, True),
    errors.TelecomAnswerError: (True, True),
    errors.TelecomNotSentError: (True, False),
    errors.TelecomRateLimitStoreError: (True, False),
    errors.TelecomNoAnswerError: (True, True),
    errors.TelecomUnknownError: (True, True),
}


def test_the_table_has_every_class() -> None:
    assert set(TABLE) == {kind for name, kind in vars(errors).items() if name.startswith("Telecom")}


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_what_an_error_class_says(kind: type[TelecomError]) -> None:
    assert (kind.temporary, kind.outcome_unknown) == TABLE[kind]
