"""The operator that sends one RCS message by Kyivstar Open Telecom, API v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.messages import MessageOperator, accepted_xcom
from airflow_provider_telecom.tasks.arguments import NonIdempotentDeferrableArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.kyivstar_open_telecom.messages import MessageXCom


class KyivstarSendRcsOperator(MessageOperator):
    """Send one RCS message: a text, a text with buttons, or a card. Return `{"message_id"}`.

    With `title`, `description` or `image_url` it is a card; otherwise it has a `text`, with buttons if
    `suggestions` are given. If the vendor says what it costs, `reserved_units` is returned too. With
    `wait_for_completion` the task succeeds once the message is delivered, and returns its status.

    **The connection's `api_version` must be v1.** The vendor's document does not have these messages; all is
    found in a public client. The vendor cannot detect a duplicate: `on_unknown` says what to do after a lost
    response.

    :param msisdn: the recipient, in any common form.
    :param text: the text of a message that is not a card.
    :param suggestions: buttons: mappings with `text` and `url` (the page that it opens).
    :param title: the title of a card.
    :param description: the description of a card.
    :param image_url: the picture of a card.
    :param thumbnail_url: the small picture that is shown first.
    :param image_height: the vendor's `height`, passed on as it is: its values are not known in public.
    :param image_alignment: the vendor's `thumbnailImageAlignment`, such as `left`, passed on as it is.
    :param orientation: `horizontal` or `vertical`, of a card.
    :param sender: the sender; by default the connection's.
    :param ttl_seconds: how long the vendor tries to deliver it.
    :param callback_number: the vendor's `callbackNumber`, passed on as it is.

    Raises TelecomInputError before anything is sent, also for a connection without API v1,
    TelecomRejectedError, OutcomeUnknownError. Source: v1, "/rcs/text", "/rcs/suggestion" and "/rcs/richcard";
    found in a public client.
    """

    private_fields: ClassVar[Sequence[str]] = (
        *("msisdn", "text", "suggestions", "title", "description", "image_url", "thumbnail_url"),
        "callback_number",
    )
    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, *private_fields, "sender")

    def __init__(
        self,
        *,
        msisdn: str | int,
        text: str | None = None,
        suggestions: Sequence[Mapping[str, str]] = (),
        title: str | None = None,
        description: str | None = None,
        image_url: str | None = None,
        thumbnail_url: str | None = None,
        image_height: str | None = None,
        image_alignment: str | None = None,
        orientation: Literal["horizontal", "vertical"] | None = None,
        sender: str | None = None,
        ttl_seconds: int | None = None,
        callback_number: str | None = None,
        **kwargs: Unpack[NonIdempotentDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn, self.text, self.suggestions = msisdn, text, suggestions
        self.title, self.description = title, description
        self.image_url, self.thumbnail_url = image_url, thumbnail_url
        self.image_height, self.image_alignment = image_height, image_alignment
        self.orientation, self.sender = orientation, sender
        self.ttl_seconds, self.callback_number = ttl_seconds, callback_number
        self._is_card = any(part is not None for part in (title, description, image_url))
        self._check_parts()

    def execute(self, context: Context) -> MessageXCom:
        """Send it once."""
        names = ["suggestions"] if self.reveal("suggestions") else []
        if self._is_card:
            names += ["title", "description", "image_url", "thumbnail_url"]
            names += ["image_height", "image_alignment", "orientation"]
        else:
            names.append("text")
        names += ["msisdn", "sender", "ttl_seconds", "callback_number"]
        message = {name: self.reveal(name) for name in names}
        return self._send_and_wait(context, message, partial(self._send, message), "rcs")

    def _send(self, message: Mapping[str, Any]) -> MessageXCom:
        if self._is_card:
            return accepted_xcom(self.hook.send_rcs_rich_card(**message))
        if "suggestions" in message:
            return accepted_xcom(self.hook.send_rcs_suggestion(**message))
        return accepted_xcom(self.hook.send_rcs_text(**message))

    def _check_parts(self) -> None:
        """Check which parts are given together. A template of Airflow counts as given."""
        if self._is_card == (self.text is not None):
            raise TelecomInputError("text", "give a text, or the parts of a card, and not both")
        of_card = ("thumbnail_url", "image_height", "image_alignment", "orientation")
        for field in of_card:
            if getattr(self, field) is not None and not self._is_card:
                raise TelecomInputError(field, "is for cards")
        if self.ttl_seconds is not None:
            in_range("ttl_seconds", self.ttl_seconds, 1, arguments.MAX_INT32)
        if self.orientation is not None:
            one_of("orientation", self.orientation, ("horizontal", "vertical"))
        for field in ("text", "title", "description", "sender", "callback_number"):
            check_if_literal(getattr(self, field), partial(non_blank, field))
        for field in ("image_url", "thumbnail_url"):
            check_if_literal(getattr(self, field), partial(arguments.http_url, field))
