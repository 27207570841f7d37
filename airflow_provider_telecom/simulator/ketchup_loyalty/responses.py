"""KetchUp's error codes, and the forms of a response that its document shows here and there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_telecom.simulator.switches import Switches

JsonObject = dict[str, Any]

_TEXTS = """
1|Invalid API key|неверный ключ
2|Not enough parameters|недостаточно параметров
3|User is blocked|пользователь заблокирован
4|Requested function is not supported|запрашиваемая функция не поддерживается
5|Unknown error|неизвестная ошибка
6|Invalid tariff code|указан несуществующий номер тарифной сетки
7|Invalid parameters|неверные параметры
8|Not enough money|недостаточно денег
9|Tariff is not active|тарифная сетка неактивна
10|Invalid sending time|неверное время отправки
11|Maximum number of simultaneously processed messages exceeded|\
превышено максимальное число одновременно обрабатываемых на отправку сообщений
12|Maximum message package size exceeded|превышен максимальный размер пакета сообщений
20|SMS not found|SMS не найдена
21|Incorrect msisdn|неверный номер телефона
22|Missing reference|отсутствует внешний ID SMS-запроса
23|SMS already exists|SMS с таким ID уже присутствует
24|Invalid request payload|неверный payload запроса
25|Invalid originator|неверный originator
26|Empty or too long text|пустой или слишком длинный  текст смс
27|Invalid reference|неверный внешний ID SMS
28|Invalid validity|неверное значение времени действия SMS
29|Invalid task id|id задачи неверный
30|Task not found|задача не найдена
31|Phone already in use|телефон уже присутствует в рассылке
32|Sender not allowed|
40|Message not found|Сообщение Viber не найдено
41|Incorrect msisdn|неверный номер телефона
43|External ID already exists|Viber сообщение с таким ID уже присутствует
44|Invalid request payload|неверный payload запроса
45|Sender is not registered|отправитель не зарегистрирован
46|Empty or too long text|пустой или слишком длинный текст Viber сообщения
47|Invalid external ID|неверный внешний ID Viber сообщения
48|Invalid validity|неверное значение времени действия Viber сообщения
49|Invalid options|неверные дополнительные опции Viber сообщения
51|Phone already in use|телефон уже присутствует в рассылке
60|HLR not found|HLR не найден
61|Incorrect msisdn|неверный номер телефона
62|Missing reference|отсутствует внешний ID HLR-запроса
63|HLR already exists|HLR с таким ID уже присутствует
64|Incorrect payload|неверный payload запроса
65|Invalid reference|неверный внешний ID HLR-запроса
66|Phone already in use|телефон уже присутствует в запросе
80|Invalid message_id|
81|Invalid message_type|
82|Invalid source_type|
83|Invalid status|
84|Invalid country_name|
85|Invalid sl_clicks_comp|
86|Invalid time frame|
90|File not found|
91|File not ready|
92|Maximum count of exports reached|
93|File is empty|
"""
"""Code, English text (as in the samples), Russian text (as in the appendix, but English for statistics)."""


def _parse(texts: str) -> dict[int, tuple[str, str]]:
    rows = (line.split("|") for line in texts.strip().splitlines())
    return {int(code): (english, russian or english) for code, english, russian in rows}


ERROR_TEXTS = _parse(_TEXTS)
_HLR_SAMPLE_CODES = {60: 10, 61: 11, 63: 13, 64: 14}  # in the document's samples, against its appendix


class VendorError(Exception):
    """An error response to a request, or to one of its recipients; `facts` are fields of it."""

    def __init__(self, code: int, text: str | None = None, **facts: str) -> None:
        super().__init__(code)
        self.code, self.text, self.facts = code, text, facts

    def body(self, switches: Switches) -> JsonObject:
        """Return the response's JSON."""
        code = self.code
        is_statistics = code == HLR.not_found and self.text is not None  # they use the same code
        if switches.on("hlr_example_codes") and not is_statistics:
            code = _HLR_SAMPLE_CODES.get(code, code)
        if switches["number_code"] == "example" and code in (SMS.msisdn, VIBER.msisdn):
            code = _HLR_SAMPLE_CODES[HLR.msisdn]
        text = ERROR_TEXTS[self.code][switches["error_text"] == "russian"]
        return {**self.facts, "error": str(code), "errorDescription": self.text or text}


@dataclass(frozen=True)
class Codes:
    """The error codes that differ between SMS, HLR and Viber."""

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


def raise_if_known(lines: Sequence[object], codes: Codes, switches: Switches) -> None:
    """Refuse the whole request if one of its messages has a known key, if the switch `duplicates` says so."""
    is_whole = {"item": False, "whole_of_one": len(lines) == 1, "whole": True}[switches["duplicates"]]
    known = [line for line in lines if isinstance(line, VendorError) and line.code == codes.exists]
    if is_whole and known:
        raise known[0]


def single(created: JsonObject, switches: Switches) -> JsonObject:
    """Return the response to the creation of one object."""
    return {"error": "0", "result": created} if switches.on("single_result") else created


def apply_switches(body: object, switches: Switches) -> object:
    """Return a response in the form that the switches choose."""
    for name, change in _CHANGES.items():
        if switches[name] not in ("off", "undeliverable"):
            body = _change_all(body, change)
    return body


Change = Callable[[str, object], tuple[str, object]]


def _change_all(value: object, change: Change) -> object:
    if isinstance(value, list):
        return [_change_all(item, change) for item in value]
    if isinstance(value, dict):
        return dict(change(key, _change_all(item, change)) for key, item in value.items())
    return value


def _rename(**names: str) -> Change:
    """Return a change that exchanges each pair of names."""
    both = names | {new: old for old, new in names.items()}
    return lambda key, value: (both.get(key, key), value)


def _with_blanks(key: str, value: object) -> tuple[str, object]:
    if key in {"status", "type"}:
        value = f" {value} "
    elif key in {"country", "mcc"}:
        value = f" {value}"
    return {"errorDescription": " errorDescription", "originator": "originator "}.get(key, key), value


def _as_number(key: str, value: object) -> tuple[str, object]:
    if key in _NUMBERS and isinstance(value, str):
        return key, int(value) if value.isdigit() else float(value)
    return key, value


def _without_list(key: str, value: object) -> tuple[str, object]:
    if key in {"result", "messages"} and isinstance(value, list) and len(value) == 1:
        return key, value[0]
    return key, value


def _undelivered(key: str, value: object) -> tuple[str, object]:
    return key, "undelivered" if (key, value) == ("status", "undeliverable") else value


def _capital(key: str, value: object) -> tuple[str, object]:
    is_word = key == "status" and isinstance(value, str) and "-" not in value
    return key, str(value).capitalize() if is_word else value


_NUMBERS = frozenset((
    *("error", "price", "totalprice", "total_price", "id", "task_id", "ported", "roaming"),
    *("sent", "delivered", "undeliverable", "expired", "unknown"),
))

_CHANGES: dict[str, Change] = {
    "undelivered_word": _undelivered,
    "capital_status": _capital,
    "stray_blanks": _with_blanks,
    "numbers": _as_number,
    "total_price": _rename(totalprice="total_price"),
    "single_result": _without_list,
    "messages_key": _rename(result="messages"),
}
