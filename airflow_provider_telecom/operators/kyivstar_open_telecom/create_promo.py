"""The operator that creates a Kyivstar promo and can start it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.bulk.garbage import old_objects_frozen
from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_draft import (
    VARIABLE,
    build_draft,
    check_variables,
    fill_variables,
)
from airflow_provider_telecom.operators.recipients import (
    CampaignOperator,
    DeferrableCampaignArguments,
    check_budget,
    check_max_segments,
    check_price,
    check_results_path,
    object_path,
    price_facts,
)
from airflow_provider_telecom.operators.send_windows import (
    SendWindowArguments,
    SendWindowOperator,
    WindowClosedError,
)
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.retry import is_final
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    MAX_CHUNK_SIZE,
    http_url,
    start_date_text,
    viber_ttl,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.bulk.preview import CampaignText
    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_parts import PromoJournal, PromoPart
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo

_NAMES = {"viber": "Viber", "rcs": "RCS"}


class PromoArguments(DeferrableCampaignArguments, SendWindowArguments):
    """The parameters of the base classes of `KyivstarCreatePromoOperator`."""


class KyivstarCreatePromoOperator(KyivstarOperator, CampaignOperator, SendWindowOperator, DeferrableOperator):
    """Create a promo (a campaign) with its whole audience, and start it if requested.

    There are two phases. The draft and its audience, in chunks, cost nothing and reach nobody. If the outcome
    of a part is unknown or the task dies, the draft is abandoned and another one is created (drafts can't be
    deleted). Then a complete draft is put into the queue, once. A promo that a person suspends stays
    suspended. Returns

        {"promo_id", "recipients", "duplicates", "bad_rows", "started", "rejects"}

    A promo has one text and one start. So a text per variant, and `quiet_hours` with several time zones, need
    several promos, which are all created first; each starts while the window of its recipients is open. Then
    `promos` has `[{"promo_id", "variant", "timezone", "recipients"}]`, and `promo_id` is there only if there
    is one. The vendor sends a promo over a time that is not known: the window guards its start.

    Returns as well, with `wait_for_completion` the status and the statistics of the promo.

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
    :param results_path: with `start`: the file of outcomes, with a row for each recipient (it contains
        numbers), written once all promos are started: JSON lines, or Parquet if it ends in `.parquet`. A
        promo has no result for a single recipient, so each is `accepted`, with the promo's id as `reference`.
    :param budget: a `Budget`: what all tasks that share it may spend in a day, and this task in a run. It
        takes `price_per_message` and `start`; all is reserved before the draft is made, and counts as spent
        when the promo is started.
    :param price_per_message: what one message costs, with all its segments, in the currency of the budget:
        the vendor has no call that returns a price.
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
        *SendWindowOperator.template_fields,
        *("sender", "caption", "action_url", "image_path", "title", "promo_start", "results_path"),
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
        results_path: str | None = None,
        chunk_size: int = MAX_CHUNK_SIZE,
        suspend_on_kill: bool = True,
        budget: Budget | None = None,
        price_per_message: Decimal | str | int | None = None,
        **kwargs: Unpack[PromoArguments],
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
        self.budget, self.price_per_message = check_budget(budget), price_per_message
        check_price(budget, price_per_message)
        if budget is not None and not start:
            raise TelecomInputError("budget", "is for a promo that is started: start=True")
        if self.wait_for_completion and not start:
            raise TelecomInputError("wait_for_completion", "is for a promo that is started: start=True")
        self.results_path = results_path
        check_results_path(results_path)
        for field in ("quiet_hours", "results_path"):
            if getattr(self, field) is not None and not start:
                raise TelecomInputError(field, "is for a promo that is started: start=True")
        if self.quiet_hours is not None and promo_start is not None:
            raise TelecomInputError("promo_start", "goes without quiet_hours: its time zone is not known")

    @old_objects_frozen()
    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, create the draft, and start it."""
        from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_parts import PromoJournal

        text = self._checked_text()
        options, image = self._options(), self._image()
        if self.channel != "sms":
            self.hook.require_v1(f"promos by {_NAMES[self.channel]}")
        journal = PromoJournal(self._journal(context), self._entry_name)
        columns, region = self._columns(), self.hook.options.default_region
        with self._read_recipients(columns, region, checks=self._zone_checks) as audience:
            counts, campaign = self._recipient_counts(audience), self._campaign_text(text, columns)
            self._check_segments(campaign, audience, self.max_segments, columns, region)
            self._check_prefixes(audience)
            if self.is_dry_run:
                return self._dry_run(campaign, audience, columns)
            parts = self._parts(text, audience, columns, options, image)
            journal.check(parts)
            left = [part for part in parts if self.quiet_hours is None or journal.started(part) is None]
            self._opens_at(left)  # refuses time zones that are never open at once, before anything is created
            with self._within_budget(context, journal, parts):
                journal.begin(parts)
                build = partial(self._build, options, image)
                promo_ids = [journal.promo_id(part, partial(build, part)) for part in parts]
                started = self._start(journal, parts, promo_ids, left) if self.start else []
            if (path := object_path(self.results_path)) is not None:
                self._write_results(context, path, journal, parts, promo_ids)
        return self._finish(parts, promo_ids, counts, started)

    @contextmanager
    def _within_budget(
        self, context: Context, journal: PromoJournal, parts: Sequence[PromoPart]
    ) -> Iterator[None]:
        """Reserve the price of the promos that are started in this context, and settle it.

        After the last try the price of those that certainly were not started is released.
        """
        if self.budget is None:
            yield
            return
        from airflow_provider_telecom.bulk.budget_store import settle_and_log

        reservation = self._reservation(context, self.budget)
        price = check_price(self.budget, self.price_per_message)
        total = price * sum(part.count for part in parts)
        not_started = self._price_not_started(journal, parts, price)
        # the price may have changed since an earlier try: what that has started keeps what it had
        held = reservation.held if not_started < total else Decimal(0)
        if reservation.is_open:
            reservation.reserve(held, max(total - held, Decimal(0)))
        elif rest := max(total - reservation.held, not_started):
            reservation.reserve(reservation.held, rest)
        held = reservation.held if held else total
        try:
            yield
        except Exception as error:
            if is_final(error, context):
                not_started = self._price_not_started(journal, parts, price)
                settle_and_log(reservation, held - not_started)
            raise
        if reservation.is_open:
            settle_and_log(reservation, held)

    @staticmethod
    def _price_not_started(journal: PromoJournal, parts: Sequence[PromoPart], price: Decimal) -> Decimal:
        """Return the price of the promos that certainly were not started, in any try."""
        return price * sum(part.count for part in parts if not journal.may_have_started(part))

    def _checked_text(self) -> str | Mapping[str, str]:
        """Return the text, or one per variant of the audience. Raises TelecomInputError."""
        text: str | Mapping[str, str] = self.reveal("text")
        if isinstance(text, Mapping):
            from airflow_provider_telecom.bulk.text_template import check_names_of_texts, check_text

            check_text(text, has_columns=False)
            if (info := self._audience_info()) is None:
                raise TelecomInputError("text", "is one per variant: the recipients must be an audience")
            check_names_of_texts(text, info.variants, self.variants)
        for one in text.values() if isinstance(text, Mapping) else [non_blank("text", text)]:
            check_variables(one, self.param_columns)
        return text

    def _columns(self) -> Sequence[str]:
        """Return the columns of the recipients: those for the text first, which the vendor gets."""
        others = [name for name in (self._variant_column(), self.timezone_column) if name is not None]
        added = [name for name in dict.fromkeys(others) if name not in self.param_columns]
        return (*self.param_columns, *added)

    @property
    def _has_parts(self) -> bool:
        """Whether the Dag's author has asked for what may need several promos."""
        return self.quiet_hours is not None or isinstance(self.reveal("text"), Mapping)

    def _parts(
        self,
        text: str | Mapping[str, str],
        audience: Audience,
        columns: Sequence[str],
        options: Mapping[str, Any],
        image: bytes | None,
    ) -> list[PromoPart]:
        """Return the promos that are necessary: one for each text and, with quiet hours, each time zone."""
        from airflow_provider_telecom.bulk.audience import groups_by_zone as groups_by
        from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_parts import PromoPart, part_name

        def part(recipients: Audience | Group, variant: str | None, zones: tuple[str, ...]) -> PromoPart:
            own = text if isinstance(text, str) else text[str(variant)]
            name = part_name(variant, zones) if len(found) > 1 else ""
            if not name:
                recipients = audience
            body = self._body(recipients.sha256, own, options, image)
            return PromoPart(own, recipients, len(self.param_columns), body, zones, variant, name)

        found: list[tuple[Audience | Group, str | None, tuple[str, ...]]] = [(audience, None, ())]
        if self.quiet_hours is not None:
            found = [(group, None, group.zones) for group in self._groups(audience, columns)]
        if isinstance(text, Mapping):
            place = self._variant_place(columns)
            found = [
                (group, group.name, zones)
                for recipients, _, zones in found
                for group in groups_by(recipients.entries, lambda entry: entry[place])
            ]
        return [part(*one) for one in sorted(found, key=lambda one: (str(one[1]), one[2]))]

    def _variant_place(self, columns: Sequence[str]) -> int:
        """Return the place of the variant in an entry."""
        from airflow_provider_telecom.bulk.audience_folder import VARIANT

        return 1 + list(columns).index(VARIANT)

    def _body(self, recipients: str, text: str, options: Mapping[str, Any], image: bytes | None) -> str:
        content: dict[str, Any] = {"recipients": recipients, "text": text, "sender": self.sender}
        if self.channel != "sms":
            hashed = None if image is None else hashlib.sha256(image).hexdigest()
            content |= {"channel": self.channel, "options": options, "image": hashed}
        return self._fingerprint(content)

    def _dry_run(self, text: CampaignText, audience: Audience, columns: Sequence[str]) -> dict[str, Any]:
        from airflow_provider_telecom.bulk.preview import texts_facts, windows

        found = texts_facts(text.previews(audience))
        if (window := self._windows()) is not None:
            groups = self._groups(audience, columns)
            opens = {group: window(group.zones).opens_at for group in groups}
            found["windows"] = windows(opens, type(self).now())
        found |= price_facts(self.budget, self.price_per_message, audience.count)
        return self._report_dry_run(found, audience, self.budget)

    def _opens_at(self, parts: Sequence[PromoPart]) -> dict[PromoPart, datetime]:
        """Return when the promos can be started; nothing without quiet hours. Raises TelecomInputError."""
        windows = self._windows()
        return {} if windows is None else {part: windows(part.zones).opens_at for part in parts}

    def _build(self, options: Mapping[str, Any], image: bytes | None, part: PromoPart) -> str:
        create = partial(self._create, part.text, options)
        return build_draft(self.hook, create, image, part, self.chunk_size)

    def _start(
        self,
        journal: PromoJournal,
        parts: Sequence[PromoPart],
        promo_ids: Sequence[str],
        left: Sequence[PromoPart],
    ) -> list[str]:
        """Start the promos, each while its window is open; return the ids of those that this task started.

        May raise TaskDeferred: the task resumes, and starts the others.
        """
        ids, waiting = dict(zip(parts, promo_ids, strict=True)), list(left)
        started = [ids[part] for part in parts if part not in left]
        while waiting:
            for part in list(waiting):
                window = partial(self._window, part)
                try:
                    with window():
                        pass  # while it is closed, nothing is written and no status is read
                    is_ours = journal.start(self.hook, part, ids[part], type(self).now(), window)
                except WindowClosedError:
                    continue
                waiting.remove(part)
                if is_ours:
                    started.append(ids[part])
            if waiting:
                self._wait_until_open(self._opens_at(waiting), {part: part.count for part in waiting})
        return started

    def _window(self, part: PromoPart) -> AbstractContextManager[None]:
        """Return the context in which a promo is started; it raises WindowClosedError."""
        windows = self._windows()
        return nullcontext() if windows is None else windows(part.zones).call(self.hook)

    def _finish(
        self,
        parts: Sequence[PromoPart],
        promo_ids: Sequence[str],
        counts: Mapping[str, Any],
        started: Sequence[str],
    ) -> dict[str, Any]:
        """Return the XCom, after waiting if the task does that."""
        facts: dict[str, Any] = {"started": self.start, **counts}
        if len(parts) == 1:
            facts = {"promo_id": promo_ids[0], **facts}
        if self._has_parts:
            facts["promos"] = [
                {
                    "promo_id": promo_id,
                    "variant": part.variant,
                    "timezone": ",".join(part.zones) or None,
                    "recipients": part.count,
                }
                for part, promo_id in zip(parts, promo_ids, strict=True)
            ]
        if self.results_path is not None:
            facts["results"] = self.results_path
        can_stop = bool(started) and self.suspend_on_kill
        if len(parts) == 1:
            stop = f"{STATUS_MODULE}.stop_promo" if can_stop else None
            return self._wait_if_requested(facts, f"{STATUS_MODULE}.promo", {"promo_id": promo_ids[0]}, stop)
        awaited = {"promo_ids": list(promo_ids), "stop_ids": list(started)}
        stop = f"{STATUS_MODULE}.stop_promos" if can_stop else None
        return self._wait_if_requested(facts, f"{STATUS_MODULE}.promos", awaited, stop)

    def _write_results(
        self,
        context: Context,
        path: ObjectStoragePath,
        journal: PromoJournal,
        parts: Sequence[PromoPart],
        promo_ids: Sequence[str],
    ) -> None:
        """Write the file of outcomes. A promo has no result for a recipient: all are `accepted`."""
        from airflow_provider_telecom.bulk.outcomes import Origin, run_text
        from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_outcomes import write_outcomes

        ti, columns = context["ti"], self._columns()
        run = run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        place = None if self._variant_column() is None else self._variant_place(columns)
        started = [
            (part, promo_id, journal.started_at(part))
            for part, promo_id in zip(parts, promo_ids, strict=True)
        ]
        write_outcomes(path, Origin(self.channel, self.conn_id, run), started, place)

    def _campaign_text(self, text: str | Mapping[str, str], entry_columns: Sequence[str]) -> CampaignText:
        from airflow_provider_telecom.bulk.preview import CampaignText

        columns, place = self.param_columns, None
        fill: Callable[[Sequence[str]], str]
        if isinstance(text, str):
            fill = partial(fill_variables, text)
        else:
            place, texts = self._variant_place(entry_columns), text
            variant = place - 1
            fill = lambda values: fill_variables(texts[values[variant]], values)  # noqa: E731 - of two kinds
        return CampaignText(
            text,
            fill,
            place,
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
