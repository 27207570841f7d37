"""What the extra of a `kyivstar_fmc` connection may say."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_telecom.vendors.options import Options


class KyivstarFmcOptions(Options):
    """`calling_number` is the subscriber on whose behalf calls are originated unless one is given."""

    default_host: ClassVar[str] = "https://fmc.kyivstar.ua"

    calling_number: str | None = None
