"""The operator that sends a Viber message to one or several recipients through KetchUp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomUnknownError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Facts, OnUnknown, check_on_unknown
from airflow_provider_telecom.operators.ketchup_loyalty.operator import (
    STATUS_CHECKS,
    WEBHOOKS,
    KetchUpOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    VENDOR_FAILED,
    count_results,
    raise_if_refused,
    raise_if_temporary,
)
from airflow_provider_telecom.tasks.arguments import JournaledDeferrableArguments
from airflow_provider_telecom.tasks.base import with_inbox
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult, ViberRecipient

_CALL = "POST /viber/create"
_EXTRAS = ("image_url", "caption", "action_url")


class KetchUpSendViberOperator(KetchUpOperator, IdempotentOperator, DeferrableOperator):
    """Send a Viber message to one or several recipients in one call, each with an idempotency key. Returns

        {"recipients", "duplicates", "accepted", "known_before", "refused": {code: count}, "price",
         "currency", "keyed", "messages": [{"message_id", "reference", "code"}]}

    with a message for each recipient in the given order, without duplicates; `code` is the vendor's if it
    refused the recipient. `price` is that of the accepted ones.

    The document calls our key `external_id` and returns it as `reference`. Whether KetchUp recognises keys is
    not known before it has returned one, has refused one as known, or finds a message by one. If it does, a
    later try sends again under the same keys. If that is not known, a message is sent only once, and
    `on_unknown` decides after a lost response. `keyed` is false if a key was not returned; the log says so.

    With `wait_for_completion` the task waits until all are final, returns `{"delivered", "statuses"}` as
    well, and fails if fewer than `min_delivered_percent` are delivered (or none, without it).

    :param recipients: one number or a list (or the text of a list), in any common form.
    :param text: the message.
    :param sender: the alpha name; by default the connection's `viber_sender`.
    :param promotional: whether it is an advertisement.
    :param image_url: the picture.
    :param caption: the button's text.
    :param action_url: the button's link.
    :param validity_seconds: how long KetchUp tries to deliver it, 15 to 86400.
    :param allow_short_validity: permit less than 60 seconds, which are probably meant as hours.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param callback_url: where KetchUp posts delivery reports; by default the receiver (docs/webhooks.md), if
        there is one.
    :param schedule_at: when to send it: a datetime with a time zone, or its ISO 8601 text.
    :param max_rejected: fail the task if more recipients than that were refused; by default only if all were.
    :param use_keys: whether to rely on keys if they are known to work.
    :param on_unknown: what to do when nobody can know whether messages went out: `fail`, `resend` or
        `assume_sent` (see `NonIdempotentOperator`).
    :param min_delivered_percent: 0 to 100.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomFundsError,
    TelecomThrottledError, OutcomeUnknownError. Source: "Отправка Viber-сообщения" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *IdempotentOperator.template_fields,
        "recipients",
        "text",
        "sender",
        *_EXTRAS,
        "callback_url",
        "schedule_at",
    )
    private_fields: ClassVar[Sequence[str]] = ("recipients", "text", *_EXTRAS, "callback_url")

    def __init__(
        self,
        *,
        recipients: Sequence[str | int] | str | int,
        text: str,
        sender: str | None = None,
        promotional: bool = False,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        validity_seconds: int = arguments.MAX_VALIDITY_SECONDS,
        allow_short_validity: bool = False,
        tariff: int | None = None,
        callback_url: str | None = None,
        schedule_at: datetime | str | None = None,
        max_rejected: int | None = None,
        use_keys: bool = True,
        on_unknown: OnUnknown = "fail",
        min_delivered_percent: str | float | None = None,
        **kwargs: Unpack[JournaledDeferrableArguments],
    ) -> None:
        if callback_url is None and read_receiver_settings() is not None:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(**kwargs)
        self.recipients, self.text, self.sender, self.promotional = recipients, text, sender, promotional
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        self.validity_seconds, self.allow_short_validity = validity_seconds, allow_short_validity
        self.tariff, self.schedule_at = arguments.check_tariff(tariff), schedule_at
        self.callback_url = callback_url
        self.max_rejected, self.use_keys = arguments.check_max_rejected(max_rejected), use_keys
        self.on_unknown = check_on_unknown(on_unknown)
        self.min_delivered_percent = min_delivered_percent
        arguments.check_viber_validity(validity_seconds, allow_short_validity)
        arguments.optional_percent("min_delivered_percent", min_delivered_percent)
        check_if_literal(text, partial(non_blank, "text"))
        check_if_literal(sender, partial(non_blank, "sender"))
        check_if_literal(schedule_at, partial(arguments.optional_datetime, "schedule_at"))

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the message to all recipients, once."""
        message, numbers = self._message(), self._numbers("recipients")
        once = list(dict.fromkeys(numbers))
        key_of = self._idempotency_keys(context)
        extras = [f"{name}={message[name]}" for name in _EXTRAS if message[name]]
        keys = {number: key_of(number, message["sender"], message["text"], *extras) for number in once}
        counts = {"recipients": len(once), "duplicates": len(numbers) - len(once)}
        started = self._send_all(context, message, keys, counts)
        if "messages" not in started:
            return dict(started)
        raise_if_refused(started["refused"], len(once), self.max_rejected, _CALL)
        least = self.min_delivered_percent
        awaited = {
            "messages": [one for one in started["messages"] if one["code"] is None],
            "min_delivered_percent": None if least is None else str(least),
        }
        topics = None if read_receiver_settings() is None else f"{WEBHOOKS}.viber_messages_subscription"
        return self._wait_if_requested(
            dict(started), f"{STATUS_CHECKS}.viber_messages", awaited, subscription=topics
        )

    def _message(self) -> dict[str, Any]:
        return {
            "text": non_blank("text", self.reveal("text")),
            "sender": arguments.choose_viber_sender(self.sender, self.hook.options.viber_sender),
            "promotional": self.promotional,
            **{name: self.reveal(name) for name in (*_EXTRAS, "callback_url")},
            "validity_seconds": self.validity_seconds,
            "allow_short_validity": self.allow_short_validity,
            "tariff": self.tariff,
            "schedule_at": arguments.optional_datetime("schedule_at", self.schedule_at),
        }

    def _send_all(
        self, context: Context, message: Mapping[str, Any], keys: Mapping[str, str], counts: Mapping[str, int]
    ) -> Facts:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

        journal, name = self._journal(context), self._entry_name("sent")
        people = [ViberRecipient(number, key) for number, key in keys.items()]
        content = {**message, "recipients": list(keys)}
        is_safe = journal.is_in_doubt(name) and self._keys_work(people)
        url = self._webhook_url_for_all(list(keys.values()))
        return journal.send_without_key(
            name,
            self._fingerprint(content),
            lambda: {**counts, **self._send({**message, "callback_url": url}, people)},
            "resend" if is_safe else self.on_unknown,
        )

    def _send(self, message: Mapping[str, Any], people: Sequence[ViberRecipient]) -> Facts:
        results = self.hook.send_viber(people, **message, without_keys=not self.use_keys).results
        if any(result.code == VENDOR_FAILED for result in results) and not self._keys_work(people):
            raise TelecomUnknownError(
                "unknown error for some of the messages, which may have been sent",
                call=_CALL,
                code=VENDOR_FAILED,
            )
        keys_returned = self.use_keys and all(result.key_returned for result in results if result.accepted)
        if keys_returned:
            raise_if_temporary(results, _CALL)
        elif self.use_keys:
            self.log.warning(
                "KetchUp did not return the keys of all Viber messages: it may not recognise repeated "
                "requests. See viber_key in docs/vendors/ketchup_loyalty.md"
            )
        counts = count_results(results)
        raise_if_refused(counts.refused, len(results), None, _CALL)
        return {**counts.facts(), "keyed": keys_returned, "messages": [_facts(result) for result in results]}

    def _keys_work(self, people: Sequence[ViberRecipient]) -> bool:
        return self.use_keys and self.hook.viber_keys_work(people)

    def _webhook_url_for_all(self, keys: Sequence[str]) -> str | None:
        """Return where KetchUp posts the statuses of these messages: an address for these only."""
        if len(keys) == 1 or read_receiver_settings() is None or self.reveal("callback_url") is not None:
            return self._webhook_url("viber", keys[0])
        from airflow.sdk.exceptions import AirflowRuntimeError

        from airflow_provider_telecom.webhooks import inbox_client

        group = fingerprint(sorted(keys))[:32]
        try:
            inbox_client.bind_references(
                WebhookAddress("ketchup_loyalty", "viber", self.conn_id, group).topic, keys
            )
        except AirflowRuntimeError as error:
            self.log.warning("No address for KetchUp's webhooks, so statuses are polled: %s", error)
            return None
        return self._webhook_url("viber", group)


def _facts(result: SendResult) -> dict[str, str | None]:
    code = None if result.accepted else result.code
    return {"message_id": result.id, "reference": result.reference, "code": code}
