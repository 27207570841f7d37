"""Sets Airflow's environment for tests and their processes: nothing touches the developer's own.

Airflow reads it when it is first imported, so this comes first.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="telecom-tests-"))
os.environ.update({
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__API_AUTH__JWT_SECRET": "made-up-" * 8,
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",  # no worker has to be waited for: none runs
})
