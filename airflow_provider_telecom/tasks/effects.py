"""Operators with an effect that happens once in a run, with or without an idempotency key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys, fingerprint
from airflow_provider_telecom.journal.unknown import OnUnknown, check_on_unknown
from airflow_provider_telecom.tasks.base import TelecomOperator, XComT
from airflow_provider_telecom.tasks.private import hide

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.journal.journal import Journal

_SHOWN = ("known_before", "reserved_segments", "changed", "skipped", "price", "currency")
"""What of an XCom is logged: no ids, since those of some vendors contain a number. Lists are counted."""


class JournaledOperator(TelecomOperator):
    """A task whose effect happens once in a run, however often it is tried. The send journal records it.

    :param dedupe_key: with another value, for example after "Clear", the task does it once more in the same
        run. With the same value a cleared or retried task repeats nothing that is done.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "dedupe_key")

    def __init__(self, *, dedupe_key: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dedupe_key = dedupe_key

    def _hide(self) -> None:
        super()._hide()
        self.dedupe_key = hide(self.dedupe_key)  # it may be a phone number

    def _entry_name(self, kind: str) -> str:
        """Return the name of the journal's entry for this effect."""
        key = self._dedupe_key
        return f"{kind}.{fingerprint(key)[:16]}" if key else kind

    @property
    def _dedupe_key(self) -> str:
        """The rendered `dedupe_key`, which a template may have rendered as a number."""
        key = self.reveal("dedupe_key")
        if isinstance(key, bool) or not isinstance(key, (str, int, type(None))):
            raise TelecomInputError("dedupe_key", f"must be a text or an integer, not {type(key).__name__}")
        return "" if key is None else str(key)

    def _fingerprint(self, content: Mapping[str, object]) -> str:
        """Return the hash of what the journal compares between tries: the content and the connection."""
        return fingerprint({**content, "conn_id": self.conn_id})

    def _journal(self, context: Context) -> Journal:
        """Return the send journal of this task in this run."""
        from airflow_provider_telecom.journal.journal import Journal

        is_mapped = context["ti"].map_index not in (None, -1)
        return Journal(context["task_state_store"], self.hook.wait_until_ready, is_mapped)

    def _log_effect(self, run: Callable[[Callable[[], XComT]], XComT], send: Callable[[], XComT]) -> XComT:
        """Return what `run` returns, which may call `send`, and log what has happened."""
        sent: list[XComT] = []

        def sending() -> XComT:
            sent.append(send())
            return sent[-1]

        facts = run(sending)
        name = self.vendor.label
        values = {key: facts[key] for key in _SHOWN if facts.get(key) not in (None, "", [])}
        shown = ", ".join(f"{key}: {len(v) if isinstance(v, list) else v}" for key, v in values.items())
        details = f" ({shown})" if shown else ""
        if facts.get("assumed_sent"):
            self.log.warning("nobody can know whether %s has done it; it counts as done", name)
        elif sent:
            self.log.info("%s has accepted it%s", name, details)
        else:
            self.log.info("an earlier try of this task has done it%s; nothing is sent now", details)
        return facts


class NonIdempotentOperator(JournaledOperator):
    """A task with an effect that costs money or reaches people, at a vendor without idempotency keys.

    The vendor can't recognize a duplicate.

    :param on_unknown: what to do when it is unknown whether it happened, after a lost answer or a killed
        task: `fail` (default; at most once), `resend` (at least once) or `assume_sent` (succeed without an
        id).
    """

    def __init__(self, *, on_unknown: OnUnknown = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_unknown = check_on_unknown(on_unknown)

    def _send_once(
        self,
        context: Context,
        content: Mapping[str, object],
        send: Callable[[], XComT],
        name: str | None = None,
    ) -> XComT:
        """Call `send` for this `content`, once in this run, and return its XCom (see `journal.journal`).

        After a try with an unknown outcome and `on_unknown="assume_sent"` it is `{"assumed_sent": True}`.
        `name` is the journal's entry, if the task has several.
        """
        name, body = name or self._entry_name("sent"), self._fingerprint(content)
        journal = self._journal(context)
        with self.hook.add_connection_to_errors():
            return self._log_effect(
                lambda sending: cast("XComT", journal.send_without_key(name, body, sending, self.on_unknown)),
                send,
            )


class IdempotentOperator(JournaledOperator):
    """A task with an effect that the vendor does once for each idempotency key.

    The keys are made of the run, the task, the content and the `dedupe_key`: nothing happens twice as long
    as the vendor remembers its keys.
    """

    def _idempotency_keys(self, context: Context) -> IdempotencyKeys:
        """Return the function that makes the idempotency keys of this task in this run."""
        ti = context["ti"]
        return IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)

    def _send_once(
        self,
        context: Context,
        content: Mapping[str, object],
        send: Callable[[], XComT],
        msisdn: str = "",
        key: str = "",
    ) -> XComT:
        """Call `send`, once for this `key`, and return its XCom (see `Journal.send_with_key`).

        Without a key a later try may have any other content.
        """
        from airflow_provider_telecom.journal.journal import EffectIdentity

        identity = EffectIdentity(self.conn_id, msisdn, key)
        body = self._fingerprint(content)
        journal = self._journal(context)
        name = self._entry_name("sent")
        return self._log_effect(
            lambda sending: cast("XComT", journal.send_with_key(name, body, identity, sending)), send
        )
