"""Every operator, sensor and notifier: there under its name, cheap to import, alike in manners."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import YoungerSim
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import (
    IdempotentOperator,
    JournaledOperator,
    NonIdempotentOperator,
)
from airflow_provider_telecom.tasks.retry import TelecomRetryPolicy
from airflow_provider_telecom.tasks.sensor import TelecomSensor

PACKAGE = "airflow_provider_telecom"
OPERATORS: dict[str, dict[str, dict[str, Any]]] = {
    "kyivstar_open_telecom": {
        "KyivstarSendSmsOperator": {"msisdn": "380670000200", "text": "Hi"},
        "KyivstarSendViberOperator": {"msisdn": "380670000200", "text": "Hi", "kind": "promotion"},
        "KyivstarSendBulkSmsOperator": {"recipients": ["380670000200"], "text": "Hi"},
        "KyivstarSendBulkMultichannelOperator": {
            "recipients": ["380670000200"],
            "viber_text": "Hi",
            "sms_text": "Hi",
        },
        "KyivstarSendMultichannelOperator": {"msisdn": "380670000200", "sms_text": "Hi"},
        "KyivstarSendRcsOperator": {"msisdn": "380670000200", "text": "Hi"},
        "KyivstarCollectReceiptsOperator": {"outcomes": "outcomes.parquet"},
        "KyivstarCreatePromoOperator": {"recipients": ["380670000200"], "text": "Hi"},
        "KyivstarStartPromoOperator": {"promo_id": "00000000-0000-0000-0000-000000000001"},
        "KyivstarSuspendPromoOperator": {"promo_id": "00000000-0000-0000-0000-000000000001"},
        "KyivstarPromoStatisticsOperator": {"promo_id": "00000000-0000-0000-0000-000000000001"},
        "KyivstarGetPromoOperator": {"promo_id": "00000000-0000-0000-0000-000000000001"},
        "KyivstarListPromosOperator": {},
        "KyivstarCheckSubscribersOperator": {
            "recipients": ["380670000200"],
            "checks": [YoungerSim()],
            "results_path": "checked.jsonl",
        },
        "KyivstarFraudGateOperator": {
            "msisdn": "380670000200",
            "rules": YoungerSim(),
            "pay": "pay_out",
            "review": "ask",
            "refuse": "stop",
        },
        "KyivstarVerifySimOperator": {"msisdn": "380670000200", "activation_hours": 48},
        "KyivstarCheckSimCountOperator": {"msisdn": "380670000200", "days": 30},
        "KyivstarCheckDeviceOperator": {"msisdn": "380670000200", "imei": "490154203237518"},
        "KyivstarCheckLifetimeOperator": {"msisdn": "380670000200"},
        "KyivstarScoreOperator": {"msisdn": "380670000200", "min_score": 500},
    },
    "ketchup_loyalty": {
        "KetchUpSendSmsOperator": {"msisdn": "380670000200", "text": "Hi"},
        "KetchUpSendBulkSmsOperator": {"recipients": ["380670000200"], "text": "Hi"},
        "KetchUpSendViberOperator": {"recipients": ["380670000200"], "text": "Hi"},
        "KetchUpHlrLookupOperator": {"msisdns": ["380670000200"]},
        "KetchUpPriceOperator": {},
        "KetchUpCreateStatExportOperator": {},
        "KetchUpListStatExportsOperator": {},
        "KetchUpCollectReceiptsOperator": {"outcomes": "outcomes.parquet"},
        "KetchUpDeleteStatExportOperator": {"file_key": "a1"},
    },
    "kyivstar_fmc": {
        "KyivstarFmcOriginateCallOperator": {"called_number": "380670000200"},
        "KyivstarFmcBulkCallOperator": {"recipients": ["380670000200"]},
        "KyivstarFmcCollectReceiptsOperator": {"outcomes": "calls.parquet", "min_duration_seconds": 2},
    },
    "sunsim": {
        "SunSimCreateCallbackOperator": {"phone_to": "79000000001", "phone_from": "79000000000"},
        "SunSimBulkCallbackOperator": {"recipients": ["79000000001"], "phone_from": "79000000000"},
        "SunSimCollectReceiptsOperator": {"outcomes": "calls.parquet", "min_duration_seconds": 2},
        "SunSimGetVatsSettingsOperator": {"numbers": ["79000000000"]},
        "SunSimSetVatsSettingsOperator": {"path": "settings.json"},
    },
    "novaconnect": {
        "NovaConnectBlockSimsOperator": {"sim_ids": [1]},
        "NovaConnectUnblockSimsOperator": {"sim_ids": [1]},
        "NovaConnectDisconnectSimsOperator": {"sim_ids": [1], "confirm": True},
        "NovaConnectReconnectSimsOperator": {"sim_ids": [1], "confirm": True},
        "NovaConnectPingSimsOperator": {"sim_ids": [1]},
        "NovaConnectSendSmsOperator": {"sim_ids": [1], "text": "Hi"},
        "NovaConnectSetLimitOperator": {"sim_ids": [1], "limit_mb": 10},
        "NovaConnectSetTariffOperator": {
            "sim_ids": [1],
            "package_kb": 15360,
            "auto_package": False,
            "confirm": True,
        },
        "NovaConnectRepackageOperator": {"sim_ids": [1], "confirm": True},
        "NovaConnectRenameSimOperator": {"sim_id": 1, "name": "A"},
        "NovaConnectSetGroupsOperator": {"sim_ids": [1], "group_ids": [1]},
        "NovaConnectListSimsOperator": {},
        "NovaConnectFleetOperator": {
            "mode": "plan",
            "desired": [{"id": 1001, "blocked": True}],
            "plan_path": "plan.json",
        },
        "NovaConnectGetCompanyOperator": {},
        "NovaConnectListBillsOperator": {},
        "NovaConnectListGroupsOperator": {},
        "NovaConnectCreateGroupOperator": {"name": "A"},
        "NovaConnectRenameGroupOperator": {"group": 1, "name": "A"},
        "NovaConnectRemoveGroupOperator": {"group": 1, "confirm": True},
        "NovaConnectListUsersOperator": {},
        "NovaConnectCreateUserOperator": {
            "first_name": "A",
            "last_name": "B",
            "email_address": "a@example.com",
            "phone": "380670000200",
        },
        "NovaConnectDeactivateUserOperator": {"user": 1},
        "NovaConnectRemoveUserOperator": {"user": 1, "confirm": True},
        "NovaConnectReportTotalsOperator": {
            "report": "sessions",
            "start": "2026-10-25",
            "end": "2026-10-25",
        },
    },
}
SENSORS: dict[str, dict[str, dict[str, Any]]] = {
    "kyivstar_open_telecom": {
        "KyivstarSmsDeliveredSensor": {"message_id": "a"},
        "KyivstarViberDeliveredSensor": {"message_id": "a"},
        "KyivstarMultichannelDeliveredSensor": {"message_id": "a"},
        "KyivstarPromoFinishedSensor": {"promo_id": "00000000-0000-0000-0000-000000000001"},
    },
    "ketchup_loyalty": {
        "KetchUpSmsDeliveredSensor": {"message_id": "1"},
        "KetchUpSmsTaskFinishedSensor": {"sms_task_ids": "1"},
        "KetchUpViberDeliveredSensor": {"message_id": "1"},
        "KetchUpHlrFinishedSensor": {"hlr_ids": ["1"]},
        "KetchUpStatFileReadySensor": {"file_key": "a1"},
    },
    "kyivstar_fmc": {
        "KyivstarFmcCallHappenedSensor": {"called_number": "380670000200", "since": "2026-10-25"},
    },
    "sunsim": {
        "SunSimCallHappenedSensor": {
            "phone_to": "79000000001",
            "phone_from": "79000000000",
            "since": "2026-10-25",
        },
    },
    "novaconnect": {
        "NovaConnectQueueDoneSensor": {"operation": "block", "sim_ids": [1]},
        "NovaConnectBalanceSensor": {"below": 5000},
        "NovaConnectUnpaidBillsSensor": {},
    },
}
TRANSFERS: dict[str, dict[str, dict[str, Any]]] = {
    "kyivstar_fmc": {
        "KyivstarFmcCallsToObjectStorageOperator": {
            "start": "2026-10-25T00:00:00Z",
            "end": "2026-10-26T00:00:00Z",
        },
    },
    "ketchup_loyalty": {
        "KetchUpStatsToObjectStorageOperator": {
            "time_in_from": "2026-10-25T00:00:00",
            "time_in_to": "2026-10-25T23:59:59",
        },
    },
    "sunsim": {
        "SunSimCallsToObjectStorageOperator": {
            "numbers": ["79000000000"],
            "start": "2026-10-25T00:00:00",
            "end": "2026-10-26T00:00:00",
        },
        "SunSimRecordingsToObjectStorageOperator": {"record_ids": ["a1"]},
    },
    "novaconnect": {
        "NovaConnectReportToObjectStorageOperator": {
            "report": "sessions",
            "start": "2026-10-25",
            "end": "2026-10-25",
        },
        "NovaConnectBillToObjectStorageOperator": {"bill_ids": [1]},
    },
}
NOTIFIERS: dict[str, dict[str, dict[str, Any]]] = {
    "kyivstar_open_telecom": {
        "KyivstarSmsNotifier": {"msisdn": "380670000200"},
        "KyivstarViberNotifier": {"msisdn": "380670000200"},
    },
    "ketchup_loyalty": {
        "KetchUpSmsNotifier": {"msisdn": "380670000200"},
        "KetchUpViberNotifier": {"msisdn": "380670000200"},
    },
    "kyivstar_fmc": {"KyivstarFmcCallNotifier": {"msisdn": "380670000200"}},
    "sunsim": {"SunSimCallbackNotifier": {"msisdn": "79000000001", "phone_from": "79000000000"}},
    "novaconnect": {"NovaConnectSmsNotifier": {"sim_ids": [1]}},
}


def members(package: str, names: dict[str, dict[str, dict[str, Any]]]) -> Iterator[Any]:
    for vendor, found in names.items():
        for name, arguments in found.items():
            yield pytest.param(f"{PACKAGE}.{package}.{vendor}", name, arguments, id=name)


def transfers() -> Iterator[Any]:
    for vendor, found in TRANSFERS.items():
        for name, arguments in found.items():
            module = f"{PACKAGE}.transfers.{vendor}_to_object_storage"
            yield pytest.param(module, name, {"path": "lake", **arguments}, id=name)


PARTS_OF_THE_SDK = {
    "airflow.sdk.bases.branch",
    "airflow.sdk.bases.operatorlink",
    "airflow.sdk.bases.skipmixin",
    "airflow.sdk.definitions.retry_policy",
}
WITHOUT_A_KEY = {
    "KyivstarSendBulkMultichannelOperator",
    "KyivstarSendSmsOperator",
    "KyivstarSendViberOperator",
    "KyivstarSendBulkSmsOperator",
    "KyivstarSendMultichannelOperator",
    "KyivstarSendRcsOperator",
    "KyivstarFmcOriginateCallOperator",
    "KyivstarFmcBulkCallOperator",
    "SunSimCreateCallbackOperator",
    "SunSimBulkCallbackOperator",
    "NovaConnectDisconnectSimsOperator",
    "NovaConnectReconnectSimsOperator",
    "NovaConnectPingSimsOperator",
    "NovaConnectSendSmsOperator",
    "NovaConnectSetTariffOperator",
    "NovaConnectRepackageOperator",
    "NovaConnectCreateUserOperator",
}
"""The vendor cannot recognize a duplicate: the journal and `on_unknown` decide."""
KEYS_IN_DOUBT = "KetchUpSendViberOperator"
"""It has keys, and `on_unknown` in case that the vendor ignores them."""
WITH_A_KEY = {
    "KetchUpSendSmsOperator",
    "KetchUpSendBulkSmsOperator",
    "KetchUpSendViberOperator",
    "KetchUpHlrLookupOperator",
}
"""The vendor recognizes a duplicate by our key."""
BY_READING_FIRST = {
    "KyivstarCreatePromoOperator",
    "KyivstarCheckSubscribersOperator",
    "KyivstarFraudGateOperator",
    "KetchUpCreateStatExportOperator",
    "KetchUpStatsToObjectStorageOperator",
    "NovaConnectBlockSimsOperator",
    "NovaConnectUnblockSimsOperator",
    "NovaConnectSetLimitOperator",
    "NovaConnectRenameSimOperator",
    "NovaConnectSetGroupsOperator",
    "NovaConnectCreateGroupOperator",
    "NovaConnectRenameGroupOperator",
    "NovaConnectRemoveGroupOperator",
    "NovaConnectDeactivateUserOperator",
    "NovaConnectRemoveUserOperator",
    "NovaConnectFleetOperator",
}
"""A later try reads at the vendor, or in the journal, what an earlier one has done."""
REPEATABLE = {
    "KyivstarCollectReceiptsOperator",
    "KyivstarStartPromoOperator",
    "KyivstarSuspendPromoOperator",
    "KyivstarPromoStatisticsOperator",
    "KyivstarGetPromoOperator",
    "KyivstarListPromosOperator",
    "KyivstarVerifySimOperator",
    "KyivstarCheckSimCountOperator",
    "KyivstarCheckDeviceOperator",
    "KyivstarCheckLifetimeOperator",
    "KyivstarScoreOperator",
    "KetchUpPriceOperator",
    "KetchUpListStatExportsOperator",
    "KetchUpCollectReceiptsOperator",
    "KetchUpDeleteStatExportOperator",
    "KyivstarFmcCollectReceiptsOperator",
    "SunSimCollectReceiptsOperator",
    "SunSimGetVatsSettingsOperator",
    "SunSimSetVatsSettingsOperator",
    "NovaConnectListSimsOperator",
    "NovaConnectGetCompanyOperator",
    "NovaConnectListBillsOperator",
    "NovaConnectListGroupsOperator",
    "NovaConnectListUsersOperator",
    "NovaConnectReportTotalsOperator",
    "KyivstarFmcCallsToObjectStorageOperator",
    "SunSimCallsToObjectStorageOperator",
    "SunSimRecordingsToObjectStorageOperator",
    "NovaConnectReportToObjectStorageOperator",
    "NovaConnectBillToObjectStorageOperator",
}
"""They read, or set a state: a duplicate changes nothing."""
WAITING = {
    "KyivstarSendSmsOperator",
    "KyivstarSendViberOperator",
    "KyivstarSendMultichannelOperator",
    "KyivstarSendRcsOperator",
    "KyivstarCreatePromoOperator",
    "KyivstarStartPromoOperator",
    "KetchUpSendSmsOperator",
    "KetchUpSendBulkSmsOperator",
    "KetchUpSendViberOperator",
    "KetchUpHlrLookupOperator",
    "KetchUpCreateStatExportOperator",
    "KetchUpStatsToObjectStorageOperator",
    *(name for name in OPERATORS["novaconnect"] if name.endswith(("SimsOperator", "SimOperator"))),
    "NovaConnectSendSmsOperator",
    "NovaConnectSetLimitOperator",
    "NovaConnectSetTariffOperator",
    "NovaConnectRepackageOperator",
    "NovaConnectSetGroupsOperator",
    "NovaConnectFleetOperator",
}
WAITING.remove("NovaConnectListSimsOperator")
TASKS = [*members("operators", OPERATORS), *members("sensors", SENSORS), *transfers()]
OF_NO_VENDOR = [
    pytest.param(
        f"{PACKAGE}.operators.audience",
        "PrepareAudienceOperator",
        {"output": "audience", "recipients": ["380670000200"]},
        id="PrepareAudienceOperator",
    ),
    pytest.param(
        f"{PACKAGE}.operators.outcomes",
        "JoinOutcomesOperator",
        {"outcomes": "outcomes/*.jsonl", "results_path": "outcomes.jsonl"},
        id="JoinOutcomesOperator",
    ),
    pytest.param(
        f"{PACKAGE}.operators.next_rung",
        "SelectFallbackOperator",
        {
            "audience": "audiences/spring",
            "outcomes": "viber.jsonl",
            "channel": "viber",
            "conn_ids": ["ketchup_loyalty_default"],
            "output": "audiences/spring-sms",
        },
        id="SelectFallbackOperator",
    ),
    pytest.param(
        f"{PACKAGE}.operators.ladder_report",
        "LadderReportOperator",
        {"rungs": [{"name": "viber", "audience": "audiences/spring", "outcomes": "viber.jsonl"}]},
        id="LadderReportOperator",
    ),
]
"""Operators without a connection."""
MODULES = [
    f"{PACKAGE}.{package}.{vendor}"
    for package, names in (("operators", OPERATORS), ("sensors", SENSORS))
    for vendor in names
] + [f"{PACKAGE}.transfers.{vendor}_to_object_storage" for vendor in TRANSFERS]
MODULES += [f"{PACKAGE}.operators.{name}" for name in ("audience", "outcomes", "next_rung", "ladder_report")]
MODULES.append(f"{PACKAGE}.campaigns")


def made(module: str, name: str, arguments: dict[str, Any], **more: Any) -> Any:
    return getattr(import_module(module), name)(task_id="task", **arguments, **more)


@pytest.mark.parametrize(("module", "name", "arguments"), TASKS)
def test_it_follows_the_conventions(module: str, name: str, arguments: dict[str, Any]) -> None:
    task = made(module, name, arguments)
    assert isinstance(task, (TelecomOperator, TelecomSensor))
    assert task.conn_id == f"{module.rsplit('.', 1)[1].removesuffix('_to_object_storage')}_default"
    assert isinstance(task.retry_policy, TelecomRetryPolicy)
    assert made(module, name, arguments, retry_policy=None).retry_policy is None
    assert made(module, name, arguments, conn_id="another").conn_id == "another"
    assert task.__doc__
    assert "Source:" in task.__doc__
    for field in task.template_fields:
        assert hasattr(task, field), f"{field} is no attribute"
    private = getattr(task, "private_fields", ())
    assert set(private) <= set(task.template_fields)
    numbers = {"msisdn", "text", "called_number", "phone_to", "phone_from"}
    assert numbers & set(task.template_fields) <= set(private)
    kinds = {parameter.kind for parameter in inspect.signature(type(task).__init__).parameters.values()}
    assert kinds <= {
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    }
    assert isinstance(task, BaseOperator)


@pytest.mark.parametrize(("module", "name", "arguments"), [*TASKS, *OF_NO_VENDOR])
def test_it_crosses_airflows_database_and_can_be_mapped(
    module: str, name: str, arguments: dict[str, Any]
) -> None:
    with DAG("family", schedule=None) as dag:
        made(module, name, arguments)
        kind = getattr(import_module(module), name)
        first = next(iter(arguments), "conn_id")
        rest = {key: value for key, value in arguments.items() if key != first}
        kind.partial(task_id="mapped", **rest).expand(**{first: [arguments.get(first, "a_connection")]})
    read = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    assert {task.task_id for task in read.tasks} == {"task", "mapped"}


@pytest.mark.parametrize(("module", "name", "arguments"), [*members("operators", OPERATORS), *transfers()])
def test_an_effect_says_how_it_is_kept_from_happening_twice(
    module: str, name: str, arguments: dict[str, Any]
) -> None:
    task = made(module, name, arguments)
    kept = next(
        (names for names in (WITHOUT_A_KEY, WITH_A_KEY, BY_READING_FIRST) if name in names), REPEATABLE
    )
    assert name in kept, "say in which of the four sets this task belongs"
    assert isinstance(task, NonIdempotentOperator) == (kept is WITHOUT_A_KEY)
    assert isinstance(task, IdempotentOperator) == (kept is WITH_A_KEY)
    assert isinstance(task, JournaledOperator) == (kept is not REPEATABLE)
    assert ("dedupe_key" in task.template_fields) == (kept is not REPEATABLE)
    assert getattr(task, "on_unknown", None) == ("fail" if name in {*WITHOUT_A_KEY, KEYS_IN_DOUBT} else None)


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [task for task in TASKS if task.id in {*WITHOUT_A_KEY, KEYS_IN_DOUBT}],
)
def test_a_misspelt_policy_is_refused(module: str, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="on_unknown"):
        made(module, name, arguments, on_unknown="hope")


@pytest.mark.parametrize(("module", "name", "arguments"), [*members("operators", OPERATORS), *transfers()])
def test_waiting_is_asked_for(module: str, name: str, arguments: dict[str, Any]) -> None:
    task = made(module, name, arguments)
    assert isinstance(task, DeferrableOperator) == hasattr(task, "wait_for_completion")
    assert isinstance(task, DeferrableOperator) == (name in WAITING)
    assert not getattr(task, "wait_for_completion", False)


@pytest.mark.parametrize(("module", "name", "arguments"), [*members("notifications", NOTIFIERS)])
def test_a_notifier_can_be_called_both_ways(module: str, name: str, arguments: dict[str, Any]) -> None:
    notifier = getattr(import_module(module), name)(**arguments)
    assert isinstance(notifier, BaseNotifier)
    for method in ("notify", "async_notify"):
        assert getattr(type(notifier), method) is not getattr(BaseNotifier, method)


CLASSES = [  # what a Dag imports, each in a process of its own
    *(f"{PACKAGE}.operators.{vendor}:{name}" for vendor, names in OPERATORS.items() for name in names),
    *(
        f"{module}:"
        for module in MODULES
        if module.rpartition(".")[2] not in OPERATORS or ".sensors." in module
    ),
]


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """Return what importing each class adds to `sys.modules`, in a fresh copy of an interpreter each."""
    program = (  # the SDK has imported csv on some versions of Python only
        "import csv, importlib, json, os, sys, airflow.sdk as sdk; sdk.BaseOperator, sdk.BaseSensorOperator\n"
        "for path in sys.argv[1:]:\n"
        "    if os.fork() == 0:\n"
        "        before = set(sys.modules)\n"
        "        module, _, name = path.partition(':')\n"
        "        getattr(importlib.import_module(module), name or '__name__')\n"
        "        print(json.dumps([path, sorted(set(sys.modules) - before)]), flush=True)\n"
        "        os._exit(0)\n"
        "    assert os.wait()[1] == 0\n"
    )
    command = [sys.executable, "-c", program, *CLASSES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


@pytest.mark.xdist_group("imports")  # one process imports all classes, once
@pytest.mark.parametrize("path", CLASSES)
def test_importing_it_costs_next_to_nothing(path: str, imported: dict[str, list[str]]) -> None:
    """On top of airflow.sdk: at most 40 small modules of ours, and nothing that belongs to running."""
    ours = {name for name in imported[path] if name.split(".")[0] == PACKAGE}
    assert path.partition(":")[0] in ours
    assert len(ours) <= 40
    assert set(imported[path]) - ours <= PARTS_OF_THE_SDK


@pytest.mark.parametrize(
    "vendor", ["ketchup_loyalty", "kyivstar_fmc", "kyivstar_open_telecom", "novaconnect", "sunsim"]
)
def test_what_type_checkers_see_of_a_package_is_there(vendor: str) -> None:
    """Its classes are imported when they are asked for, so the package names them three times."""
    package = import_module(f"{PACKAGE}.operators.{vendor}")
    tree = ast.parse(Path(str(package.__file__)).read_text())
    for_types = {
        f"{node.module}.{alias.name}"
        for statement in tree.body
        if isinstance(statement, ast.If)
        for node in statement.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    there = {name: getattr(package, name) for name in package.__all__}
    assert for_types == {f"{kind.__module__}.{name}" for name, kind in there.items()}
    assert set(there) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'Misspelt'"):
        package.Misspelt  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        name
        for family in (OPERATORS, SENSORS, TRANSFERS, NOTIFIERS)
        for names in family.values()
        for name in names
    ]
    + [param.id for param in OF_NO_VENDOR]
    + ["EscalatingNotifier"],
)
def test_the_docs_name_it(name: str) -> None:
    assert f"`{name}`" in (Path(__file__).parent.parent / "docs" / "tasks.md").read_text()
