"""The calls for the token's user, the company's users and the company.

Source: "Профиль", "Компания" and "Пользователи компании" of the vendor's document. Passwords may be given as
`Secret`, which keeps them out of tracebacks that show values. No operator takes one, but
`NovaConnectCreateUserOperator` takes the id of a connection that has it.
"""

from __future__ import annotations

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import ListPage
from airflow_provider_telecom.vendors.novaconnect.models import Company, User
from airflow_provider_telecom.vendors.novaconnect.requests import (
    PAGE_SIZE,
    NovaConnectCalls,
    drop_none,
)
from airflow_provider_telecom.vendors.novaconnect.responses import item_of


class UserCalls(NovaConnectCalls):
    """Users, and the company they belong to."""

    @endpoint
    def get_user(self) -> Call[User]:
        """Return the token's user. Raises TelecomAuthError. A read. Source: "Данные пользователя"."""
        return self._post("user/get", Idempotency.READ, {}, item_of(User))

    @endpoint
    def edit_user(
        self, *, first_name: str | None = None, last_name: str | None = None, email: str | None = None
    ) -> Call[User]:
        """Change the name or e-mail address of the token's user, and return the user.

        A duplicate costs nothing, but a late one undoes a newer change. Raises TelecomInputError (also when
        nothing is to change), TelecomRejectedError, TelecomUnknownError. Source: "Профиль", "Изменение
        данных".
        """
        return self._edit(None, _person(first_name, last_name, email))

    @endpoint
    def edit_other_user(
        self,
        user_id: int,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        email: str | None = None,
        phone: str | int | None = None,
        password: Secret | str | None = None,
        active: bool | None = None,
        role: str | None = None,
    ) -> Call[User]:
        """Change another user, and return the user. Only an administrator may.

        `password`, `active` and `role` can be changed for others only. The document does not list the codes
        of `role`. A duplicate costs nothing, but a late one undoes a newer change. Raises TelecomInputError
        (also when nothing is to change), TelecomAuthError, TelecomNotFoundError, TelecomUnknownError. Source:
        "Пользователи компании", "Изменение".
        """
        changes = drop_none(
            phone=None if phone is None else self._msisdn(phone, "phone"),
            password=None if password is None else arguments.password("password", password),
            active=None if active is None else arguments.boolean("active", active),
            role=None if role is None else non_blank("role", role),
        )
        user_id = arguments.valid_id("user_id", user_id)
        return self._edit(user_id, {**_person(first_name, last_name, email), **changes})

    def _edit(self, user_id: int | None, changes: dict[str, object]) -> Call[User]:
        if not changes:
            raise TelecomInputError("first_name", "must be given, or another field that is to change")
        body = {**drop_none(id=user_id), **changes}
        return self._post("user/edit", Idempotency.SET_STATE, body, item_of(User, user_id))

    @endpoint
    def change_password(self, old_password: Secret | str, new_password: Secret | str) -> Call[User]:
        """Change the password of the token's user, and return the user.

        A duplicate fails, since the old password is not valid any more; after TelecomUnknownError a person
        has to try both. Raises TelecomInputError, TelecomRejectedError. Source: "Изменения пароля".
        """
        body = {
            "password": arguments.password("new_password", new_password),
            "old_password": arguments.password("old_password", old_password),
        }
        return self._post("user/password", Idempotency.NONE, body, item_of(User))

    @endpoint
    def get_company(self) -> Call[Company]:
        """Return the company with its balance. Raises TelecomAuthError. A read. Source: "Данные компании"."""
        return self._post("company/get", Idempotency.READ, {}, item_of(Company))

    @endpoint
    def list_users(self, page: int = 0, size: int = PAGE_SIZE) -> Call[ListPage[User]]:
        """Return one page of the company's users, the first being 0.

        Raises TelecomAuthError, TelecomAnswerError. A read. Source: "Пользователи компании", "Список".
        """
        return self._list_page("user/list", list[User], {}, page, size)

    @endpoint
    def all_users(self, *, size: int = PAGE_SIZE) -> Call[list[User]]:
        """Return all users of the company, each once, read in pages of `size`.

        Also raises TelecomAnswerError if rows were missed between pages in two readings.
        """
        return self._read_list("user/list", list[User], {}, size)

    @endpoint
    def create_user(
        self,
        first_name: str,
        last_name: str,
        email: str,
        phone: str | int,
        *,
        password: Secret | str | None = None,
        role: str | None = None,
        send: bool = False,
    ) -> Call[User]:
        """Create a user and return it. Only an administrator may.

        Without `password` the vendor generates one, without `role` it is a plain user. `send` mails the
        registration data to `email`. After TelecomUnknownError look for the e-mail address in `all_users`
        first: a duplicate would be a second user, and with `send` a second mail.

        Raises TelecomInputError, TelecomRejectedError, TelecomUnknownError. Source: "Создание".
        """
        body = drop_none(
            first_name=non_blank("first_name", first_name),
            last_name=non_blank("last_name", last_name),
            email=arguments.email("email", email),
            phone=self._msisdn(phone, "phone"),
            password=None if password is None else arguments.password("password", password),
            role=None if role is None else non_blank("role", role),
            send=arguments.boolean("send", send),
        )
        return self._post("user/create", Idempotency.NONE, body, item_of(User))

    @endpoint
    def remove_user(self, user_id: int) -> Call[User]:
        """Remove another user and return it. Only an administrator may; nobody can remove themselves.

        A duplicate costs nothing: it raises TelecomNotFoundError, which after an unknown outcome means
        "done". Raises TelecomInputError, TelecomAuthError, TelecomUnknownError. Source: "Удаление".
        """
        body = {"id": arguments.valid_id("user_id", user_id)}
        return self._post("user/remove", Idempotency.SET_STATE, body, item_of(User, user_id))


def _person(first_name: str | None, last_name: str | None, email: str | None) -> dict[str, object]:
    return drop_none(
        first_name=None if first_name is None else non_blank("first_name", first_name),
        last_name=None if last_name is None else non_blank("last_name", last_name),
        email=None if email is None else arguments.email("email", email),
    )
