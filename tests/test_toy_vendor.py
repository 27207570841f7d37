"""A new vendor needs a package, a description and a hook, and no change of another file.

tests/webhooks/test_toy_vendor.py has its webhook.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_telecom.provider_info import get_provider_info
from airflow_provider_telecom.vendors.registry import register, unregister
from tests.toy_vendor import VENDOR


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register(VENDOR)
    yield
    unregister(VENDOR)


def test_it_has_a_connection_type_with_a_form() -> None:
    info = get_provider_info()
    (declared,) = (each for each in info["connection-types"] if each["connection-type"] == VENDOR.id)
    assert declared["hook-class-name"] == "tests.toy_vendor.hook.ToyHook"
    assert declared["ui-field-behaviour"]["relabeling"]["password"] == "Toy token"
    assert {"toy_path", "rate_limit"} <= set(declared["conn-fields"])


def test_the_tests_of_all_vendors_run_with_it() -> None:
    """In a process of their own, since they are collected for all vendors that are registered then."""
    tests = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.toy_vendor.plugin",
        "-p",
        "no:cacheprovider",
        "-v",
    ]
    files = [tests / "test_conformance.py", tests / "test_provider_info.py"]
    done = subprocess.run(
        [*command, *files, "-k", VENDOR.id], cwd=tests.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = set(re.findall(r"::(test_\w+)\[.*toy_telecom.* PASSED", done.stdout))
    assert passed >= {
        "test_each_endpoint_is_complete",
        "test_no_method_is_left_out_of_the_table",
        "test_the_connection_test_costs_and_changes_nothing",
        "test_the_connection_test_says_when_credentials_are_refused",
        "test_the_form_and_the_hook_know_the_same_fields",
    }
