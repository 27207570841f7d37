"""Base class of the operators of Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from airflow_provider_telecom.links.consoles import KyivstarConsoleLink
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.vendors.kyivstar_open_telecom import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

OnLostAnswer = Literal["repeat_once", "report"]
"""What is done about a billed check whose answer was lost."""
STATUS_MODULE = "airflow_provider_telecom.vendors.kyivstar_open_telecom.status"


class KyivstarOperator(TelecomOperator):
    """Base class of the operators; uses a `kyivstar_open_telecom` connection."""

    vendor = VENDOR
    hook: KyivstarOpenTelecomHook
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarConsoleLink(),)


def add_units(total: float | None, units: float | None) -> float | None:
    """Return the sum of the vendor's units, added as decimals: 0.1 and 0.2 are 0.3. None adds nothing."""
    if units is None:
        return total
    exact = Decimal(str(total or 0)) + Decimal(str(units))
    return int(exact) if exact == exact.to_integral_value() else float(exact)
