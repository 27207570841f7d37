"""A file of 300 MB from loopback to a disk in memory, and to an S3 server, beside curl.

The file is KetchUp's export of messages. Ours writes it beside its place and renames it when it is complete;
curl writes it to its place, and for S3 to a file that it then uploads.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from measuring import (
    Figure,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    peer_program,
    require,
    run,
    server,
)

MEGABYTE = 1_000_000
BUCKET, KEY, SECRET = "lake", "test_key_id", "test_secret"
_LINE = b"22125;r1;380670000200;2026-01-01 10:00:00;delivered;0.45;EUR\n"
_S3 = (
    "import json, sys; from moto.server import ThreadedMotoServer;"
    "server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False); server.start();"
    "host, port = server.get_host_and_port();"
    "print(json.dumps(f'http://{host}:{port}'), flush=True); sys.stdin.read(); server.stop()"
)


def serve(size: int) -> None:
    """Answer each request with a list of so many bytes."""
    block = _LINE * (MEGABYTE // len(_LINE))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n" % size

    def answer(peer: socket.socket) -> None:
        with peer:
            while b"\r\n\r\n" in peer.recv(65536):
                peer.sendall(head)
                left = size
                while left > 0:
                    peer.sendall(block[:left])
                    left -= len(block)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps(f"http://127.0.0.1:{listener.getsockname()[1]}"), flush=True)

        def accept() -> None:
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=answer, args=(peer,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()


def download(target: Any) -> int:
    """Download the file by the hook; return its size."""
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

    return int(KetchUpHook("downloads").download_statistics("messages", target))


def curl(*words: str | Path) -> None:
    """Run curl."""
    command = [peer_program("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    require(done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr}")


@contextmanager
def vendor(size: int) -> Iterator[str]:
    """Run the vendor, and set the connection; yield the file's URL."""
    with server([sys.executable, __file__, "--serve", str(size)]) as (url, _):
        connection = {
            "conn_type": "ketchup_loyalty",
            "host": url,
            "password": "not-a-real-key-0000",
            "extra": {"allow_private_hosts": True},
        }
        os.environ["AIRFLOW_CONN_DOWNLOADS"] = json.dumps(connection)
        yield url


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Yield a folder in memory, if there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def sample(act: partial[int], expected: int) -> Sample:
    """Return what a download takes in a fork: the memory of the first, and the time of the second."""
    from airflow.sdk import ObjectStoragePath  # noqa: F401

    from airflow_provider_telecom.hooks import ketchup_loyalty
    from airflow_provider_telecom.transport import sync_transport  # noqa: F401

    ketchup_loyalty.KetchUpHook("downloads").get_conn()
    idle = idle_megabytes()
    act()
    peak = megabytes("VmHWM") - idle
    return {**measured(act, expected), "peak_mb": peak}


def curl_version() -> str:
    """Return the name and version of curl."""
    words = subprocess.run([peer_program("curl"), "--version"], check=True, capture_output=True, text=True)
    return " ".join(words.stdout.split()[:2])


def figures(name: str, title: str, rounds: dict[str, list[Sample]], peer: str, size: int) -> list[Figure]:
    """Return the figures of downloads to one place."""
    facts: dict[str, Any] = {"megabytes": size // MEGABYTE}
    limit = 1.25 if name == "disk" else None  # for S3, s3fs decides
    memory = {"limit": 10 if name == "disk" else 250, "limit_of": "ours"}
    return [
        figure(f"downloads.{name}", title, "s of CPU", rounds, peer=peer, limit=limit, **facts),
        figure(f"downloads.{name}.wall", title, "s", rounds, of="wall", peer=peer, limit=limit, **facts),
        figure(f"downloads.{name}.memory", f"{title}: growth", "MB", rounds, of="peak_mb", **memory, **facts),
    ]


def size_of(quick: bool) -> int:
    """Return the size of the file."""
    return (10 if quick else 300) * MEGABYTE


def disk(quick: bool) -> list[Figure]:
    """Download to a folder in memory."""
    size, peer = size_of(quick), curl_version()
    with vendor(size) as url, memory_folder() as folder:

        def by_curl() -> int:
            curl("--output", folder / "theirs", url)
            return (folder / "theirs").stat().st_size

        rounds = in_turn({
            "ours": lambda: in_fork(lambda: sample(partial(download, folder / "ours"), size)),
            peer: lambda: in_fork(lambda: sample(partial(by_curl), size)),
        })
    return figures("disk", f"{size // MEGABYTE} MB to a disk in memory", rounds, peer, size)


def s3(quick: bool) -> list[Figure]:
    """Download to an S3 server."""
    size, peer = size_of(quick), curl_version()
    with vendor(size) as url, memory_folder() as folder, server([sys.executable, "-c", _S3]) as (store, _):
        connection = {
            "conn_type": "aws",
            "login": KEY,
            "password": SECRET,
            "extra": {"endpoint_url": store, "region_name": "us-east-1"},
        }
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
        signed = ("--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{KEY}:{SECRET}")
        curl(*signed, "--request", "PUT", f"{store}/{BUCKET}")

        def ours() -> int:
            from airflow.sdk import ObjectStoragePath

            path = ObjectStoragePath(f"s3://aws_default@{BUCKET}/ours")
            require(download(path) == size, "the file is incomplete")
            return int(path.stat().st_size)

        def by_curl() -> int:
            file = folder / "theirs"
            curl("--output", file, url)
            curl(*signed, "--upload-file", file, f"{store}/{BUCKET}/theirs")
            return file.stat().st_size

        rounds = in_turn({
            "ours": lambda: in_fork(lambda: sample(partial(ours), size)),
            peer: lambda: in_fork(lambda: sample(partial(by_curl), size)),
        })
    return figures("s3", f"{size // MEGABYTE} MB to an S3 server", rounds, peer, size)


CASES = {"disk": disk, "s3": s3}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        run(CASES, __doc__)
