"""The operator that selects who gets a message by the next channel of a ladder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.operators.audience import AudienceSummary
from airflow_provider_telecom.tasks.arguments import TaskArguments
from airflow_provider_telecom.tasks.base import LocalOperator
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.audience_folder import AudienceInfo
    from airflow_provider_telecom.bulk.fallback import Fallback, Selection

CHANNELS = ("sms", "viber", "rcs", "multichannel", "call")
CLIMB_ON = ("silent", "unknown")
MoveOn = Literal["failed", "not_sent"]

log = logging.getLogger(__name__)


class SelectFallbackOperator(LocalOperator):
    """Select the recipients whose message is known to have failed: those who get one by the next channel.

    Reads an audience and what became of its messages, and writes a new audience with the same columns. A
    recipient moves on only if each message to it failed for certain: its state is `undelivered` or `expired`,
    or it was refused under a code of `unreachable_codes`, or under `not_sent` (nothing has left). All others
    stay, and the log counts them by the reason: `delivered`, `read`, `unknown`, `silent`, `accepted`,
    `known_before`, `refused` (under another code), `other_sender` (a message of another channel or
    connection), `no_outcome`. If nobody moves on, the task is skipped.

    As long as nothing was sent from the new audience, another try selects anew, for example after late
    receipts. Once a task has begun to send from it, it is never changed: later receipts add nobody and
    remove nobody. A sending operator refuses an audience whose outcomes have changed before its first
    message.

    Needs the extra `campaigns`. Returns what `PrepareAudienceOperator` returns; `excluded` has the counts of
    those who stay. Raises TelecomInputError, and TelecomRejectedError if all messages were refused for
    reasons that the next channel does not cure, such as a sender that is not registered. Source: no vendor;
    docs/howto/ladder.md describes it.

    :param audience: the audience that was sent to: the output of `PrepareAudienceOperator` or of this
        operator, or the path of its folder.
    :param outcomes: the file of outcomes of the send, after its receipts: its path, a glob or a folder, or
        the output of the task that has collected the receipts; or a list of them, in which a skipped task
        counts as nothing.
    :param channel: the channel of the messages, as in the column `channel`: `sms`, `viber`, `rcs`,
        `multichannel` or `call`.
    :param conn_ids: the connections that have sent, as in the column `conn_id`.
    :param output: the folder for the new audience, which is written to a folder in it. Each task and each
        run needs its own: `{{ run_id }}`.
    :param unreachable_codes: codes of refusals which say that the channel does not reach the recipient.
    :param move_on: `failed` (default), or `not_sent`: only those of whom it is certain that nothing has left,
        because the connection has failed for everybody (`failover`). For another connection of the channel.
    :param climb_on: also move on in these states: `silent` (sent, no receipt so far: the message may still
        arrive), `unknown` (it may have been sent). Both can mean two messages and two bills.
    :param memory_limit: the memory of DuckDB; what does not fit is spilled to a temporary folder.
    """

    template_fields: Sequence[str] = ("audience", "outcomes", "conn_ids", "output_path")
    ui_color = "#d7e3fc"

    def __init__(
        self,
        *,
        audience: Any,
        outcomes: Any,
        channel: str,
        conn_ids: Sequence[str],
        output: str,
        unreachable_codes: Sequence[str] = (),
        move_on: MoveOn = "failed",
        climb_on: Sequence[str] = (),
        memory_limit: str = "600MB",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.audience, self.outcomes, self.conn_ids = audience, outcomes, conn_ids
        self.channel = one_of("channel", channel, CHANNELS)
        self.output_path = output  # a task's `output` is its XCom
        self.unreachable_codes = _names("unreachable_codes", unreachable_codes)
        self.move_on = one_of("move_on", move_on, get_args(MoveOn))
        self.climb_on = check_climb_on(climb_on)
        if move_on == "not_sent" and (climb_on or unreachable_codes):
            raise TelecomInputError("move_on", "not_sent goes without climb_on and unreachable_codes")
        self.memory_limit = non_blank("memory_limit", memory_limit)
        if isinstance(conn_ids, str) or (is_literal(conn_ids) and not conn_ids):
            raise TelecomInputError("conn_ids", "must be a list of at least one connection")
        if is_literal(outcomes):
            outcome_paths(outcomes)
        if is_literal(output):
            non_blank("output", output)
        for library in ("duckdb", "pyarrow"):
            check_library("output", library)

    def execute(self, context: Context) -> AudienceSummary:
        """Select the recipients, or return the selection from which a task has begun to send."""
        from airflow.sdk.exceptions import AirflowSkipException

        from airflow_provider_telecom.tasks.storage import open_folder

        with HideTraceback():
            folder = open_folder(self.output_path, field="output")
            info = self._select(context, folder)
        if info is None:
            raise AirflowSkipException("nobody moves on, so there is nothing to send")
        return self._summary(info, folder)

    def _select(self, context: Context, folder: ObjectStoragePath) -> AudienceInfo | None:
        from airflow_provider_telecom.bulk.fallback import select, started_audience
        from airflow_provider_telecom.bulk.outcomes import run_text

        ti = context["ti"]
        run = run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        rule = self._rule(run)
        if (kept := started_audience(folder, run)) is not None:
            log.info("a task has begun to send to %s recipients: the selection is kept", kept.recipients)
            return kept
        found, info = select(rule, folder, self.memory_limit)
        self._log(found)
        if (kept := started_audience(folder, run)) is not None:  # meanwhile
            return kept
        if found.recipients:
            return info
        if self.move_on == "failed" and found.rows and found.stayed == {"refused": found.rows}:
            codes = ", ".join(f"code {code}: {count:,}" for code, count in found.refused.items())
            raise TelecomRejectedError(
                f"all {found.rows:,} messages were refused, for reasons that another channel does not cure "
                f"({codes})"
            )
        return None

    def _rule(self, run: str) -> Fallback:
        from airflow_provider_telecom.bulk.audience_folder import audience_reference, read_info
        from airflow_provider_telecom.bulk.fallback import Fallback

        reference = audience_reference(self.audience)
        if reference is None:
            raise TelecomInputError("audience", "must be an audience: a folder, or what prepares one returns")
        sha256 = reference.sha256 or read_info(reference.path).sha256
        return Fallback(
            audience=str(reference.path).rstrip("/"),
            sha256=sha256,
            outcomes=outcome_paths(self.outcomes),
            channel=self.channel,
            conn_ids=_names("conn_ids", self.conn_ids),
            codes=self.unreachable_codes,
            only_not_sent=self.move_on == "not_sent",
            climb_on=self.climb_on,
            run=run,
        )

    def _log(self, found: Selection) -> None:
        lines = {"sent to": found.rows, "move on": found.recipients}
        lines |= {f"stay: {reason}": count for reason, count in found.stayed.items()}
        width = max(map(len, lines))
        log.info("fallback:\n%s", "\n".join(f"  {name:{width}} {n:>12,}" for name, n in lines.items()))
        for reason, why in _LOUD.items():
            if found.stayed.get(reason):
                codes = ""
                if reason == "refused":
                    codes = f" ({', '.join(f'code {code}: {n:,}' for code, n in found.refused.items())})"
                log.warning("%s recipients stay: %s%s", f"{found.stayed[reason]:,}", why, codes)
        if found.outside:
            log.warning("%s numbers of the outcomes are not in the audience", f"{found.outside:,}")

    def _summary(self, info: AudienceInfo, folder: ObjectStoragePath) -> AudienceSummary:
        from airflow_provider_telecom.bulk.fallback import audience_path

        return {
            "path": str(audience_path(folder, info)),
            "sha256": info.sha256,
            "recipients": info.recipients,
            "rows": info.rows,
            "excluded": dict(info.excluded),
            "variants": dict(info.variants),
            "timezones": dict(info.timezones),
            "shards": info.shards,
            "columns": list(info.columns),
        }


_LOUD: Mapping[str, str] = {
    "no_outcome": "the outcomes have no row for them",
    "other_sender": "the outcomes have a row of another channel or connection for them",
    "unknown": "nobody knows whether their message was sent (climb_on=('unknown',) moves them on)",
    "refused": "their messages were refused for reasons that another channel does not cure",
}
"""What is a warning, and not only a number."""


def outcome_paths(outcomes: Any) -> list[str]:
    """Return the paths of outcomes. Raises TelecomInputError for something else, and if there are none.

    They are given as paths, or as the XComs of tasks that have sent or collected receipts.
    """
    found = []
    for one in outcomes if isinstance(outcomes, (list, tuple)) else [outcomes]:
        path = one.get("outcomes") or one.get("results") if isinstance(one, Mapping) else one
        if one is not None:
            found.append(non_blank("outcomes", path))
    if not found:
        raise TelecomInputError("outcomes", "are missing: no task has written any")
    return found


def check_climb_on(states: Sequence[str]) -> Sequence[str]:
    """Return the states that move on by request. Raises TelecomInputError for another one."""
    found = _names("climb_on", states) if states else []
    for state in found:
        one_of("climb_on", state, CLIMB_ON)
    return found


def _names(field: str, value: str | Sequence[str]) -> list[str]:
    names = [value] if isinstance(value, str) else list(value)
    for name in names:
        non_blank(field, name)
    return names
