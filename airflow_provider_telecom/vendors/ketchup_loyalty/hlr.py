"""HLR look-ups: whether a number is active, in which network, ported, roaming. Each is paid for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Request
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments, models
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import KetchUpRequests
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import single
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import (
    batch_result_reader,
    read_price_list,
    send_result_reader,
)

BEST_QUALITY_TARIFF = 9
_NOT_FOUND = "10"
"""In the sample of a look-up that does not exist; elsewhere it is a wrong sending time."""
_CONTENT_TYPES = {"raw": "multipart/form-data", "json": "application/json"}


class HlrCalls(KetchUpRequests):
    """HLR calls. Each look-up carries our key, so a repeated request is recognised and not charged again."""

    @endpoint
    def create_hlr(
        self, msisdn: str | int, *, reference: str, tariff: int | None = None, callback_url: str | None = None
    ) -> Call[models.SendResult]:
        """Look one number up under our key and return the look-up's id and price; the result comes later.

        KetchUp posts the result to `callback_url`; without it to the account's own, if it has one. The body
        is a multipart form, as the document demands; the connection's `hlr_body` changes it, and another
        format is tried if this one is not understood.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError. A repeated request under the same
        key costs nothing and returns the first id. Source: "Отправка HLR запроса", variant 1.
        """
        fields = self._fields(models.HlrQuery(str(msisdn), reference, tariff, callback_url))

        def create(variant: str) -> Call[models.SendResult]:
            form = {name: str(value) for name, value in fields.items()}
            return self._call(self._create_request(variant, fields, form), send_result_reader(reference))

        return (yield from self._call_first_variant("one look-up", self._body_formats("form", "raw"), create))

    @endpoint
    def create_hlrs(self, queries: Sequence[models.HlrQuery]) -> Call[models.BatchResult]:
        """Look many numbers up and return a result for each, in order.

        Some look-ups may be refused while the call succeeds. A number or a key that occurs twice is refused
        here; code 64 (14) means that nothing of the batch was done. The body is JSON under the content type
        of a multipart form, as in the document's sample. Otherwise as `create_hlr`.
        Source: "Отправка HLR запроса", variant 2.
        """
        items = [self._fields(query) for query in arguments.list_of(models.HlrQuery, "queries", queries)]
        arguments.reject_duplicates(
            (str(one["msisdn"]) for one in items), (str(one["reference"]) for one in items)
        )
        return (yield from self._create_all(items, self._create_batch))

    @endpoint
    def get_hlr(self, hlr_id: str | int) -> Call[models.HlrStatus]:
        """Return a look-up and its result by the vendor's id.

        Raises TelecomNotFoundError (code 60 or 10; right after the request it may still appear). A read.
        Source: "Получение информации об HLR запросе".
        """
        request = self._get("/hlr/{hlr_id}", hlr_id=arguments.vendor_id("hlr_id", hlr_id))
        return (yield from self._call(request, single(models.HlrStatus, not_found=_NOT_FOUND)))

    @endpoint
    def get_hlr_by_reference(self, reference: str) -> Call[models.HlrStatus]:
        """Return a look-up and its result by our key. Otherwise as `get_hlr`.

        Source: "Получение информации об HLR запросе", GET /hlr/reference/{reference}; its "Endpoint URL" is
        /hlr/{reference}, which is called if the first does not exist.
        """
        read = single(models.HlrStatus, not_found=_NOT_FOUND)
        return (yield from self._call_by_reference("/hlr", arguments.check_any_key(reference), read))

    @endpoint
    def list_hlr_prices(self, tariff: int | None = None) -> Call[list[models.CountryPrice]]:
        """Return the look-up prices of all countries in a tariff (default 9, "Best quality").

        Raises TelecomRejectedError (code 6: no such tariff). A read.
        Source: "Получение таблицы цен HLR-запросов".
        """
        chosen = self._tariff(tariff, BEST_QUALITY_TARIFF)
        return (yield from self._call(self._get("/hlr/prices/{tariff}", tariff=str(chosen)), read_price_list))

    def _create_batch(self, items: Sequence[Mapping[str, str | int]]) -> Call[models.BatchResult]:
        read = batch_result_reader([str(item["reference"]) for item in items])

        def create(variant: str) -> Call[models.BatchResult]:
            form = {"payload": json.dumps(items)}
            return self._call(self._create_request(variant, items, form), read)

        return self._call_first_variant("many look-ups", self._body_formats("raw", "form"), create)

    def _body_formats(self, *multipart: str) -> Sequence[str]:
        """Return the formats of a body in the order in which they are tried.

        They are a form, raw JSON under the content type of a form, and JSON. The document names both of the
        first two, and demands their content type.
        """
        return (*multipart, "json") if self.options.hlr_body == "multipart" else ("json", *multipart)

    def _create_request(self, variant: str, content: object, form: Mapping[str, str]) -> Request:
        body = Form(form, multipart=True) if variant == "form" else Json(content, _CONTENT_TYPES[variant])
        return self._post("/hlr/create", Idempotency.WITH_KEY, body)

    def _fields(self, query: models.HlrQuery) -> dict[str, str | int]:
        fields: dict[str, str | int] = {
            "msisdn": self._msisdn(query.msisdn),
            "reference": arguments.check_any_key(query.reference),
            "tariff": self._tariff(query.tariff),
        }
        if query.callback_url is not None:
            fields["callback_url"] = arguments.check_callback_url("callback_url", query.callback_url)
        return fields
