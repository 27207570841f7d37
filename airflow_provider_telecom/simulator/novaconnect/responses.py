"""The texts of responses, in Russian or English, and the refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

LANGS = ("ru", "en")

TEXTS = {
    "ok": ("Успешно", "Success"),
    "unauthorized": ("Необходима авторизация", "Authorization required"),
    "admin_only": ("Доступно только администратору", "Administrators only"),
    "yourself": ("Недоступно для текущего пользователя", "Not for the current user"),
    "no_method": ("Метод не найден", "No such method"),
    "http_method": ("Неверный HTTP-метод", "Wrong HTTP method"),
    "not_json": ("Тело запроса должно быть объектом JSON", "The body must be a JSON object"),
    "unknown_field": ("Неизвестное поле", "Unknown field"),
    "missing_field": ("Не передано обязательное поле", "A required field is missing"),
    "bad_value": ("Неверное значение поля", "Bad value of the field"),
    "not_found": ("Не найдено", "Not found"),
    "email_taken": ("Email-адрес уже занят", "The e-mail address is taken"),
    "wrong_password": ("Неверный старый пароль", "The old password is wrong"),
}

T = TypeVar("T")


class RefusedError(Exception):
    """A refusal: its `code`, a key of `TEXTS`, and the field or id that it is about."""

    def __init__(self, code: int, text: str, detail: str = "") -> None:
        super().__init__(code, text, detail)
        self.code, self.text, self.detail = code, text, detail


def message(text: str, lang: str, detail: str = "") -> str:
    """Return the text of a key of `TEXTS` in `lang`, followed by the detail."""
    words = TEXTS[text][LANGS.index(lang)]
    return f"{words}: {detail}" if detail else words


def find(objects: Mapping[int, T], number: int, field: str) -> T:
    """Return the object with the id `number`, or refuse with 404 for `field`."""
    if number not in objects:
        raise RefusedError(404, "not_found", f"{field} {number}")
    return objects[number]
