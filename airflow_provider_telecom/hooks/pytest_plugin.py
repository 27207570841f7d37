"""For tests with the fixture `telecom_simulator`: each test has account clients of its own.

Hooks with equal settings share one client in a process, and with it a circuit breaker: after a test in which
the vendor was down, the next test would find it open. So the clients are closed and removed after each test.
"""

from __future__ import annotations

import sys
from typing import Any


def pytest_fixture_post_finalizer(fixturedef: Any) -> None:
    """Forget the clients when a test with the fixture has ended."""
    hooks = sys.modules.get("airflow_provider_telecom.hooks.base")
    if hooks is not None and fixturedef.argname == "telecom_simulator":
        hooks.forget_clients()
