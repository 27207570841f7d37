"""Secrets are not shown, and errors leave without what they have passed through."""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest

from airflow_provider_telecom.calls.privacy import HideTraceback, Secret, mask_number

VALUE = "made-up-secret"


def test_a_secret_is_shown_as_stars() -> None:
    secret = Secret(VALUE)
    assert f"{secret} {secret!r} {[secret]}" == "Secret('***') Secret('***') [Secret('***')]"
    assert secret.reveal() == VALUE


def test_a_secret_is_neither_pickled_nor_looked_into() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Secret(VALUE), protocol)
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_secrets_are_compared_by_their_values() -> None:
    """A connection whose password has changed is another account."""
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE), Secret("other")}) == 2
    assert hash(Secret(VALUE)) != hash(Secret("other"))


def test_an_empty_secret_is_false() -> None:
    assert Secret(VALUE)
    assert not Secret("")
    assert bool(Secret("")) is False


def sign(token: str) -> None:
    """Fail as a library does: with a local variable that nobody may see."""
    try:
        raise ConnectionError(f"cannot reach https://api.example/?token={token}")
    except ConnectionError as error:
        raise ValueError("refused") from error


def test_an_error_leaves_without_its_frames_and_causes() -> None:
    with pytest.raises(ValueError, match="refused") as caught, HideTraceback():
        sign(VALUE)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "sign" not in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_what_the_caller_handles_stays_visible() -> None:
    handled = RuntimeError("of the caller")
    try:
        raise handled
    except RuntimeError:
        with pytest.raises(ValueError, match="refused") as caught, HideTraceback():
            sign(VALUE)
    assert caught.value.__context__ is handled
    assert caught.value.__cause__ is None


def test_an_error_that_is_raised_again_is_not_its_own_context() -> None:
    handled = RuntimeError("of the caller")
    try:
        raise handled
    except RuntimeError:
        with pytest.raises(RuntimeError) as caught, HideTraceback():
            raise
    assert caught.value.__context__ is None


def test_without_an_error_nothing_happens() -> None:
    with HideTraceback():
        found = 1
    assert found == 1


def test_only_the_debug_log_says_where_an_error_was_raised(caplog: pytest.LogCaptureFixture) -> None:
    for level, is_logged in ((logging.INFO, False), (logging.DEBUG, True)):
        caplog.clear()
        with (
            caplog.at_level(level, "airflow_provider_telecom"),
            pytest.raises(ValueError, match="refused"),
            HideTraceback(),
        ):
            sign(VALUE)
        assert ("in sign" in caplog.text) is is_logged
        assert VALUE not in caplog.text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("380670000267", "38067*****67"),
        ("38067002", "38067*02"),
        ("3806702", "*******"),
        ("380", "***"),
        ("", ""),
    ],
)
def test_what_a_log_shows_of_a_number(number: str, shown: str) -> None:
    assert mask_number(number) == shown
