"""An error names the connection and the host, what is certain, and the next step: all vendors, both ways."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_telecom.calls.errors import TelecomError, from_dict, to_dict
from airflow_provider_telecom.vendors.description import import_from
from tests.conftest import HOOKS
from tests.endpoints import Row, rows

REFUSED = "the vendor refused it; "
ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "403": ({"status": 403}, REFUSED + "check the password of {conn_id}"),
    "400": ({"status": 400}, REFUSED + "correct the request"),
    "429": (
        {"status": 429, "headers": {"Retry-After": "3600"}},
        "it was refused or not sent; try again after the wait, or set a lower rate_limit in {conn_id}",
    ),
    "301": (
        {"kind": "status", "status": 301, "headers": {"Location": "/"}},
        "check the host of {conn_id}",
    ),
}
UNCLEAR: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "408": {"status": 408},
    "an HTML page": {"kind": "html"},
    "garbage": {"kind": "garbage"},
    "hung up": {"kind": "close_before"},
}


def chosen(*classes: str) -> list[Row]:
    """Return the first endpoint of each vendor that is of one of these classes."""
    found: dict[str, Row] = {}
    for row in rows():
        if row.cls in classes and row.method not in ("get_access_token",):
            found.setdefault(row.vendor, row)
    return list(found.values())


READS, EFFECTS = chosen("R"), chosen("X", "S")


@pytest.mark.parametrize("what", [*ANSWERS, *UNCLEAR])
@pytest.mark.parametrize("row", [*READS, *EFFECTS], ids=str)
def test_what_an_error_says(
    row: Row,
    what: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    tmp_path: Path,
) -> None:
    hook = hook_for(row.vendor)
    how, says = ANSWERS.get(what) or (UNCLEAR[what], "")
    if not says:
        says = "ask the vendor before it is sent again" if row in EFFECTS else "try again"
    args, kwargs = row.prepare(hook, tmp_path)
    telecom_simulator.fault(**{"kind": "status", **how}, vendor=row.vendor, path=row.pattern, times=9)
    with pytest.raises(TelecomError) as caught:
        call(getattr(hook, row.method), *args, **kwargs)
    error = caught.value
    host = urlsplit(telecom_simulator.url).netloc
    assert f"[connection {row.vendor}_default, host {host}: " in str(error)
    assert says.format(conn_id=f"{row.vendor}_default") in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(from_dict(json.loads(json.dumps(to_dict(error))))) == str(error)


@pytest.mark.parametrize("row", [*READS, *EFFECTS], ids=str)
def test_what_was_not_sent_says_so(
    row: Row,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    tmp_path: Path,
) -> None:
    hook = hook_for(row.vendor)
    args, kwargs = row.prepare(hook, tmp_path)
    with telecom_simulator.refusing(), pytest.raises(TelecomError) as caught:
        call(getattr(hook, row.method), *args, **kwargs)
    conn_id = f"{row.vendor}_default"
    assert "not sent: the connection was refused" in str(caught.value)
    assert f"the vendor never had the request; check the host, proxy and certificate of {conn_id}" in str(
        caught.value
    )


def test_the_connection_is_named_before_its_host_is_known(
    monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any]
) -> None:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

    monkeypatch.setenv("AIRFLOW_CONN_MY_KETCHUP", json.dumps({"conn_type": "ketchup_loyalty"}))
    with pytest.raises(TelecomError, match="password") as caught:
        call(KetchUpHook("my_ketchup").get_sms, "1")
    assert str(caught.value).endswith("[connection my_ketchup: this request was not sent]")


def test_a_connection_that_does_not_exist(call: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

    with pytest.raises(AirflowNotFoundException) as caught:
        call(KetchUpHook("my_ketchup").get_sms, "1")
    said = str(caught.value)
    assert said.startswith("there is no connection my_ketchup: add it")
    assert 'with the type "KetchUp Loyalty", or set AIRFLOW_CONN_MY_KETCHUP' in said


CHECK = "the vendor never had the request; check the host, proxy and certificate of {conn_id}"


@pytest.mark.parametrize(
    ("what", "row"),
    [
        # one of each kind: some resolvers take 5 s to find out
        *(("a name that no server knows", row) for row in (READS[0], EFFECTS[0])),
        *(("plain HTTP where TLS is expected", row) for row in (*READS, *EFFECTS)),
    ],
    ids=str,
)
def test_a_host_that_cannot_be_reached(
    row: Row,
    what: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    args, kwargs = row.prepare(hook_for(row.vendor), tmp_path)
    connection = telecom_simulator.connection(row.vendor)
    if "name" in what:
        host, why = "no-such-host.invalid", "not sent: the host's name was not found"
        connection["host"] = f"https://{host}"
    else:
        host, why = urlsplit(telecom_simulator.url).netloc, "not sent: TLS failed"
        connection["host"] = connection["host"].replace("http:", "https:")
    connection["extra"]["trust_env"] = False
    conn_id = f"{row.vendor}_default"
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
    with pytest.raises(TelecomError) as caught:
        call(getattr(import_from(HOOKS[row.vendor])(), row.method), *args, **kwargs)
    assert why in str(caught.value)
    assert f"[connection {conn_id}, host {host}: {CHECK.format(conn_id=conn_id)}]" in str(caught.value)


@pytest.mark.parametrize("row", [*READS, *EFFECTS], ids=str)
def test_a_private_host_that_is_not_allowed(
    row: Row, hook_for: Callable[..., Any], call: Callable[..., Any], telecom_simulator: Any, tmp_path: Path
) -> None:
    args, kwargs = row.prepare(hook_for(row.vendor), tmp_path)
    hook = hook_for(row.vendor, allow_private_hosts=False)
    with pytest.raises(TelecomError) as caught:
        call(getattr(hook, row.method), *args, **kwargs)
    said = str(caught.value)
    assert said.startswith("host: must be https; plain http is for allow_private_hosts in the extra")
    assert said.endswith(f"[connection {row.vendor}_default: this request was not sent]")


@pytest.mark.parametrize("row", [*READS, *EFFECTS], ids=str)
def test_a_vendor_that_is_too_slow(
    row: Row, hook_for: Callable[..., Any], call: Callable[..., Any], telecom_simulator: Any, tmp_path: Path
) -> None:
    args, kwargs = row.prepare(hook_for(row.vendor), tmp_path)
    hook = hook_for(row.vendor, timeout_read=0.05)
    telecom_simulator.fault("silence", row.vendor, path=row.pattern, times=9, seconds=2)
    with pytest.raises(TelecomError) as caught:
        call(getattr(hook, row.method), *args, **kwargs)
    said, conn_id = str(caught.value), f"{row.vendor}_default"
    assert "timed out" in said or "the deadline passed" in said
    assert f"[connection {conn_id}, host {urlsplit(telecom_simulator.url).netloc}: " in said
    if row in EFFECTS:
        assert "ask the vendor before it is sent again" in said
    else:
        assert f"a slow vendor needs a longer timeout_read in {conn_id}" in said
