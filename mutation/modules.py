"""What `make mutate` mutates, and the tests that must notice: one table, ordered by what a fault costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PACKAGE = "airflow_provider_telecom"


@dataclass(frozen=True)
class Module:
    """Files that are mutated together, each with the tests that concern it, quick ones first."""

    name: str
    tests_of: Mapping[str, Sequence[str]]


def _module(name: str, tests_of: Mapping[str, str]) -> Module:
    return Module(
        name,
        {
            f"{_PACKAGE}/{path}.py": tuple(f"tests/{test}.py" for test in tests.split())
            for path, tests in tests_of.items()
        },
    )


MODULES = {
    module.name: module
    for module in (
        _module(
            "journal",
            {
                "journal/journal": "journal/test_journal journal/test_overlapping_tries",
                "journal/claims": "bulk/test_budget",
                "journal/idempotency_keys": "journal/test_idempotency_keys journal/test_previous_version",
                "journal/checkpoint": "journal/test_checkpoint operators/ketchup_loyalty/test_bulk",
                "tasks/effects": "operators/test_kyivstar_fmc operators/ketchup_loyalty/test_sms",
            },
        ),
    )
}
LIMIT = 90
"""Percent of the mutants that the tests of each module must kill."""


def reason_of(path: str, function: str, change: str) -> str:
    """Return why a surviving mutant is no fault, or an empty text."""
    return _REASONS.get((path.removeprefix(f"{_PACKAGE}/"), function, change), "")


_REASONS: dict[tuple[str, str, str], str] = {}
"""Mutants that no test can kill, or that no test should: file, function and change, and why."""
