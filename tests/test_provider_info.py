"""Provider info against the JSON schemas that Airflow ships, and against what the hooks accept."""

from __future__ import annotations

import inspect
import json
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from airflow.triggers.base import BaseTrigger

import airflow_provider_telecom
from airflow_provider_telecom.provider_info import get_provider_info
from airflow_provider_telecom.tasks.base import TelecomTask
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.registry import vendors
from tests.conftest import HOOKS

ROOT = Path(__file__).parent.parent
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
    modules = {path.rsplit(".", 1)[1].removesuffix("_to_object_storage") for each in paths for path in each}
    modules -= {"audience", "ladder_report", "next_rung", "outcomes"}  # of no vendor
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
    assert named == public | {"EscalatingNotifier"}


def _module_if_there(path: str) -> ModuleType | None:
    return import_module(path) if find_spec(path) else None


def test_it_names_triggers_and_the_plugin() -> None:
    (triggers,) = INFO["triggers"]
    found = {
        name
        for path in triggers["python-modules"]
        for name, kind in vars(import_module(path)).items()
        if isinstance(kind, type) and issubclass(kind, BaseTrigger) and kind.__module__ == path
    }
    assert len(found) == len(triggers["python-modules"]), found
    (plugin,) = INFO["plugins"]
    assert import_from(plugin["plugin-class"]).name == plugin["name"]
    named = {each["integration-name"] for each in INFO["integrations"]}
    assert triggers["integration-name"] in named


def test_registering_the_scheme_of_our_assets_changes_no_address() -> None:
    from airflow_provider_telecom.assets.novaconnect import NOVACONNECT_QUEUE
    from airflow_provider_telecom.webhooks.assets import INBOX

    (uris,) = INFO["asset-uris"]
    assert uris["schemes"] == ["telecom"]
    assert "handler" in uris, "Airflow ignores the entry without one"
    assert (INBOX.uri, NOVACONNECT_QUEUE.uri) == ("telecom://callbacks/", "telecom://novaconnect/queue")


def test_the_distribution_names_its_pages() -> None:
    """Airflow's page of providers links to the documentation that the distribution names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (shared,) = (each for each in INFO["integrations"] if each["integration-name"] == "Telecom")
    assert project["urls"]["Documentation"] == shared["external-doc-url"]


@pytest.mark.parametrize("package", ["operators", "sensors", "transfers"])
def test_tasks_have_the_colour_of_their_vendor(package: str) -> None:
    paths = [
        path for each in INFO[package] for path in each.get("python-modules", [each.get("python-module")])
    ]
    tasks = [
        kind
        for path in paths
        for _, kind in inspect.getmembers(import_module(path), inspect.isclass)
        if issubclass(kind, TelecomTask) and hasattr(kind, "vendor")
    ]
    assert tasks
    for kind in tasks:
        assert (kind.ui_color, kind.ui_fgcolor) == (kind.vendor.color, "#000")


def test_colours_differ_and_black_text_can_be_read_on_them() -> None:
    colours = [vendor.color for vendor in vendors()]
    assert len(set(colours)) == len(colours)
    for colour in colours:
        red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        assert 0.21 * red**2.2 + 0.72 * green**2.2 + 0.07 * blue**2.2 > 0.6, colour


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


@pytest.mark.parametrize("conn_type", HOOKS)
def test_forms_show_common_fields_first_and_explain_choices(conn_type: str) -> None:
    fields = TYPES[conn_type]["conn-fields"]
    sections = [field["schema"].get("section") for field in fields.values()]
    assert sections == sorted(sections, key=lambda section: section is not None)
    rare = [name for name, field in fields.items() if field["schema"].get("section")]
    assert {"timeout_connect", "timeout_read", "verify", "trust_env"} <= set(rare)
    assert not {"rate_limit", "default_region", "allow_private_hosts"} & set(rare)
    kinds = import_from(HOOKS[conn_type]).options_type.model_fields
    for name, field in fields.items():
        assert field["description"]
        values = field["schema"].get("enum")
        assert bool(values) == ("Literal[" in str(kinds[name].annotation)), f"{name} is a choice, or is none"
        if values:
            assert None not in values, "the form shows it as null; the list has a button that empties it"
            shown = field["schema"]["values_display"]
            assert [shown[value].partition(": ")[0] for value in values] == values
            assert all(text.partition(": ")[2] for text in shown.values())


@pytest.mark.parametrize("conn_type", HOOKS)
def test_no_default_looks_like_a_secret(conn_type: str) -> None:
    """Airflow shows and stores *** instead of the default of a field whose name contains `token`."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    shown = {meta.connection_type: meta.extra_fields for meta in HookMetaService.hook_meta_data()}
    assert [name for name, field in shown[conn_type].items() if field["value"] == "***"] == []


@pytest.mark.parametrize("conn_type", HOOKS)
def test_the_port_is_shown(conn_type: str) -> None:
    """Airflow's Test button posts port 0 for a connection without one, and then refuses it."""
    behaviour = TYPES[conn_type]["ui-field-behaviour"]
    assert "port" not in behaviour["hidden-fields"]
    port = urlsplit(behaviour["placeholders"]["host"]).port or 443
    assert behaviour["placeholders"]["port"] == str(port)
    assert "needed to test" in behaviour["relabeling"]["port"]


def test_the_form_names_sunsims_test_stand() -> None:
    labels = TYPES["sunsim"]["ui-field-behaviour"]["relabeling"]
    assert labels["host"] == "Host (test stand: https://test-webapi.sunsim.ru:4432)"
    assert "host" not in TYPES["novaconnect"]["ui-field-behaviour"]["relabeling"]


def test_secrets_have_no_place_in_extra() -> None:
    for entry in TYPES.values():
        assert "password" in entry["ui-field-behaviour"]["relabeling"]
        assert not [name for name in entry["conn-fields"] if "secret" in name or "password" in name]
