"""The plan of a fleet: what changes, from which state of the fleet. It is a JSON file."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.operators.novaconnect.fleet_source import object_path, read_file
from airflow_provider_telecom.vendors.novaconnect.fleet import FleetDiff, StoredChange, counts_of

FORMAT = "novaconnect-fleet-plan"
VERSION = 1
_MAX_ROWS = 200
_MAX_WIDTH = 48
"""Of a column: one SIM with many groups must not move the notes of all others out of sight."""
_LONG_NUMBER = re.compile(r"\d{9,}")
_HIDDEN = "(not shown)"


@dataclass(frozen=True)
class FleetPlan:
    """What a task of mode `plan` stores. `fleet` has a hash of each SIM's settings."""

    company_id: int
    made_at: str
    fleet: Mapping[str, str]
    managed: Sequence[int]
    changes: Sequence[StoredChange]
    skipped: Sequence[Mapping[str, Any]]
    new_groups: Sequence[str]
    counts: Mapping[str, Any]

    @classmethod
    def of(cls, company_id: int, found: FleetDiff) -> FleetPlan:
        """Return the plan of what the desired state changes."""
        return cls(
            company_id,
            datetime.now(UTC).isoformat(timespec="seconds"),
            found.states,
            found.managed,
            found.changes,
            found.skipped,
            found.new_groups,
            counts_of(found),
        )

    @property
    def content(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @property
    def sha256(self) -> str:
        """What identifies the plan."""
        return fingerprint(self.content)

    @property
    def changed(self) -> set[int]:
        """The SIMs to change."""
        return {change["sim_id"] for change in self.changes}


def check_plan_path(path: object) -> str:
    """Return the path of a plan. Raises TelecomInputError."""
    if not isinstance(path, str) or not path.lower().endswith(".json"):
        raise TelecomInputError("plan_path", "must be a file whose name ends in .json")
    return path


def write_plan(path: str, plan: FleetPlan) -> str:
    """Store a plan as a whole, and return its SHA-256."""
    sha256 = plan.sha256
    write_text("plan_path", path, [json.dumps({**plan.content, "sha256": sha256}, ensure_ascii=False)])
    return sha256


def write_text(field: str, path: str, parts: Collection[str] | Iterator[str]) -> None:
    """Put a file in place as a whole. Raises TelecomInputError if it cannot be written."""
    from airflow_provider_telecom.tasks.storage import open_parent, place

    target = open_parent(path, field=field)
    with tempfile.TemporaryDirectory() as private:
        file = Path(private) / target.name
        with file.open("w", encoding="utf-8") as content:
            content.writelines(parts)
        place(file, target)


def read_plan(path: str) -> FleetPlan:
    """Return a stored plan. Raises TelecomInputError if it is none, of another version, or was changed."""
    text = read_file("plan_path", path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise TelecomInputError("plan_path", "must be a plan of this operator; it is no JSON") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise TelecomInputError("plan_path", "must be a plan of this operator (mode='plan')")
    if found.get("version") != VERSION:
        raise TelecomInputError(
            "plan_path",
            f"version: is a plan of version {str(found.get('version'))[:20]}, and this release applies "
            f"version {VERSION} only; plan again",
        )
    sha256 = found.pop("sha256", None)
    if sha256 != fingerprint(found):
        raise TelecomInputError("plan_path", "sha256: the file was changed after it was planned; plan again")
    try:
        return FleetPlan(**{
            name: value for name, value in found.items() if name not in ("format", "version")
        })
    except TypeError:
        raise TelecomInputError("plan_path", "must have the fields of a plan; plan again") from None


def claim_plan(path: str, sha256: str, task: str) -> None:
    """Store beside a plan which task of which run applies it. Raises TelecomInputError if another one has.

    A tariff whose outcome is unknown may still wait in the vendor's queue, where the list of SIMs does not
    show it: a second run of the same plan could buy it again.
    """
    marker = f"{path[: -len('.json')]}.applied.json"
    if object_path(marker).exists():
        text = read_file("plan_path", marker)
        try:
            found = json.loads(text)
            is_of_another = found["plan_sha256"] == sha256 and found["task"] != task
        except (ValueError, TypeError, KeyError):
            raise TelecomInputError("plan_path", f"{marker} cannot be read; plan again") from None
        if is_of_another:
            raise TelecomInputError(
                "plan_path", f"the plan was applied, or began to be, by {found['task']}; plan again"
            )
    write_text("plan_path", marker, [json.dumps({"plan_sha256": sha256, "task": task})])


def table_of(plan: FleetPlan) -> Iterator[str]:
    """Return the lines of a table of the changes. Names are not shown."""
    counts = plan.counts
    sims, managed = counts["sims"], counts["managed"]
    yield f"Fleet plan: company {plan.company_id}, {sims} SIMs, {managed} in the desired state"
    rows = [_row(change) for change in plan.changes[:_MAX_ROWS]]
    left = [(str(one["sim_id"]), one["setting"]) for one in plan.skipped[:_MAX_ROWS]]
    ids, settings = (max((len(row[column]) for row in [*rows, *left]), default=0) for column in (0, 1))
    values = min(_MAX_WIDTH, max((len(row[2]) for row in rows), default=0))
    for sim_id, setting, value, notes in rows:
        yield f"  ~ {sim_id:{ids}}  {setting:{settings}}  {value:{values}}  {notes}".rstrip()
    if (more := len(plan.changes) - len(rows)) > 0:
        yield f"  and {more} more changes, which are in the file of the plan"
    for (sim_id, setting), one in zip(left, plan.skipped, strict=False):
        yield f"  ! {sim_id:{ids}}  {setting:{settings}}  skipped: {one['reason']}"
    if (more := len(plan.skipped) - _MAX_ROWS) > 0:
        yield f"  and {more} more that are skipped"
    yield (
        f"Plan: {counts['changed']} SIMs to change, {counts['unchanged']} unchanged, "
        f"{counts['skipped']} with skipped settings, {counts['new_groups']} new groups"
    )
    yield (
        f"      {counts['offline']} go offline, {counts['online']} come online, {counts['paid']} may buy a "
        "package (the API quotes no price)"
    )


def _row(change: StoredChange) -> tuple[str, str, str, str]:
    notes = [{"offline": "goes offline", "online": "comes online"}.get(change["connectivity"] or "", "")]
    notes.append("may buy a package" if change["paid"] else "")
    before, after = (_text(change["setting"], change[side]) for side in ("before", "after"))
    values = _LONG_NUMBER.sub("***", f"{before} -> {after}")  # a group may have the name of a number
    return str(change["sim_id"]), change["setting"], values, ", ".join(filter(None, notes))


_BLOCKS = {"n": "not blocked", "u": "blocked"}


def _text(setting: str, value: Any) -> str:
    """Return how a setting is, for the table."""
    match setting:
        case "name":
            return _HIDDEN
        case "blocked":
            return _BLOCKS.get(value, f"blocked ({value})")
        case "groups":
            return ", ".join(map(str, value)) or "no groups"
        case "limit":
            return "none" if value is None or value[0] == "off" else f"{value[1]} MB ({value[0]})"
    if value is None:
        return "none"
    if isinstance(value[0], list):  # as the vendor shows it: limit, tariff
        limit, tariff = value
        return f"{limit[1]} MB ({limit[0]}, {tariff[0] if tariff else 'no tariff'})"
    megabytes, renews, world = value
    return f"{megabytes} MB ({'renewed' if renews else 'not renewed'}{', all world' if world else ''})"
