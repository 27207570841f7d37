"""Every sensor and every operator that can wait has the same result in a worker and in the triggerer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from tests.running import Run
from tests.test_family import OPERATORS, PACKAGE, SENSORS

KYIVSTAR, KETCHUP, NOVA = "kyivstar_open_telecom", "ketchup_loyalty", "novaconnect"
FMC, SUNSIM = "kyivstar_fmc", "sunsim"
NUMBER = "380670000200"
Row = tuple[str, dict[str, Any], str, str]
"""The package of a task, its arguments, the kind of state it waits for, and the path of its status checks."""


def kyivstar(hook: Any) -> dict[str, Row]:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent

    sms = hook.send_sms(NUMBER, "Hi").message_id
    viber = hook.send_viber_transaction(NUMBER, "Hi").message_id
    multichannel = hook.send_multichannel(NUMBER, [SmsContent("Hi")]).message_id
    promo, draft = hook.create_promo("Hi").id, hook.create_promo("Hi").id
    for each in (promo, draft):
        hook.add_promo_audience(each, [NUMBER])
    hook.start_promo(promo)
    to_one = {"msisdn": NUMBER, "text": "Hi"}
    return {
        "KyivstarSmsDeliveredSensor": ("sensors", {"message_id": sms}, "kyivstar_open_telecom.sms", "/sms/"),
        "KyivstarViberDeliveredSensor": (
            "sensors",
            {"message_id": viber},
            "kyivstar_open_telecom.viber",
            "/viber/status",
        ),
        "KyivstarMultichannelDeliveredSensor": (
            "sensors",
            {"message_id": multichannel},
            "kyivstar_open_telecom.multichannel",
            "/multichannel/",
        ),
        "KyivstarSendMultichannelOperator": (
            "operators",
            {"msisdn": NUMBER, "sms_text": "Hi"},
            "kyivstar_open_telecom.multichannel",
            "/multichannel/",
        ),
        "KyivstarSendRcsOperator": ("operators", to_one, "kyivstar_open_telecom.rcs", "/rcs/.*-"),
        "KyivstarPromoFinishedSensor": (
            "sensors",
            {"promo_id": promo},
            "kyivstar_open_telecom.promo",
            "/promo/.*-",
        ),
        "KyivstarSendSmsOperator": ("operators", to_one, "kyivstar_open_telecom.sms", "/sms/"),
        "KyivstarSendViberOperator": (
            "operators",
            {**to_one, "kind": "transaction"},
            "kyivstar_open_telecom.viber",
            "/viber/status",
        ),
        "KyivstarStartPromoOperator": (
            "operators",
            {"promo_id": draft},
            "kyivstar_open_telecom.promo",
            "/statistics",
        ),
        "KyivstarCreatePromoOperator": (
            "operators",
            {"recipients": [NUMBER], "text": "Hi", "start": True},
            "kyivstar_open_telecom.promo",
            "/statistics",
        ),
    }


def ketchup(hook: Any) -> dict[str, Row]:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient, ViberRecipient

    sms = hook.send_sms(NUMBER, "Hi", reference="a1").id
    task = hook.send_sms_to_many([Recipient(NUMBER, "a2")], "Hi").task_id
    viber = hook.send_viber([ViberRecipient(NUMBER, "v1")], "Hi", sender="Shop").results[0].id
    hlr = hook.create_hlr(NUMBER, reference="h1").id
    export = hook.create_statistics_export(message_ids=[sms])

    def row(kind: str, path: str, **arguments: Any) -> Row:
        return ("operators", arguments, f"ketchup_loyalty.{kind}", path)

    return {
        "KetchUpSendSmsOperator": row("sms", r"/sms/\d", msisdn=NUMBER, text="Hi"),
        "KetchUpSendBulkSmsOperator": row("sms", "/sms/task", recipients=[NUMBER], text="Hi"),
        "KetchUpSendViberOperator": row(
            "viber", "/viber/.*[0-9]", recipients=NUMBER, text="Hi", sender="Shop"
        ),
        "KetchUpHlrLookupOperator": row("hlr", "/hlr/.*[0-9]", msisdns=NUMBER),
        "KetchUpCreateStatExportOperator": row("stat", "/stat/file", message_ids=[sms]),
        "KetchUpSmsDeliveredSensor": ("sensors", {"message_id": sms}, "ketchup_loyalty.sms", "/sms/"),
        "KetchUpSmsTaskFinishedSensor": (
            "sensors",
            {"sms_task_ids": [task]},
            "ketchup_loyalty.sms",
            "/sms/task",
        ),
        "KetchUpViberDeliveredSensor": ("sensors", {"message_id": viber}, "ketchup_loyalty.viber", "/viber/"),
        "KetchUpHlrFinishedSensor": ("sensors", {"hlr_ids": [hlr]}, "ketchup_loyalty.hlr", "/hlr/"),
        "KetchUpStatFileReadySensor": ("sensors", {"file_key": export}, "ketchup_loyalty.stat", "/stat/file"),
    }


def nova(hook: Any) -> dict[str, Row]:
    hook.block_sims([1001])

    def row(**arguments: Any) -> Row:
        return ("operators", arguments, "novaconnect.queue", "/sim/list")

    return {
        "NovaConnectQueueDoneSensor": (
            "sensors",
            {"operation": "block", "sim_ids": [1001]},
            "novaconnect.queue",
            "/sim/list",
        ),
        "NovaConnectBalanceSensor": ("sensors", {"below": 200_000}, "novaconnect.queue", "/company/get"),
        "NovaConnectUnpaidBillsSensor": ("sensors", {}, "novaconnect.queue", "/bill/list"),
        "NovaConnectBlockSimsOperator": row(sim_ids=[1002]),
        "NovaConnectUnblockSimsOperator": row(sim_ids=[1004]),
        "NovaConnectSetLimitOperator": row(sim_ids=[1041], limit_mb=5),
        "NovaConnectSetGroupsOperator": row(sim_ids=[1002], new_group_names=["New"]),
        "NovaConnectSetTariffOperator": row(
            sim_ids=[1002], package_kb=20480, auto_package=True, confirm=True
        ),
    }


def fmc(hook: Any) -> dict[str, Row]:
    now = datetime.now(UTC)
    listed = hook.get_call_records(now - timedelta(days=6), now)[0]
    pair = {"calling_number": listed.calling_number, "called_number": listed.called_number}
    return {
        "KyivstarFmcCallHappenedSensor": (
            "sensors",
            {**pair, "since": listed.start},
            "kyivstar_fmc.call",
            "callstat",
        )
    }


def sunsim(hook: Any) -> dict[str, Row]:
    pair = {"phone_to": "79000001234", "phone_from": "79000000000"}
    hook.create_callback(**pair)
    since = (datetime.now(UTC) - timedelta(days=1)).date()
    return {
        "SunSimCallHappenedSensor": (
            "sensors",
            {**pair, "since": since},
            "sunsim.callback",
            "/getcalllist",
        )
    }


ROWS = {KYIVSTAR: kyivstar, KETCHUP: ketchup, FMC: fmc, SUNSIM: sunsim, NOVA: nova}
EXTRA = {KYIVSTAR: {"api_version": "v1"}}
SHOWS_NOWHERE = {"Disconnect", "Reconnect", "Ping", "SendSms", "Repackage", "Rename"}
"""NovaConnect's operations whose end shows in no SIM."""
CAN_WAIT = sorted(
    (vendor, name)
    for family in (OPERATORS, SENSORS)
    for vendor, members in family.items()
    for name in members
    if family is SENSORS
    or issubclass(getattr(import_module(f"{PACKAGE}.operators.{vendor}"), name), DeferrableOperator)
)
BLIND = [
    (vendor, name)
    for vendor, name in CAN_WAIT
    if vendor == NOVA and any(word in name for word in SHOWS_NOWHERE)
]
OF_ITS_OWN = (NOVA, "NovaConnectFleetOperator")
"""It waits several times, and always: `tests/operators/novaconnect/test_fleet_apply.py` runs it both ways."""
ALL = [each for each in CAN_WAIT if each not in (*BLIND, OF_ITS_OWN)]


@pytest.mark.parametrize(("vendor", "name"), BLIND)
def test_an_operation_that_shows_nowhere_cannot_be_waited_for(vendor: str, name: str) -> None:
    kind = getattr(import_module(f"{PACKAGE}.operators.{vendor}"), name)
    with pytest.raises(ValueError, match="wait_for_completion"):
        kind(task_id="t", wait_for_completion=True, **OPERATORS[vendor][name])


MADE_UP = ("message_id", "promo_id", "date", "started_at", "reports")
"""What differs in each run of the simulator."""


def outcome(make: Callable[[], Any]) -> tuple[str, str]:
    """Return what a task returned, or the class and text of the error that it raised."""
    try:
        facts = Run().execute(make())
        return "result", json.dumps({name: fact for name, fact in facts.items() if name not in MADE_UP})
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("fault", [None, "refused", "tolerated"])
@pytest.mark.parametrize(("vendor", "name"), ALL)
def test_both_ways_have_the_same_result(
    telecom_simulator: Any, hook_for: Callable[..., Any], vendor: str, name: str, fault: str | None
) -> None:
    found = []
    for deferrable in (False, True):
        telecom_simulator.reset()
        package, arguments, kind, path = ROWS[vendor](hook_for(vendor, **EXTRA.get(vendor, {})))[name]
        telecom_simulator.state.set_transition(kind, "after_polls", 2)
        if fault == "refused":
            telecom_simulator.fault("status", vendor, path=path, status=403, times=9)
        if fault == "tolerated":
            status = 404 if vendor == KYIVSTAR else 503
            body = '{"reqId": "r", "errorCode": 1040}' if vendor == KYIVSTAR else ""
            telecom_simulator.fault("status", vendor, path=path, status=status, body=body, times=2)
        waits = (
            {"poke_interval": 0.01}
            if package == "sensors"
            else {"wait_for_completion": True, "poll_interval": 0.01}
        )
        kind_of_task = getattr(import_module(f"{PACKAGE}.{package}.{vendor}"), name)
        found.append(outcome(lambda: kind_of_task(task_id="t", deferrable=deferrable, **arguments, **waits)))  # noqa: B023
    assert found[0] == found[1]
    assert (found[0][0] == "result") is (fault != "refused"), found[0]
