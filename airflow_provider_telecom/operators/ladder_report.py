"""The operator that reports a ladder: who was reached by which channel, and what it cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.operators.next_rung import outcome_paths
from airflow_provider_telecom.tasks.arguments import TaskArguments
from airflow_provider_telecom.tasks.base import LocalOperator
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.ladder_report import LadderCounts, RungCounts, RungFiles

SUFFIXES = (".parquet", ".jsonl", ".csv")
_NAMES = frozenset({"name", "audience", "outcomes"})
_STATES = (
    *("delivered", "read", "undelivered", "expired", "refused", "not_sent", "accepted", "known_before"),
)

log = logging.getLogger(__name__)


class RungReport(TypedDict):
    """What became of the messages of one rung."""

    name: str
    recipients: int
    delivered: int
    """Recipients who were reached by this rung."""
    states: Mapping[str, int]
    no_outcome: int
    prices: Mapping[str, str]
    unpriced: int


class LadderReport(TypedDict):
    """What the task returns: no numbers."""

    recipients: int
    delivered: int
    delivered_twice: int
    unknown: int
    prices: Mapping[str, str]
    price_per_delivered: Mapping[str, str]
    may_be_paid: int
    unpriced: int
    rungs: Sequence[RungReport]
    report: str | None


class LadderReportOperator(LocalOperator):
    """Report a ladder of channels: who was reached by which one, and what it cost.

    Logs a table, and writes a file with a line for each recipient: `msisdn`, `variant` (if there are
    variants), `path` (`viber:undelivered > sms:delivered`), `reached_by` (the first rung that has delivered),
    `price` and `currency` (the sum of what the vendors have reported; with several currencies `price` is
    empty), `deliveries` (2 after a late receipt of an earlier rung) and `may_be_paid` (messages of unknown
    outcome). Returns

        {"recipients", "delivered", "delivered_twice", "unknown", "prices": {currency: amount},
         "price_per_delivered": {currency: amount}, "may_be_paid", "unpriced", "report",
         "rungs": [{"name", "recipients", "delivered", "states": {state: messages}, "no_outcome",
                    "prices", "unpriced"}]}

    where `unknown` counts recipients who are not known to be reached and have a message of unknown outcome,
    `may_be_paid` counts such messages, and `unpriced` those whose price the vendor did not report. Money is
    counted whatever became of the message: one that was not delivered may be paid for as well.

    A rung whose audience is missing was skipped, because nobody was left for it. If all were skipped, so is
    this task. Run it again later (Clear) to include late receipts. Needs the extra `campaigns`. Sends
    nothing. Raises TelecomInputError. Source: no vendor; docs/howto/ladder.md describes it.

    :param rungs: the rungs in their order, each with `name`, `audience` (the XCom or the path) and `outcomes`
        (as `SelectFallbackOperator` takes them): `[{"name": "viber", "audience": audience.output, "outcomes":
        receipts.output}]`.
    :param report_path: the file of the report (it contains numbers): Parquet, JSON lines or CSV, by the end
        of its name. Without it there are only the counts.
    :param memory_limit: the memory of DuckDB; what does not fit is spilled to a temporary folder.
    """

    template_fields: Sequence[str] = ("rungs", "report_path")
    ui_color = "#d7e3fc"

    def __init__(
        self,
        *,
        rungs: Sequence[Mapping[str, Any]],
        report_path: str | None = None,
        memory_limit: str = "600MB",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.rungs, self.report_path = rungs, report_path
        self.memory_limit = non_blank("memory_limit", memory_limit)
        if isinstance(rungs, (list, tuple)):
            _check_names(rungs)
        if report_path is not None and is_literal(report_path):
            check_report_path(report_path)
        for library in ("duckdb", "pyarrow"):
            check_library("report_path", library)

    def execute(self, context: Context) -> LadderReport:
        """Count, write the report and log its table."""
        from airflow.sdk import ObjectStoragePath
        from airflow.sdk.exceptions import AirflowSkipException

        from airflow_provider_telecom.bulk.ladder_report import report

        path = self.report_path
        with HideTraceback():
            rungs = self._files()
            if not rungs:
                raise AirflowSkipException("no rung was sent, so there is nothing to report")
            target = None if not path else ObjectStoragePath(check_report_path(path))
            counts = report(rungs, target, self.memory_limit)
        self._log(counts)
        return {
            "recipients": counts.recipients,
            "delivered": counts.delivered,
            "delivered_twice": counts.delivered_twice,
            "unknown": counts.unknown,
            "prices": _shown(counts.prices),
            "price_per_delivered": _per_delivered(counts),
            "may_be_paid": counts.may_be_paid,
            "unpriced": counts.unpriced,
            "rungs": [_rung_report(rung) for rung in counts.rungs],
            "report": path or None,
        }

    def _files(self) -> list[RungFiles]:
        """Return the rungs that were sent."""
        from airflow_provider_telecom.bulk.audience_folder import audience_reference
        from airflow_provider_telecom.bulk.ladder_report import RungFiles

        found = []
        _check_names(self.rungs)
        for rung in self.rungs:
            if not rung["audience"]:
                continue
            reference = audience_reference(rung["audience"])
            if reference is None:
                raise TelecomInputError("rungs", f"{rung['name']}: audience must be an audience")
            path, paths = str(reference.path).rstrip("/"), outcome_paths(rung["outcomes"])
            found.append(RungFiles(rung["name"], path, reference.sha256, paths))
        return found

    def _log(self, counts: LadderCounts) -> None:
        columns = [state for state in _STATES if any(rung.states.get(state) for rung in counts.rungs)]
        rows = [["rung", "recipients", *columns, "silent", "unknown", "price"]]
        for rung in counts.rungs:
            numbers = [rung.states.get(state, 0) for state in (*columns, "silent", "unknown")]
            rows.append([
                rung.name,
                *(f"{number:,}" for number in (rung.recipients, *numbers)),
                _text(rung.prices),
            ])
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        per = _per_delivered(counts)
        lines += [
            f"delivered to {counts.delivered:,} of {counts.recipients:,} recipients",
            f"price in all: {_text(counts.prices) or 'not known'}"
            + (f"; for each of them {', '.join(f'{p} {c}' for c, p in per.items())}" if per else ""),
        ]
        log.info("ladder:\n%s", "\n".join(f"  {line}" for line in lines))
        for count, text in (
            (counts.delivered_twice, "recipients got more than one message: a receipt came late"),
            (counts.may_be_paid, "messages may be paid for: nobody knows whether they were sent"),
            (counts.unpriced, "messages have no price: the vendor did not report one"),
            (sum(rung.no_outcome for rung in counts.rungs), "recipients have no outcome"),
            (sum(rung.outside for rung in counts.rungs), "numbers of the outcomes are not in the audience"),
        ):
            if count:
                log.warning("%s %s", f"{count:,}", text)


def check_report_path(path: str) -> str:
    """Return the path of a report. Raises TelecomInputError for another kind of file."""
    if not str(path).lower().endswith(SUFFIXES):
        raise TelecomInputError("report_path", f"must end in {', '.join(SUFFIXES)}")
    return path


def _check_names(rungs: Sequence[Mapping[str, Any]]) -> None:
    if not rungs:
        raise TelecomInputError("rungs", "must have at least one rung")
    for rung in rungs:
        if not isinstance(rung, Mapping) or set(rung) != _NAMES:
            raise TelecomInputError("rungs", f"each rung has {', '.join(sorted(_NAMES))}, and nothing else")


def _rung_report(rung: RungCounts) -> RungReport:
    return {
        "name": rung.name,
        "recipients": rung.recipients,
        "delivered": rung.delivered,
        "states": dict(rung.states),
        "no_outcome": rung.no_outcome,
        "prices": _shown(rung.prices),
        "unpriced": rung.unpriced,
    }


def _per_delivered(counts: LadderCounts) -> dict[str, str]:
    """Return the price for each recipient who was reached, rounded to four places."""
    if not counts.delivered:
        return {}
    return _shown({currency: round(price / counts.delivered, 4) for currency, price in counts.prices.items()})


def _shown(prices: Mapping[str, Decimal]) -> dict[str, str]:
    from airflow_provider_telecom.bulk.budget import shown

    return {currency: shown(price) for currency, price in prices.items()}


def _text(prices: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{price} {currency}" for currency, price in _shown(prices).items())
