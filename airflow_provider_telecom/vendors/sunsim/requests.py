"""Building of SunSim's requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.phone import without_country_code
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Json, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.sunsim.arguments import russian_number
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions


class SunSimRequests(Api[SunSimOptions]):
    """Base of SunSim's resources: builds requests, and checks numbers of the contract."""

    def _request(
        self,
        method: str,
        path: str,
        idempotency: Idempotency = Idempotency.READ,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        max_bytes: int = 16 * MEGABYTE,
    ) -> Request:
        content = None if body is None else Json(body)
        address = f"{self.options.api_path}{path}"
        return Request(method, address, idempotency, query=query or {}, body=content, max_bytes=max_bytes)

    def _contract_numbers(self, numbers: Sequence[str]) -> list[str]:
        """Return numbers of the contract as ten digits, each once."""
        unique = dict.fromkeys(self._contract_number(one, "numbers") for one in non_empty("numbers", numbers))
        return list(unique)

    def _contract_number(self, number: str, field: str) -> str:
        rule = "must be a Russian number of the contract"
        return without_country_code(russian_number(field, number, self.options.default_region, rule))
