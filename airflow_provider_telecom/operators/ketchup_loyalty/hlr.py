"""The operator that looks one or many numbers up through KetchUp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.journal.journal import Facts
from airflow_provider_telecom.operators.campaigns.chunks import in_chunks
from airflow_provider_telecom.operators.ketchup_loyalty.operator import (
    STATUS_CHECKS,
    WEBHOOKS,
    KetchUpOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    count_results,
    is_too_large,
    raise_if_refused,
    raise_if_temporary,
    wait_until_found,
)
from airflow_provider_telecom.tasks.arguments import JournaledDeferrableArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments
from airflow_provider_telecom.webhooks.address import read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery, SendResult

_CALL = "POST /hlr/create"


class KetchUpHlrLookupOperator(KetchUpOperator, IdempotentOperator, DeferrableOperator):
    """Look one or many numbers up in the networks' registers (HLR). Each look-up is paid for. Returns

        {"numbers", "duplicates", "accepted", "known_before", "refused": {code: count}, "price", "currency",
         "hlr_ids", "refused_at"}

    `hlr_ids` are the vendor's ids of the look-ups in the order of the numbers, without duplicates;
    `refused_at` are the positions (from 0) of the numbers without an id. `price` is that of the accepted
    ones. Each look-up has an idempotency key, derived from run, task and number, so a retried or killed task
    pays for none twice (`known_before` counts those of an earlier try).

    With `wait_for_completion` the task waits until each has a result, and returns as well

        {"statuses": {status: count}, "results": [{"id", "status", "network", "ported", "roaming"}]}

    in the order of `hlr_ids`. No number is returned. All of it is one XCom: split more than a few thousand
    numbers among several tasks.

    :param msisdns: one number or a list (or the text of a list), in any common form.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param callback_url: where KetchUp posts results; by default the receiver (docs/webhooks.md), or without
        a receiver the account's own address.
    :param chunk_size: look-ups in one call; halved automatically if the vendor refuses it as too large.
    :param max_rejected: fail the task if more numbers than that were refused; by default only if all were.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomFundsError,
    TelecomThrottledError. Source: "Отправка HLR запроса" of the vendor's document.
    """

    template_fields: Sequence[str] = (*IdempotentOperator.template_fields, "msisdns", "callback_url")
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "callback_url")

    def __init__(
        self,
        *,
        msisdns: Sequence[str | int] | str | int,
        tariff: int | None = None,
        callback_url: str | None = None,
        chunk_size: int = 500,
        max_rejected: int | None = None,
        **kwargs: Unpack[JournaledDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.msisdns, self.callback_url = msisdns, callback_url
        self.tariff = arguments.check_tariff(tariff)
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_CHUNK_SIZE)
        self.max_rejected = arguments.check_max_rejected(max_rejected)

    def execute(self, context: Context) -> dict[str, Any]:
        """Look up each number once."""
        numbers = self._numbers("msisdns")
        key_of = self._idempotency_keys(context)
        keys = {number: key_of(number) for number in dict.fromkeys(numbers)}
        counts = {"numbers": len(keys), "duplicates": len(numbers) - len(keys)}
        content = {"numbers": list(keys), "tariff": self.tariff}
        started = self._send_once(context, content, lambda: {**counts, **self._look_up(keys)})
        raise_if_refused(started["refused"], len(keys), self.max_rejected, _CALL, "look-ups")
        subscription = None if read_receiver_settings() is None else f"{WEBHOOKS}.hlr_subscription"
        return self._wait_if_requested(
            started, f"{STATUS_CHECKS}.hlr", {"hlr_ids": started["hlr_ids"]}, subscription=subscription
        )

    def _look_up(self, keys: Mapping[str, str]) -> Facts:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery

        queries = [
            HlrQuery(number, key, self.tariff, self._webhook_url("hlr", key)) for number, key in keys.items()
        ]
        results: list[SendResult] = []
        try:
            create = self._create_single if len(queries) == 1 else self._create_batch
            for part in in_chunks(queries, self.chunk_size, create, is_too_large):
                results += part
            raise_if_temporary(results, _CALL)
            counts = count_results(results)
            raise_if_refused(counts.refused, len(results), None, _CALL, "look-ups")
            hlr_ids = [self._id_of(result) for result in results if result.accepted]
        except TelecomError as error:
            error.partial = error.partial or any(result.accepted for result in results)
            raise
        refused_at = [place for place, result in enumerate(results) if not result.accepted]
        return {**counts.facts(), "hlr_ids": hlr_ids, "refused_at": refused_at}

    def _create_batch(self, queries: Sequence[HlrQuery]) -> Sequence[SendResult]:
        return self.hook.create_hlrs(queries).results

    def _create_single(self, queries: Sequence[HlrQuery]) -> Sequence[SendResult]:
        """Request the only look-up of a task: another form of the call, which refuses as a whole."""
        (query,) = queries
        key, url = query.reference, query.callback_url
        return [self.hook.create_hlr(query.msisdn, reference=key, tariff=query.tariff, callback_url=url)]

    def _id_of(self, result: SendResult) -> str:
        if result.id is not None:
            return result.id
        reference = str(result.reference)
        return wait_until_found(lambda: self.hook.get_hlr_by_reference(reference)).id
