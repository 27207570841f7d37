"""The lower bounds exclude releases with known vulnerabilities, and the constraints satisfy the bounds."""

from __future__ import annotations

import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
FIRST_FIXED = {
    "requests": "2.33.0",  # CVE-2026-25645
    "urllib3": "2.8.0",  # CVE-2026-97687, -97688, -97689
    "aiohttp": "3.14.4",  # PYSEC-2026-4369, -4370, -4371
    "certifi": "2024.7.4",  # CVE-2024-39689
    "fastapi": "0.133.0",  # the first that takes Starlette 1
    "starlette": "1.3.1",  # PYSEC-2026-248; limits of forms
    "python-multipart": "0.0.30",  # CVE-2026-53537, -53538
    "pyarrow": "23.0.1",  # CVE-2026-25087
    "pytest": "9.0.3",  # CVE-2025-71176
}


def requirements() -> list[Requirement]:
    """Return all dependencies in pyproject.toml that have a lower bound, including those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = chain(project["dependencies"], *project["optional-dependencies"].values())
    return [requirement for text in listed if (requirement := Requirement(text)).specifier]


@pytest.mark.parametrize(("name", "fixed"), FIRST_FIXED.items())
def test_releases_with_a_known_vulnerability_are_excluded(name: str, fixed: str) -> None:
    found = [each for each in requirements() if canonicalize_name(each.name) == name]
    assert found
    for each in found:
        (bound,) = [Version(one.version) for one in each.specifier if one.operator == ">="]
        assert bound >= Version(fixed)


def test_the_constraints_fit_the_bounds() -> None:
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        pin = Requirement(line)
        pinned[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    unsatisfied = [
        str(each)
        for each in requirements()
        if not each.specifier.contains(pinned[canonicalize_name(each.name)], prereleases=True)
    ]
    assert not unsatisfied
