"""Base class of the operators that change one group or one user of NovaConnect."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, Journal, State, state_after
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.vendors.novaconnect.arguments import rendered_int

if TYPE_CHECKING:
    from airflow.sdk import Context

_GONE = "it is no longer in the vendor's list"
_MOVED = "somebody else has changed it since the first try"


class HasId(Protocol):
    """A group or a user."""

    @property
    def id(self) -> int:
        """The vendor's id."""


class NovaConnectChangeOperator(NovaConnectOperator, JournaledOperator):
    """A change of one group or user.

    The list is read first, and nothing is sent if it shows the change already. What was sent in a run is not
    sent again by a later try. After an unknown outcome (no answer, a killed task) the next try reads the list
    again: the change counts as done if the list shows it; it is sent again if the list shows what it showed
    before; if somebody has changed it meanwhile, it is left alone, and `skipped` says so.
    """

    kind: ClassVar[str]
    """What is changed: `group` or `user`. It is also the name of the parameter that chooses it."""
    is_removal: ClassVar[bool] = False
    missing_ok: bool = False

    @abstractmethod
    def _list(self) -> Sequence[HasId]:
        """Return all groups or users."""

    @abstractmethod
    def _matches(self, one: Any, wanted: str) -> bool:
        """Whether one of them has this name."""

    @abstractmethod
    def _arguments(self) -> Mapping[str, object]:
        """Return the checked arguments of the change."""

    @abstractmethod
    def _shows_in(self, one: Any) -> bool:
        """Whether there is nothing left to do."""

    @abstractmethod
    def _observed(self, one: Any) -> object:
        """Return what is changed of it. It is equal until somebody changes it."""

    @abstractmethod
    def _send(self, object_id: int) -> object:
        """Send the change."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Change it."""
        wanted = self._wanted()
        content = {"operation": type(self).__name__, self.kind: wanted, **self._arguments()}
        journal, name, body = self._journal(context), self._entry_name("sent"), self._fingerprint(content)
        entry = journal.earlier_entry(name, body)
        if entry and entry.state is State.DONE:
            return dict(entry.facts)
        before = entry.facts if entry and entry.state in IN_DOUBT else None
        found = self._find(self._list(), wanted if before is None else before["id"])
        if found is None:
            result = self._without_it(before)
        elif self._shows_in(found):
            result = self._result(found.id, changed=before is not None)
        elif before is not None and before["before"] != self._state_hash(found):
            self.log.warning("%s %d is left alone: %s", self.kind, found.id, _MOVED)
            result = self._result(found.id, changed=False, skipped=_MOVED)
        else:
            return self._change(journal, name, body, found, before is not None)
        if before is not None:
            journal.write(name, Entry(State.DONE, body, result))
        return result

    def _change(self, journal: Journal, name: str, body: str, found: HasId, in_doubt: bool) -> dict[str, Any]:
        """Send the change between intent and outcome."""
        intent = Entry(State.INTENT, body, {"id": found.id, "before": self._state_hash(found)})
        if not in_doubt:
            self.hook.wait_until_ready()
            journal.write_intent(name, intent)
        try:
            self._send(found.id)
        except TelecomError as error:
            is_gone = in_doubt and self.is_removal and isinstance(error, TelecomNotFoundError)
            if not is_gone:
                if not in_doubt and (state := state_after(error)) is not None:
                    journal.write(name, replace(intent, state=state, facts={}))
                raise
        result = self._result(found.id, changed=True)
        journal.write(name, replace(intent, state=State.DONE, facts=result))
        return result

    def _without_it(self, before: Facts | None) -> dict[str, Any]:
        """Return the result if the vendor has no such thing. An earlier try may have removed it."""
        if before is not None:
            reason = None if self.is_removal else _GONE
            return self._result(before["id"], changed=self.is_removal, skipped=reason)
        if self.missing_ok:
            return self._result(None, changed=False)
        raise TelecomInputError(self.kind, f"there is no such {self.kind}, so nothing was sent")

    def _result(self, object_id: int | None, changed: bool, skipped: str | None = None) -> dict[str, Any]:
        return {f"{self.kind}_id": object_id, "changed": changed, "skipped": skipped}

    def _wanted(self) -> int | str:
        """Return the id or the name of what is changed. Raises TelecomInputError."""
        return check_choice(self.kind, self.reveal(self.kind))

    def _find(self, things: Sequence[HasId], wanted: int | str) -> HasId | None:
        """Return the one with this name or id, or None. Raises TelecomInputError for several of a name."""
        named = [one for one in things if isinstance(wanted, str) and self._matches(one, wanted)]
        if len(named) > 1:
            ids = ", ".join(str(one.id) for one in named)
            raise TelecomInputError(self.kind, f"is the name of several ({ids}): give the id")
        if named:
            return named[0]
        number = rendered_int(wanted)
        return next((one for one in things if one.id == number), None)

    def _state_hash(self, one: HasId) -> str:
        return fingerprint(self._observed(one))[:16]


def check_choice(field: str, value: object) -> int | str:
    """Return the id or the name of a group or user: a whole number or a text that is not blank."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise TelecomInputError(field, "must be an id or a name")
