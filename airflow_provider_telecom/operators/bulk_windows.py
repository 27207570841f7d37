"""Sending to groups of recipients while their windows are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from airflow_provider_telecom.operators.send_windows import SendWindow, WindowClosedError

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Group


class GroupCounts(Protocol):
    """What became of the messages of a group."""

    rows: int
    """How many of them have a known outcome."""


class GroupProgress(Protocol):
    """How far the send to a group is."""

    @property
    def counts(self) -> GroupCounts:
        """What became of its messages."""

    @property
    def in_doubt(self) -> int:
        """How many messages after the counted ones may have been sent by earlier tries."""

    def is_complete(self, recipients: int) -> bool:
        """Return whether an earlier try has sent to all recipients."""


ProgressT = TypeVar("ProgressT", bound=GroupProgress)


class WindowedSend(Generic[ProgressT]):
    """Sends to each group while its window is open, the one that closes first before the others.

    `progress_of` reads how far a group is, `send` sends to one until all is sent or raises WindowClosedError,
    `wait` waits until a moment: it gets what the groups that are not complete wait for.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        windows: Callable[[Sequence[str]], SendWindow],
        progress_of: Callable[[Group], ProgressT],
        send: Callable[[Group, ProgressT, SendWindow], None],
        wait: Callable[[Mapping[Group, datetime], Mapping[Group, int]], None],
    ) -> None:
        self._windows = {group: windows(group.zones) for group in groups}
        self._progress_of, self._send, self._wait = progress_of, send, wait
        self.progress = {group: progress_of(group) for group in groups}
        self.left = [group for group in groups if not self.progress[group].is_complete(group.count)]
        """The groups that are not complete."""

    @property
    def has_begun(self) -> bool:
        """Whether any message of any group may have been sent."""
        return any(each.counts.rows or each.in_doubt for each in self.progress.values())

    def send_all(self) -> None:
        """Send to all groups."""
        while self.left:
            for group in sorted(self.left, key=lambda group: self._windows[group].closes_at):
                self._send_if_open(group)
            if opens := self.opens_at():
                self._wait(opens, {group: group.count - self.progress[group].counts.rows for group in opens})

    def opens_at(self) -> Mapping[Group, datetime]:
        """Return when the groups that are not complete can be sent to.

        Raises TelecomInputError for one that never can.
        """
        return {group: self._windows[group].opens_at for group in self.left}

    def _send_if_open(self, group: Group) -> None:
        window = self._windows[group]
        if not window.is_open:
            return
        try:
            self._send(group, self.progress[group], window)
        except WindowClosedError:
            self.progress[group] = self._progress_of(group)  # what was announced and not sent is forgotten
        else:
            self.left.remove(group)
