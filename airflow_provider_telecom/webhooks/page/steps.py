"""What the tasks of a campaign have done, as the page shows it: steps, totals and plots.

The values come from XComs, which others may write too: what is not a count or an amount is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

AUDIENCE, RECEIPTS, REPORT = "audience", "receipts", "report"
"""What a task may be besides a send, whose kind is its channel."""
_PARTS = (AUDIENCE, "send", RECEIPTS)
"""The names of a rung's tasks in its group. A second connection's is `send_2`."""
_STATES = ("delivered", "read", "undelivered", "expired", "silent", "unknown", "refused")
_SENT = ("accepted", "known_before", "unknown", "refused", "handed_over")
_MAX_BUCKETS = 240
_IN_DOUBT = ("intent", "unknown")
_FAILED = ("failed", "upstream_failed")
_RUNNING = ("running", "queued", "scheduled", "deferred", "up_for_retry", "up_for_reschedule", "restarting")

Amounts = dict[str, Decimal]
"""Money by currency."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a run, or one place of a mapped one."""

    task_id: str
    map_index: int
    operator: str
    kind: str
    state: str | None
    started: str | None
    ended: str | None
    try_number: int
    weight: int
    """Airflow's priority, which by default grows with the number of tasks that come after it."""
    reason: str | None
    returned: Mapping[str, Any]
    entries: Mapping[str, Any]
    """Its journal, by the names of the entries."""

    @property
    def is_send(self) -> bool:
        """Whether it sends messages. A dry run does not."""
        return self.kind not in (AUDIENCE, RECEIPTS, REPORT) and self.returned.get("dry_run") is not True

    @property
    def shown_kind(self) -> str:
        """What the page says that it is."""
        return "dry run" if self.returned.get("dry_run") is True else self.kind

    @property
    def results(self) -> Sequence[Mapping[str, Any]]:
        """What it has returned, or until then what its journal says of a long send."""
        if self.returned:
            return [self.returned]
        facts = [entry.get("facts") for entry in self.entries.values() if isinstance(entry, dict)]
        return [each for each in facts if isinstance(each, dict) and count(each.get("rows")) is not None]

    def count(self, name: str) -> int | None:
        """Return a count; None if nothing says it."""
        return _sum(count(result.get(name)) for result in self.results)

    @property
    def rows(self) -> int | None:
        """How many messages of a send have an outcome."""
        if self.returned:
            return self.count("recipients")
        return self.count("rows")

    @property
    def spent(self) -> Amounts:
        """What the vendor charges for it."""
        spent: Amounts = {}
        for result in self.results:
            price, currency = amount(result.get("price")), result.get("currency")
            if price:
                name = currency if isinstance(currency, str) else ""
                spent[name] = spent.get(name, Decimal(0)) + price
        return spent

    @property
    def faults(self) -> Sequence[Mapping[str, Any]]:
        """The error that it has failed with, as far as it is known. At most one."""
        if self.state not in ("failed", "up_for_retry"):
            return []
        error = self.entries.get("error", {})
        if error.get("try") != self.try_number:  # of another try: Airflow stores no error of this one
            error = {}
            if any(entry.get("state") in _IN_DOUBT for entry in self.entries.values() if "body" in entry):
                error = {"text": "Nobody can know whether all of it was sent. The task's log says more."}
        return [
            {
                "task_id": self.task_id,
                "map_index": self.map_index,
                "state": self.state,
                "try": self.try_number,
                "at": self.ended,
                "kind": error.get("kind"),
                "text": error.get("text") or self.reason,
            }
        ]


@dataclass(frozen=True)
class Step:
    """A rung of a ladder, or a task of its own; of a mapped one all its places."""

    name: str
    tasks: Sequence[Task]
    audience: int | None = None
    """How many people the campaign is for, if it is its first step."""

    @property
    def sends(self) -> Sequence[Task]:
        """The tasks that send."""
        return [task for task in self.tasks if task.is_send]

    @property
    def receipts(self) -> Sequence[Task]:
        """The tasks that collect receipts, and have done so."""
        return [task for task in self.tasks if task.kind == RECEIPTS and task.returned]

    @property
    def recipients(self) -> int | None:
        """How many people it is for."""
        first = [task for task in self.sends if not _is_second(task)]
        found = _sum(task.count("recipients") for task in first)
        if found is not None and all(task.returned for task in first):
            return found
        own = _sum(task.count("recipients") for task in self.tasks if _is_audience(task))
        return own if own is not None else self.audience if self.audience is not None else found

    @property
    def spent(self) -> Amounts:
        """The money: what receipts say, else what the vendor has said when it was sent."""
        return _added(task.spent for task in self.receipts) or _added(task.spent for task in self.sends)

    def counts(self) -> dict[str, int | None]:
        """Return the counts of messages; None for what nothing says."""
        found = {name: _sum(task.count(name) for task in self.sends) for name in (*_SENT, *_STATES)}
        if self.receipts:
            found |= {name: _sum(task.count(name) for task in self.receipts) for name in _STATES}
            if found["refused"] and found["handed_over"]:  # the file has those whom another connection got
                found["refused"] = max(0, found["refused"] - found["handed_over"])
        found["sent"] = _sum((found.pop("accepted"), found.pop("known_before")))
        found["reached"] = _sum((found["delivered"], found["read"]))
        return found

    @property
    def state(self) -> str:
        """Airflow's state of all its tasks together."""
        states = [task.state for task in self.tasks]
        for names, shown in ((_FAILED, "failed"), (_RUNNING, None)):
            if found := [state for state in states if state in names]:
                return shown or str(found[0])
        if all(state in ("success", "skipped", "removed") for state in states):
            return "success" if "success" in states else "skipped"
        return "running" if "success" in states else "waiting"

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the page shows of it."""
        single = self.receipts[0].returned if len(self.receipts) == 1 else {}
        kinds = [task.kind for task in self.sends] or [task.shown_kind for task in self.tasks]
        state = self.state
        ended = max(filter(None, (task.ended for task in self.tasks)), default=None)
        return {
            "name": self.name,
            "kinds": list(dict.fromkeys(kinds)),
            "state": state,
            "started": min(filter(None, (task.started for task in self.tasks)), default=None),
            "ended": ended if state in ("success", "failed", "skipped") else None,
            "places": max(Counter(task.task_id for task in self.tasks).values()),
            "recipients": self.recipients,
            "rows": _sum(task.rows for task in self.sends),
            **self.counts(),
            "spent": shown(self.spent),
            "delay_p50": _seconds(single.get("delay_p50")),
            "delay_p95": _seconds(single.get("delay_p95")),
            "tasks": sorted({task.task_id for task in self.tasks}),
        }


def steps_of(tasks: Sequence[Task]) -> list[Step]:
    """Return the steps of a campaign in their order.

    The tasks `audience`, `send` and `receipts` of a group are one step. Receipts elsewhere belong to the send
    whose file of results they complete.
    """
    by_name = defaultdict[str, list[Task]](list)
    files = {
        str(task.returned["results"]): step_name(task.task_id)
        for task in tasks
        if task.is_send and task.returned.get("results")
    }
    for task in tasks:
        completed = files.get(str(task.returned.get("outcomes"))) if task.kind == RECEIPTS else None
        by_name[completed or step_name(task.task_id)].append(task)

    def place(step: Step) -> tuple[bool, str, int, str]:
        started = min(filter(None, (task.started for task in step.tasks)), default="")
        return (not started, started, -max(task.weight for task in step.tasks), step.name)

    return _with_audience(sorted((Step(name, found) for name, found in by_name.items()), key=place))


def _with_audience(steps: Sequence[Step]) -> list[Step]:
    """Return the steps; the first send of each group gets the size of the campaign's audience."""
    alone = [task for step in steps if not step.sends for task in step.tasks if task.kind == AUDIENCE]
    recipients = _sum(task.count("recipients") for task in alone)
    seen, found = set[str](), []
    for step in steps:
        group = step.name.rpartition(".")[0]
        is_first = bool(step.sends) and not (group and group in seen)
        found.append(replace(step, audience=recipients) if is_first else step)
        if step.sends:
            seen.add(group)
    return found


def step_name(task_id: str) -> str:
    """Return the name of the step that a task belongs to."""
    group, _, name = task_id.rpartition(".")
    return group if group and name.split("_")[0] in _PARTS else task_id


def totals_of(steps: Sequence[Step]) -> dict[str, Any]:
    """Return what the table says of a campaign."""
    counts = [step.counts() for step in steps]
    sending = [step for step in steps if step.sends]
    names = ("sent", "silent", "unknown", "refused", "undelivered", "expired")
    return {
        "recipients": _recipients(steps),
        **{name: _sum(each[name] for each in counts) for name in names},
        "reached": _reached(steps),
        "rows": _sum(task.rows for step in sending for task in step.sends),
        "messages": _sum(step.recipients for step in sending),
        "spent": shown(_added(step.spent for step in sending)),
        "kinds": list(dict.fromkeys(task.kind for step in sending for task in step.sends)),
        "failed": sum(task.state in _FAILED for step in steps for task in step.tasks),
    }


def reports(tasks: Iterable[Task]) -> list[Mapping[str, Any]]:
    """Return what the reports of ladders say that the steps do not."""
    found: list[Mapping[str, Any]] = []
    for task in tasks:
        if task.kind == REPORT and task.returned:
            each = task.returned.get("price_per_delivered")
            texts = each.items() if isinstance(each, dict) else []
            prices = {name: price for name, text in texts if (price := amount(text))}
            found.append({
                "task_id": task.task_id,
                **{name: task.count(name) for name in ("recipients", "delivered", "delivered_twice")},
                "may_be_paid": task.count("may_be_paid"),
                "price_per_delivered": shown(prices),
            })
    return found


def _reached(steps: Sequence[Step]) -> int | None:
    """Return how many people were reached: by a ladder's report, which counts nobody twice, else by steps."""
    reported = {
        task.task_id.rpartition(".")[0]: task.count("delivered")
        for step in steps
        for task in step.tasks
        if task.kind == REPORT and task.returned
    }
    others = [step for step in steps if step.name.rpartition(".")[0] not in reported]
    return _sum((*reported.values(), *(step.counts()["reached"] for step in others)))


def histograms(tasks: Iterable[Task]) -> Mapping[str, Any]:
    """Return the deliveries over time and the delays of all tasks together; None for what nobody knows."""
    found = [task.returned for task in tasks if task.kind == RECEIPTS or task.is_send]
    return {
        "delivered_at": _joined([each["delivered_at"] for each in found if "delivered_at" in each]),
        "delays": _delays([each["delays"] for each in found if "delays" in each]),
    }


def count(value: object) -> int | None:
    """Return a count of messages, also of a mapping of counts by code; None for anything else."""
    if isinstance(value, dict):
        return _sum(count(each) for each in value.values()) or 0
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return int(value) if is_count else None  # type: ignore[call-overload]  # it is one


def amount(value: object) -> Decimal | None:
    """Return an amount of money, or None."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < 1 << 53 else None


def shown(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    """Return amounts as text, by currency."""
    return {currency: f"{value:f}" for currency, value in sorted(amounts.items())}


def _recipients(steps: Sequence[Step]) -> int | None:
    """Return how many people a campaign is for: its audience, else those of each group's first step."""
    alone = [task for step in steps if not step.sends for task in step.tasks if task.kind == AUDIENCE]
    if (found := _sum(task.count("recipients") for task in alone)) is not None:
        return found
    groups: dict[str, int | None] = {}
    for step in steps:
        if step.sends:
            group = step.name.rpartition(".")[0]
            groups.setdefault(group or step.name, step.recipients)
    return _sum(groups.values())


def _joined(plots: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return the histograms of several tasks as one, whose buckets are as wide as the widest."""
    read = [found for plot in plots if (found := _plot(plot))]
    if not read:
        return None
    width = max(seconds for _, seconds, _ in read)
    buckets = Counter[int]()
    for start, seconds, counts in read:
        for number, times in enumerate(counts):
            buckets[(start + number * seconds) // width] += times
    while max(buckets) - min(buckets) >= _MAX_BUCKETS:
        width *= 2
        wider = Counter[int]()
        for number, times in buckets.items():
            wider[number // 2] += times
        buckets = wider
    first, last = min(buckets), max(buckets)
    start_text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=first * width)).isoformat()
    return {"start": start_text, "seconds": width, "counts": [buckets[at] for at in range(first, last + 1)]}


def _plot(value: Any) -> tuple[int, int, list[int]] | None:
    try:
        start = int(datetime.fromisoformat(value["start"]).timestamp())
        seconds, counts = count(value["seconds"]), [count(each) for each in value["counts"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not seconds or seconds > 10**9 or not counts or len(counts) > _MAX_BUCKETS or None in counts:
        return None
    return start, seconds, [each or 0 for each in counts]


def _delays(plots: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return the sum of the histograms that have the bounds of the first."""
    bounds: list[int] = []
    total: list[int] = []
    for plot in plots:
        own, counts = (plot.get(name) if isinstance(plot, dict) else None for name in ("bounds", "counts"))
        if not isinstance(own, list) or not isinstance(counts, list) or len(counts) != len(own) + 1:
            continue
        if not bounds:
            bounds = [each for each in own if count(each) is not None]
            total = [0] * len(counts)
        if bounds == own:
            total = [whole + (count(part) or 0) for whole, part in zip(total, counts, strict=True)]
    return {"bounds": bounds, "counts": total} if any(total) else None


def _is_second(task: Task) -> bool:
    """Whether it is for those whom the rung's first connection could not send to."""
    _, _, number = task.task_id.rpartition(".")[2].partition("_")
    return number.isdigit()


def _is_audience(task: Task) -> bool:
    return task.kind == AUDIENCE and not _is_second(task)


def _added(amounts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for each in amounts:
        for currency, value in each.items():
            total[currency] = total.get(currency, Decimal(0)) + value
    return total


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _seconds(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 10**9 else None  # type: ignore[operator, arg-type]  # it is one
