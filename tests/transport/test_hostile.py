"""Decompression bombs are rejected early and in little memory: each runs in its own process."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from functools import cache

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import read_json
from airflow_provider_telecom.transport.outcome import InvalidBodyError
from airflow_provider_telecom.transport.wire import GzipDecoder
from airflow_provider_telecom.vendors.kyivstar_fmc.responses import parse_records
from tests.eventually import HANG_SECONDS
from tests.transport import scripted as on
from tests.transport.scripted import scripted

MOST_GROWTH_KB = 30 * 1024

PROGRAM = """
import asyncio, json, resource, sys
from airflow_provider_telecom.calls.request import Idempotency, Request
from airflow_provider_telecom.transport import {transport}_transport as module
from airflow_provider_telecom.transport.wire import TransportOptions

REQUEST = Request("GET", "/x", Idempotency.READ)

async def send_async(transport):
    outcome = await transport.send(REQUEST)
    await transport.close()
    return outcome

def send(url):
    transport = module.Transport(TransportOptions(url, read_timeout=120, allow_private_hosts=True))
    return asyncio.run(send_async(transport)) if "{transport}" == "async" else transport.send(REQUEST)

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
send(sys.argv[1])
before = peak()
outcome = send(sys.argv[2])
print(json.dumps([type(outcome).__name__, getattr(outcome, "reason", ""), peak() - before]))
"""


@cache
def bomb() -> bytes:
    """Return 64 MB of zeros, compressed to 64 KB."""
    return zlib.compress(b"\0" * (64 << 20), 9, wbits=31)


@pytest.mark.parametrize("transport", ["sync", "async"])
def test_64_kb_of_64_mb_are_given_up_in_little_memory(transport: str) -> None:
    assert len(bomb()) < 80_000
    with (
        scripted(on.say(on.answer(b"{}"))) as tame,
        scripted(on.say(on.answer(bomb(), "Content-Encoding: gzip"))) as wild,
    ):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(transport=transport), tame.url, wild.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=HANG_SECONDS,
        )
    kind, reason, growth_kb = json.loads(done.stdout)
    assert (kind, reason) == ("Unknown", "a decompression bomb")
    assert growth_kb < MOST_GROWTH_KB


def test_gzip_is_decoded_chunk_by_chunk() -> None:
    body = json.dumps(list(range(100_000))).encode()
    packed = gzip.compress(body)
    decoder = GzipDecoder({"content-encoding": "gzip"}, len(body))
    pieces = [packed[start : start + 1000] for start in range(0, len(packed), 1000)]
    assert b"".join(part for piece in pieces for part in decoder.decode(piece)) == body
    decoder.finish()


def test_a_decoder_stops_at_its_limit() -> None:
    parts = GzipDecoder({"content-encoding": "gzip"}, 1 << 20).decode(bomb())
    taken = [next(parts) for _ in range(4)]
    with pytest.raises(InvalidBodyError, match="larger than allowed"):
        next(parts)
    assert sum(map(len, taken)) == 1 << 20


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><calls><call><start_timestamp>&c;</start_timestamp></call></calls>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<calls><call><start_timestamp>&a;</start_timestamp></call></calls>"""
BROKEN = b"<calls><call><start_timestamp>"


@pytest.mark.parametrize(
    "body",
    [LAUGHS, OUTSIDE, BROKEN, b"", b"\xff\xfe\x00"],
    ids=["bomb", "outside", "broken", "empty", "bytes"],
)
def test_xml_with_a_document_type_is_refused(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError) as caught:
        parse_records(body, "xml")
    assert "root:" not in str(caught.value)


def test_deep_json_is_refused() -> None:
    with pytest.raises(TelecomAnswerError):
        read_json(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)


def test_a_csv_row_with_too_many_cells_is_refused() -> None:
    with pytest.raises(TelecomAnswerError):
        parse_records(b"start_timestamp,end_timestamp\na,b,c\n", "csv")
