"""Starting and suspending Kyivstar promos. The order of the two matters, so each reads the status first.

    state                  to start                          to suspend
    DRAFT                  PUT                               stop: nothing runs
    WAITING, ACTIVE        done already                      PUT, unless this task did so before
    COMPLETED              done already                      nothing to do
    SUSPENDED              stop, a person did that (*)       nothing to do
    any other              stop                              stop

(*) `resume_suspended` starts it again, once: not if this task may have started it before.

The intent is written before each PUT. After a lost response the status is read again, and the PUT is repeated
only if the table still allows it. "stop" raises PromoStateError: a person must decide, and Airflow does not
retry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import TelecomError, TelecomRejectedError, TelecomUnknownError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.send_windows import WindowClosedError

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo

log = logging.getLogger(__name__)

_MAX_REQUESTS = 3
_STARTED = ("WAITING", "ACTIVE", "COMPLETED")
_STOPPED = ("SUSPENDED", "COMPLETED")


class PromoFacts(TypedDict):
    """What the operators return. `changed`: this task changed the status, in any of its tries."""

    promo_id: str
    status: str
    changed: bool


class PromoStateError(TelecomError, AirflowFailException):
    """A promo is in a state that a person must decide about. Airflow does not retry the task."""


def start_promo(
    hook: KyivstarOpenTelecomHook,
    journal: Journal,
    promo_id: str,
    *,
    resume_suspended: bool = False,
    window: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> PromoFacts:
    """Put a promo into the queue, unless it is started already, and return its facts.

    Each PUT is made in the context `window`, which may raise WindowClosedError.

    Raises PromoStateError (see the table above), TelecomUnknownError (three requests without a response; a
    later try reads the status first), TelecomInputError, TelecomNotFoundError, TelecomRejectedError (an empty
    audience, for example).
    """

    def check(state: str, status: str, before: State | None) -> None:
        if state == "DRAFT":
            return
        if state != "SUSPENDED":
            raise _unknown_status(status)
        if before is not None:
            raise PromoStateError(
                "it is SUSPENDED, and this task may have started it before: somebody stopped it since. Start "
                "it in the vendor's web account if it should continue"
            )
        if not resume_suspended:
            raise PromoStateError(
                "it is SUSPENDED: somebody stopped it. resume_suspended=True starts it all the same"
            )

    def put(promo_id: str) -> Promo:
        with window():
            return hook.start_promo(promo_id)

    return _StatusChange(hook, journal, promo_id, "start", put, _STARTED, check).run()


def may_have_started(journal: Journal, promo_id: str) -> bool:
    """Return whether this task, in any try, may have put the promo into the queue."""
    entry = journal.read(f"start.{promo_id}")
    return entry is not None and entry.state in (State.INTENT, State.DONE)


def suspend_promo(hook: KyivstarOpenTelecomHook, journal: Journal, promo_id: str) -> PromoFacts:
    """Stop a promo, unless it is stopped or completed already, and return its facts.

    Messages already sent are not recalled. `status` is SUSPENDED or COMPLETED.

    Raises PromoStateError (see the table above), TelecomUnknownError (three requests without a response; a
    later try reads the status first), TelecomInputError, TelecomNotFoundError, TelecomRejectedError.
    """

    def check(state: str, status: str, before: State | None) -> None:
        if state == "DRAFT":
            raise PromoStateError("it is a DRAFT: nothing runs that could be suspended")
        if state not in ("WAITING", "ACTIVE"):
            raise _unknown_status(status)
        if before is State.DONE:
            raise PromoStateError(
                f"it is {state}, and this task has suspended it before: somebody started it again since"
            )

    return _StatusChange(hook, journal, promo_id, "suspend", hook.suspend_promo, _STOPPED, check).run()


class _StatusChange:
    """The change of one promo's status by one task of one run.

    `check` raises an error if the current state must not be changed. Its arguments are the state, the
    vendor's text for it, and what earlier requests of this task have done (INTENT: perhaps changed it; DONE:
    changed it).
    """

    def __init__(
        self,
        hook: KyivstarOpenTelecomHook,
        journal: Journal,
        promo_id: str,
        name: str,
        put: Callable[[str], Promo],
        final_states: tuple[str, ...],
        check: Callable[[str, str, State | None], None],
    ) -> None:
        self._hook, self._journal, self._promo_id = hook, journal, promo_id
        self._entry_name, self._body = f"{name}.{promo_id}", fingerprint({"promo_id": promo_id})
        self._put, self._final_states, self._check = put, final_states, check
        entry = journal.read(self._entry_name)
        self._before = entry.state if entry and entry.state in (State.INTENT, State.DONE) else None

    def run(self) -> PromoFacts:
        """Change the status, and return the facts."""
        for left in reversed(range(_MAX_REQUESTS)):
            promo = self._hook.get_promo(self._promo_id)
            if promo.state.value in self._final_states:
                return self._finish(promo)
            self._check(promo.state.value, promo.status, self._before)
            try:
                promo = self._request()
            except TelecomUnknownError:
                self._before = State.INTENT
                if not left:
                    raise
                log.warning("The outcome of changing the promo's status is unknown; reading the status again")
            except TelecomRejectedError:
                if not left or self._hook.get_promo(self._promo_id).state.value not in self._final_states:
                    raise
            else:
                self._before = State.DONE
                return self._finish(promo)
        raise AssertionError("the last request returns or raises")

    def _request(self) -> Promo:
        """Write the intent, and send the request."""
        self._hook.wait_until_ready()
        self._journal.write_intent(self._entry_name, Entry(State.INTENT, self._body))
        try:
            return self._put(self._promo_id)
        except TelecomUnknownError:
            raise
        except (TelecomError, WindowClosedError):
            if self._before is None:  # after an earlier unknown outcome it stays unknown
                self._write(State.PLANNED)
            raise

    def _finish(self, promo: Promo) -> PromoFacts:
        if self._before is not None:
            self._write(State.DONE)
        log.info("The promo is %s", promo.status)
        return {"promo_id": self._promo_id, "status": promo.status, "changed": self._before is not None}

    def _write(self, state: State) -> None:
        self._journal.write(self._entry_name, Entry(state, self._body))


def _unknown_status(status: str) -> PromoStateError:
    return PromoStateError(f"its status is {status!r}, which is not known here; nothing was sent")
