"""`make mutate`: mutants of a small module, judged by small tests, and what gives no figure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="mutation tests have a dependency group of their own")

from mutation.mutants import Mutant, mutants_of

ROOT = Path(__file__).parent.parent
SOURCE = '''"""A module."""

FINAL = ("sent", "failed")


def price(parts: int, *, free: int = 0) -> int:
    if parts <= free:
        return 0
    return parts * 2


def is_final(state: str) -> bool:
    """Whether it is final."""
    return state in FINAL
'''
TESTS = """from shop import is_final, price


def test_the_price() -> None:
    assert [price(1), price(2, free=2), price(2)] == [2, 0, 4]


def test_final() -> None:
    assert is_final("sent")
"""
JUDGE = """
from pathlib import Path
from mutation.mutants import mutants_of
from mutation.server import MutationError, judge

mutants = mutants_of(Path("shop.py").read_text())
try:
    judge(Path.cwd(), "shop.py", ["test_shop.py"], mutants, lambda it: print(it.verdict, it.mutant.change))
except MutationError as error:
    print("no figure:", error)
"""


def changes(source: str) -> list[str]:
    return [mutant.change for mutant in mutants_of(source)]


def test_the_mutants_of_a_module() -> None:
    found = mutants_of(SOURCE)
    assert len({mutant.source for mutant in found}) == len(found)
    assert Mutant(8, "price", "return 0 -> return 1", SOURCE.replace("return 0", "return 1")) in found
    assert {
        'FINAL = ("sent", "failed") -> FINAL = (("sent",))',
        "if parts <= free: -> if parts < free:",
        "return parts * 2 -> return parts / 2",
        "return state in FINAL -> return state not in FINAL",
    } <= {mutant.change for mutant in found}
    for mutant in found:
        compile(mutant.source, "mutant", "exec")


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f():\n    send(x)\n", "send(x) -> pass"),
        ("def f():\n    raise ValueError(x)\n", "raise ValueError(x) -> pass"),
        ("if a and b:\n    c()\n", "if a and b: -> if not (a and b):"),
        ("f(a, key=b)\n", "f(a, key=b) -> f(a, )"),
        ("try:\n    f()\nexcept (A, B):\n    pass\n", "except (A, B): -> except ((A,)):"),
    ],
)
def test_what_is_added_to_the_mutants_of_mutmut(source: str, missing: str) -> None:
    assert missing in changes(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A text."""\n',
        "log.info(a, 1)\n",
        "def f(a: int) -> str: ...\n",
        "if TYPE_CHECKING:\n    A = 1\n",
        "from a import b\n",
        'raise_it = "a text for people"\n',
    ],
)
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert changes(source) == []


def judged(folder: Path, tests: str) -> list[str]:
    (folder / "shop.py").write_text(SOURCE)
    (folder / "test_shop.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-c", JUDGE],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_survivors_are_what_the_tests_do_not_notice(tmp_path: Path) -> None:
    lines = judged(tmp_path, TESTS)
    survived = {line.partition(" ")[2] for line in lines if line.startswith("survived")}
    assert survived == {
        'FINAL = ("sent", "failed") -> FINAL = ("sent", "XXfailedXX")',
        'FINAL = ("sent", "failed") -> FINAL = (("sent",))',
    }
    assert len(lines) == len(mutants_of(SOURCE))


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        (TESTS.replace("== [2, 0, 4]", "== [2, 0, 5]"), "shop.py: its tests fail without a mutant"),
        ("import no_such_module\n", "shop.py: its tests can't be collected"),
        ("def test_nothing() -> None: ...\n", "shop.py: none of its tests imports it"),
    ],
)
def test_there_is_no_figure_if_the_tests_prove_nothing(tests: str, why: str, tmp_path: Path) -> None:
    lines = judged(tmp_path, tests)
    assert lines[0].startswith(f"no figure: {why}")
    assert not [line for line in lines if line.startswith(("killed", "survived"))]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["jurnal"], "mutation: unknown module 'jurnal'; there are journal"),
        (["journal", "--only", "nothing.py"], "mutation: journal: no file ends with 'nothing.py'"),
        (["journal", "--sample", "0"], "must be at least 1"),
    ],
)
def test_wrong_arguments(words: list[str], why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mutation", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert why in done.stderr
    assert not done.stdout
