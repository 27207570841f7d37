"""The operator that creates a Kyivstar promo and can start it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.campaigns.garbage import old_objects_frozen
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_draft import (
    VARIABLE,
    build_draft,
    check_variables,
    fill_variables,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import (
    may_have_started,
    start_promo,
)
from airflow_provider_telecom.operators.recipients import (
    CampaignOperator,
    DeferrableCampaignArguments,
    check_max_segments,
    object_path,
)
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    MAX_CHUNK_SIZE,
    http_url,
    start_date_text,
    viber_ttl,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.campaigns.audience import Audience
    from airflow_provider_telecom.campaigns.preview import CampaignText
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo

_NAMES = {"viber": "Viber", "rcs": "RCS"}
_STARTED_ENTRY = "mailing"
"""The name of a journal entry. Entries of earlier versions have it: do not change it."""


class KyivstarCreatePromoOperator(KyivstarOperator, CampaignOperator, DeferrableOperator):
    """Create a promo (a campaign) with its whole audience, and start it if requested.

    There are two phases. The draft and its audience, in chunks, cost nothing and reach nobody. If the outcome
    of a part is unknown or the task dies, the draft is abandoned and another one is created (drafts can't be
    deleted). Then a complete draft is put into the queue, once. A promo that a person suspends stays
    suspended. Returns

        {"promo_id", "recipients", "duplicates", "bad_rows", "started", "rejects"}

    and with `wait_for_completion` the status and the statistics of the promo.

    With a connection to API v1 (`api_version` v1) a promo can be sent by Viber or RCS, with a picture and a
    button. The vendor's document does not have this; it is found in a public client.

    :param text: the text; `${1}`, `${2}`, ... are replaced by the recipient's values of `param_columns`.
    :param param_columns: the columns for the text's variables, in their order.
    :param sender: the alpha name; by default the connection's.
    :param channel: `sms` (default), `viber` or `rcs`. The parameters below are for the last two.
    :param caption: the text on the button; it needs `action_url` too.
    :param action_url: the page that the button opens.
    :param image_path: the picture, a PNG or JPEG: a path or URL that Airflow's object storage can open.
    :param title: the title of a promo by RCS.
    :param rcs_content_type: the vendor's `rcsContentType`, passed on as it is: its values are not known in
        public.
    :param promo_start: the vendor's `startDate`, such as 2026-01-31T08:00:00; its time zone is not known.
    :param ttl_seconds: how long the vendor tries to deliver each message, 30 to 1209600.
    :param start: put the promo into the queue (status WAITING). This costs money.
    :param max_segments: how many SMS (segments) a text may take. If a text takes more, no promo is created.
        For the channel `sms`.
    :param chunk_size: recipients per request, at most 20,000.
    :param suspend_on_kill: with `wait_for_completion`: suspend the promo when the waiting task is ended.
        Airflow ends it when a person marks or clears it. A task that waits in a worker is also ended at
        `execution_timeout`, at the worker's shutdown, and when its heartbeats do not arrive. A suspended
        promo stays suspended until a person, or `KyivstarStartPromoOperator(resume_suspended=True)`, starts
        it again.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomUnknownError (the outcome
    of three drafts was unknown; Airflow may retry). Source: "/promo" and the calls below it.
    """

    template_fields: Sequence[str] = (
        *CampaignOperator.template_fields,
        *("sender", "caption", "action_url", "image_path", "title", "promo_start"),
    )
    private_fields: ClassVar[Sequence[str]] = (
        *CampaignOperator.private_fields,
        *("caption", "action_url", "title"),
    )

    def __init__(
        self,
        *,
        param_columns: Sequence[str] = (),
        sender: str | None = None,
        channel: Literal["sms", "viber", "rcs"] = "sms",
        caption: str | None = None,
        action_url: str | None = None,
        image_path: str | None = None,
        title: str | None = None,
        rcs_content_type: str | None = None,
        promo_start: str | None = None,
        ttl_seconds: int | None = None,
        start: bool = False,
        max_segments: int | None = None,
        chunk_size: int = MAX_CHUNK_SIZE,
        suspend_on_kill: bool = True,
        **kwargs: Unpack[DeferrableCampaignArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.param_columns, self.sender, self.start = param_columns, sender, start
        self.channel = one_of("channel", channel, ("sms", "viber", "rcs"))
        self.caption, self.action_url, self.image_path = caption, action_url, image_path
        self.title, self.rcs_content_type = title, rcs_content_type
        self.promo_start, self.ttl_seconds = promo_start, ttl_seconds
        self.max_segments = check_max_segments(max_segments, text=self.text)
        self._check_parts()
        self.chunk_size = in_range("chunk_size", chunk_size, 1, MAX_CHUNK_SIZE)
        self.suspend_on_kill = suspend_on_kill
        if self.wait_for_completion and not start:
            raise TelecomInputError("wait_for_completion", "is for a promo that is started: start=True")

    @old_objects_frozen()
    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, create the draft, and start it."""
        text = non_blank("text", self.reveal("text"))
        check_variables(text, self.param_columns)
        options, image = self._options(), self._image()
        if self.channel != "sms":
            self.hook.require_v1(f"promos by {_NAMES[self.channel]}")
        journal = self._journal(context)
        with self._read_recipients(self.param_columns, self.hook.options.default_region) as audience:
            counts, campaign = self._recipient_counts(audience), self._campaign_text(text)
            columns, region = self.param_columns, self.hook.options.default_region
            self._check_segments(campaign, audience, self.max_segments, columns, region)
            if self.is_dry_run:
                from airflow_provider_telecom.campaigns.preview import texts_facts

                return self._report_dry_run(texts_facts(campaign.previews(audience)), audience)
            content: dict[str, Any] = {"recipients": audience.sha256, "text": text, "sender": self.sender}
            if self.channel != "sms":
                hashed = None if image is None else hashlib.sha256(image).hexdigest()
                content |= {"channel": self.channel, "options": options, "image": hashed}
            body = self._fingerprint(content)
            create = partial(self._create, text, options)
            promo_id = self._draft(journal, audience, create, image, body)
        started_here = self.start and self._put_into_queue(journal, promo_id, body)
        facts = {"promo_id": promo_id, "started": self.start, **counts}
        stop = f"{STATUS_MODULE}.stop_promo" if started_here and self.suspend_on_kill else None
        return self._wait_if_requested(facts, f"{STATUS_MODULE}.promo", {"promo_id": promo_id}, stop)

    def _campaign_text(self, text: str) -> CampaignText:
        from airflow_provider_telecom.campaigns.preview import CampaignText

        columns = self.param_columns
        return CampaignText(
            text,
            partial(fill_variables, text),
            is_sms=self.channel == "sms",
            fields=VARIABLE,
            column_of=lambda place: columns[int(place) - 1],
        )

    def _create(self, text: str, options: Mapping[str, Any]) -> Promo:
        create = {
            "sms": self.hook.create_promo,
            "viber": self.hook.create_viber_promo,
            "rcs": self.hook.create_rcs_promo,
        }[self.channel]
        return create(text, sender=self.sender, **options)

    def _options(self) -> dict[str, Any]:
        """Return the arguments of the hook's method that only promos by Viber and RCS have."""
        if self.channel == "sms":
            return {}
        options: dict[str, Any] = {name: self.reveal(name) for name in ("caption", "action_url")}
        options |= {"start_date": self.promo_start, "ttl_seconds": self.ttl_seconds}
        if self.channel == "rcs":
            options |= {"title": self.reveal("title"), "content_type": self.rcs_content_type}
        return options

    def _image(self) -> bytes | None:
        """Return the picture. Raises TelecomInputError before anything is sent."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import image_format

        if (path := object_path(self.image_path)) is None:
            return None
        try:
            image = path.read_bytes()
        except OSError as error:
            raise TelecomInputError("image_path", f"cannot be read: {type(error).__name__}") from None
        image_format(image)
        return image

    def _check_parts(self) -> None:
        """Check which parts are given together. A template of Airflow counts as given."""
        of_rcs = ("title", "rcs_content_type")
        of_both = ("caption", "action_url", "image_path", "promo_start", "ttl_seconds")
        for field in (*of_rcs, *of_both):
            is_allowed = self.channel == "rcs" or (self.channel == "viber" and field in of_both)
            if getattr(self, field) is not None and not is_allowed:
                where = "rcs" if field in of_rcs else "viber and rcs"
                raise TelecomInputError(field, f"is for the channel {where}")
        if self.max_segments is not None and self.channel != "sms":
            raise TelecomInputError("max_segments", "is for the channel sms: only SMS have segments")
        if (self.caption is None) != (self.action_url is None):
            raise TelecomInputError("caption", "a button takes both caption and action_url")
        viber_ttl(self.ttl_seconds)
        for field in ("caption", "title", "rcs_content_type"):
            check_if_literal(getattr(self, field), partial(non_blank, field))
        check_if_literal(self.action_url, partial(http_url, "action_url"))
        check_if_literal(self.promo_start, partial(start_date_text, field="promo_start"))

    def _draft(
        self,
        journal: Journal,
        audience: Audience,
        create: Callable[[], Promo],
        image: bytes | None,
        body: str,
    ) -> str:
        """Return the id of the complete draft: the one of an earlier try, or a new one.

        Raises TelecomInputError if an earlier try may have started a promo with other content.
        """
        started = journal.earlier_entry(self._entry_name(_STARTED_ENTRY), body)
        if started and started.state is State.INTENT:
            return str(started.facts["promo_id"])
        name = self._entry_name("promo")
        entry = journal.read(name)
        if entry and entry.body == body:
            return str(entry.facts["promo_id"])
        promo_id = build_draft(self.hook, create, image, audience, self.chunk_size)
        journal.write(name, Entry(State.DONE, body, {"promo_id": promo_id}))
        return promo_id

    def _put_into_queue(self, journal: Journal, promo_id: str, body: str) -> bool:
        """Start the promo, and return whether this task started it, in any try.

        The journal first records which promo is started, in a separate entry: two tries that run at once may
        each have created a draft, and the draft's entry may be that of the other try.
        """
        name = self._entry_name(_STARTED_ENTRY)
        journal.write_intent(name, Entry(State.INTENT, body, {"promo_id": promo_id}))
        try:
            return bool(start_promo(self.hook, journal, promo_id)["changed"])
        except TelecomError:
            if not may_have_started(journal, promo_id):
                journal.write(name, Entry(State.PLANNED, body))
            raise
