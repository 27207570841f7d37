"""Notifiers that send a text, and notifiers whose recipients are phone numbers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.notifications.base import Notification, NotifierArguments, TelecomNotifier
from airflow_provider_telecom.notifications.truncation import ONE_SMS, LengthLimit

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.base import AnyHook
    from airflow_provider_telecom.notifications.on_call import OnCall

log = logging.getLogger(__name__)

DEFAULT_TEXT = "{{ summary }}"
SUBJECT_LEAST = 20
"""How many characters of an approval's subject are more important than the longer link."""


class TextArguments(NotifierArguments, total=False):
    """The parameters of `TextNotifier`."""

    text: str


class TextNotifier(TelecomNotifier):
    """Send a text.

    :param text: a template. Besides Airflow's names it may use `summary` (the default:
        `Airflow: <dag>.<task> failed (try <n>) in run <run_id>`, or similar for a run or a deadline; the
        subject, if a human-in-the-loop operator asks) and `link`. Names that are unknown where the callback
        runs are empty. If the template fails, the summary is sent.

    The text is truncated with ".." to the length of a message; the link to the task or its run stays whole
    at the end. There is no link without Airflow's `[api] base_url`, nor if the link alone is too long.

    For an approval the link is the page where the task is answered. If less than 20 characters of the text
    would be left beside it (a text with Cyrillic letters has 70), it is the page of all answers that the run
    waits for, or else that Airflow waits for. If these are too long too, it is the page of the task, after
    what is left of the text.
    """

    template_fields: Sequence[str] = (*TelecomNotifier.template_fields, "text")
    length_limit: ClassVar[LengthLimit] = ONE_SMS

    def __init__(self, *, text: str = DEFAULT_TEXT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def _render_text(self, context: Context, env: jinja2.Environment, summary: str) -> str:
        import jinja2

        try:
            lenient = env.overlay(undefined=jinja2.ChainableUndefined)
            text = str(self.render_template(self.text, context, lenient) or "")
        except Exception as error:
            log.warning(
                "%s: the template of the text failed with %s", type(self).__name__, type(error).__name__
            )
            return summary
        return text if text.strip() else summary

    def _text(self, notification: Notification, suppressed: int) -> str:
        """Return the text of the message."""
        text = notification.text
        for link in notification.links:
            text = text.replace(link, " ")
        more = f"+{suppressed} more" if suppressed else ""
        with_count = [f"{more} {link}" for link in notification.links] if more else []
        fitting = [tail for tail in (*with_count, *notification.links) if self.length_limit.holds(tail)]
        least = SUBJECT_LEAST if notification.event.is_approval else 0
        return self.length_limit.fit(text, fitting or [more], least)


class NumberArguments(NotifierArguments):
    """The parameters of `NumberNotifier`."""

    msisdn: str | int | Sequence[str | int] | OnCall


class NumberTextArguments(NumberArguments, TextArguments):
    """The parameters of a notifier that sends texts to phone numbers."""


class NumberNotifier(TelecomNotifier):
    """Send to phone numbers.

    :param msisdn: a number in any common form, or up to 10, as a list or separated by commas;
        or `OnCall(...)`, the people who are on call for the Dag.
    """

    template_fields: Sequence[str] = (*TelecomNotifier.template_fields, "msisdn")

    def __init__(self, *, msisdn: str | int | Sequence[str | int] | OnCall, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msisdn = msisdn
        self._check_literal_recipients(msisdn)

    def _check_recipient(self, given: str | int) -> None:
        from airflow_provider_telecom.calls.phone import e164

        if str(given).startswith("+"):  # others depend on the default_region of the connection
            e164(given)

    def _recipient(self, hook: AnyHook, given: str | int) -> str:
        from airflow_provider_telecom.calls.phone import e164

        return e164(given, hook.options.default_region)
