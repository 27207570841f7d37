"""The libraries of the extra `campaigns`: DuckDB and pyarrow."""

from __future__ import annotations

from importlib.util import find_spec

from airflow_provider_telecom.calls.errors import TelecomInputError


def check_library(field: str, module: str) -> None:
    """Raise TelecomInputError if `duckdb` or `pyarrow` is not installed; it names the extra."""
    if find_spec(module) is None:
        rule = f"needs the library {module}: pip install 'airflow-provider-telecom[campaigns]'"
        raise TelecomInputError(field, rule)
