"""Notifiers that use words, and notifiers that know people by their numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.notifications.base import Notification, NotifierArguments, TelecomNotifier
from airflow_provider_telecom.notifications.truncation import ONE_SMS, LengthLimit

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.base import TelecomHook

log = logging.getLogger(__name__)

DEFAULT_TEXT = "{{ summary }}"


class TextArguments(NotifierArguments, total=False):
    """The parameters of `TextNotifier`."""

    text: str


class TextNotifier(TelecomNotifier):
    """Tell it in words.

    :param text: what to say; a template. Beside what Airflow knows it may use `summary` (the default:
        `Airflow: <dag>.<task> failed (try <n>) in run <run_id>`, or likewise of a run or a deadline) and
        `link`. Names that are unknown where the callback runs are empty; a template that fails altogether
        gives way to the summary.

    The text is cut, with "..", to what `length_limit` holds, in such a way that the link to the task or its
    run
    stays whole at the end. Without Airflow's `[api] base_url` there is no link, nor if it alone is too long.
    """

    template_fields: Sequence[str] = (*TelecomNotifier.template_fields, "text")
    length_limit: ClassVar[LengthLimit] = ONE_SMS

    def __init__(self, *, text: str = DEFAULT_TEXT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def _worded(self, context: Context, env: jinja2.Environment, summary: str) -> str:
        import jinja2

        try:
            forgiving = env.overlay(undefined=jinja2.ChainableUndefined)
            text = str(self.render_template(self.text, context, forgiving) or "")
        except Exception as error:
            log.warning("%s: the text's template failed with %s", type(self).__name__, type(error).__name__)
            return summary
        return text if text.strip() else summary

    def _text(self, notification: Notification, suppressed: int) -> str:
        """Return the text as it goes out."""
        text = notification.text
        for link in notification.links:
            text = text.replace(link, " ")
        more = f"+{suppressed} more" if suppressed else ""
        counted = [f"{more} {link}" for link in notification.links] if more else []
        return self.length_limit.fit(text, [*counted, *notification.links, more])


class NumberArguments(NotifierArguments):
    """The parameters of `NumberNotifier`."""

    msisdn: str | int | Sequence[str | int]


class NumberTextArguments(NumberArguments, TextArguments):
    """The parameters of a notifier that sends texts to phone numbers."""


class NumberNotifier(TelecomNotifier):
    """Tell it to telephones.

    :param msisdn: whom: a number in any common form, or up to 10, as a list or with commas between them.
    """

    template_fields: Sequence[str] = (*TelecomNotifier.template_fields, "msisdn")

    def __init__(self, *, msisdn: str | int | Sequence[str | int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msisdn = msisdn
        self._check_literal_recipients(msisdn)

    def _check_recipient(self, written: Any) -> None:
        from airflow_provider_telecom.calls.phone import e164

        if str(written).startswith("+"):  # how others are read depends on the connection
            e164(written)

    def _recipient(self, hook: TelecomHook[Any], written: Any) -> str:
        from airflow_provider_telecom.calls.phone import e164

        return e164(written, hook.options.default_region)
