"""How KetchUp words an answer: its error codes, and the forms that its document shows here and there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_telecom.simulator.switches import Switches

DESCRIPTIONS = {
    1: "Invalid API key",
    2: "Not enough parameters",
    3: "User is blocked",
    4: "Requested function is not supported",
    5: "Unknown error",
    6: "Invalid tariff code",
    7: "Invalid parameters",
    8: "Not enough money",
    9: "Tariff is not active",
    10: "Invalid sending time",
    11: "Maximum number of simultaneously processed messages exceeded",
    12: "Maximum message package size exceeded",
    20: "SMS not found",
    21: "Incorrect msisdn",
    22: "Missing reference",
    23: "SMS already exists",
    24: "Invalid request payload",
    25: "Invalid originator",
    26: "Empty or too long text",
    27: "Invalid reference",
    28: "Invalid validity",
    29: "Invalid task id",
    30: "Task not found",
    31: "Phone already in use",
    32: "Sender not allowed",
    40: "Message not found",
    41: "Incorrect msisdn",
    43: "External ID already exists",
    44: "Invalid request payload",
    45: "Sender is not registered",
    46: "Empty or too long text",
    47: "Invalid external ID",
    48: "Invalid validity",
    49: "Invalid options",
    51: "Phone already in use",
    60: "HLR not found",
    61: "Incorrect msisdn",
    62: "Missing reference",
    63: "HLR already exists",
    64: "Incorrect payload",
    65: "Invalid reference",
    66: "Phone already in use",
    80: "Invalid message_id",
    81: "Invalid message_type",
    82: "Invalid source_type",
    83: "Invalid status",
    84: "Invalid country_name",
    85: "Invalid sl_clicks_comp",
    86: "Invalid time frame",
    90: "File not found",
    91: "File not ready",
    92: "Maximum count of exports reached",
    93: "File is empty",
}

_RUSSIAN_NUMBER = "неверный номер телефона"
_RUSSIAN_PAYLOAD = "неверный payload запроса"
_RUSSIAN_TWICE = "телефон уже присутствует в рассылке"
RUSSIAN = {
    1: "неверный ключ",
    2: "недостаточно параметров",
    3: "пользователь заблокирован",
    4: "запрашиваемая функция не поддерживается",
    5: "неизвестная ошибка",
    6: "указан несуществующий номер тарифной сетки",
    7: "неверные параметры",
    8: "недостаточно денег",
    9: "тарифная сетка неактивна",
    10: "неверное время отправки",
    11: "превышено максимальное число одновременно обрабатываемых на отправку сообщений",
    12: "превышен максимальный размер пакета сообщений",
    20: "SMS не найдена",
    21: _RUSSIAN_NUMBER,
    22: "отсутствует внешний ID SMS-запроса",
    23: "SMS с таким ID уже присутствует",
    24: _RUSSIAN_PAYLOAD,
    25: "неверный originator",
    26: "пустой или слишком длинный  текст смс",
    27: "неверный внешний ID SMS",
    28: "неверное значение времени действия SMS",
    29: "id задачи неверный",
    30: "задача не найдена",
    31: _RUSSIAN_TWICE,
    40: "Сообщение Viber не найдено",
    41: _RUSSIAN_NUMBER,
    43: "Viber сообщение с таким ID уже присутствует",
    44: _RUSSIAN_PAYLOAD,
    45: "отправитель не зарегистрирован",
    46: "пустой или слишком длинный текст Viber сообщения",
    47: "неверный внешний ID Viber сообщения",
    48: "неверное значение времени действия Viber сообщения",
    49: "неверные дополнительные опции Viber сообщения",
    51: _RUSSIAN_TWICE,
    60: "HLR не найден",
    61: _RUSSIAN_NUMBER,
    62: "отсутствует внешний ID HLR-запроса",
    63: "HLR с таким ID уже присутствует",
    64: _RUSSIAN_PAYLOAD,
    65: "неверный внешний ID HLR-запроса",
    66: "телефон уже присутствует в запросе",
}
"""The appendix's words; those of statistics are English there."""

HLR_EXAMPLE_CODES = {60: 10, 61: 11, 63: 13, 64: 14}  # in the document's samples, against its appendix


class Refusal(Exception):  # noqa: N818 - an answer of the vendor, not a fault of the simulator
    """An error answer, of a request or of one of its recipients; `facts` go into it too."""

    def __init__(self, code: int, text: str | None = None, **facts: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.facts = facts

    def body(self, switches: Switches) -> dict[str, Any]:
        """Return the answer's JSON."""
        code = self.code
        is_of_statistics = code == HLR.not_found and self.text is not None  # which use the same number
        if switches.on("hlr_example_codes") and not is_of_statistics:
            code = HLR_EXAMPLE_CODES.get(code, code)
        if switches["number_code"] == "example" and code in (SMS.msisdn, VIBER.msisdn):
            code = HLR_EXAMPLE_CODES[HLR.msisdn]
        words = {**DESCRIPTIONS, **(RUSSIAN if switches["error_text"] == "russian" else {})}
        return {**self.facts, "error": str(code), "errorDescription": self.text or words[self.code]}


@dataclass(frozen=True)
class Codes:
    """The error codes that SMS, HLR and Viber each number in their own way."""

    not_found: int
    msisdn: int
    no_reference: int
    exists: int
    payload: int
    reference: int
    repeated: int


SMS = Codes(20, 21, 22, 23, 24, 27, 31)
HLR = Codes(60, 61, 62, 63, 64, 65, 66)
VIBER = Codes(40, 41, 47, 43, 44, 47, 51)  # a Viber message needs no reference


def refuse_known(lines: Sequence[object], codes: Codes, switches: Switches) -> None:
    """Refuse the whole request if one of its messages has a known key, where `duplicates` says so."""
    is_whole = {"item": False, "whole_of_one": len(lines) == 1, "whole": True}[switches["duplicates"]]
    known = [line for line in lines if isinstance(line, Refusal) and line.code == codes.exists]
    if is_whole and known:
        raise known[0]


def single(created: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Return the answer to the creation of one object."""
    return {"error": "0", "result": created} if switches.on("single_result") else created


def shaped(body: Any, switches: Switches) -> Any:
    """Return an answer in the form that the switches choose."""
    for name, change in _CHANGES.items():
        if switches[name] not in _PLAIN:
            body = _changed(body, change)
    return body


Change = Callable[[str, Any], tuple[str, Any]]


def _changed(value: Any, change: Change) -> Any:
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, dict):
        return dict(change(key, _changed(item, change)) for key, item in value.items())
    return value


def _with_blanks(key: str, value: Any) -> tuple[str, Any]:
    if key in {"status", "type"}:
        value = f" {value} "
    elif key in {"country", "mcc"}:
        value = f" {value}"
    return {"errorDescription": " errorDescription", "originator": "originator "}.get(key, key), value


def _as_number(key: str, value: Any) -> tuple[str, Any]:
    if key in _NUMBERS and isinstance(value, str):
        return key, int(value) if value.isdigit() else float(value)
    return key, value


def _as_messages(key: str, value: Any) -> tuple[str, Any]:
    return {"result": "messages", "messages": "result"}.get(key, key), value


def _alone(key: str, value: Any) -> tuple[str, Any]:
    lonely = key in {"result", "messages"} and isinstance(value, list) and len(value) == 1
    return key, value[0] if lonely else value


def _other_total(key: str, value: Any) -> tuple[str, Any]:
    return {"totalprice": "total_price", "total_price": "totalprice"}.get(key, key), value


def _undelivered(key: str, value: Any) -> tuple[str, Any]:
    return key, "undelivered" if (key, value) == ("status", "undeliverable") else value


def _capital(key: str, value: Any) -> tuple[str, Any]:
    return key, value.capitalize() if key == "status" and "-" not in value else value


_NUMBERS = frozenset((
    *("error", "price", "totalprice", "total_price", "id", "task_id", "ported", "roaming"),
    *("sent", "delivered", "undeliverable", "expired", "unknown"),
))

_PLAIN = ("off", "undeliverable")
_CHANGES: dict[str, Change] = {
    "undelivered_word": _undelivered,
    "capital_status": _capital,
    "stray_blanks": _with_blanks,
    "numbers": _as_number,
    "total_price": _other_total,
    "single_result": _alone,
    "messages_key": _as_messages,
}
