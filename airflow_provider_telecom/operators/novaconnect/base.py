"""Base classes of NovaConnect's operators: the connection, the selection of SIMs, and the wait."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.novaconnect.operator import CHUNK_SIZE, MAX_SIMS, NovaConnectOperator
from airflow_provider_telecom.operators.novaconnect.plan import (
    Chunk,
    Plan,
    SimsResult,
    check_select,
    find_sims,
    make_plan,
    refuse_unknown,
    select_sims,
)
from airflow_provider_telecom.tasks.arguments import DeferrableArguments
from airflow_provider_telecom.tasks.base import with_inbox
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.arguments import as_list
from airflow_provider_telecom.vendors.novaconnect.operations import OBSERVABLE, Operation
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.triggers.polling import PollEvent

_STATUS = "airflow_provider_telecom.vendors.novaconnect.status.sim_operation"
_SUBSCRIPTION = "airflow_provider_telecom.vendors.novaconnect.webhooks.subscription"
Webhook = tuple[str | None, str | None]
"""The address to which the vendor posts the end of a request, and the key of that address."""


class ChangeArguments(DeferrableArguments, total=False):
    """The parameters of `NovaConnectSimsOperator`, without those that choose the SIMs."""

    on_unknown_sims: Literal["fail", "skip"]
    max_changes: int | None


class SimsArguments(ChangeArguments, total=False):
    """The parameters of `NovaConnectSimsOperator`."""

    sim_ids: Any
    select: Any
    chunk_size: int
    callback_url: str | None


class NovaConnectSimsOperator(NovaConnectOperator, DeferrableOperator):
    """An operation on SIMs. It is sent only for SIMs that are not yet in the state that it brings them to.

    The list of SIMs is read first. The XCom has the result for each SIM:

        {"queue_id": "...", "callback_key": "...", "changed": [1001], "unchanged": [1002],
         "skipped": [{"sim_id": 1008, "reason": "blocked for unpaid bills (f)"}]}

    `changed` are the SIMs that the operation was sent for; the vendor puts it into a queue. If there are
    none, nothing is sent and `queue_id` is None. With a receiver (docs/webhooks.md) the vendor is asked to
    post the end to it, and a sensor recognizes that post by `callback_key`; without a receiver it is None.

    More SIMs than `chunk_size` are sent in several requests, one after the other, each with its own entry in
    the journal. Then `queue_id` and `callback_key` are lists, and `chunks` has both, the number of SIMs, the
    first and the last for each request. If a request fails, no later one is sent, and the error names the
    chunk; the next try continues with that chunk.

    :param sim_ids: the vendor's ids of the SIMs, as a list or (from a template) its JSON text. A list that is
        empty when the task runs is no error.
    :param select: which SIMs, instead of ids, resolved when the task runs; all given conditions must be true:
        `profile` (TD or TC), `group` (id or name), `query` (the vendor's search), `blocked` and `msu_block`
        (True or False). Never shown, since a query may be a number.
    :param on_unknown_sims: what to do about ids that no SIM has: `fail` (default; nothing is sent) or `skip`.
    :param max_changes: fail, before anything is sent, if more SIMs than this would be changed; None allows
        any number.
    :param chunk_size: the largest number of SIMs in one request, at most 10,000.
    :param callback_url: the https address to which the vendor posts the end of the operation, instead of the
        receiver. With `allow_http_webhooks` in the connection's extra it may be http. Never shown.
    :param wait_for_completion: wait until the operation is done. Without a receiver only for operations whose
        result shows in the list of SIMs: block, unblock, limit, tariff and groups. The task fails if a SIM is
        not in the list any more or can never reach the state, and the error names the SIM.
    """

    operation_type: ClassVar[type[Operation]]
    has_webhook: ClassVar[bool] = True
    """Whether the vendor posts the end of it."""
    template_fields: Sequence[str] = (
        *NovaConnectOperator.template_fields,
        "sim_ids",
        "select",
        "callback_url",
        "dedupe_key",
    )
    private_fields: ClassVar[Sequence[str]] = ("select", "callback_url")

    def __init__(
        self,
        *,
        sim_ids: Any = None,
        select: Any = None,
        on_unknown_sims: Literal["fail", "skip"] = "fail",
        max_changes: int | None = 100,
        chunk_size: int = CHUNK_SIZE,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._uses_receiver = (
            self.has_webhook and callback_url is None and read_receiver_settings() is not None
        )
        if self._uses_receiver:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(**kwargs)
        self.sim_ids, self.select, self.callback_url = sim_ids, select, callback_url
        self.on_unknown_sims = one_of("on_unknown_sims", on_unknown_sims, ("fail", "skip"))
        self.max_changes = None if max_changes is None else in_range("max_changes", max_changes, 1, MAX_SIMS)
        self.chunk_size = in_range("chunk_size", chunk_size, 1, CHUNK_SIZE)
        if (sim_ids is None) == (select is None):
            raise TelecomInputError("sim_ids", "either sim_ids or select must be given, and not both")
        if is_literal(sim_ids):
            arguments.rendered_nonempty_ids("sim_ids", sim_ids)
        if is_literal(select):
            check_select(select)
        if is_literal(callback_url):
            arguments.callback_url(str(callback_url), allow_http=True)  # the connection is not read here
        if self.wait_for_completion and not (self._uses_receiver or self._is_observable):
            raise TelecomInputError(
                "wait_for_completion",
                f"the end of {self.operation_type.operation} does not show in the list of SIMs, and no call "
                "asks for a queue: only the vendor's webhook reports it, which needs a receiver",
            )

    @property
    def _is_observable(self) -> bool:
        """Whether the list of SIMs shows the result, also after an unknown outcome."""
        return self.operation_type.operation in OBSERVABLE

    def _operation(self) -> Operation:
        """Return the operation with its arguments. Raises TelecomInputError."""
        return self.operation_type()

    def _check_literals(self, *values: object) -> None:
        """Check the operation when the Dag is parsed, if the values that it is made of are known then."""
        if all(value is None or is_literal(value) for value in values):
            self._operation()

    def _send(self, plan: Plan, webhook: Webhook | None = None) -> SimsResult:
        """Send the operation and return the result. If the vendor refuses it, no webhook will come.

        Each request has an address of its own; `webhook` is that of the first one.
        """
        keys: list[str | None] = []

        def new_url(count: int) -> str | None:
            url, key = webhook if webhook and not keys else self._webhook_address(count)
            keys.append(key)
            return url

        try:
            queue_ids = self._operation().send(self.hook, plan.sim_ids, new_url)
        except TelecomUnknownError:
            raise
        except TelecomError:
            self._delete_webhooks(keys[-1:])
            raise
        return plan.outcome(queue_ids, keys)

    @contextmanager
    def _naming_chunk(self, plan: Plan, done: Sequence[Chunk], more: bool) -> Iterator[None]:
        """Add to an error which chunk it is about."""
        try:
            yield
        except TelecomError as error:
            if (done or more) and plan.before:
                sent = plan.sim_ids
                error.text = (
                    f"chunk {len(done) + 1} of the SIMs ({len(sent)} of them, {sent[0]} to {sent[-1]}; those "
                    f"before it are done, none after it was sent): {error.text}"
                )
                error.args = (error.text,)
                error.partial = error.partial or bool(done)
            raise

    def _log_chunk(self, plan: Plan, done: Sequence[Chunk], left: int) -> None:
        if done or left:
            name = self.operation_type.operation
            self.log.info(
                "%s: sending chunk %d, %d SIMs; %d are left", name, len(done) + 1, len(plan.before), left
            )

    def _webhook_address(self, count: int) -> Webhook:
        """Return where the vendor posts the end of a request for so many SIMs, and the key of that address.

        The receiver has to know the address before the request is sent: the vendor may post before it
        answers.
        """
        settings = read_receiver_settings() if self._uses_receiver else None
        if settings is None:
            return self.reveal("callback_url"), None
        address = WebhookAddress("novaconnect", "queue", self.conn_id, secrets.token_urlsafe(16))
        from airflow.sdk.exceptions import AirflowRuntimeError

        from airflow_provider_telecom.webhooks import inbox_client

        expected = {"operation": self.operation_type.operation, "process": 0, "count": count}
        try:
            inbox_client.expect_webhook(address.topic, expected)
        except AirflowRuntimeError as error:
            self.log.warning("The page will not show this queue before its first webhook: %s", error)
        return settings.url(address), address.nonce

    def _content(self) -> dict[str, Any]:
        """Return what the journal compares between tries, with all arguments checked.

        Raises TelecomInputError.
        """
        if url := self.reveal("callback_url"):
            arguments.callback_url(url, self.hook.options.allow_http_webhooks)
        if self.sim_ids is None:
            sims: object = check_select(self.reveal("select"))
        else:
            sims = sorted(arguments.rendered_ids("sim_ids", self.sim_ids))
        operation = self._operation()
        return {"operation": operation.operation, "sims": sims, **operation.desired_state()}

    def _new_plan(self) -> Plan:
        if self.sim_ids is None:
            sims, unknown = select_sims(self.hook, self.reveal("select")), list[int]()
        else:
            sims, unknown = find_sims(self.hook, arguments.rendered_ids("sim_ids", self.sim_ids))
        if self.on_unknown_sims == "fail":
            refuse_unknown(unknown)
        plan = make_plan(self._operation(), sims, unknown)
        plan.check_max_changes(self.max_changes)
        self._log_plan(plan)
        return plan

    def _log_plan(self, plan: Plan) -> None:
        name = self.operation_type.operation
        self.log.info(
            "%s: changing %d SIMs; %d are already in that state", name, len(plan.before), len(plan.unchanged)
        )
        for one in plan.skipped:
            self.log.warning("%s: SIM %d is skipped: %s", name, one["sim_id"], one["reason"])

    def _finish(self, started: Facts) -> dict[str, Any]:
        """Return the result; with `wait_for_completion` once the operation is done for the changed SIMs."""
        if not started.get("changed"):
            return dict(started)
        operation, key = self._operation(), started.get("callback_key")
        arguments = {
            "operation": operation.operation,
            "sim_ids": started["changed"],
            "desired_state": operation.desired_state(),
            "queue_id": started["queue_id"],
            "callback_key": key,
        }
        done = self._wait_if_requested(
            dict(started), _STATUS, arguments, subscription=None if key is None else _SUBSCRIPTION
        )
        if self.wait_for_completion:
            self._delete_webhooks(as_list(key))
        return done

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Return what the triggerer has seen, or raise the error that waiting in a worker would raise."""
        done = super().execute_complete(context, event)
        self._delete_webhooks(as_list(done.get("callback_key")))
        return done

    def _delete_webhooks(self, keys: Sequence[str | None]) -> None:
        """Delete what the vendor's webhooks reported: it has been used."""
        for key in filter(None, keys):
            from airflow_provider_telecom.webhooks import inbox_client

            inbox_client.delete_webhook(WebhookAddress("novaconnect", "queue", self.conn_id, key).topic)
