"""Runs one try of a bulk send in a process that may write no file larger than so many bytes.

Reads a JSON object from its input: `limit`, the operator's `arguments`, and the `store` of earlier tries.
Writes the store and the error that the try ended with. The kernel refuses the write (RLIMIT_FSIZE): the file
is cut off within a line, as on a full disk.
"""

from __future__ import annotations

import json
import resource
import sys

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from tests.running import Run, Store

if __name__ == "__main__":
    given = json.load(sys.stdin)
    operator, run = KetchUpSendBulkSmsOperator(**given["arguments"]), Run()
    store = run.stores[operator.task_id] = Store()
    store.texts |= given["store"]
    sys.dont_write_bytecode = True  # it would be cut off as well, and be read by all that come later
    resource.setrlimit(resource.RLIMIT_FSIZE, (given["limit"], resource.RLIM_INFINITY))
    error = None
    try:
        run.execute(operator)
    except Exception as caught:
        error = type(caught).__name__
    sys.stdout.write("\n" + json.dumps({"error": error, "store": store.texts}))
