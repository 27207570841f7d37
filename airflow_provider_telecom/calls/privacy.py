"""What may be shown of a number, a text, a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from airflow_provider_telecom.calls.request import Form, Json, Request

_LONG_NUMBER = re.compile(r"\d(?:[ ()-]?\d){8,}")
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")
_SHORTEST_ECHO = 4
_LONGEST_TEXT = 200


class Secret:
    """A string that does not show itself. `reveal()` is for the one line that signs a request."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


def shortened(number: str) -> str:
    """Return a number fit for a log: the first five characters and the last two, as `38067*****67`."""
    return (
        f"{number[:5]}{'*' * max(0, len(number) - 7)}{number[-2:]}" if len(number) > 7 else "*" * len(number)
    )


def cleaned(text: str, request: Request) -> str:
    """Return a vendor's text fit for an error, without long numbers and input that it echoes, cut short."""
    for echo in sorted(set(_sent(request)), key=len, reverse=True):
        text = text.replace(echo, "***")
    text = _TOKEN_LIKE.sub("***", _LONG_NUMBER.sub("***", text))
    return " ".join(text.split())[:_LONGEST_TEXT]


def _sent(request: Request) -> Iterator[str]:
    body = request.body
    content = body.value if isinstance(body, Json) else body.fields if isinstance(body, Form) else None
    for value in _leaves([request.ids, request.query, request.headers, content]):
        if len(value) >= _SHORTEST_ECHO:
            yield value


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int)):
        yield str(value)
