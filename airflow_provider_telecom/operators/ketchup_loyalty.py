"""Operators of KetchUp Loyalty."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_telecom.operators.base import TelecomOperator

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook


class KetchUpOperator(TelecomOperator):
    """A task about a `ketchup_loyalty` connection."""

    default_conn_id: ClassVar[str] = "ketchup_loyalty_default"
    hook_path: ClassVar[str] = "airflow_provider_telecom.hooks.ketchup_loyalty.KetchUpHook"

    @cached_property
    def hook(self) -> KetchUpHook:
        """The hook of the connection."""
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

        return KetchUpHook(self.conn_id)
