"""The operator that looks one or many numbers up through KetchUp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.bulk.chunks import in_chunks
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_operator import (
    BulkArguments,
    KetchUpBulkOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS, WEBHOOKS
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    count_results,
    is_too_large,
    raise_if_refused,
    raise_if_temporary,
    wait_until_found,
)
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments
from airflow_provider_telecom.webhooks.address import read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.triggers.polling import PollEvent
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery, SendResult

_CALL = "POST /hlr/create"
_FOR_MANY = (
    *("results_path", "max_cost", "rejects_path", "max_recipients", "reference_column"),
    *("variants", "shard", "budget", "failover"),
)


class LookupArguments(BulkArguments, total=False):
    """The parameters of the base classes of `KetchUpHlrLookupOperator`."""

    chunk_size: int


class KetchUpHlrLookupOperator(KetchUpBulkOperator):
    """Look one or many numbers up in the networks' registers (HLR). Each look-up is paid for.

    Each look-up has an idempotency key, derived from run, task and number, so a retried or killed task pays
    for none twice (`known_before` counts those of an earlier try). No number is returned.

    With `recipients` the numbers come from a list or a file of any size, and the results go into the file
    `results_path`: a killed or retried task continues where it was. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "refused": {code: count},
         "price", "currency", "results", "rejects"}

    where `price` is that of the accepted ones. With `wait_for_completion` the task waits until each has a
    result, completes each line of the file with `status`, `network`, `ported` and `roaming`, and returns
    `{"statuses": {status: count}}` as well.

    With `msisdns` the results are in the XCom, so split more than a few thousand numbers. Returns

        {"numbers", "duplicates", "accepted", "known_before", "refused": {code: count}, "price", "currency",
         "hlr_ids", "refused_at"}

    where `hlr_ids` are the vendor's ids of the look-ups in the order of the numbers, without duplicates, and
    `refused_at` the positions (from 0) of the numbers without an id; with `wait_for_completion` as well

        {"statuses": {status: count}, "results": [{"id", "status", "network", "ported", "roaming"}]}

    :param msisdns: one number or a list (or the text of a list), in any common form.
    :param recipients: in place of `msisdns`: a list (numbers, or mappings with the column of the number),
        `task.output` of a task that returned a list, or the path or URL of a file that Airflow's object
        storage can open: CSV with a header, JSON lines or Parquet; or an audience.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param callback_url: where KetchUp posts results; by default the receiver (docs/webhooks.md), or without
        a receiver the account's own address.
    :param unknown_is_final: whether the status "unknown" is a result. The vendor's document does not say it;
        by default the task waits for another status.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomFundsError,
    TelecomThrottledError. Source: "Отправка HLR запроса" of the vendor's document.
    """

    template_fields: Sequence[str] = (*KetchUpBulkOperator.template_fields, "msisdns", "callback_url")
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "callback_url")

    def __init__(
        self,
        *,
        msisdns: Sequence[str | int] | str | int | None = None,
        recipients: Any = None,
        tariff: int | None = None,
        callback_url: str | None = None,
        unknown_is_final: bool = False,
        **kwargs: Unpack[LookupArguments],
    ) -> None:
        super().__init__(recipients=recipients, **kwargs)
        self.msisdns, self.callback_url = msisdns, callback_url
        self.tariff, self.unknown_is_final = arguments.check_tariff(tariff), unknown_is_final
        arguments.exactly_one(msisdns=msisdns, recipients=recipients)
        for name in _FOR_MANY:
            if msisdns is not None and getattr(self, name) is not None:
                raise TelecomInputError(name, "goes with recipients, not with msisdns")
        if msisdns is not None and self.quiet_hours is not None:
            raise TelecomInputError("quiet_hours", "goes with recipients, not with msisdns")
        if msisdns is not None and self.is_dry_run:
            raise TelecomInputError("dry_run", "goes with recipients, not with msisdns")
        if recipients is not None and self.wait_for_completion and self.results_path is None:
            raise TelecomInputError("results_path", "is needed to wait for the results of recipients")

    def execute(self, context: Context) -> dict[str, Any]:
        """Look up each number once."""
        if self.msisdns is not None:
            return self._look_up_all(context)
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import HlrKind

        check = _StateCheck(self.unknown_is_final)
        kind = HlrKind(
            self.hook,
            self._idempotency_keys(context),
            self._columns(),
            self.tariff,
            lambda key: self._webhook_url("hlr", key),
        )
        counts, summary = self._send_to_all(context, kind)
        if counts is None or not self.wait_for_completion:
            return summary
        return self._with_statuses(self._wait_for_states(summary, check))

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Return what was started and the results; waits for those of further look-ups."""
        check = _StateCheck(self.unknown_is_final)
        if (started := self._record_group(event, check)) is None:
            return super().execute_complete(context, event)
        return self._with_statuses(self._wait_for_states(started, check))

    def _with_statuses(self, started: dict[str, Any]) -> dict[str, Any]:
        from airflow_provider_telecom.bulk.outcomes import read_outcomes

        lines = read_outcomes(self._results_object())
        statuses = Counter(line["status"] for line in lines if line.get("status") is not None)
        self.log.info("results of %s look-ups: %s", f"{statuses.total():,}", dict(statuses))
        return {**started, "statuses": dict(statuses)}

    def _look_up_all(self, context: Context) -> dict[str, Any]:
        numbers = self._numbers("msisdns")
        key_of = self._idempotency_keys(context)
        keys = {number: key_of(number) for number in dict.fromkeys(numbers)}
        counts = {"numbers": len(keys), "duplicates": len(numbers) - len(keys)}
        content = {"numbers": list(keys), "tariff": self.tariff}
        started = self._send_once(context, content, lambda: {**counts, **self._look_up(keys)})
        self._log_outcome(started, len(keys), "hlr_ids in the XCom", "look-ups")
        raise_if_refused(started["refused"], len(keys), self.max_rejected, _CALL, "look-ups")
        subscription = None if read_receiver_settings() is None else f"{WEBHOOKS}.hlr_subscription"
        awaited: dict[str, object] = {"hlr_ids": started["hlr_ids"]}
        if self.unknown_is_final:
            awaited["unknown_is_final"] = True
        return self._wait_if_requested(started, f"{STATUS_CHECKS}.hlr", awaited, subscription=subscription)

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


class _StateCheck:
    """How the results of look-ups are found (see `StateCheck`)."""

    path = f"{STATUS_CHECKS}.hlr"

    def __init__(self, unknown_is_final: bool) -> None:
        self._unknown_is_final = unknown_is_final
        self.subscription = None if read_receiver_settings() is None else f"{WEBHOOKS}.hlr_subscription"

    def arguments(self, lines: Sequence[Mapping[str, Any]], ends_at: float) -> dict[str, object]:
        """Return the arguments of the status check: the ids, or the keys if an id is missing."""
        ids = [line["id"] for line in lines]
        names = {"references": [line["reference"] for line in lines]} if None in ids else {"hlr_ids": ids}
        return {**names, "unknown_is_final": True} if self._unknown_is_final else {**names}

    def is_open(self, line: Mapping[str, Any]) -> bool:
        """Return whether a look-up has no result yet."""
        return line["state"] != "refused" and line.get("status") is None

    def updates(self, facts: Mapping[str, Any]) -> Sequence[Mapping[str, object]]:
        """Return the results, in order. `state` stays that of the request: a result is no delivery."""
        from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import now_text

        names, at = ("status", "network", "ported", "roaming"), now_text()
        return [{**{name: result[name] for name in names}, "final_at": at} for result in facts["results"]]

    def settle(self, line: dict[str, Any]) -> None:
        """A refused look-up has no result."""
        for name in ("status", "network", "ported", "roaming"):
            line.setdefault(name, None)
