"""The groups of a bulk send by time zones: each has its own checkpoint and its own part of the results.

The order of sending depends on the time, so the rule that a later try must begin with the same messages holds
for each group. A recipient may come into another group only before anything was sent to the old one, so a
later try without a group of an earlier one is refused if that may have been sent to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.bulk.receipts import write_lines
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Group

SINGLE = "bulk"
"""The journal's entry of a send that has no groups, or one. Entries of earlier versions have it."""
_GROUPS = "bulk_groups"


class BulkGroups:
    """The groups of one send, in the order in which the file of results has them: by name.

    A single group has the entry and the file of a send without groups. `entry_name` makes the full name of an
    entry.
    """

    def __init__(
        self,
        journal: Journal,
        entry_name: Callable[[str], str],
        groups: Sequence[Group],
        results: ObjectStoragePath | None,
    ) -> None:
        self._journal, self._entry_name, self._results = journal, entry_name, results
        self.all = sorted(groups, key=lambda group: group.name)
        self._names = [group.name for group in self.all]

    def entry(self, group: Group) -> str:
        """Return the name of the journal's entry of a group's checkpoint."""
        return self._entry_name(_entry(group.name) if self._are_several else SINGLE)

    def results(self, group: Group) -> ObjectStoragePath | None:
        """Return the path of the results of a group."""
        if self._results is None or not self._are_several:
            return self._results
        return self._results.with_name(f"{self._results.name}.{_short(group.name)}")

    def check(self) -> None:
        """Raise TelecomInputError if an earlier try may have sent to groups that there are not now."""
        check_same_groups(self._journal, self._entry_name, self._names)

    def begin(self) -> None:
        """Write which groups there are, before anything is sent.

        If all of them were complete and one has more recipients now, the file of results is split again.
        """
        if not self._are_several:
            return
        entry = self._journal.read(self._entry_name(_GROUPS))
        earlier = [] if entry is None else entry.facts["groups"]
        names = sorted({*earlier, *self._names})
        if entry is not None and entry.state is State.DONE:
            self._split(entry.facts["joined"])
        elif names == earlier:
            return
        intent = Entry(State.INTENT, fingerprint(names), {"groups": names})
        self._journal.write_intent(self._entry_name(_GROUPS), intent)

    def finish(self) -> None:
        """Join the results of all groups, which are complete, to the file of results."""
        if not self._are_several:
            return
        name = self._entry_name(_GROUPS)
        entry = self._journal.read(name)
        if entry is None or entry.state is not State.DONE:
            self._join()
            earlier = [] if entry is None else entry.facts["groups"]
            names = sorted({*earlier, *self._names})
            joined = [[group.name, group.count] for group in self.all]
            facts = {"groups": names, "joined": joined}
            self._journal.write(name, Entry(State.DONE, fingerprint(names), facts))
        if self._results is not None:
            for path in map(self.results, self.all):
                if path is not None and path.exists():
                    path.unlink()
            ResultsFile(self._results).forget_parts()

    @property
    def _are_several(self) -> bool:
        return len(self.all) > 1

    def _join(self) -> None:
        if self._results is None:
            return
        whole, rows = ResultsFile(self._results), 0
        whole.begin(0)
        for group in self.all:
            if (path := self.results(group)) is not None:
                whole.add(read_outcomes(path))
            rows += group.count
            whole.close_part(rows)
        whole.finish(rows)

    def _split(self, joined: Sequence[tuple[str, int]]) -> None:
        """Give the groups their own files again. Until the journal says so, the joined file counts."""
        if self._results is None or not self._results.exists():
            return
        lines = read_outcomes(self._results)
        for name, rows in joined:
            path = self._results.with_name(f"{self._results.name}.{_short(name)}")
            write_lines(path, (line for _, line in zip(range(rows), lines, strict=False)))


def check_same_groups(journal: Journal, entry_name: Callable[[str], str], names: Sequence[str]) -> None:
    """Raise TelecomInputError if an earlier try may have sent to groups that are not among `names`."""
    entry = journal.read(entry_name(_GROUPS))
    earlier: Sequence[str] = () if entry is None else entry.facts["groups"]
    if len(names) > 1:
        others = [SINGLE, *(_entry(name) for name in earlier if name not in names)]
    else:
        others = [_entry(name) for name in earlier]
    for other in others:
        found = journal.read(entry_name(other))
        if found is not None and found.state is not State.PLANNED:
            raise TelecomInputError(
                "quiet_hours",
                "an earlier try has sent, or may have sent, to recipients in other groups of time zones: "
                "quiet_hours, timezone, timezone_column or the recipients have changed since. Nothing was "
                "sent now. Restore them, or give another dedupe_key, which sends to all of them again",
            )


def _entry(group: str) -> str:
    return f"{SINGLE}_{_short(group)}"


def _short(group: str) -> str:
    return fingerprint(group)[:16]
