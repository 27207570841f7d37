"""Packages whose modules are imported when they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

_PACKAGE = """
from airflow_provider_telecom.tasks.on_demand import on_demand

__getattr__, __dir__ = on_demand(__name__, {"operator": ["Operator"]})
"""


def test_the_error_of_a_module_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, with another version of Airflow the module may miss something there."""
    folder = tmp_path / "package_of_operators"
    folder.mkdir()
    (folder / "__init__.py").write_text(_PACKAGE)
    (folder / "operator.py").write_text("import types\n\ntypes.missing_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="missing_here"):
        exec("from package_of_operators import Operator", {})
