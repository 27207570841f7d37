"""A trigger and an operator as a Dag author might write them, to see hooks at work in a triggerer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent


class AllHooksTrigger(BaseTrigger):
    """Awaits a call of each of the five vendors and returns what was found."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "tests.system.async_hooks.AllHooksTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
        from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook
        from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
        from airflow_provider_telecom.hooks.sunsim import SunSimHook

        now = datetime.now()
        kyivstar, ketchup, fmc, sunsim, nova = (
            KyivstarOpenTelecomHook(),
            KetchUpHook(),
            KyivstarFmcHook(),
            SunSimHook(),
            NovaConnectHook(),
        )
        start = now.astimezone() - timedelta(days=1)
        found = {
            "kyivstar_open_telecom": (await kyivstar.aio(kyivstar.list_promos)).items,
            "ketchup_loyalty": len(await ketchup.aio(ketchup.list_sms_prices)),
            "kyivstar_fmc": len(await fmc.aio(fmc.get_call_records, start)),
            "sunsim": len(
                (await sunsim.aio(sunsim.list_calls, ["79000000000"], now - timedelta(days=1), now)).calls
            ),
            "nova": (await nova.aio(nova.get_user)).id,
        }
        for hook in (kyivstar, ketchup, fmc, sunsim, nova):
            await hook.aclose()
        yield TriggerEvent(found)


class AllHooksOperator(BaseOperator):
    """Defers to the trigger and returns its event."""

    def execute(self, context: Any) -> None:
        self.defer(trigger=AllHooksTrigger(), method_name="done")

    def done(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        return event
