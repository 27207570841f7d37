"""What a message of a bulk send costs, beside a plain loop that posts the same bodies with requests.

Ours and the loop take turns in one process, so the ratio of their CPU times depends little on the machine.
The vendors are a simulator in its own process. A promo is compared with reading the CSV file and encoding the
bodies. Prints a JSON line for each kind of send, with the limit that it should not exceed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from measuring import simulator

sys.path.insert(0, str(Path(__file__).parent.parent))

from airflow_provider_telecom.bulk.garbage import old_objects_frozen

CHUNK = 500
PROMO_CHUNK = 20_000


def rows_of(audience: Path, size: int) -> Iterator[list[list[str]]]:
    """Yield the rows of a CSV file in chunks."""
    with audience.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        while chunk := list(islice(rows, size)):
            yield chunk


def plain_loop(audience: Path, letter: str) -> Callable[[], int]:
    """Return a program that sends personal SMS with nothing else: no check, no hash as key, no retry."""
    import requests

    found = json.loads(os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    headers = {"X-API-KEY": found["password"], "Content-Type": "application/json"}
    session, url = requests.Session(), f"{found['host']}/rest/sms/create"

    def send() -> int:
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

    return send


def personal_sms(recipients: Path | str, task_id: str, results: Path | None = None) -> Callable[[], int]:
    """Return the same send by the bulk operator."""
    from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
    from tests.running import Run

    operator = KetchUpSendBulkSmsOperator(
        task_id=task_id,
        recipients=str(recipients),
        text="Hello {name}",
        results_path=None if results is None else str(results),
    )
    return lambda: int(Run(task_id).execute(operator)["accepted"])


def audience_folder(audience: Path, folder: Path) -> str:
    """Return the path of an audience folder with the recipients of a CSV file."""
    from tests.bulk.audiences import prepare_audience

    rows = [{"msisdn": msisdn, "name": name} for chunk in rows_of(audience, CHUNK) for msisdn, name in chunk]
    return str(prepare_audience(folder, rows)["path"])


def csv_and_json(audience: Path) -> Callable[[], int]:
    """Return a program that reads the recipients and encodes the bodies of a promo's audience."""

    def encode() -> int:
        count = 0
        for chunk in rows_of(audience, PROMO_CHUNK):
            body = {"audience": [{"phoneNumber": row[0], "params": []} for row in chunk]}
            json.dumps(body, separators=(",", ":")).encode()
            count += len(chunk)
        return count

    return encode


def promo(audience: Path, task_id: str) -> Callable[[], int]:
    """Return the creation of a promo by the operator."""
    from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCreatePromoOperator
    from tests.running import Run

    operator = KyivstarCreatePromoOperator(task_id=task_id, recipients=str(audience), text="Hello")
    return lambda: int(Run(task_id).execute(operator)["recipients"])


def cpu_of(act: Callable[[], int], expected: int) -> float:
    """Return the CPU seconds of an action that must reach all recipients."""
    with old_objects_frozen():  # as in a small process: without Airflow's objects
        began = time.process_time()
        assert act() == expected
        return time.process_time() - began


def compared(name: str, count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return the figures of one kind of send."""
    ours, peers = [], []
    for turn in range(-1, rounds):  # the first one imports and connects, and is not counted
        size = count if turn >= 0 else 1_000
        audience = folder / f"{turn}.csv"
        write = [sys.executable, "-c", _WRITE, str(Path(__file__).parent), str(audience), str(size)]
        subprocess.run(write, check=True)
        task_id = f"{name}{turn + 1}"
        if name == "promo":
            peer, own = csv_and_json(audience), promo(audience, task_id)
        else:
            peer = plain_loop(audience, "abcdefghij"[turn + 1])
            is_folder = name == "personal_sms_of_audience"
            recipients = audience_folder(audience, folder / task_id) if is_folder else audience
            results = folder / f"{task_id}.jsonl" if name == "personal_sms_with_results" else None
            own = personal_sms(recipients, task_id, results)
        times = cpu_of(peer, size), cpu_of(own, size)
        if turn >= 0:
            peers.append(times[0])
            ours.append(times[1])
    middle, plain = statistics.median(ours), statistics.median(peers)
    return {
        "bench": name,
        "recipients": count,
        "cpu_s": round(middle, 2),
        "us_each": round(middle / count * 1e6, 2),
        "peer": "csv and json" if name == "promo" else "requests loop",
        "peer_cpu_s": round(plain, 2),
        "times_peer": round(middle / plain, 2),
        "limit": LIMITS[name],
    }


LIMITS = {
    "personal_sms": 2.0,
    "personal_sms_of_audience": 2.0,
    "personal_sms_with_results": 2.5,
    "promo": 2.5,
}
"""How many times the peer's CPU time a send may take."""

_WRITE = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
    "from campaigns import write_audience; write_audience(Path(sys.argv[2]), int(sys.argv[3]))"
)


def main() -> None:
    """Print the figures of each kind of send, each measured in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--recipients", type=int, default=300_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", choices=LIMITS)
    chosen = arguments.parse_args()
    if chosen.only is None:
        for name in LIMITS:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], check=True)
        return
    with tempfile.TemporaryDirectory() as folder, simulator():
        figures = compared(chosen.only, chosen.recipients, chosen.rounds, Path(folder))
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
