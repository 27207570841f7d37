"""Links from a task to the vendor's web console, where the vendor's document gives its address.

An operator has one with `operator_extra_links = (KyivstarConsoleLink(),)`. They lead to the start page: no
vendor documents addresses of single messages or campaigns. The documents of KetchUp, SunSim and NovaConnect
give no address of their console, so there is no link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class VendorConsoleLink(BaseOperatorLink):
    """A link to a fixed address; nothing of the task or the connection goes into it."""

    url: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address."""
        return self.url


class KyivstarConsoleLink(VendorConsoleLink):
    """Kyivstar Open Telecom: applications, alpha names, campaigns. Source: "Автентифікація"."""

    name: ClassVar[str] = "Kyivstar Open Telecom"
    url: ClassVar[str] = "https://api-market.kyivstar.ua"


class KyivstarFmcConsoleLink(VendorConsoleLink):
    """The integration portal of the virtual PBX. Source: "API for integrating user systems"."""

    name: ClassVar[str] = "Kyivstar FMC"
    url: ClassVar[str] = "https://fmc.kyivstar.ua/api/webportal"
