"""A process that forks while it has clients: parent and child would read each other's answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from airflow_provider_telecom.hooks import base
from tests.eventually import HANG_SECONDS


def holds_in_a_fork(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds in a fork. What never ends does not."""
    child = os.fork()
    if not child:
        thread = threading.Thread(target=lambda: os._exit(0 if condition() else 1), daemon=True)
        thread.start()
        thread.join(HANG_SECONDS)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def test_a_hook_that_is_used_before_and_after_a_fork_connects_again(hook_for: Callable[..., Any]) -> None:
    hook = hook_for("ketchup_loyalty")
    hook.list_sms_prices()
    account = hook.account
    assert holds_in_a_fork(lambda: bool(hook.list_sms_prices()) and hook.account is not account)
    assert hook.account is account


def test_a_fork_does_not_wait_for_a_thread_that_it_has_not(hook_for: Callable[..., Any]) -> None:
    hook = hook_for("ketchup_loyalty")
    with base._clients_lock:  # another thread makes a client
        assert holds_in_a_fork(lambda: hook.account is not None)
