"""Appendix 1: each code, with its own words, in the module that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery, Recipient, ViberRecipient
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import (
    KetchUpNotReadyError,
    KetchUpTimeError,
)
from tests.by_hand import drive
from tests.vendors.ketchup_loyalty.by_hand import A, B, ScriptedApi, answer, result_of

Make = Callable[[ScriptedApi], Any]
MODULES: dict[str, Make] = {
    "hlr": lambda k: k.create_hlr(A, reference="r1"),
    "hlrs": lambda k: k.create_hlrs([HlrQuery(A, "r1"), HlrQuery(B, "r2")]),
    "hlr read": lambda k: k.get_hlr(1),
    "sms": lambda k: k.send_sms(A, "Hi", reference="r1"),
    "many sms": lambda k: k.send_sms_to_many([Recipient(A, "r1"), Recipient(B, "r2")], "Hi"),
    "sms read": lambda k: k.get_sms(1),
    "task": lambda k: k.get_sms_task(1),
    "viber": lambda k: k.send_viber([ViberRecipient(A, "r1"), ViberRecipient(B, "r2")], "Hi"),
    "one viber": lambda k: k.send_viber([ViberRecipient(A, "r1")], "Hi"),
    "viber read": lambda k: k.get_viber(1),
    "prices": lambda k: k.list_sms_prices(),
    "export": lambda k: k.create_statistics_export(message_ids=[1]),
    "file": lambda k: k.get_statistics("abc"),
    "exports": lambda k: k.list_statistics_exports(),
    "deletion": lambda k: k.delete_statistics_export("abc"),
}
FORMS = {"hlr": 3, "hlrs": 3, "viber": 6, "one viber": 6}
"""In how many forms a request is tried when it is not understood."""
NOT_UNDERSTOOD = ("2", "7")
NUMBER = "неверный номер телефона"
TOO_MANY = "превышено максимальное число одновременно обрабатываемых на отправку сообщений"
GENERAL: dict[str, tuple[str, type[TelecomError]]] = {
    "1": ("неверный ключ", TelecomAuthError),
    "2": ("недостаточно параметров", TelecomRejectedError),
    "3": ("пользователь заблокирован", TelecomAuthError),
    "6": ("указан несуществующий номер тарифной сетки", TelecomRejectedError),
    "7": ("неверные параметры", TelecomRejectedError),
    "8": ("недостаточно денег", TelecomFundsError),
    "9": ("тарифная сетка неактивна", TelecomRejectedError),
    "10": ("неверное время отправки", KetchUpTimeError),
    "11": (TOO_MANY, TelecomThrottledError),
    "12": ("превышен максимальный размер пакета сообщений", TelecomRejectedError),
    "99": ("nobody knows it", TelecomRejectedError),
    "1001": ("nobody knows it", TelecomRejectedError),
}
OWN: list[tuple[str, str, str, type[TelecomError]]] = [
    ("hlr read", "60", "HLR не найден", TelecomNotFoundError),
    ("hlr", "61", NUMBER, TelecomRejectedError),
    ("hlr", "62", "отсутствует внешний ID HLR-запроса", TelecomRejectedError),
    ("hlrs", "64", "неверный payload запроса", TelecomRejectedError),
    ("hlr", "65", "неверный внешний ID HLR-запроса", TelecomRejectedError),
    ("hlrs", "66", "телефон уже присутствует в запросе", TelecomRejectedError),
    ("hlr", "11", "Incorrect msisdn", TelecomRejectedError),
    ("sms read", "20", "SMS не найдена", TelecomNotFoundError),
    ("sms", "21", NUMBER, TelecomRejectedError),
    ("sms", "22", "отсутствует внешний ID SMS-запроса", TelecomRejectedError),
    ("sms", "24", "неверный payload запроса", TelecomRejectedError),
    ("sms", "25", "неверный originator", TelecomRejectedError),
    ("sms", "26", "пустой или слишком длинный  текст смс", TelecomRejectedError),
    ("sms", "27", "неверный внешний ID SMS", TelecomRejectedError),
    ("sms", "28", "неверное значение времени действия SMS", TelecomRejectedError),
    ("task", "29", "id задачи неверный", TelecomRejectedError),
    ("task", "30", "задача не найдена", TelecomNotFoundError),
    ("many sms", "31", "телефон уже присутствует в рассылке", TelecomRejectedError),
    ("sms", "32", "sender not allowed", TelecomRejectedError),
    ("sms", "11", "Incorrect msisdn", TelecomRejectedError),
    ("viber read", "40", "Сообщение Viber не найдено", TelecomNotFoundError),
    ("viber", "41", NUMBER, TelecomRejectedError),
    ("viber", "44", "неверный payload запроса", TelecomRejectedError),
    ("viber", "45", "отправитель не зарегистрирован", TelecomRejectedError),
    ("viber", "46", "пустой или слишком длинный текст Viber сообщения", TelecomRejectedError),
    ("viber", "47", "неверный внешний ID Viber сообщения", TelecomRejectedError),
    ("viber", "48", "неверное значение времени действия Viber сообщения", TelecomRejectedError),
    ("viber", "49", "неверные дополнительные опции Viber сообщения", TelecomRejectedError),
    ("viber", "51", "телефон уже присутствует в рассылке", TelecomRejectedError),
    ("viber", "11", "Incorrect msisdn", TelecomRejectedError),
    ("file", "60", "Message_id do not exist", TelecomNotFoundError),
    ("export", "80", "invalid message_id", TelecomRejectedError),
    ("export", "81", "invalid message_type", TelecomRejectedError),
    ("export", "82", "invalid source_type", TelecomRejectedError),
    ("export", "83", "invalid status", TelecomRejectedError),
    ("export", "84", "invalid country_name", TelecomRejectedError),
    ("export", "85", "invalid sl_clicks_comp", TelecomRejectedError),
    ("export", "86", "invalid time frame", TelecomRejectedError),
    ("export", "92", "Maximum count of exports reached", TelecomRejectedError),
    ("file", "90", "file not found", TelecomNotFoundError),
    ("deletion", "90", "file not found", TelecomNotFoundError),
    ("file", "91", "file not ready", KetchUpNotReadyError),
]


def meaning(module: str, code: str) -> tuple[str, type[TelecomError]]:
    """Return the words of a general code, and its error. A look-up that is read has no sending time."""
    text, kind = GENERAL[code]
    return text, TelecomNotFoundError if (module, code) == ("hlr read", "10") else kind


def refused(make: Make, code: object, text: str, status: int = 200) -> TelecomError:
    """Return the error of a call that the vendor answers with this code, however often it is asked."""
    reply = answer({"error": code, "errorDescription": text}, status)
    with pytest.raises(TelecomError) as caught:
        drive(make(ScriptedApi()), repeat(reply))
    return caught.value


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("code", GENERAL)
def test_general_codes_mean_the_same_everywhere(module: str, code: str) -> None:
    text, kind = GENERAL[code]
    if (module, code) == ("hlr read", "10"):
        kind = (
            TelecomNotFoundError  # the examples' "HLR not found": a look-up that is read has no sending time
        )
    for said in (code, int(code), f" {code} "):
        error = refused(MODULES[module], said, text)
        assert (type(error), error.code) == (kind, code)
        assert text in str(error)


@pytest.mark.parametrize("row", OWN, ids=lambda row: f"{row[0]}-{row[1]}")
@pytest.mark.parametrize("status", [200, 400, 409])
def test_a_modules_own_codes(row: tuple[str, str, str, type[TelecomError]], status: int) -> None:
    module, code, text, kind = row
    for said in (code, int(code)):
        error = refused(MODULES[module], said, text, status)
        assert (type(error), error.code, error.status) == (kind, code, status)


def test_a_refusal_is_final_but_for_haste_and_unknown_trouble() -> None:
    for module in MODULES:
        for code in GENERAL:
            text, kind = meaning(module, code)
            if kind is not TelecomThrottledError:
                reply = {"error": code, "errorDescription": text}
                forms = FORMS.get(module, 1) if code in NOT_UNDERSTOOD else 1
                with pytest.raises(kind):
                    result_of(MODULES[module](ScriptedApi()), *[reply] * forms)  # no answer for one more


@pytest.mark.parametrize("module", MODULES)
def test_code_5_is_their_trouble_and_an_open_question_after_an_effect(module: str) -> None:
    request = next(MODULES[module](ScriptedApi()))
    kind = TelecomUnknownError if request.idempotency.is_effect else TelecomServerError
    error = refused(MODULES[module], "5", "неизвестная ошибка")
    assert (type(error), error.code) == (kind, "5")


@pytest.mark.parametrize("module", [name for name in MODULES if name != "deletion"])
def test_code_4_is_final(module: str) -> None:
    error = refused(MODULES[module], "4", "запрашиваемая функция не поддерживается")
    assert (type(error), error.code) == (TelecomRejectedError, "4")


@pytest.mark.parametrize(
    ("module", "code", "text"),
    [
        ("sms", "23", "SMS с таким ID уже присутствует"),
        ("hlr", "63", "HLR с таким ID уже присутствует"),
        ("hlr", "13", "HLR already exists"),
        ("hlr", "13", "HLR с таким ID уже присутствует"),
    ],
)
def test_a_key_that_exists_is_no_error(module: str, code: str, text: str) -> None:
    result = result_of(MODULES[module](ScriptedApi()), {"error": code, "errorDescription": text})
    assert (result.reference, result.accepted, result.duplicate, result.code) == ("r1", True, True, code)


def test_a_viber_key_that_exists_is_no_error() -> None:
    known = {"error": "43", "errorDescription": "Viber сообщение с таким ID уже присутствует"}
    (result,) = result_of(MODULES["one viber"](ScriptedApi()), known).results
    assert (result.reference, result.accepted, result.duplicate) == ("r1", True, True)


@pytest.mark.parametrize("text", ["HLR does not exist", "no such HLR", ""])
def test_code_13_about_anything_else_is_a_refusal(text: str) -> None:
    error = refused(MODULES["hlr"], "13", text)
    assert (type(error), error.code) == (TelecomRejectedError, "13")


@pytest.mark.parametrize("said", [f"Wrong number {A}", {"message": A}, [A], A, "9" * 7, True])
def test_what_is_no_code_is_an_error_all_the_same_and_is_not_shown(said: Any) -> None:
    error = refused(MODULES["sms"], said, "refused")
    assert type(error) is TelecomRejectedError
    assert A not in str(error)
    assert A not in repr(error.__dict__)
    assert error.code in ("unreadable", "True")


@pytest.mark.parametrize("said", ["E_LIMIT", "forbidden"])
def test_a_code_in_words_is_kept(said: str) -> None:
    assert refused(MODULES["sms"], said, "refused").code == said
