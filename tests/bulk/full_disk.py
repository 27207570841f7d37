"""Runs tries of a bulk send in a process that may write no file larger than so many bytes.

Reads a JSON object from each line of its input: `limit`, the operator's `arguments`, the `store` of earlier
tries, and the `environment`. Writes a line with the store and the error that the try ended with. The kernel
refuses the write (RLIMIT_FSIZE): the file is cut off within a line, as on a full disk.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from tests.running import Run, Store


def one_try(order: dict[str, Any]) -> dict[str, Any]:
    """Return what is known after the try."""
    os.environ.update(order["environment"])
    operator, run = KetchUpSendBulkSmsOperator(**order["arguments"]), Run()
    store = run.stores[operator.task_id] = Store()
    store.texts |= order["store"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], resource.RLIM_INFINITY))
    error = None
    try:
        run.execute(operator)
    except Exception as caught:
        error = type(caught).__name__
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"error": error, "store": store.texts}


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # it would be cut off as well, and be read by all that come later
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the tasks log
    for line in sys.stdin:
        answers.write(json.dumps(one_try(json.loads(line))) + "\n")
        answers.flush()
