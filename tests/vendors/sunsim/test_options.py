"""The extra fields of a `sunsim` connection."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.options import read_options
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions


def test_defaults() -> None:
    options = read_options(SunSimOptions, {})
    assert (options.api_path, options.token_strategy, options.lock) == ("/api/v1", "create", "variable")
    assert (options.vendor_timezone, options.default_region) == (None, "RU")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"token_strategy": "both"}, "extra.token_strategy"),
        ({"lock": "zookeeper"}, "extra.lock: must be variable or host"),
        ({"lock": "redis://redis_default"}, "extra.lock: .*not supported yet"),
        ({"lock": "postgres://postgres_default"}, "extra.lock: .*not supported yet"),
        ({"vendor_timezone": "Moscow"}, "extra.vendor_timezone: must be the IANA name"),
        ({"vendor_timezone": "../../etc/passwd"}, "extra.vendor_timezone"),
        ({"vendor_timezone": 3}, "extra.vendor_timezone"),
        ({"api_path": "api"}, "extra.api_path"),
        ({"api_path": "/api/{x}"}, "extra.api_path"),
        ({"default_region": "russia"}, "extra.default_region"),
        ({"refresh_token": "x"}, "extra.refresh_token: no such field"),
    ],
)
def test_wrong_fields_are_refused_by_name(extra: dict[str, Any], expected: str) -> None:
    with pytest.raises(TelecomInputError, match=expected):
        read_options(SunSimOptions, extra)


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Asia/Yekaterinburg", "UTC"])
def test_zones(zone: str) -> None:
    assert read_options(SunSimOptions, {"vendor_timezone": zone}).vendor_timezone == zone
