"""Links from a task to the vendor's pages for people, where the vendor's document names them.

An operator has one by `operator_extra_links = (KyivstarConsoleLink(),)`. They lead to the start page: no
vendor documents addresses of single messages or mailings. KetchUp, SunSim and NovaConnect speak of a
cabinet and name no address of it, so they have no link.
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
    """The cabinet of Kyivstar Open Telecom: applications, alpha names, mailings. Source: "Автентифікація"."""

    name: ClassVar[str] = "Kyivstar Open Telecom"
    url: ClassVar[str] = "https://api-market.kyivstar.ua"


class KyivstarFmcConsoleLink(VendorConsoleLink):
    """The integration portal of the virtual PBX. Source: "API for integrating user systems"."""

    name: ClassVar[str] = "Kyivstar FMC"
    url: ClassVar[str] = "https://fmc.kyivstar.ua/api/webportal"
