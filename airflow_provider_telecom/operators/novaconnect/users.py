"""Operators for the users of a NovaConnect account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, State
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.novaconnect.account import MAX_ROWS, refuse_more
from airflow_provider_telecom.operators.novaconnect.changes import NovaConnectChangeOperator, check_choice
from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import (
    JournaledArguments,
    NonIdempotentArguments,
    OperatorArguments,
)
from airflow_provider_telecom.tasks.effects import JournaledOperator, NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.novaconnect import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.novaconnect.models import User


class UsersXCom(TypedDict):
    """What `NovaConnectListUsersOperator` returns."""

    count: int
    user_ids: list[int]
    users: list[dict[str, Any]]


class NovaConnectListUsersOperator(NovaConnectOperator):
    """List the company's users and return `{"count", "user_ids", "users"}`: each with `id`, `role`, `active`.

    :param fields: what else to return of each user: first_name, last_name, phone, email. XComs are stored in
        clear text in Airflow's database.
    :param max_users: fail if more users than this are found; the list is never cut off.

    A read. Raises TelecomInputError, TelecomAuthError, TelecomAnswerError. Source: "Пользователи компании",
    "Список".
    """

    FIELDS: ClassVar[Sequence[str]] = ("first_name", "last_name", "phone", "email")

    def __init__(
        self, *, fields: Sequence[str] = (), max_users: int = 10_000, **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(fields, str):
            raise TelecomInputError("fields", "must be a list of names")
        self.fields = [one_of("fields", name, self.FIELDS) for name in fields]
        self.max_users = in_range("max_users", max_users, 1, MAX_ROWS)

    def execute(self, context: Context) -> UsersXCom:
        """List them."""
        found = self.hook.all_users()
        refuse_more("max_users", len(found), self.max_users, "users")
        fields = {"id", "role", "active", *self.fields}
        return {
            "count": len(found),
            "user_ids": [user.id for user in found],
            "users": [user.model_dump(mode="json", include=fields) for user in found],
        }


class UserXCom(TypedDict):
    """What `NovaConnectCreateUserOperator` returns."""

    user_id: int
    created: bool
    role: NotRequired[str | None]


class NovaConnectCreateUserOperator(NovaConnectOperator, NonIdempotentOperator):
    """Create a user, unless there is one with this e-mail address; return `{"user_id", "created", "role"}`.

    A duplicate would be a second user, and with `send` a second mail. So the list of users is read first.
    After an unknown outcome a later try reads it again: a user with this address is the one that was created;
    without one, `on_unknown` decides. With `resend` the mail may come twice; with `assume_sent` the XCom is
    `{"assumed_sent": True}`.

    No password is an argument: Airflow stores rendered fields. Without `password_conn_id` the vendor makes
    one, which only the mail of `send` tells.

    :param first_name: never shown.
    :param last_name: never shown.
    :param email_address: of the user, and of the mail with `send`. Never shown. (Airflow's own `email` is
        where it mails failures of the task.)
    :param phone: in any common form. Never shown.
    :param role: the vendor's code of the role; the document does not list them. Without it the vendor makes a
        plain user.
    :param send: the vendor mails the registration data to `email_address`.
    :param password_conn_id: the id of an Airflow connection whose password is the user's password. It is read
        when the task runs, and is neither logged nor stored.

    Raises OutcomeUnknownError, TelecomInputError, TelecomAuthError (not an administrator),
    TelecomRejectedError. Source: "Пользователи компании", "Создание".
    """

    private_fields: ClassVar[Sequence[str]] = ("first_name", "last_name", "email_address", "phone")
    template_fields: Sequence[str] = (
        *NonIdempotentOperator.template_fields,
        *private_fields,
        "role",
        "password_conn_id",
    )

    def __init__(
        self,
        *,
        first_name: str,
        last_name: str,
        email_address: str,
        phone: str | int,
        role: str | None = None,
        send: bool = False,
        password_conn_id: str | None = None,
        **kwargs: Unpack[NonIdempotentArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.first_name, self.last_name, self.phone = first_name, last_name, phone
        self.email_address = email_address
        self.role, self.send, self.password_conn_id = role, arguments.boolean("send", send), password_conn_id
        check_if_literal(email_address, partial(arguments.email, "email_address"))
        for field in ("first_name", "last_name", "role", "password_conn_id"):
            check_if_literal(getattr(self, field), partial(non_blank, field))

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the user."""
        content = self._content()
        journal, name = self._journal(context), self._entry_name("sent")
        body = self._fingerprint({"operation": type(self).__name__, **content})
        entry = journal.earlier_entry(name, body)
        if entry and entry.state is State.DONE:
            return dict(entry.facts)
        in_doubt = entry is not None and entry.state in IN_DOUBT
        if (user := self._existing(str(content["email"]))) is not None:
            found = UserXCom(user_id=user.id, created=in_doubt, role=user.role)
            if in_doubt:
                journal.write(name, Entry(State.DONE, body, found))
            return dict(found)
        content = {"operation": type(self).__name__, **content}
        create = partial(self._create, self._password())  # read before the intent is written
        return dict(self._send_once(context, content, create))

    def _content(self) -> dict[str, object]:
        """Return what the journal compares between tries, with all arguments checked. Not the password."""
        from airflow_provider_telecom.calls.phone import e164

        names = {name: non_blank(name, self.reveal(name)) for name in ("first_name", "last_name")}
        region = self.hook.options.default_region
        return {
            **names,
            "email": arguments.email("email_address", self.reveal("email_address")),
            "phone": e164(self.reveal("phone"), region, field="phone"),
            "role": None if self.role is None else non_blank("role", self.role),
            "send": self.send,
        }

    def _create(self, password: Secret | None) -> Facts:
        user = self.hook.create_user(
            self.reveal("first_name"),
            self.reveal("last_name"),
            self.reveal("email_address"),
            self.reveal("phone"),
            password=password,
            role=self.role,
            send=self.send,
        )
        return UserXCom(user_id=user.id, created=True, role=user.role)

    def _password(self) -> Secret | None:
        if self.password_conn_id is None:
            return None
        from airflow.sdk import BaseHook

        password = BaseHook.get_connection(self.password_conn_id).password
        return Secret(non_blank("password_conn_id", password))

    def _existing(self, email: str) -> User | None:
        wanted = email.strip().casefold()
        found = [one for one in self.hook.all_users() if (one.email or "").strip().casefold() == wanted]
        return min(found, key=lambda user: user.id, default=None)


class NovaConnectUserOperator(NovaConnectChangeOperator):
    """A change of one user.

    :param user: the user's id or e-mail address. Never shown.
    """

    kind: ClassVar[str] = "user"
    template_fields: Sequence[str] = (*JournaledOperator.template_fields, "user")
    private_fields: ClassVar[Sequence[str]] = ("user",)

    def __init__(self, *, user: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user = user
        check_if_literal(user, partial(check_choice, "user"))

    def _list(self) -> Sequence[User]:
        return self.hook.all_users()

    def _matches(self, one: User, wanted: str) -> bool:
        return (one.email or "").strip().casefold() == wanted.casefold()

    def _arguments(self) -> Mapping[str, object]:
        return {}

    def _observed(self, one: User) -> object:
        return one.active


class UserArguments(JournaledArguments):
    """The parameters of `NovaConnectUserOperator`."""

    user: int | str


class NovaConnectDeactivateUserOperator(NovaConnectUserOperator):
    """Deactivate a user, who can then not log in; return `{"user_id", "changed", "skipped"}`.

    The token's own user cannot be deactivated.

    Raises TelecomInputError (also if there is no such user), TelecomAuthError (not an administrator, or the
    token's own user), TelecomRejectedError, TelecomUnknownError. Source: "Пользователи компании",
    "Изменение".
    """

    def __init__(self, **kwargs: Unpack[UserArguments]) -> None:
        super().__init__(**kwargs)

    def _shows_in(self, one: User) -> bool:
        return one.active is False

    def _send(self, object_id: int) -> object:
        changed = self.hook.edit_other_user(object_id, active=False)
        if changed.active:
            raise TelecomAnswerError(
                f"user {object_id} is still active, though the vendor accepted the change"
            )
        return changed


class NovaConnectRemoveUserOperator(NovaConnectUserOperator):
    """Remove a user; return `{"user_id", "changed", "skipped"}`. The token's own user cannot be removed.

    :param confirm: must be True, otherwise the Dag is refused when it is parsed.
    :param missing_ok: whether it is no error if there is no such user.

    Raises TelecomInputError, TelecomAuthError (not an administrator, or the token's own user),
    TelecomRejectedError, TelecomUnknownError. Source: "Пользователи компании", "Удаление".
    """

    is_removal: ClassVar[bool] = True

    def __init__(
        self, *, confirm: bool = False, missing_ok: bool = False, **kwargs: Unpack[UserArguments]
    ) -> None:
        super().__init__(**kwargs)
        if confirm is not True:
            raise TelecomInputError("confirm", "must be True: a removed user cannot be restored")
        self.confirm, self.missing_ok = confirm, arguments.boolean("missing_ok", missing_ok)

    def _shows_in(self, one: User) -> bool:
        return False

    def _send(self, object_id: int) -> object:
        return self.hook.remove_user(object_id)
