"""The tables and plots in the docs are those of the figures in docs/figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
MACHINE = {"cpu": "A CPU", "cores": 2, "python": "3.11", "airflow": "3.3", "date": "2026-01-01", "load": 0.5}
LINE = {
    "case": "sum",
    "name": "toy.sum",
    "title": "A sum of 2 < 3 | 4",
    "unit": "µs",
    "ours": 12_345.6,
    "peer": 1.25,
    "peer_name": "a loop",
    "ratio": 9_876.0,
    "limit": 2.0,
    "limit_of": "ratio",
    "more_is_better": False,
    "passed": False,
    "rounds": {"ours": [1, 2, 3], "peer": [1, 2, 3]},
    "machine": MACHINE,
}


@pytest.fixture(scope="module")
def tables() -> Any:
    """Return the script's module."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import tables as found
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return found


def test_the_docs_agree_with_the_figures(tables: Any) -> None:
    outdated = [path.name for path in tables.outdated()]
    assert not outdated, "run benchmarks/tables.py"


def test_a_table_and_a_plot(tables: Any, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "toy.jsonl").write_text(json.dumps(LINE) + "\n")
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {kind}: toy -->\nold\n<!-- end -->\n" for kind in ("table", "plot")))
    found = tables.generated(tmp_path)
    row = "| A sum of 2 < 3 \\| 4 | 12,346 µs | 1.25 µs (a loop) | 9,876 | – | 2 times: **missed** |"
    assert row in found[page]
    assert "Measured on 2026-01-01: A CPU, 2 cores, Python 3.11, Airflow 3.3; load" in found[page]
    assert "old" not in found[page]
    picture = ElementTree.fromstring(found[tmp_path / "images" / "figures-toy.svg"])
    assert {"ours", "peer", "a loop", "1.25 µs"} <= {one.text for one in picture.iter()}
    page.write_text(found[page])
    assert tables.outdated(tmp_path) == [tmp_path / "images" / "figures-toy.svg"]


def test_the_model_of_large_deployments(tables: Any, tmp_path: Path) -> None:
    model = tables.scale
    lines = [{"name": unit.figure, "ours": 1.0, "peer": 600.0} for unit in model.UNITS.values()]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    costs = model.read(tmp_path)
    day, week = (model.messages(costs, count, webhooks=True) for count in (10**6, 7 * 10**6))
    # 1,000,000 in 10 hours, 3 times as many a second at the peak, 500 in a request of 0.3005 s: one task
    assert (day.slots, day.workers, week.slots) == (1, 1, 1)
    assert model.messages(costs, 10**8, webhooks=False).slots == 6
    assert (day.api_servers, week.api_servers) == (1, 1)  # 83 and 583 webhooks of a millisecond
    assert model.messages(costs, 10**8, webhooks=True).api_servers == 14
    assert model.sensors(costs, 100_000, shared=False).triggerers == 20
    each = model.single_tasks(costs, 10**6)  # 83 tasks a second of 0.6 s of CPU
    assert (each.slots, each.workers) == (167, 42)
    for name in model.TABLES:
        assert "not" not in model.table(name, tmp_path).lower().replace("not measured yet", "")
    (tmp_path / "all.jsonl").write_text(json.dumps(lines[0]) + "\n")
    assert "| not measured yet | `sends.personal_sms.simulator` |" in model.table("units", tmp_path)
    assert "not calculated: polls.https.2000.cpu has not been measured" in model.table("needs", tmp_path)
    assert "Not calculated yet: fleet.plan has not been measured" in model.table("fleet", tmp_path)


def test_figures_that_are_not_measured_yet(tables: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table: none -->\n<!-- end -->\n")
    assert tables.generated(tmp_path) == {page: "<!-- table: none -->\n\nNot measured yet.\n\n<!-- end -->\n"}


def test_chaos_and_mutation_tables(tables: Any) -> None:
    chaos = {"name": "kills", "seed": 7, "runs": 1000, "duplicates": 0, "passed": True, "machine": MACHINE}
    assert "| kills | 7 | 1,000 | – | – | 0 | – | – | – | yes | – |" in tables.table("chaos", [chaos])
    mutation = {"name": "calls/retry.py", "mutants": 50, "killed": 46, "percent": 92.0, "passed": False}
    assert "| calls/retry.py | 50 | 46 | – | – | 92 | – | – | **no** |" in tables.table(
        "mutation", [mutation]
    )
