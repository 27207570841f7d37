"""Extra fields of a `kyivstar_fmc` connection."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_telecom.vendors.options import Options


class KyivstarFmcOptions(Options):
    """`calling_number` is the subscriber from whom calls are originated if an argument names none."""

    default_host: ClassVar[str] = "https://fmc.kyivstar.ua"

    calling_number: str | None = None
