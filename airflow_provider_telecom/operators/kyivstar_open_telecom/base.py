"""What the operators of Kyivstar Open Telecom stand on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_telecom.links.consoles import KyivstarConsoleLink
from airflow_provider_telecom.tasks.base import TelecomOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

STATUS_MODULE = "airflow_provider_telecom.vendors.kyivstar_open_telecom.status"


class KyivstarOperator(TelecomOperator):
    """A task about a `kyivstar_open_telecom` connection."""

    default_conn_id: ClassVar[str] = "kyivstar_open_telecom_default"
    hook_path: ClassVar[str] = "airflow_provider_telecom.hooks.kyivstar_open_telecom.KyivstarOpenTelecomHook"
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarConsoleLink(),)

    @cached_property
    def hook(self) -> KyivstarOpenTelecomHook:
        """The hook of the connection."""
        from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

        return KyivstarOpenTelecomHook(self.conn_id)
