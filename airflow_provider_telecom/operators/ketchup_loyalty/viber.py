"""The operator that sends Viber messages to one, several or any number of recipients through KetchUp."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, Unpack, get_args

from airflow_provider_telecom.bulk.text_template import Text, check_text
from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.unknown import Facts, OnUnknown, check_on_unknown
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_operator import (
    BulkArguments,
    KetchUpBulkOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS, WEBHOOKS
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    VENDOR_FAILED,
    count_results,
    raise_if_refused,
    raise_if_temporary,
)
from airflow_provider_telecom.operators.recipients import CampaignOperator, object_path
from airflow_provider_telecom.tasks.base import with_inbox
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience
    from airflow_provider_telecom.journal.journal import Journal
    from airflow_provider_telecom.triggers.polling import PollEvent
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult, ViberRecipient

OnWaitTimeout = Literal["fail", "succeed"]
_CALL = "POST /viber/create"
_EXTRAS = ("image_url", "caption", "action_url")
_FOR_MANY = (
    *("results_path", "max_cost", "rejects_path", "max_recipients", "reference_column"),
    *("variants", "shard", "budget", "failover"),
)


class BulkViberArguments(BulkArguments, total=False):
    """The parameters of the base classes of `KetchUpSendViberOperator`."""

    recipients: Required[Any]
    text: Required[str | Mapping[str, str]]


class KetchUpSendViberOperator(KetchUpBulkOperator, CampaignOperator):
    """Send a Viber message to one, several or any number of recipients, each with an idempotency key.

    The document calls our key `external_id` and returns it as `reference`. Whether KetchUp recognises keys is
    not known before it has returned one, has refused one as known, or finds a message by one. If it does, a
    later try sends again under the same keys. If that is not known, a message is sent only once, and
    `on_unknown` decides after a lost response. `keyed` is false if a key was not returned; the log says so.

    **Many recipients:** a file or a list of mappings, or any list with one of `results_path`, `max_cost`,
    `chunk_size`, `reference_column`, `result_columns`, `rejects_path`, `max_recipients`, `dry_run` or another
    parameter for many. Then `{column}` in the text is replaced by each recipient's value, the messages go out
    in chunks, and a later try continues where the last one stopped. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "unknown",
         "refused": {code: count}, "price", "currency", "keyed", "results", "rejects"}

    where `unknown` counts messages of which nobody can know whether they were sent. With
    `wait_for_completion` the task waits until all are final and completes each line of the file
    `results_path` with `status`, the vendor's state, and `outcome`: `delivered`, `undelivered` (it certainly
    was not and will not be: refused, expired, not a Viber user, ...) or `unknown` (also if it was refused
    under a code that the document does not have). It returns as well
    `{"delivered", "undelivered", "unknown", "statuses", "undelivered_path"}`, which count all recipients.

    **One call:** a number or a list of numbers, without these parameters. The text is sent as it is. Returns

        {"recipients", "duplicates", "accepted", "known_before", "refused": {code: count}, "price",
         "currency", "keyed", "messages": [{"message_id", "reference", "code"}]}

    with a message for each recipient in the given order, without duplicates; `code` is the vendor's if it
    refused the recipient. With `wait_for_completion` the task waits until all are final, returns
    `{"delivered", "statuses"}` as well, and fails if none is delivered.

    `price` is that of the accepted ones.

    :param recipients: a number, a list (numbers, or mappings with the columns of the number and of the text's
        values; or the text of a list), `task.output` of a task that returned a list, or the path or URL of a
        file that Airflow's object storage can open: CSV with a header, JSON lines or Parquet; or an audience.
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
    :param reference: your own key (`external_id`) of the message to a single recipient.
    :param chunk_size: messages in one call, 500 by default; halved automatically if the vendor refuses it as
        too large.
    :param use_keys: whether to rely on keys if they are known to work.
    :param on_unknown: what to do when nobody can know whether messages went out: `fail`, `resend` or
        `assume_sent` (see `NonIdempotentOperator`).
    :param min_delivered_percent: 0 to 100: with `wait_for_completion`, fail if fewer are delivered.
    :param undelivered_path: with `wait_for_completion` of many: a file of JSON lines for the recipients whose
        message certainly was not delivered (number and `result_columns`), such as the recipients of an SMS.
        Those of unknown state are not in it.
    :param on_wait_timeout: what happens after `wait_timeout` to many messages without a final state: `fail`
        (default), or `succeed`: they count as unknown.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomFundsError,
    TelecomThrottledError, OutcomeUnknownError. Source: "Отправка Viber-сообщения" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *KetchUpBulkOperator.template_fields,
        "text",
        "sender",
        *_EXTRAS,
        "callback_url",
        "schedule_at",
        "reference",
        "undelivered_path",
    )
    private_fields: ClassVar[Sequence[str]] = ("text", *_EXTRAS, "callback_url")

    def __init__(
        self,
        *,
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
        reference: str | None = None,
        chunk_size: int | None = None,
        use_keys: bool = True,
        on_unknown: OnUnknown = "fail",
        min_delivered_percent: str | float | None = None,
        undelivered_path: str | None = None,
        on_wait_timeout: OnWaitTimeout = "fail",
        **kwargs: Unpack[BulkViberArguments],
    ) -> None:
        if callback_url is None and read_receiver_settings() is not None:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(**({} if chunk_size is None else {"chunk_size": chunk_size}), **kwargs)
        self.sender, self.promotional = sender, promotional
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        self.validity_seconds, self.allow_short_validity = validity_seconds, allow_short_validity
        self.tariff, self.schedule_at = arguments.check_tariff(tariff), schedule_at
        self.callback_url, self.reference, self.use_keys = callback_url, reference, use_keys
        self.on_unknown = check_on_unknown(on_unknown)
        self.min_delivered_percent = min_delivered_percent
        self.undelivered_path = undelivered_path
        self.on_wait_timeout = one_of("on_wait_timeout", on_wait_timeout, get_args(OnWaitTimeout))
        self._for_many = (
            chunk_size is not None
            or any(getattr(self, name) is not None for name in _FOR_MANY)
            or bool(self.result_columns or undelivered_path or self.is_dry_run or self.quiet_hours)
            or isinstance(self.text, Mapping)
            or (self.on_bad_rows, self.on_no_recipients, on_wait_timeout) != ("fail", "fail", "fail")
        )
        arguments.check_viber_validity(validity_seconds, allow_short_validity)
        arguments.optional_percent("min_delivered_percent", min_delivered_percent)
        if isinstance(self.text, str):
            check_if_literal(self.text, partial(non_blank, "text"))
        check_if_literal(sender, partial(non_blank, "sender"))
        if all(value is None or is_literal(value) for value in (caption, action_url)):
            arguments.check_button(caption, action_url)
        check_if_literal(schedule_at, partial(arguments.optional_datetime, "schedule_at"))
        check_if_literal(reference, partial(arguments.check_any_key, field="reference"))
        if undelivered_path is not None and not self.wait_for_completion:
            raise TelecomInputError("undelivered_path", "needs wait_for_completion=True, which finds them")
        self._check_no_schedule(schedule_at)
        if self._for_many:
            check_text(self.text)
            self._check_many()

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the message to all recipients, once."""
        message, journal = self._message(), self._journal(context)
        if self._for_many or _are_many(self.reveal("recipients")):
            self._check_many()
            self._check_other_form(journal, "sent")
            return self._send_to_many(context, message)
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import key_extras

        self._check_other_form(journal, "bulk")
        self._check_other_form(journal, "bulk_groups")
        message["text"] = non_blank("text", message["text"])
        numbers = self._numbers("recipients")
        once = list(dict.fromkeys(numbers))
        key_of = self._idempotency_keys(context)
        extras = key_extras(message)
        keys = {number: key_of(number, message["sender"], message["text"], *extras) for number in once}
        if self.reference is not None:
            keys = self._with_own_key(once)
        counts = {"recipients": len(once), "duplicates": len(numbers) - len(once)}
        started = self._send_one_call(journal, message, keys, counts)
        if "messages" not in started:
            return dict(started)
        self._log_outcome(started, len(once), "messages in the XCom")
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

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Return what was started and its end; waits for further messages of many."""
        if (started := self._record_group(event, _StateCheck(self.on_wait_timeout))) is None:
            return super().execute_complete(context, event)
        return self._complete_many(started)

    def _check_many(self) -> None:
        """Raise TelecomInputError for arguments that do not fit many recipients."""
        if self.reference is not None:
            raise TelecomInputError("reference", "is for one recipient; reference_column is for many")
        if self.wait_for_completion and self.results_path is None:
            raise TelecomInputError("results_path", "is needed to wait for many recipients")

    def _check_other_form(self, journal: Journal, kind: str) -> None:
        """Raise TelecomInputError if an earlier try may have sent in the other form: it has its own entry."""
        from airflow_provider_telecom.journal.journal import State

        entry = journal.read(self._entry_name(kind))
        if entry is not None and entry.state in (State.INTENT, State.UNKNOWN, State.DONE):
            raise TelecomInputError(
                "recipients",
                "an earlier try of this task has, or may have, sent in the other form (one call, or many "
                "recipients). Restore its arguments, or give another dedupe_key, which sends to all again",
            )

    def _with_own_key(self, numbers: Sequence[str]) -> dict[str, str]:
        if len(numbers) > 1:
            raise TelecomInputError("reference", "is for one recipient; reference_column is for many")
        return {numbers[0]: arguments.check_any_key(str(self.reference), "reference")}

    def _read_recipients(self, *args: Any, **kwargs: Any) -> Audience:
        """Read and check all recipients. A template may have rendered a list as a text."""
        source = self.reveal("recipients")
        if isinstance(source, (str, int)) and not _are_many(source):
            self.recipients = arguments.parse_list("recipients", source)
            self._hide()
        return super()._read_recipients(*args, **kwargs)

    def _send_to_many(self, context: Context, message: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import ViberKind

        text: Text = self._text()
        content = {name: message[name] for name in ("promotional", *_EXTRAS, "schedule_at")}
        kind = ViberKind(
            self.hook,
            self._idempotency_keys(context),
            self._columns(text.columns),
            text,
            message["sender"],
            content,
            {
                "validity_seconds": self.validity_seconds,
                "allow_short_validity": self.allow_short_validity,
                "tariff": self.tariff,
            },
            self.use_keys,
            self._webhook_url_for_all,
        )
        counts, summary = self._send_to_all(context, kind, self.on_unknown)
        if counts is None:
            return summary
        started = {**summary, "unknown": counts.unknown, "keyed": self.use_keys and not counts.unkeyed}
        if self.use_keys and counts.unkeyed:
            self._warn_of_keys()
        if not self.wait_for_completion:
            return started
        return self._complete_many(started)

    def _complete_many(self, started: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the final states; return the XCom, and write those who were certainly not reached."""
        check = _StateCheck(self.on_wait_timeout)
        sent = self._wait_for_states(started, check, is_failure=self.on_wait_timeout == "fail")
        outcomes, statuses = self._summarize_states()
        facts = {name: outcomes[name] for name in ("delivered", "undelivered", "unknown")}
        self.log.info(
            "delivered %s, certainly not delivered %s, unknown %s; by the vendor's states: %s",
            *(f"{count:,}" for count in facts.values()),
            statuses,
        )
        if facts["unknown"]:
            self.log.warning(
                "%s messages have no final state: they may still arrive", f"{facts['unknown']:,}"
            )
        least = arguments.optional_percent("min_delivered_percent", self.min_delivered_percent)
        whole = sent["accepted"] + sent["known_before"]
        if least is not None and facts["delivered"] * 100 < least * whole:
            from airflow_provider_telecom.triggers.polling import TelecomFailedError

            raise TelecomFailedError(f"delivered: {facts['delivered']}, statuses: {statuses}")
        return {**sent, **facts, "statuses": statuses, "undelivered_path": self.undelivered_path}

    def _summarize_states(self) -> tuple[Counter[str], dict[str, int]]:
        """Count outcomes and states in the file of results, and write the file of the undelivered."""
        from airflow_provider_telecom.bulk.outcomes import read_outcomes
        from airflow_provider_telecom.bulk.receipts import write_lines

        path, outcomes, statuses = self._results_object(), Counter[str](), Counter[str]()
        for line in read_outcomes(path):
            outcomes[line["outcome"]] += 1
            if line["status"] is not None:
                statuses[line["status"]] += 1
        if (undelivered := object_path(self.undelivered_path)) is not None:
            names = ("msisdn", *self.result_columns)
            lines = (line for line in read_outcomes(path) if line["outcome"] == "undelivered")
            write_lines(undelivered, ({name: line[name] for name in names} for line in lines))
        return outcomes, dict(statuses)

    def _message(self) -> dict[str, Any]:
        return {
            "text": self.reveal("text"),
            "sender": arguments.choose_viber_sender(self.sender, self.hook.options.viber_sender),
            "promotional": self.promotional,
            **{name: self.reveal(name) for name in (*_EXTRAS, "callback_url")},
            "validity_seconds": self.validity_seconds,
            "allow_short_validity": self.allow_short_validity,
            "tariff": self.tariff,
            "schedule_at": arguments.optional_datetime("schedule_at", self.schedule_at),
        }

    def _send_one_call(
        self, journal: Journal, message: Mapping[str, Any], keys: Mapping[str, str], counts: Mapping[str, int]
    ) -> Facts:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

        name = self._entry_name("sent")
        people = [ViberRecipient(number, key) for number, key in keys.items()]
        content = {**message, "recipients": list(keys)}
        if self.reference is not None:
            content["reference"] = self.reference
        is_safe = journal.is_in_doubt(name) and self._keys_work(people)
        url = self._webhook_url_for_all(list(keys.values()))
        return journal.send_without_key(
            name,
            self._fingerprint(content),
            lambda: {**counts, **self._send_call({**message, "callback_url": url}, people)},
            "resend" if is_safe else self.on_unknown,
        )

    def _send_call(self, message: Mapping[str, Any], people: Sequence[ViberRecipient]) -> Facts:
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
            self._warn_of_keys()
        counts = count_results(results)
        raise_if_refused(counts.refused, len(results), None, _CALL)
        return {**counts.facts(), "keyed": keys_returned, "messages": [_facts(result) for result in results]}

    def _warn_of_keys(self) -> None:
        self.log.warning(
            "KetchUp did not return the keys of all Viber messages: it may not recognise repeated "
            "requests. See viber_key in docs/vendors/ketchup_loyalty.md"
        )

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


class _StateCheck:
    """How the states of Viber messages are found (see `StateCheck`)."""

    path = f"{STATUS_CHECKS}.viber_states.viber_states"

    def __init__(self, on_wait_timeout: OnWaitTimeout) -> None:
        self._has_end = on_wait_timeout == "succeed"
        has_receiver = read_receiver_settings() is not None
        self.subscription = f"{WEBHOOKS}.viber_messages_subscription" if has_receiver else None

    def arguments(self, lines: Sequence[Mapping[str, Any]], ends_at: float) -> dict[str, object]:
        """Return the arguments of the status check: ids, keys and hashes of the numbers of the messages."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.status.viber_states import number_hash

        messages = [
            {
                "message_id": line["id"],
                "reference": line["reference"],
                "to": number_hash(line["msisdn"]),
            }
            for line in lines
        ]
        if not self._has_end:
            return {"messages": messages}
        return {"messages": messages, "ends_at": datetime.fromtimestamp(ends_at, UTC).isoformat()}

    def is_open(self, line: Mapping[str, Any]) -> bool:
        """Return whether KetchUp has the message and its final state is not known."""
        from airflow_provider_telecom.bulk.outcomes import send_state

        is_sent = send_state(line) in ("accepted", "known_before")
        return is_sent and line.get("outcome") not in ("delivered", "undelivered")

    def updates(self, facts: Mapping[str, Any]) -> Sequence[Mapping[str, object]]:
        """Return the states and what they mean, in order."""
        from airflow_provider_telecom.bulk.outcomes import SILENT
        from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import final_state, now_text
        from airflow_provider_telecom.vendors.ketchup_loyalty.status.viber_states import outcome_of

        at, found = now_text(), []
        for status in facts["states"]:
            state = final_state(status)
            final_at = None if state == SILENT else at
            found.append({
                "state": state,
                "final_at": final_at,
                "status": status,
                "outcome": outcome_of(status),
            })
        return found

    def settle(self, line: dict[str, Any]) -> None:
        """Complete the line of a message that is final, was refused, or of which nobody knows anything."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import VIBER_REFUSALS

        line.setdefault("status", None)
        if line.get("outcome") is None:  # Parquet has each column in each line
            is_refused = line["state"] == "refused" and line["code"] in VIBER_REFUSALS
            line["outcome"] = "undelivered" if is_refused else "unknown"


def _are_many(recipients: object) -> bool:
    """Return whether recipients are those of a bulk send: a file, an audience, or rows with columns."""
    from airflow_provider_telecom.bulk.audience_folder import is_folder_path
    from airflow_provider_telecom.bulk.recipient_rows import SUFFIXES

    if isinstance(recipients, Mapping):
        return True
    if isinstance(recipients, str):
        is_file = recipients.strip()[:1] not in ("[", "(") and recipients.lower().endswith(SUFFIXES)
        return is_file or is_folder_path(recipients)
    if isinstance(recipients, PurePath) or hasattr(recipients, "open"):
        return True
    return isinstance(recipients, (list, tuple)) and any(isinstance(one, Mapping) for one in recipients)
