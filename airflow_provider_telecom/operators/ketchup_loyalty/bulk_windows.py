"""Sending to groups of recipients while their windows are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts, merged
from airflow_provider_telecom.operators.send_windows import SendWindow, WindowClosedError

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Group
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress


class WindowedSend:
    """Sends to each group while its window is open, the one that closes first before the others.

    `progress_of` reads how far a group is, `send` sends to one until all is sent or raises WindowClosedError,
    `wait` waits until a moment: it gets what the groups that are not complete wait for.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        windows: Callable[[Sequence[str]], SendWindow],
        progress_of: Callable[[Group], BulkProgress],
        send: Callable[[Group, BulkProgress, SendWindow], None],
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

    @property
    def counts(self) -> SendCounts:
        """The counts of all groups together."""
        return merged(each.counts for each in self.progress.values())

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
