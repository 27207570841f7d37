"""A small model: what a deployment needs for so many messages, sensors and SIMs, from measured unit costs.

`tables.py` puts what it calculates into docs/scale.md. The unit costs are figures in docs/figures; everything
else is in `ASSUMED`, and named in the page. `python benchmarks/scale.py` prints the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"


class MissingFigureError(KeyError):
    """A figure that the model needs has not been measured."""


@dataclass(frozen=True)
class Unit:
    """A measured cost, as the model uses it."""

    figure: str
    title: str
    scale: float
    """Turns the figure into seconds of CPU, megabytes, or what the title says."""
    side: str = "ours"


UNITS = {
    "message": Unit("sends.personal_sms", "CPU of a personal SMS in a worker", 1e-6),
    "simulator": Unit("sends.personal_sms.simulator", "CPU of the simulator for it", 1e-6),
    "audience_row": Unit("audience.10000000.cpu", "CPU of a row of an audience", 1e-7),
    "poll": Unit("polls.https.2000.cpu", "CPU of a poll over https", 1e-3),
    "waiter_mb": Unit("polls.https.2000.memory", "memory of a waiting trigger, MB", 1 / 1024),
    "shared_poll": Unit("polls.shared.cpu", "CPU of a waiter and interval when waiters share calls", 1e-3),
    "webhook": Unit("receiver.postgresql.cpu", "CPU of a webhook in an api-server", 1e-3),
    "webhook_rate": Unit("receiver.postgresql.rate", "webhooks a second, two processes, 2 cores", 1),
    "write": Unit("deployment.journal_write", "duration of a journal write", 1e-3),
    "write_cpu": Unit("deployment.journal_write.cpu", "CPU of it in the api-server", 1e-3),
    "task": Unit(
        "deployment.message", "CPU of a task that sends one message, in all processes", 1e-3, "peer"
    ),
    "record": Unit("records.fmc", "CPU of a call record to Parquet", 1e-6),
    "plan_sim": Unit("fleet.plan", "CPU of a SIM in a plan of a fleet", 1e-4),
    "plan_mb": Unit("fleet.plan.memory", "memory of a SIM in a plan, MB", 1e-4),
    "block_sim": Unit("fleet.block", "CPU of a SIM that is blocked and awaited", 1e-4),
}

ASSUMED = {
    "hours": (10.0, "hours of a day in which messages are sent"),
    "peak": (3.0, "rate of the busiest minutes over the mean"),
    "busy": (0.6, "how busy a core may be"),
    "latency": (0.3, "seconds until a vendor answers a request"),
    "chunk": (500.0, "messages in a request"),
    "slots": (16.0, "tasks that a Celery worker of 2 cores runs at a time (Airflow's default)"),
    "cursor": (5.0, "seconds between two journal writes of a bulk send, at least"),
    "heartbeat": (5.0, "seconds between two heartbeats of a running task"),
    "interval": (60.0, "seconds between two polls of a sensor"),
    "capacity": (5_000.0, "triggers in one triggerer (`[triggerer] capacity`; Airflow's default is 1,000)"),
    "task_rows": (12.0, "rows that Airflow writes for a task: its states, heartbeats, XCom, rendered fields"),
    "task_seconds": (2.0, "seconds that a task with one message takes"),
    "rows": (3.0, "rows that a webhook writes: a deduplication record, an event, its part of the log"),
    "pool": (
        15.0,
        "connections of a process of Airflow at most (`sql_alchemy_pool_size` and `max_overflow`)",
    ),
    "connections": (100.0, "connections that PostgreSQL allows by default"),
    "page": (500.0, "SIMs in a page of the vendor's list"),
    "sims_a_request": (10_000.0, "SIMs in one request that changes them"),
}


class Costs:
    """The unit costs: measured ones by name of `UNITS`, the others by name of `ASSUMED`."""

    def __init__(self, figures: Mapping[str, Mapping[str, object]]) -> None:
        self._figures = figures

    def __getattr__(self, name: str) -> float:
        if name in ASSUMED:
            return ASSUMED[name][0]
        unit = UNITS[name]
        if unit.figure not in self._figures:
            raise MissingFigureError(f"{unit.figure} has not been measured: make bench")
        return float(self._figures[unit.figure][unit.side]) * unit.scale  # type: ignore[arg-type]

    def measured(self, name: str) -> float | None:
        """Return a figure as it is, or None."""
        return float(self._figures[name]["ours"]) if name in self._figures else None  # type: ignore[arg-type]


def read(folder: Path = FIGURES) -> Costs:
    """Return the costs that the figures of a folder contain."""
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return Costs({line["name"]: line for line in lines})


@dataclass(frozen=True)
class Need:
    """What a load needs."""

    load: str
    workers: int
    slots: int
    api_servers: int
    triggerers: int
    writes: float
    """Rows that are written to the database each second at the peak."""
    first: str
    """What is short first in a small deployment, and how busy it would be."""

    @property
    def processes(self) -> int:
        """Return the number of processes with a pool of connections; two schedulers, one Dag processor."""
        return self.api_servers + self.triggerers + 3


SMALL = "one worker of 2 cores, one process of the api-server, one triggerer"


def first_short(uses: Mapping[str, float]) -> str:
    """Return the resource that is used most, and how often the small deployment would be needed for it."""
    name = max(uses, key=lambda key: uses[key])
    return f"{name} ({uses[name]:.1f})" if uses[name] >= 0.05 else "nothing"


def messages(costs: Costs, count: int, *, webhooks: bool) -> Need:
    """Return what so many messages a day need; with webhooks, each has one about its end."""
    rate = count / (costs.hours * 3600) * costs.peak
    in_task = costs.chunk / (costs.latency + costs.chunk * costs.message)
    tasks = ceil(rate / in_task)
    cores = rate * costs.message
    writes, beats, turns = tasks / costs.cursor, tasks / costs.heartbeat, rate / costs.chunk
    posts = rate if webhooks else 0.0
    api_cores = (writes + beats) * costs.write_cpu + posts * costs.webhook
    return Need(
        f"{count:,} messages a day" + (", a webhook about each" if webhooks else ""),
        workers=max(1, ceil(tasks / costs.slots), ceil(cores / 2 / costs.busy)),
        slots=tasks,
        api_servers=max(1, ceil(api_cores / costs.busy)),
        triggerers=1,
        writes=writes + beats + turns + posts * costs.rows,
        first=first_short({
            "worker slots": tasks / costs.slots,
            "CPU of workers": cores / 2 / costs.busy,
            "CPU of the api-server": api_cores / costs.busy,
        }),
    )


def single_tasks(costs: Costs, count: int) -> Need:
    """Return what so many tasks a day need that send one message each."""
    rate = count / (costs.hours * 3600) * costs.peak
    tasks, cores = ceil(rate * costs.task_seconds), rate * costs.task
    return Need(
        f"{count:,} messages a day, a task for each",
        workers=max(1, ceil(tasks / costs.slots), ceil(cores / 2 / costs.busy)),
        slots=tasks,
        api_servers=max(1, ceil(rate * costs.write_cpu * 4 / costs.busy)),  # start, journal twice, end
        triggerers=1,
        writes=rate * (costs.task_rows + 2),
        first=first_short({"worker slots": tasks / costs.slots, "CPU of workers": cores / 2 / costs.busy}),
    )


def sensors(costs: Costs, count: int, *, shared: bool) -> Need:
    """Return what so many waiting sensors need; shared: many wait for what one call answers."""
    cores = count / costs.interval * (costs.shared_poll if shared else costs.poll)
    triggerers = max(1, ceil(count / costs.capacity), ceil(cores / costs.busy))
    return Need(
        f"{count:,} waiting sensors" + (", 100 for each call" if shared else ""),
        workers=1,
        slots=0,
        api_servers=1,
        triggerers=triggerers,
        writes=count / 3600,  # each begins or ends once an hour, say
        first=first_short({
            "capacity of triggerers": count / costs.capacity,
            "CPU of triggerers": cores / costs.busy,
        }),
    )


def in_words(need: Need, costs: Costs) -> list[str]:
    """Return the cells of a load."""
    connections = need.processes * costs.pool
    return [
        need.load,
        f"{need.workers:,} ({need.slots:,} tasks)" if need.slots else "–",
        f"{need.api_servers:,}",
        f"{need.triggerers:,}",
        f"{need.writes:,.0f}" if need.writes >= 1 else "below 1",
        f"{connections:,.0f}" + (" (PgBouncer)" if connections > costs.connections else ""),
        need.first,
    ]


def needs(costs: Costs) -> str:
    """Return the table of what the loads need."""
    loads: list[tuple[Callable[..., Need], int, dict[str, bool]]] = [
        *((messages, 10**power, {"webhooks": False}) for power in (6, 7, 8)),
        *((messages, 10**power, {"webhooks": True}) for power in (6, 7, 8)),
        (single_tasks, 10**6, {}),
        *((sensors, 100_000, {"shared": shared}) for shared in (False, True)),
    ]
    titles = ["load", "workers", "api-server processes", "triggerers", "rows written a second"]
    titles += ["connections at most", "short first"]
    rows, missing = [], set()
    for need_of, count, words in loads:
        try:
            rows.append(in_words(need_of(costs, count, **words), costs))
        except MissingFigureError as error:
            missing.add(str(error.args[0]))
    notes = [f"Some loads are not calculated: {reason}." for reason in sorted(missing)]
    return "\n\n".join([*([markdown(titles, rows)] if rows else []), *notes])


def fleet(costs: Costs) -> str:
    """Return the table of what 1,000,000 SIMs need."""
    count = 1_000_000
    requests = count / costs.page
    rows = [
        ["requests to read the list", f"{requests:,.0f}, {requests * costs.latency / 60:.0f} minutes"],
        ["to plan, in one task", f"{count * costs.plan_sim / 60:.1f} minutes of CPU"],
        ["memory of this plan", f"{count * costs.plan_mb / 1024:.1f} GB"],
        ["memory of a plan of 100,000 SIMs", f"{100_000 * costs.plan_mb:,.0f} MB"],
        [
            "to block all and wait for it",
            f"{count / costs.sims_a_request:.0f} requests, {count * costs.block_sim:,.0f} s of CPU",
        ],
    ]
    return markdown(["1,000,000 SIMs", "needs"], rows)


def units(costs: Costs) -> str:
    """Return the table of unit costs."""
    rows = []
    for name, unit in UNITS.items():
        try:
            value = getattr(costs, name)
        except MissingFigureError:
            rows.append([unit.title, "not measured yet", f"`{unit.figure}`"])
            continue
        is_time = unit.scale != 1 and not name.endswith("_mb")
        shown = duration(value) if is_time else f"{value:,.3g}"
        rows.append([unit.title, shown, f"`{unit.figure}`"])
    return markdown(["unit", "cost", "figure"], rows)


def assumptions(costs: Costs) -> str:
    """Return the table of what is assumed."""
    return markdown(["assumed", "value"], [[title, f"{value:g}"] for value, title in ASSUMED.values()])


EARLIER = {"one worker": 34_743.0, "two workers": 29_400.0}
"""Messages a second of 1,000,000 in 8 shards (tests/system/test_shards.py) on 2 cores, simulator included."""


def compared(costs: Costs) -> str:
    """Return the table that compares the model with real workers, which share 2 cores with the simulator."""
    model = 2 / (costs.message + costs.simulator)
    rows = []
    for name, figure in (("one worker", "deployment.one_worker"), ("two workers", "deployment.two_workers")):
        found = costs.measured(figure)
        shown = "not measured yet" if found is None else f"{found:,.0f} ({found / model:.2f})"
        rows.append([name, f"{model:,.0f}", shown, f"{EARLIER[name]:,.0f} ({EARLIER[name] / model:.2f})"])
    titles = ["Celery", "model, messages/s", "measured (of the model)", "1,000,000 messages, an earlier run"]
    return markdown(titles, rows)


def duration(seconds: float) -> str:
    """Return seconds with a unit in which they are easy to read."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError


def markdown(titles: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


TABLES: dict[str, Callable[[Costs], str]] = {
    "units": units,
    "assumptions": assumptions,
    "needs": needs,
    "fleet": fleet,
    "compared": compared,
}


def table(name: str, folder: Path = FIGURES) -> str:
    """Return a table of docs/scale.md, or say which figure is missing."""
    try:
        return TABLES[name](read(folder))
    except MissingFigureError as error:
        return f"Not calculated yet: {error.args[0]}."


if __name__ == "__main__":
    for name in TABLES:
        print(f"{table(name)}\n")
