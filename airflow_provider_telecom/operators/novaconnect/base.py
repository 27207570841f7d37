"""What NovaConnect's operators stand on: the connection, a choice of SIMs, and being told of the end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import Facts
from airflow_provider_telecom.operators.novaconnect.plan import (
    Plan,
    check_select,
    find_sims,
    make_plan,
    refuse_unknown,
    select_sims,
)
from airflow_provider_telecom.tasks.base import TelecomOperator, with_inbox
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.novaconnect import arguments, desired_state
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

_STATUS_CHECK = "airflow_provider_telecom.vendors.novaconnect.status.sims"
_HEARING = "airflow_provider_telecom.vendors.novaconnect.webhooks.subscription"
MAX_SIMS = 10_000_000


class NovaConnectOperator(TelecomOperator):
    """A task about a `novaconnect` connection."""

    default_conn_id: ClassVar[str] = "novaconnect_default"
    hook_path: ClassVar[str] = "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook"

    @cached_property
    def hook(self) -> NovaConnectHook:
        """The hook of the connection."""
        from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

        return NovaConnectHook(self.conn_id)


class NovaConnectSimsOperator(NovaConnectOperator, DeferrableOperator):
    """An operation on some SIMs. It is sent only for those that are not yet what it makes of them.

    The list of SIMs is read first. Returned is what has become of each SIM:

        {"queue_id": "...", "callback_key": "...", "changed": [1001], "unchanged": [1002],
         "skipped": [{"sim_id": 1008, "reason": "blocked for unpaid bills (f)"}]}

    `changed` are those that the operation was sent for; the vendor puts it into a queue. When there are none,
    nothing is sent and `queue_id` is None. With a receiver (docs/callbacks.md) the vendor is asked to tell it
    the end, and `callback_key` is what a sensor knows that by; without one it is None.

    :param sim_ids: the vendor's ids of the SIMs, as a list or (from a template) its JSON text. A list that
        turns out to be empty when the task runs is no error.
    :param select: in place of ids: which SIMs, resolved when the task runs; all of what is given must hold:
        `profile` (TD or TC), `group` (id or name), `query` (the vendor's search), `blocked` and `msu_block`
        (True or False). Never shown, since a query may be a number.
    :param on_unknown_sims: what to do about ids that no SIM has: `fail` (default; nothing is sent) or `skip`.
    :param max_changes: refuse, before anything is sent, when more SIMs than this would be changed; None
        allows any number.
    :param callback_url: where the vendor tells the end of the operation, an https address, in place of the
        receiver. Never shown.
    :param wait_for_completion: wait until it is done. Without a receiver only for what shows in the SIMs:
        block, unblock, limit, tariff and groups. The task fails when a SIM is gone or can never be so, naming
        it.
    """

    operation: ClassVar[str]
    has_webhook: ClassVar[bool] = True
    """Whether the vendor tells the end of it."""
    template_fields: Sequence[str] = (
        *TelecomOperator.template_fields,
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
        if (sim_ids is None) == (select is None):
            raise TelecomInputError("sim_ids", "either sim_ids or select must be given, and not both")
        if is_literal(sim_ids):
            desired_state.non_empty_ids("sim_ids", sim_ids)
        if is_literal(select):
            check_select(select)
        if is_literal(callback_url):
            arguments.callback_url(str(callback_url))
        if self.wait_for_completion and not (
            self._uses_receiver or self.operation in desired_state.OBSERVABLE
        ):
            raise TelecomInputError(
                "wait_for_completion",
                f"the end of {self.operation} shows in no SIM, and no call asks for a queue: "
                "only the vendor's call-back tells, which takes a receiver",
            )

    def _target(self) -> dict[str, Any]:
        """Return what the SIMs are to be brought to. Raises TelecomInputError."""
        return {}

    def _check_target(self, *made_of: Any) -> None:
        """Check the target when the Dag is parsed, if what it is made of is known then."""
        if all(value is None or is_literal(value) for value in made_of):
            self._target()

    def _send(self, sim_ids: list[int], target: Mapping[str, Any], callback_url: str | None) -> str | None:
        """Send the operation for these SIMs, and return the id of its queue."""
        raise NotImplementedError

    def _sent(
        self, plan: Plan, target: Mapping[str, Any], url: str | None, key: str | None
    ) -> dict[str, Any]:
        """Send the operation, and return the outcome. What was not taken is not waited for."""
        try:
            return plan.outcome(self._send(plan.sim_ids, target, url), key)
        except TelecomUnknownError:
            raise
        except TelecomError:
            self._used({"callback_key": key})
            raise

    def _callback_address(self, plan: Plan) -> tuple[str | None, str | None]:
        """Return where the vendor is to tell the end, and our key of that: it may tell before it answers."""
        settings = read_receiver_settings() if self._uses_receiver else None
        if settings is None:
            return self.reveal("callback_url"), None
        address = WebhookAddress("novaconnect", "queue", self.conn_id, secrets.token_urlsafe(16))
        from airflow.sdk.exceptions import AirflowRuntimeError

        from airflow_provider_telecom.webhooks import inbox_client

        expected = {"operation": self.operation, "process": 0, "count": len(plan.sim_ids)}
        try:
            inbox_client.expect_webhook(address.topic, expected)
        except AirflowRuntimeError as error:
            self.log.warning("The page will not show this queue before it is told of: %s", error)
        return settings.url(address), address.nonce

    def _content(self) -> dict[str, Any]:
        """Return what tells this operation from another one in the journal; all arguments are fit then.

        Raises TelecomInputError.
        """
        if url := self.reveal("callback_url"):
            arguments.callback_url(url)
        if self.sim_ids is None:
            sims: Any = check_select(self.reveal("select"))
        else:
            sims = sorted(desired_state.ids("sim_ids", self.sim_ids))
        return {"operation": self.operation, "sims": sims, **self._target()}

    def _planned(self) -> Plan:
        sims, unknown = self._chosen()
        if self.on_unknown_sims == "fail":
            refuse_unknown(unknown)
        plan = make_plan(self.operation, self._target(), sims, unknown)
        plan.guard(self.max_changes)
        self._tell(plan)
        return plan

    def _chosen(self) -> tuple[list[Sim], list[int]]:
        if self.sim_ids is None:
            return select_sims(self.hook, self.reveal("select")), []
        return find_sims(self.hook, desired_state.ids("sim_ids", self.sim_ids))

    def _tell(self, plan: Plan) -> None:
        self.log.info("%s: for %d SIMs; %d are so", self.operation, len(plan.before), len(plan.unchanged))
        for one in plan.skipped:
            self.log.warning("%s: SIM %d is left out: %s", self.operation, one["sim_id"], one["reason"])

    def _finished(self, started: Facts) -> dict[str, Any]:
        """Return the outcome, once the SIMs that were changed show it if that is waited for."""
        if not started.get("changed"):
            return dict(started)
        arguments = {
            "operation": self.operation,
            "sim_ids": started["changed"],
            "target": self._target(),
            "queue_id": started["queue_id"],
            "callback_key": started.get("callback_key"),
        }
        heard = started.get("callback_key") is not None
        done = self._wait_if_requested(
            started, _STATUS_CHECK, arguments, subscription=_HEARING if heard else None
        )
        return self._used(done) if self.wait_for_completion else done

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the triggerer has seen, or raise as waiting here would have done."""
        return self._used(super().execute_complete(context, event))

    def _used(self, done: dict[str, Any]) -> dict[str, Any]:
        """Delete what the vendor has told of it."""
        if key := done.get("callback_key"):
            from airflow_provider_telecom.webhooks import inbox_client

            inbox_client.delete_webhook(WebhookAddress("novaconnect", "queue", self.conn_id, key).topic)
        return done
