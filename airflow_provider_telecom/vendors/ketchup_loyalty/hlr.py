"""HLR look-ups: whether a number is active, in which network, ported, roaming. Each is paid for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Request
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    CountryPrice,
    HlrQuery,
    HlrStatus,
    SendResult,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import (
    KetchUpRequests,
    numeric_id,
    orders,
    reference_of,
    reject_duplicates,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import one
from airflow_provider_telecom.vendors.ketchup_loyalty.results import price_table, sent_many, sent_one

BEST_QUALITY_TARIFF = 9
_NOT_FOUND = "10"
"""In the sample of a look-up that is not there; elsewhere it is a wrong sending time."""
_CONTENT_TYPES = {"raw": "multipart/form-data", "json": "application/json"}


class HlrCalls(KetchUpRequests):
    """HLR calls. Each look-up carries our key, so that a copy is recognised and not charged again."""

    @endpoint
    def create_hlr(
        self,
        msisdn: str | int,
        *,
        reference: str,
        tariff: int | None = None,
        callback_url: str | None = None,
    ) -> Call[SendResult]:
        """Look one number up under our key and return the look-up's id and price; the result comes later.

        `callback_url` gets the result; without it the account's own is used, if it has one. The body is a
        multipart form, as the document demands; the connection's `hlr_body` changes it, and another form is
        tried if this one is not understood.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError. A copy under the same key costs
        nothing and gives the id of the first. Source: "Отправка HLR запроса", variant 1.
        """
        fields = self._fields(HlrQuery(str(msisdn), reference, tariff, callback_url))

        def create(form: str) -> Call[SendResult]:
            body: Form | Json = Json(fields, _CONTENT_TYPES.get(form, ""))
            if form == "form":
                body = Form({name: str(value) for name, value in fields.items()}, multipart=True)
            return self._call(self._create_request(body), sent_one(reference))

        return (yield from self._in_any_form("one look-up", self._hlr_forms("form", "raw"), create))

    @endpoint
    def create_hlrs(self, queries: Sequence[HlrQuery]) -> Call[BatchResult]:
        """Look many numbers up and return a result for each, in order.

        Single look-ups may be refused while the whole succeeds. A number or a key that stands twice is
        refused here; code 64 (14) means that nothing of the package was done. The body is JSON under the
        content type of a multipart form, as in the document's sample. Otherwise as `create_hlr`.
        Source: "Отправка HLR запроса", variant 2.
        """
        body = [self._fields(query) for query in orders("queries", queries, HlrQuery)]
        reject_duplicates((item["msisdn"] for item in body), (item["reference"] for item in body))
        return (yield from self._created(body, self._look_up))

    @endpoint
    def get_hlr(self, hlr_id: str | int) -> Call[HlrStatus]:
        """Return a look-up and its result by the vendor's id.

        Raises TelecomNotFoundError (code 60 or 10; right after the order it is not final). A read.
        Source: "Получение информации об HLR запросе".
        """
        request = self._get("/hlr/{hlr_id}", hlr_id=numeric_id("hlr_id", hlr_id))
        return (yield from self._call(request, one(HlrStatus, not_found=_NOT_FOUND)))

    @endpoint
    def get_hlr_by_reference(self, reference: str) -> Call[HlrStatus]:
        """Return a look-up and its result by our key. Otherwise as `get_hlr`.

        Source: "Получение информации об HLR запросе", GET /hlr/reference/{reference}; its "Endpoint URL" is
        /hlr/{reference}, which is asked where the first is not there.
        """
        read = one(HlrStatus, not_found=_NOT_FOUND)
        return (yield from self._by_reference("/hlr", reference_of(reference), read))

    @endpoint
    def list_hlr_prices(self, tariff: int | None = None) -> Call[list[CountryPrice]]:
        """Return the look-up prices of all countries in a tariff (default 9, "Best quality").

        Raises TelecomRejectedError (code 6: no such tariff). A read.
        Source: "Получение таблицы цен HLR-запросов".
        """
        chosen = self._tariff(tariff, BEST_QUALITY_TARIFF)
        return (yield from self._call(self._get("/hlr/prices/{tariff}", tariff=str(chosen)), price_table))

    def _look_up(self, items: Sequence[Mapping[str, Any]]) -> Call[BatchResult]:
        def create(form: str) -> Call[BatchResult]:
            body: Form | Json = Json(items, _CONTENT_TYPES.get(form, ""))
            if form == "form":
                body = Form({"payload": json.dumps(items)}, multipart=True)
            return self._call(self._create_request(body), sent_many([item["reference"] for item in items]))

        return self._in_any_form("many look-ups", self._hlr_forms("raw", "form"), create)

    def _hlr_forms(self, *multipart: str) -> Sequence[str]:
        """Return the forms of a body in the order in which they are tried: a form, raw JSON under its
        content type, JSON. The document names both of the first two, and demands their content type."""
        return (*multipart, "json") if self.options.hlr_body == "multipart" else ("json", *multipart)

    def _create_request(self, body: Form | Json) -> Request:
        return self._request("POST", "/hlr/create", Idempotency.WITH_KEY, body=body)

    def _fields(self, query: HlrQuery) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "msisdn": self._msisdn(query.msisdn),
            "reference": reference_of(query.reference),
            "tariff": self._tariff(query.tariff),
        }
        if query.callback_url is not None:
            fields["callback_url"] = callback("callback_url", query.callback_url)
        return fields


def callback(field: str, url: str) -> str:
    """Return an address that the vendor is to post to. A wrong one it would overlook in silence."""
    return matching(field, url, r"https?://[!-~]+", "must be an http or https address without blanks")
