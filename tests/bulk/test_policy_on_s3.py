"""An audience whose sources, stop lists and history are in a bucket of S3."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_telecom.bulk.outcomes import write_parquet
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from tests.bulk.test_frequency_cap import LINE
from tests.running import Run
from tests.transfers.conftest import BUCKET, s3  # noqa: F401 - a fixture

pytestmark = pytest.mark.long


def test_everything_is_in_a_bucket(
    s3: Any,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = {
        "conn_type": "aws",
        "login": "test_key_id",
        "password": "test_secret",
        "extra": {"endpoint_url": s3.meta.endpoint_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    url = f"s3://aws_default@{BUCKET}/{tmp_path.name}"
    table = io.BytesIO()
    write_parquet(table, [{**LINE, "msisdn": "380670000201"}])
    numbers = [str(380670000200 + place) for place in range(10)]
    for key, content in {
        "people/a.csv": "\n".join(["msisdn", *numbers]),
        "stop/2026/a.csv": "msisdn,reason\n380670000205,asked\n",
        "stop/b.jsonl": '{"msisdn": "0670000206"}\n',
        "outcomes/a.jsonl.parts/000000000000.jsonl": f'{json.dumps(LINE)}\n{{"msisdn',
        "outcomes/day=1/manual__2026-03-09T09:30:00+00:00.parquet": table.getvalue(),
        "empty/_start": "",
    }.items():
        s3.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/{key}", Body=content)

    def prepare(output: str, **policy: Any) -> dict[str, Any]:
        operator = PrepareAudienceOperator(
            task_id="audience", output=f"{url}/{output}", recipients=f"{url}/people/*.csv", **policy
        )
        run = SimpleNamespace(run_after=datetime(2026, 3, 10, 12, tzinfo=UTC))
        found: dict[str, Any] = Run("manual__2").execute(operator, dag_run=run)
        return found

    cap = {"frequency_cap": "1/7d"}
    first = prepare("first", suppress=f"{url}/stop", history=f"{url}/outcomes/", **cap)
    assert (first["excluded"]["suppressed"], first["excluded"]["frequency_cap"]) == (2, 2)
    assert prepare("first", suppress=f"{url}/stop", history=f"{url}/outcomes/", **cap) == first
    again = prepare("again", suppress=f"{url}/stop/*.jsonl", history=f"{url}/empty", **cap)
    assert (again["excluded"]["suppressed"], again["excluded"]["frequency_cap"]) == (1, 0)
    with pytest.raises(TelecomInputError, match=r"^history: there is no file .*/nothing"):
        prepare("wrong", history=f"{url}/nothing/", **cap)
    with pytest.raises(TelecomInputError, match=r"^suppress: there is no file .*/stop/none\.csv"):
        prepare("wrong", suppress=f"{url}/stop/none.csv")
