"""The targets of transfers in tests: a local folder, or a bucket of an S3 server on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BUCKET = "lake"


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """A client of an S3 server."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test_key_id",
        aws_secret_access_key="test_secret",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder to write to: its URL and its files."""
    if request.param == "disk":
        return Disk(tmp_path / "lake")
    client = request.getfixturevalue("s3")
    connection = {
        "conn_type": "aws",
        "login": "test_key_id",
        "password": "test_secret",
        "extra": {"endpoint_url": client.meta.endpoint_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    return Bucket(client, tmp_path.name)


class Disk:
    """A local folder."""

    conn_id = None

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, str(folder)

    def files(self) -> dict[str, bytes]:
        """Return the files by path from the folder."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


class Bucket:
    """A folder of a bucket."""

    conn_id = "aws_default"

    def __init__(self, client: Any, prefix: str) -> None:
        self.client, self.prefix, self.url = client, f"{prefix}/", f"s3://{BUCKET}/{prefix}"

    def files(self) -> dict[str, bytes]:
        """Return the files by key from the folder."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", [])
        return {
            one["Key"].removeprefix(self.prefix): self.client.get_object(Bucket=BUCKET, Key=one["Key"])[
                "Body"
            ].read()
            for one in found
        }
