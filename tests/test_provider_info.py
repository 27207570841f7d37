"""Provider info against the JSON schemas that Airflow ships, and against what the hooks accept."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

import airflow_provider_telecom
from airflow_provider_telecom.provider_info import get_provider_info
from airflow_provider_telecom.vendors.description import import_from
from tests.conftest import HOOKS

INFO = get_provider_info()
TYPES = {entry["connection-type"]: entry for entry in INFO["connection-types"]}


def airflow_schema(name: str) -> dict[str, Any]:
    import airflow

    schema: dict[str, Any] = json.loads((Path(airflow.__path__[0]) / name).read_text())
    return schema


def test_it_fits_the_schema_that_airflow_holds_installed_providers_against() -> None:
    jsonschema.validate(INFO, airflow_schema("provider_info.schema.json"))


def test_all_that_it_names_is_there() -> None:
    named = [*INFO["notifications"], *INFO["extra-links"]]
    named += [
        path
        for package in ("operators", "sensors", "hooks")
        for each in INFO[package]
        for path in each["python-modules"]
    ]
    named += [each["python-module"] for each in INFO["transfers"]]
    for path in named:
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name) or import_module(path)


@pytest.mark.parametrize("package", ["operators", "sensors", "transfers", "hooks"])
def test_it_names_every_vendor_of_a_package(package: str) -> None:
    paths = (each.get("python-modules") or [each["python-module"]] for each in INFO[package])
    modules = {path.rsplit(".", 1)[1].removesuffix("_to_object_storage") for (path,) in paths}
    folder = Path(airflow_provider_telecom.__file__).parent / package
    assert modules == {path.stem.removesuffix("_to_object_storage") for path in folder.iterdir()} & set(HOOKS)


def test_it_names_every_notifier() -> None:
    named = {path.rpartition(".")[2] for path in INFO["notifications"]}
    public = {
        name
        for vendor in HOOKS
        if (module := _module_if_there(f"airflow_provider_telecom.notifications.{vendor}"))
        for name, kind in vars(module).items()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and not inspect.isabstract(kind)
    }
    assert named == public


def _module_if_there(path: str) -> ModuleType | None:
    return import_module(path) if find_spec(path) else None


def test_links_lead_to_fixed_https_addresses() -> None:
    for path in INFO["extra-links"]:
        module, _, name = path.rpartition(".")
        link = getattr(import_module(module), name)()
        address = link.get_link(None, ti_key=None)
        assert address.startswith("https://")
        assert not set("?#@") & set(address)


@pytest.mark.parametrize("conn_type", HOOKS)
def test_the_forms_fit_the_schema_of_declared_forms(conn_type: str) -> None:
    schema = airflow_schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate([TYPES[conn_type]], schema)


def test_airflows_own_provider_manager_takes_all_without_importing_a_hook() -> None:
    from airflow.providers_manager import ProvidersManager

    found = {
        meta.connection_type: meta for meta in ProvidersManager().iter_connection_type_hook_ui_metadata()
    }
    assert set(HOOKS) <= set(found)
    for conn_type, path in HOOKS.items():
        assert found[conn_type].hook_class_name == path
        assert found[conn_type].hook_name


@pytest.mark.parametrize("conn_type", HOOKS)
def test_the_form_and_the_hook_know_the_same_fields(conn_type: str) -> None:
    hook = import_from(HOOKS[conn_type])
    assert set(TYPES[conn_type]["conn-fields"]) == set(hook.options_type.model_fields)
    assert (hook.conn_type, hook.default_conn_name) == (conn_type, f"{conn_type}_default")
    assert hook.hook_name == TYPES[conn_type]["hook-name"]
    assert hook.options_type.default_host == TYPES[conn_type]["ui-field-behaviour"]["placeholders"]["host"]
    assert hook.needs_login is ("login" not in TYPES[conn_type]["ui-field-behaviour"]["hidden-fields"])


@pytest.mark.parametrize("conn_type", HOOKS)
def test_drop_downs_and_defaults_are_what_the_hook_takes(conn_type: str) -> None:
    hook = import_from(HOOKS[conn_type])
    for field, declared in TYPES[conn_type]["conn-fields"].items():
        for value in declared["schema"].get("enum", [declared["schema"].get("default")]):
            if value is not None:
                assert getattr(hook.options_type.model_validate({field: value}), field) == value


def test_secrets_have_no_place_in_extra() -> None:
    for entry in TYPES.values():
        assert "password" in entry["ui-field-behaviour"]["relabeling"]
        assert not [name for name in entry["conn-fields"] if "secret" in name or "password" in name]
