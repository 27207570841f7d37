"""Effects of SunSim and NovaConnect, answered with something that is not the success of the document.

A clear refusal is a refusal. Everything else leaves the outcome unknown: nothing is reported as done, and
nothing is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.sunsim import VendorState

NUMBER, OTHER = "9000000000", "+79000001234"
FINE = {"errorMessage": "", "errorCode": 0}
ABOUT = {"apiName": "x", "apiVersion": 1, "callTime": "2026-01-01 00:00:00", "responseDuration": "0.01"}

VAGUE: list[Any] = [
    {"error": True},
    {"error": False},
    {"error": -1},
    {"error": 1},
    {"error": ["no"]},
    {"error": "PhoneFrom is not a number of the contract"},
    {"error": {"errorMessage": "no"}},
    {"error": {"errorCode": True}},
    {"error": {"errorCode": [5]}},
    {"error": {"text": "no"}},
    {"error": FINE, "result": False},
    {"error": FINE, "result": "failed"},
    {"error": FINE, "result": [ABOUT]},
    {"error": FINE, "result": {**ABOUT, "success": False}},
    {"error": FINE, "result": {**ABOUT, "status": "failed"}},
    {"error": FINE, "result": {"error": {"errorCode": 5}}},
    {"error": FINE, "result": ABOUT, "errors": ["no"]},
    {"error": FINE, "result": ABOUT, "code": 5},
    {"error": FINE, "result": ABOUT, "code": "denied"},
    {"success": False},
    {"success": "false"},
    {"isSuccess": 0},
    {"message": "the service is not activated"},
    {"result": {"message": "the service is not activated"}},
    {"Error": "no"},
    {"errorCode": 5, "errorMessage": "no"},
    {"status": "error"},
    {"code": 5},
    -1,
    0,
    True,
    "the service is not activated",
    [],
    [{"error": FINE}],
    None,
]
"""Bodies with status 200 that are neither a success nor a clear refusal."""


@pytest.fixture
def sunsim(hook_for: Callable[..., Any]) -> Any:
    hook = hook_for("sunsim")
    hook.get_vats_settings([NUMBER])  # a token is at hand: what follows is the effect alone
    return hook


@pytest.fixture
def asked(telecom_simulator: Any) -> Callable[[str], int]:
    return lambda path: sum(seen.path.endswith(path) for seen in telecom_simulator.state.requests)


def _body_id(body: Any) -> str:
    return json.dumps(body)


@pytest.mark.parametrize("body", VAGUE, ids=_body_id)
def test_a_vague_answer_to_a_callback_is_no_success(
    body: Any, sunsim: Any, call: Any, telecom_simulator: Any, asked: Any
) -> None:
    telecom_simulator.fault("body", "sunsim", path="callback/create", body=json.dumps(body), times=9)
    with pytest.raises(TelecomUnknownError, match="outcome unknown"):
        call(sunsim.create_callback, OTHER, NUMBER)
    assert asked("callback/create") == 1


@pytest.mark.parametrize("status", [101, 103])
def test_a_status_below_200_is_no_success(
    status: int, sunsim: Any, call: Any, telecom_simulator: Any, asked: Any
) -> None:
    telecom_simulator.fault("status", "sunsim", path="callback/create", status=status, times=9)
    with pytest.raises(TelecomError) as caught:
        call(sunsim.create_callback, OTHER, NUMBER)
    assert type(caught.value) is TelecomUnknownError
    assert asked("callback/create") == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        " \r\n",
        "{}",
        '{"error": null}',
        '{"error": {}}',
        '{"error": {"errorCode": 0, "errorMessage": "OK"}}',
        '{"error": {"errorCode": "0", "errorMessage": null}, "result": null}',
        '{"error": {"errorCode": 0.0}, "result": {"apiName": "x"}, "code": 0, "requestHash": "1"}',
        '{"result": {"apiName": "callback/create", "apiVersion": 1, "callId": 7}, "code": 200}',
        '{"callId": "7"}',
        '{"id": 7, "request_id": "abc"}',
    ],
)
def test_row_47_a_callback_is_done_by_an_empty_answer_the_envelope_or_an_id(
    body: str, sunsim: Any, call: Any, telecom_simulator: Any
) -> None:
    telecom_simulator.fault("body", "sunsim", path="callback/create", body=body)
    assert isinstance(call(sunsim.create_callback, OTHER, NUMBER).result, dict)


def test_an_id_that_stands_alone_is_kept(sunsim: Any, call: Any, telecom_simulator: Any) -> None:
    telecom_simulator.fault("body", "sunsim", path="callback/create", body='{"callId": "7"}')
    assert call(sunsim.create_callback, OTHER, NUMBER).result == {"callId": "7"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"error": {"errorMessage": "no", "errorCode": 5}}, TelecomRejectedError),
        (200, {"error": {"errorMessage": "no", "errorCode": "5"}, "result": ABOUT}, TelecomRejectedError),
        (200, {"error": {"errorCode": -1}}, TelecomRejectedError),
        (200, {"error": {"errorMessage": "no", "errorCode": 403}}, TelecomAuthError),
        (400, {"error": {"errorMessage": "no", "errorCode": 5}}, TelecomRejectedError),
        (400, {"error": "no"}, TelecomRejectedError),
        (404, {"error": {"errorMessage": "no", "errorCode": 5}}, TelecomNotFoundError),
        (403, "no", TelecomAuthError),
    ],
)
def test_a_clear_refusal_is_one(
    status: int, body: Any, kind: type[TelecomError], sunsim: Any, call: Any, telecom_simulator: Any
) -> None:
    telecom_simulator.fault(
        "status", "sunsim", path="callback/create", status=status, body=json.dumps(body), times=9
    )
    with pytest.raises(TelecomError) as caught:
        call(sunsim.create_callback, OTHER, NUMBER)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body", [*VAGUE, "", {}, {"error": None, "result": None}, {"settingsId": 7}], ids=_body_id
)
def test_a_vague_answer_to_new_settings_is_no_success(
    body: Any, sunsim: Any, call: Any, telecom_simulator: Any, asked: Any
) -> None:
    """The document shows the answer: `error` and `result`."""
    settings = sunsim.get_vats_settings([NUMBER]).settings
    settings[0]["profiles"][0]["scheduleBlocks"][0]["redirectNums"][0]["dialTime"] = 45
    text = json.dumps(body) if body != "" else ""
    telecom_simulator.fault("body", "sunsim", path="settings/set", body=text, times=9)
    with pytest.raises(TelecomUnknownError, match="outcome unknown"):
        call(sunsim.set_vats_settings, settings)
    assert asked("settings/set") == 1
    vendor_state = telecom_simulator.state.vendor_state("sunsim", VendorState)
    assert (
        vendor_state.settings[NUMBER]["profiles"][0]["scheduleBlocks"][0]["redirectNums"][0]["dialTime"] == 30
    )


@pytest.mark.parametrize("error", [True, -1, ["no"], {"errorCode": [5]}, "no", {"errorMessage": "no"}])
def test_a_vague_error_beside_a_result_is_no_read(error: Any, sunsim: Any, telecom_simulator: Any) -> None:
    body = json.dumps({"error": error, "result": {"vatsSettings": []}})
    telecom_simulator.fault("body", "sunsim", path="settings/get", body=body, times=9)
    with pytest.raises(TelecomAnswerError):
        sunsim.get_vats_settings([NUMBER])


# --- NovaConnect

QUEUED = {"queue_id": "q-1"}
EFFECTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "block_sims": ("sim/block", ([1001],)),
    "unblock_sims": ("sim/unblock", ([1001],)),
    "reconnect_sims": ("sim/reconnect", ([1001],)),
    "disconnect_sims": ("sim/disconnect", ([1001],)),
    "ping_sims": ("sim/ping", ([1001],)),
    "send_sms": ("sim/sms", ([1001], "Hi")),
    "set_limit": ("sim/limit", ([1041], 500)),
    "set_tariff": ("sim/tariff", ([1001], 15360, True)),
    "repackage_sims": ("sim/repackage", ([1001],)),
    "set_groups": ("sim/group", ([1001], (), ("Vans",))),
    "rename_sim": ("sim/edit", (1001, "Van")),
    "create_user": ("user/create", ("Olena", "Example", "olena@example.com", "380670000201")),
    "remove_user": ("user/remove", (103,)),
    "change_password": ("user/password", ("sim_password_0", "new-password-2")),
    "create_group": ("group/create", ("Vans",)),
    "edit_group": ("group/edit", (900001, "Vans")),
    "remove_group": ("group/remove", (900001,)),
}
NOT_DONE: list[Any] = [
    {"code": 200},
    {"code": 200, "result": {"item": {}}},
    {"code": 200, "result": {"item": None}},
    {"code": 200, "result": {"item": [QUEUED]}},
    {"code": 200, "result": {"item": {"queue_id": True, "id": True, "name": True}}},
    {"code": 200, "result": {"item": {"queue_id": " ", "id": "x", "name": ""}}},
    {"code": 200, "result": {"item": {"queue_id": ["q"], "id": [1]}}},
    {"code": 200, "result": []},
    {"code": 200, "success": False, "result": {"item": QUEUED}},
    {"code": 0, "message": "no"},
    {"code": 1, "message": "no"},
    {"code": 201, "message": "Created", "result": {"item": QUEUED}},
    {"code": 202, "message": "Accepted"},
    {"code": 302, "message": "Found"},
    {"code": 408, "message": "Request Timeout"},
    {"code": 499, "message": "closed"},
    {"code": 500, "message": "oops"},
    {"code": 200.5},
    {"code": True},
    {"message": "Success", "result": {"item": QUEUED}},
    {"error": "no"},
    {"success": False},
    -1,
    [],
    "no",
]


@pytest.fixture
def nova(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.mark.parametrize("body", NOT_DONE, ids=_body_id)
@pytest.mark.parametrize("method", EFFECTS)
def test_a_vague_answer_of_novaconnect_is_no_success(
    method: str, body: Any, nova: Any, telecom_simulator: Any, asked: Any
) -> None:
    path, arguments = EFFECTS[method]
    telecom_simulator.fault("body", "novaconnect", path=f"{path}$", body=json.dumps(body), times=9)
    with pytest.raises(TelecomUnknownError, match="outcome unknown"):
        getattr(nova, method)(*arguments)
    assert asked(path) == 1


@pytest.mark.parametrize(
    ("place", "value"),
    [("error", "no"), ("errors", [1]), ("success", False), ("status", "failed"), ("exception", {"a": 1})],
)
@pytest.mark.parametrize("method", EFFECTS)
def test_an_error_beside_a_success_of_novaconnect_is_no_success(
    method: str, place: str, value: Any, nova: Any, telecom_simulator: Any, asked: Any
) -> None:
    path, arguments = EFFECTS[method]
    item = {"queue_id": "q-1", "id": arguments[0] if isinstance(arguments[0], int) else 1, "name": "Van"}
    body = {"code": 200, "message": "Success", "result": {"item": item}, place: value}
    telecom_simulator.fault("body", "novaconnect", path=f"{path}$", body=json.dumps(body), times=9)
    with pytest.raises(TelecomUnknownError, match="outcome unknown"):
        getattr(nova, method)(*arguments)
    assert asked(path) == 1


@pytest.mark.parametrize("method", ["rename_sim", "remove_user", "edit_group", "remove_group"])
def test_an_answer_about_another_one_is_no_success(method: str, nova: Any, telecom_simulator: Any) -> None:
    path, arguments = EFFECTS[method]
    item = {"id": arguments[0] + 1, "name": "Van"}
    body = json.dumps({"code": 200, "result": {"item": item}})
    telecom_simulator.fault("body", "novaconnect", path=f"{path}$", body=body)
    with pytest.raises(TelecomUnknownError):
        getattr(nova, method)(*arguments)


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_refusing_status_with_the_code_of_a_success_says_neither(
    status: int, nova: Any, call: Any, telecom_simulator: Any
) -> None:
    body = json.dumps({"code": 200, "message": "Success", "result": {"item": QUEUED}})
    telecom_simulator.fault("status", "novaconnect", path="sim/repackage$", status=status, body=body)
    with pytest.raises(TelecomUnknownError):
        call(nova.repackage_sims, [1001])


@pytest.mark.parametrize(
    ("code", "kind"), [(400, TelecomRejectedError), (403, TelecomAuthError), (404, TelecomNotFoundError)]
)
@pytest.mark.parametrize("status", [200, "the code"])
def test_a_clear_refusal_of_novaconnect_is_one(
    status: Any, code: int, kind: type[TelecomError], nova: Any, call: Any, telecom_simulator: Any
) -> None:
    body = json.dumps({"code": code, "message": "no"})
    telecom_simulator.fault(
        "status",
        "novaconnect",
        path="sim/repackage$",
        status=code if status == "the code" else 200,
        body=body,
    )
    with pytest.raises(TelecomError) as caught:
        call(nova.repackage_sims, [1001])
    assert type(caught.value) is kind


def test_a_read_with_an_unknown_code_is_unreadable(nova: Any, telecom_simulator: Any) -> None:
    telecom_simulator.fault("body", "novaconnect", path="user/get$", body='{"code": 1}', times=9)
    with pytest.raises(TelecomServerError, match="code 1"):
        nova.get_user()
