"""Starting and suspending Kyivstar promos. The order of the two matters, so each begins with a look.

    state                  to start                          to suspend
    DRAFT                  PUT                               stop: nothing runs
    WAITING, ACTIVE        done already                      PUT, unless this task did so before
    COMPLETED              done already                      nothing to do
    SUSPENDED              stop, a person did that (*)       nothing to do
    any other              stop                              stop

(*) `resume_suspended` starts it again, once: not when this task may have started it before.

The intent is written before each PUT. When no answer comes we look again, and repeat the PUT only if the
table still says so. What "stop" raises is for a person to decide; Airflow does not retry it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import TelecomError, TelecomRejectedError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.reference import fingerprint

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo

log = logging.getLogger(__name__)

_REQUESTS_IN_ALL = 3
_STARTED = ("WAITING", "ACTIVE", "COMPLETED")
_STOPPED = ("SUSPENDED", "COMPLETED")


class PromoStateError(TelecomError, AirflowFailException):
    """A promo is in a state that a person has to decide about. Airflow does not retry the task."""


def start_promo(
    hook: KyivstarOpenTelecomHook, journal: Journal, promo_id: str, *, resume_suspended: bool = False
) -> dict[str, Any]:
    """Put a promo into the queue, unless it is started already; return its facts.

    These are `{"promo_id", "status", "changed"}`: `changed` is whether it was this task, in any try.

    Raises PromoStateError (see the table above), TelecomUnknownError (three requests without an answer; a
    later try looks first), TelecomInputError, TelecomNotFoundError, TelecomRejectedError (an empty
    audience, for example).
    """

    def check(state: str, status: str, before: State | None) -> None:
        if state == "DRAFT":
            return
        if state != "SUSPENDED":
            raise _unknown(status)
        if before is not None:
            raise PromoStateError(
                "it is SUSPENDED, and this task may have started it before: somebody stopped it since. Start "
                "it in the vendor's cabinet if it is to go on"
            )
        if not resume_suspended:
            raise PromoStateError(
                "it is SUSPENDED: somebody stopped it. resume_suspended=True starts it all the same"
            )

    move = _Move(hook, journal, promo_id, "start", hook.start_promo, _STARTED, check)
    return move.made()


def may_have_started(journal: Journal, promo_id: str) -> bool:
    """Whether this task, in any try, may have put the promo into the queue."""
    entry = journal.read(f"start.{promo_id}")
    return entry is not None and entry.state in (State.INTENT, State.DONE)


def suspend_promo(hook: KyivstarOpenTelecomHook, journal: Journal, promo_id: str) -> dict[str, Any]:
    """Stop a promo, unless it is stopped or over already; return its facts. What went out stays out.

    These are `{"promo_id", "status", "changed"}`: `status` says which it is, SUSPENDED or COMPLETED, and
    `changed` whether it was this task, in any try.

    Raises PromoStateError (see the table above), TelecomUnknownError (three requests without an answer; a
    later try looks first), TelecomInputError, TelecomNotFoundError, TelecomRejectedError.
    """

    def check(state: str, status: str, before: State | None) -> None:
        if state == "DRAFT":
            raise PromoStateError("it is a DRAFT: nothing runs that could be suspended")
        if state not in ("WAITING", "ACTIVE"):
            raise _unknown(status)
        if before is State.DONE:
            raise PromoStateError(
                f"it is {state}, and this task has suspended it before: somebody started it again since"
            )

    move = _Move(hook, journal, promo_id, "suspend", hook.suspend_promo, _STOPPED, check)
    return move.made()


class _Move:
    """One promo on its way to a state, in one task of one run.

    `check` raises when the state it is in must not be left; it is given the state, the vendor's word for
    it, and how far this task has come before (INTENT: it may have moved it; DONE: it has).
    """

    def __init__(
        self,
        hook: KyivstarOpenTelecomHook,
        journal: Journal,
        promo_id: str,
        name: str,
        put: Callable[[str], Promo],
        reached: tuple[str, ...],
        check: Callable[[str, str, State | None], None],
    ) -> None:
        self._hook, self._journal, self._promo_id = hook, journal, promo_id
        self._name, self._body = f"{name}.{promo_id}", fingerprint({"promo_id": promo_id})
        self._put, self._reached, self._check = put, reached, check
        entry = journal.read(self._name)
        self._before = entry.state if entry and entry.state in (State.INTENT, State.DONE) else None

    def made(self) -> dict[str, Any]:
        """Bring it there, and return the facts."""
        for left in reversed(range(_REQUESTS_IN_ALL)):
            promo = self._hook.get_promo(self._promo_id)
            if promo.state.value in self._reached:
                return self._there(promo)
            self._check(promo.state.value, promo.status, self._before)
            try:
                promo = self._requested()
            except TelecomUnknownError:
                self._before = State.INTENT
                if not left:
                    raise
                log.warning("No answer says whether the promo's status has changed; looking again")
            except TelecomRejectedError:
                if not left or self._hook.get_promo(self._promo_id).state.value not in self._reached:
                    raise
            else:
                self._before = State.DONE
                return self._there(promo)
        raise AssertionError("the last request returns or raises")

    def _requested(self) -> Promo:
        """Send the request, its intent written first."""
        self._hook.wait_until_ready()
        self._journal.write_intent(self._name, Entry(State.INTENT, self._body))
        try:
            return self._put(self._promo_id)
        except TelecomUnknownError:
            raise
        except TelecomError:
            if self._before is None:  # an earlier request in doubt stays in doubt
                self._write(State.PLANNED)
            raise

    def _there(self, promo: Promo) -> dict[str, Any]:
        if self._before is not None:
            self._write(State.DONE)
        log.info("The promo is %s", promo.status)
        return {"promo_id": self._promo_id, "status": promo.status, "changed": self._before is not None}

    def _write(self, state: State) -> None:
        self._journal.write(self._name, Entry(state, self._body))


def _unknown(status: str) -> PromoStateError:
    return PromoStateError(f"its status is {status!r}, which is not known here; nothing was sent")
