"""What a message of a bulk send costs, beside a plain loop that posts the same bodies with requests.

The vendors are a simulator in its own process. A promo is compared with reading the CSV file and encoding the
bodies. Memory and the change of speed show whether a send of any length stays the same.
"""

from __future__ import annotations

import csv
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from measuring import (
    Figure,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    peer_package,
    run,
    simulator,
)

from airflow_provider_telecom.bulk.garbage import old_objects_frozen

CHUNK = 500
PROMO_CHUNK = 20_000
WARM_UP = 1_000
"""The recipients of a first send, which imports and connects, and is not counted."""


def write_audience(path: Path, count: int) -> Path:
    """Write a CSV file of distinct made-up numbers in random order, each with a name."""
    numbers = random.Random(1).sample(range(380_670_000_000, 380_670_000_000 + max(10_000_000, count)), count)
    with path.open("w", encoding="utf-8") as file:
        file.write("msisdn,name\n")
        file.writelines(f"{number},Name {number % 1000}\n" for number in numbers)
    return path


def rows_of(audience: Path, size: int) -> Iterator[list[list[str]]]:
    """Yield the rows of a CSV file in chunks."""
    with audience.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        while chunk := list(islice(rows, size)):
            yield chunk


# The peers


def plain_loop(audience: Path, letter: str) -> int:
    """Send personal SMS, without checks, keys or retries; return how many were accepted."""
    import requests

    found = json.loads(os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    headers = {"X-API-KEY": found["password"], "Content-Type": "application/json"}
    session, url = requests.Session(), f"{found['host']}/rest/sms/create"
    accepted, number = 0, 0
    for chunk in rows_of(audience, CHUNK):
        phones = [
            {
                "msisdn": msisdn,
                "reference": f"{letter}{place:031}",
                "originator": "test",
                "body": f"Hello {name}",
            }
            for place, (msisdn, name) in enumerate(chunk, number)
        ]
        number += len(chunk)
        body = {"validity": 72, "tariff": 0, "phones": phones, "destination": "individual"}
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        response = session.post(url, data=content, headers=headers)
        accepted += sum(item["error"] == "0" for item in response.json()["result"])
    return accepted


def csv_and_json(audience: Path, letter: str) -> int:
    """Read the recipients and encode the bodies of a promo's audience; return the number of recipients."""
    count = 0
    for chunk in rows_of(audience, PROMO_CHUNK):
        body = {"audience": [{"phoneNumber": row[0], "params": []} for row in chunk]}
        json.dumps(body, separators=(",", ":")).encode()
        count += len(chunk)
    return count


# Ours


class Laps:
    """The CPU time of every so many recipients that the operator's calls contain."""

    def __init__(self, each: int) -> None:
        self.each, self.count = each, 0
        self.laps = [(0, time.process_time())]

    def counting(self, call: Callable[..., Any], size_of: Callable[..., int]) -> Callable[..., Any]:
        """Return a function that makes the call and counts its recipients."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self.count += size_of(*args)
            if self.count - self.laps[-1][0] >= self.each:
                self.laps.append((self.count, time.process_time()))
            return result

        return counted

    def slowdown(self) -> float:
        """Return the CPU time of a recipient in the second half in proportion to that in the first."""
        costs = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(self.laps[1:], self.laps[2:], strict=False)]
        half = len(costs) // 2
        return min(costs[half:]) / min(costs[:half])


def personal_sms(recipients: Path | str, task_id: str, laps: Laps, results: Path | None = None) -> int:
    """Send by the bulk operator, and return how many were accepted."""
    from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
    from tests.running import Run

    operator = KetchUpSendBulkSmsOperator(
        task_id=task_id,
        recipients=str(recipients),
        text="Hello {name}",
        results_path=None if results is None else str(results),
    )
    operator.hook.get_conn()
    counted = laps.counting(operator.hook.send_individual_sms, len)
    operator.hook.send_individual_sms = counted  # type: ignore[method-assign]
    return int(Run(task_id).execute(operator)["accepted"])


def promo_audience(recipients: Path | str, task_id: str, laps: Laps) -> int:
    """Create a promo by the operator, and return the number of its recipients."""
    from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCreatePromoOperator
    from tests.running import Run

    size = min(PROMO_CHUNK, laps.each)
    operator = KyivstarCreatePromoOperator(
        task_id=task_id, recipients=str(recipients), text="Hello", chunk_size=size
    )
    operator.hook.get_conn()
    counted = laps.counting(operator.hook.add_promo_audience, lambda _, people: len(people))
    operator.hook.add_promo_audience = counted  # type: ignore[method-assign]
    return int(Run(task_id).execute(operator)["recipients"])


def audience_folder(audience: Path, folder: Path) -> str:
    """Return the path of an audience folder with the recipients of a CSV file."""
    from tests.bulk.audiences import prepare_audience

    rows = [{"msisdn": msisdn, "name": name} for chunk in rows_of(audience, CHUNK) for msisdn, name in chunk]
    return str(prepare_audience(folder, rows)["path"])


# The cases

Send = Callable[[Any, str, Laps], int]


def sample(send: Callable[[int], int], count: int, laps: Laps | None = None) -> Sample:
    """Return what a send takes in a process of its own, in which a small one has been made."""
    assert send(WARM_UP) == WARM_UP
    if laps is not None:
        laps.__init__(laps.each)  # type: ignore[misc]
    idle = idle_megabytes()
    with old_objects_frozen():  # as in a small process: without Airflow's objects
        found = measured(lambda: send(count), count)
    found["peak_mb"] = megabytes("VmHWM") - idle
    if laps is not None:
        found["slowdown"] = laps.slowdown()
    return found


def compared(
    name: str,
    title: str,
    count: int,
    own: Send,
    peer: tuple[str, Callable[[Path, str], int]],
    limit: float,
    *,
    prepared: Callable[[Path, Path], Path | str] = lambda audience, folder: audience,
) -> list[Figure]:
    """Return the figures of one kind of send."""
    turns = iter("abcdefghijklmnopqrstuvwxyz")
    with tempfile.TemporaryDirectory() as directory, simulator() as (_, vendor):
        folder, vendor_process = Path(directory), psutil.Process(vendor.pid)
        audiences = {size: write_audience(folder / f"{size}.csv", size) for size in (WARM_UP, count)}
        ours = {
            size: in_fork(partial(prepared, path, folder / f"prepared{size}"))
            for size, path in audiences.items()
        }

        def of_ours() -> Sample:
            turn, laps = next(turns), Laps(max(WARM_UP, count // 12))
            task_ids = {WARM_UP: f"first_{turn}", count: f"all_{turn}"}
            before = sum(vendor_process.cpu_times()[:2])
            found = in_fork(lambda: sample(lambda size: own(ours[size], task_ids[size], laps), count, laps))
            share = count / (count + WARM_UP)
            return {**found, "vendor": share * (sum(vendor_process.cpu_times()[:2]) - before)}

        def of_peer() -> Sample:
            turn = next(turns)
            letters = {WARM_UP: turn.upper(), count: turn}
            return in_fork(lambda: sample(lambda size: peer[1](audiences[size], letters[size]), count))

        rounds = in_turn({"ours": of_ours, peer[0]: of_peer})
    return [
        figure(
            f"sends.{name}",
            title,
            "µs of CPU",
            rounds,
            peer=peer[0],
            limit=limit,
            scale=1e6 / count,
            recipients=count,
        ),
        figure(
            f"sends.{name}.simulator",
            f"{title}: the simulator's part",
            "µs of CPU",
            rounds,
            of="vendor",
            scale=1e6 / count,
        ),
        figure(
            f"sends.{name}.memory",
            f"{title}: peak over idle, {count:,} recipients",
            "MB",
            rounds,
            of="peak_mb",
            limit=120 + count * 80 / 1e6,
            limit_of="ours",
            recipients=count,
        ),
        figure(
            f"sends.{name}.slowdown",
            f"{title}: CPU in the second half of {count:,} recipients over that in the first",
            "times",
            rounds,
            of="slowdown",
            limit=1.25,
            limit_of="ours",
            recipients=count,
        ),
    ]


def loop() -> tuple[str, Callable[[Path, str], int]]:
    """Return the peer of personal SMS."""
    return f"{peer_package('requests', 'requests')} in a loop", plain_loop


def personal(quick: bool) -> list[Figure]:
    """300,000 personal SMS from a CSV file."""
    count = 12_000 if quick else 300_000
    return compared("personal_sms", "A personal SMS", count, personal_sms, loop(), 2.0)


def of_audience(quick: bool) -> list[Figure]:
    """100,000 personal SMS to a prepared audience."""
    count = 12_000 if quick else 100_000
    title = "A personal SMS to a prepared audience"
    return compared(
        "personal_sms_of_audience", title, count, personal_sms, loop(), 2.0, prepared=audience_folder
    )


def with_results(quick: bool) -> list[Figure]:
    """100,000 personal SMS, with a file of results."""
    count = 12_000 if quick else 100_000
    title = "A personal SMS with a file of results"

    def send(recipients: Path, task_id: str, laps: Laps) -> int:
        return personal_sms(recipients, task_id, laps, recipients.with_name(f"{task_id}.jsonl"))

    return compared("personal_sms_with_results", title, count, send, loop(), 2.5)


def promo(quick: bool) -> list[Figure]:
    """A promo with 1,000,000 recipients."""
    count = 12_000 if quick else 1_000_000
    peer = ("csv.reader and json", csv_and_json)
    return compared("promo", "A recipient of a promo", count, promo_audience, peer, 2.5)


CASES = {
    "personal_sms": personal,
    "personal_sms_of_audience": of_audience,
    "personal_sms_with_results": with_results,
    "promo": promo,
}

if __name__ == "__main__":
    run(CASES, __doc__)
