"""The company and its users: company/get, user/get, list, create, edit, password and remove."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from airflow_provider_telecom.simulator.fields import Field, is_filled_text, one_of
from airflow_provider_telecom.simulator.novaconnect.fields import (
    REQUIRED_PAGES,
    check,
    is_bool,
    is_email,
    is_int,
    is_phone,
    optional,
)
from airflow_provider_telecom.simulator.novaconnect.models import ADMIN, PLAIN, JsonObject, User
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, item, listing
from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError, find

_AMOUNTS = ("overdraft", "balance", "preliminary_balance")
_ID = {"id": Field(is_int)}
_ROLE = optional(one_of(ADMIN, PLAIN))
_SELF = {
    "first_name": optional(is_filled_text),
    "last_name": optional(is_filled_text),
    "email": optional(is_email),
}
_OTHERS = {"password": optional(is_filled_text), "active": optional(is_bool), "role": _ROLE}
_CREATE = {
    "first_name": Field(is_filled_text),
    "last_name": Field(is_filled_text),
    "email": Field(is_email),
    "phone": Field(is_phone),
    "password": optional(is_filled_text),
    "role": _ROLE,
    "send": optional(is_bool),
}
_EDIT = {"id": optional(is_int), **_SELF, "phone": optional(is_phone), **_OTHERS}


def company_get(call: Call) -> JsonObject:
    """Answer company/get. A switch chooses how amounts are written."""
    company = dict(call.state.company)
    if call.state.switches.on("balance_comma"):
        company |= {name: _with_comma(company[name]) for name in _AMOUNTS if company.get(name)}
    return item(company)


def _with_comma(amount: str) -> str:
    """Return `152300.50 ₸` as `152 300,50 ₸`; a text without a number as it is."""
    number, _, sign = amount.partition(" ")
    try:
        grouped = f"{Decimal(number):,}"
    except InvalidOperation:
        return amount
    return f"{grouped.replace(',', ' ').replace('.', ',')} {sign}"


def user_get(call: Call) -> JsonObject:
    """Answer user/get: the user of the token."""
    return {"count": 1, "all_count": 1, **item(call.user.shown())}


def user_list(call: Call) -> JsonObject:
    """Answer user/list."""
    return listing(call, list(call.state.users.values()), User.shown)


def user_create(call: Call) -> JsonObject:
    """Answer user/create; with `send` the registration data are mailed."""
    facts = dict(call.body)
    send = facts.pop("send", False)
    _refuse_taken(call, facts["email"])
    facts.setdefault("password", f"{call.state.random.getrandbits(48):012x}")
    user = User(next(call.state.ids), **facts)
    call.state.users[user.id] = user
    call.state.record("user_created", id=user.id, email=user.email, role=user.role, send=send)
    return item(user.shown())


def user_edit(call: Call) -> JsonObject:
    """Answer user/edit: the token's user, or another user if the token's user is an administrator.

    Without `id` it is the token's user. Their own password, role and activity cannot be changed here.
    """
    changes = dict(call.body)
    if "id" not in changes:
        check(changes, _SELF)
    user = find(call.state.users, changes.pop("id", call.user.id), "id")
    _refuse_edit(call, user, changes)
    for name, value in changes.items():
        setattr(user, name, value)
    call.state.record("user_edited", id=user.id, fields=sorted(changes))
    return item(user.shown())


def _refuse_edit(call: Call, user: User, changes: JsonObject) -> None:
    if user is not call.user and call.user.role != ADMIN:
        raise RefusedError(403, "admin_only")
    for name in changes:
        if user is call.user and name in _OTHERS:
            raise RefusedError(403, "yourself", name)
    if changes.get("email", user.email) != user.email:
        _refuse_taken(call, changes["email"])


def _refuse_taken(call: Call, email: str) -> None:
    if any(user.email == email for user in call.state.users.values()):
        raise RefusedError(400, "email_taken", "email")


def user_password(call: Call) -> JsonObject:
    """Answer user/password: a new password for the token's user, who has to know the old one."""
    if call.body["old_password"] != call.user.password:
        raise RefusedError(400, "wrong_password", "old_password")
    call.user.password = call.body["password"]
    call.state.record("password_changed", id=call.user.id)
    return item(call.user.shown())


def user_remove(call: Call) -> JsonObject:
    """Answer user/remove: any user except the token's."""
    user = find(call.state.users, call.body["id"], "id")
    if user is call.user:
        raise RefusedError(403, "yourself", "id")
    del call.state.users[user.id]
    call.state.record("user_removed", id=user.id, email=user.email)
    return item(user.shown())


METHODS = {
    "company/get": Method(company_get, {}),
    "user/get": Method(user_get, {}),
    "user/list": Method(user_list, REQUIRED_PAGES),
    "user/create": Method(user_create, _CREATE, admin=True),
    "user/edit": Method(user_edit, _EDIT),
    "user/password": Method(
        user_password, {"password": Field(is_filled_text), "old_password": Field(is_filled_text)}
    ),
    "user/remove": Method(user_remove, _ID, admin=True),
}
