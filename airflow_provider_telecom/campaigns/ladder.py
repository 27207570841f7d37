"""A ladder of channels: who is not reached by the first one gets a message by the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import TaskGroup, XComArg

from airflow_provider_telecom.bulk.text_template import TextTemplate
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.campaigns.rungs import Rung, Text
from airflow_provider_telecom.tasks.base import DEFERRABLE
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_provider_telecom.bulk.budget import Budget

_RESERVED = {"report"}
_OWN_FOLDER = "fallback/{{ ti.dag_id }}/{{ run_id }}"
"""Of a run: other runs, and other Dags, may send to the same audience."""


def message_ladder(
    group_id: str,
    audience: Any,
    rungs: Sequence[Rung],
    *,
    outcomes: str,
    audiences: str | None = None,
    report: str | None = None,
    budget: Budget | None = None,
    quiet_hours: tuple[str, str] | str | None = None,
    timezone: str | None = None,
    max_segments: int | None = None,
    climb_on: Sequence[str] = (),
    deferrable: bool = DEFERRABLE,
) -> TaskGroup:
    """Return a task group that sends by the first rung, and by each next one to those who were not reached.

    For each rung there is a group with the tasks `audience` (from the second rung on: selects those whose
    message is known to have failed), `send` and `receipts`; at the end there is `report`. If nobody is left
    for a rung, its tasks are skipped. `SelectFallbackOperator` says who moves on; `LadderReportOperator` what
    the report has.

    :param group_id: the id of the task group.
    :param audience: the output of `PrepareAudienceOperator`, or the path of its folder.
    :param rungs: the rungs, in their order.
    :param outcomes: the folder of the files of outcomes, one for each rung: `s3://messages/outcomes/{{ run_id
        }}`. Each run needs its own.
    :param audiences: the folder for the audiences of the rungs after the first; by default
        `fallback/<dag_id>/<run_id>` in the audience's own folder. Each run needs its own.
    :param report: the file of the report: Parquet, JSON lines or CSV, by the end of its name. Not in the
        folder of outcomes, if that is the `history` of a later audience.
    :param budget: a `Budget` that all rungs share.
    :param quiet_hours: local times of the recipients during which nothing is sent, such as `("21:00",
        "09:00")`.
    :param timezone: with `quiet_hours`: the time zone of recipients whose number does not say it.
    :param max_segments: how many SMS (segments) a text of an SMS may take.
    :param climb_on: states in which recipients also move on: `silent` (no receipt so far), `unknown` (nobody
        knows whether it was sent). Both can mean two messages and two bills.
    :param deferrable: wait in the triggerer, without a worker slot. The default is Airflow's `[operators]
        default_deferrable`.

    Raises TelecomInputError when the Dag is parsed.
    """
    _check_rungs(rungs)
    source = _audience_of(audience)
    _check_texts(rungs, source)
    if is_literal(outcomes) and not str(outcomes).strip():
        raise TelecomInputError("outcomes", "must be a folder for the files of outcomes")
    from airflow_provider_telecom.operators.ladder_report import LadderReportOperator
    from airflow_provider_telecom.operators.next_rung import SelectFallbackOperator, check_climb_on
    from airflow_provider_telecom.operators.recipients import check_budget

    states, folder = check_climb_on(climb_on), audiences or f"{_path_of(source)}/{_OWN_FOLDER}"
    windows = {} if quiet_hours is None else {"quiet_hours": quiet_hours, "timezone": timezone}
    if quiet_hours is None and timezone is not None:
        raise TelecomInputError("timezone", "is for quiet_hours, which is not given")
    common = {"budget": check_budget(budget), "max_segments": max_segments, **windows}
    steps: list[dict[str, Any]] = []
    with TaskGroup(group_id=group_id) as group:
        for place, rung in enumerate(rungs):
            with TaskGroup(group_id=rung.name):
                people = source
                if steps:
                    people = SelectFallbackOperator(
                        task_id="audience",
                        audience=steps[-1]["audience"],
                        outcomes=steps[-1]["outcomes"],
                        climb_on=states,
                        unreachable_codes=rungs[place - 1].unreachable_codes,
                        output=f"{folder.rstrip('/')}/{group.group_id}-{rung.name}",
                        **_sender(rungs[place - 1], rungs[place - 1].conn_ids),
                    ).output
                names = _Names(str(group.group_id), rung.name, outcomes.rstrip("/"), folder.rstrip("/"))
                receipts = _sends(rung, people, names, {**common, "deferrable": deferrable})
            steps.append({"name": rung.name, "audience": people, "outcomes": receipts})
        LadderReportOperator(task_id="report", rungs=steps, report_path=report, trigger_rule="none_failed")
    return group


class _Names(NamedTuple):
    """What the files of a rung are named by."""

    group_id: str
    rung: str
    outcomes: str
    audiences: str


def _sends(rung: Rung, people: Any, names: _Names, common: Mapping[str, Any]) -> list[XComArg]:
    """Make the tasks that send by a rung's connections; return the outputs of those that collect receipts.

    Each connection after the first sends to those to whom the one before it has certainly not sent.
    """
    from airflow_provider_telecom.operators.next_rung import SelectFallbackOperator

    receipts: list[XComArg] = []
    before: BaseOperator | None = None
    for place in range(len(rung.conn_ids)):
        suffix = f"_{place + 1}" if place else ""
        path = f"{names.outcomes}/{names.group_id}-{rung.name}{suffix}.parquet"
        if before is not None:
            people = SelectFallbackOperator(
                task_id=f"audience{suffix}",
                audience=people,
                outcomes=before.output,
                move_on="not_sent",
                output=f"{names.audiences}/{names.group_id}-{rung.name}{suffix}",
                **_sender(rung, [rung.conn_ids[place - 1]]),
            ).output
        send = rung.send_by(place, {"recipients": people, "results_path": path, **common})
        collect = rung.receipts_of(place, {"outcomes": path, "deferrable": common["deferrable"]})
        send >> collect
        receipts.append(collect.output)
        before = send
    return receipts


def _sender(rung: Rung, conn_ids: Sequence[str]) -> dict[str, Any]:
    """Return what says by whom the messages of a rung were sent.

    A task that selects from several connections runs if at least one of them has sent.
    """
    rule = "none_failed_min_one_success" if len(conn_ids) > 1 else "all_success"
    return {"channel": rung.channel, "conn_ids": list(conn_ids), "trigger_rule": rule}


def _check_rungs(rungs: Sequence[Rung]) -> None:
    """Raise TelecomInputError for an empty ladder, equal names, and one that falls back to itself."""
    if not isinstance(rungs, (list, tuple)) or not rungs:
        raise TelecomInputError("rungs", "must be a list of at least one rung")
    names: set[str] = set(_RESERVED)
    senders: dict[tuple[str, str, str], str] = {}
    for rung in rungs:
        if not isinstance(rung, Rung):
            raise TelecomInputError("rungs", f"must be rungs such as SmsRung, not {type(rung).__name__}")
        for name in _names_of(rung):
            if name in names:
                raise TelecomInputError("rungs", f"two have the name {name}: give one another name=")
            names.add(name)
        for sender in rung.senders:
            if sender in senders:
                vendor, channel, conn_id = sender
                raise TelecomInputError(
                    "rungs",
                    f"{rung.name} falls back to {senders[sender]} itself: both send by {channel} of {vendor} "
                    f"with the connection {conn_id}, which has failed before",
                )
            senders[sender] = rung.name


def _names_of(rung: Rung) -> Sequence[str]:
    """Return the names of a rung's files: one for each connection."""
    return [rung.name, *(f"{rung.name}_{place}" for place in range(2, len(rung.conn_ids) + 1))]


def _audience_of(audience: Any) -> Any:
    """Return an audience as operators take it. Raises TelecomInputError for a list or a file."""
    from airflow_provider_telecom.operators.audience import PrepareAudienceOperator

    if isinstance(audience, PrepareAudienceOperator):
        return audience.output
    if isinstance(audience, XComArg):
        if getattr(audience, "key", "return_value") != "return_value":
            raise TelecomInputError("audience", "must be the whole output of PrepareAudienceOperator")
        return audience
    if is_literal(audience) or isinstance(audience, Mapping):
        from airflow_provider_telecom.bulk.audience_folder import audience_reference

        if audience_reference(audience) is None:
            rule = "must be the output of PrepareAudienceOperator, or the path of its folder"
            raise TelecomInputError("audience", rule)
    return audience


def _path_of(audience: Any) -> str:
    """Return the folder of an audience, or the template that renders it."""
    if isinstance(audience, XComArg):
        task_id = audience.operator.task_id  # type: ignore[attr-defined]  # of a plain XComArg
        return f"{{{{ ti.xcom_pull(task_ids='{task_id}', map_indexes=-1)['path'] }}}}"
    path = audience["path"] if isinstance(audience, Mapping) else audience
    return str(path).rstrip("/")


def _check_texts(rungs: Sequence[Rung], audience: Any) -> None:
    """Raise TelecomInputError for a text that the audience can't fill, as far as the audience is known."""
    variants, columns = _known(audience)
    for rung in rungs:
        for text in rung.texts:
            if variants is not None and isinstance(text, Mapping):
                _check_variants(rung, text, variants)
            if columns is not None and is_literal(text):
                for one in text.values() if isinstance(text, Mapping) else [text]:
                    if missing := [name for name in TextTemplate(one).columns if name not in columns]:
                        raise TelecomInputError(
                            "text",
                            f"of the rung {rung.name} has the column {missing[0]}, which the audience has "
                            f"not: it has {', '.join(columns) or 'none'}",
                        )


def _check_variants(rung: Rung, text: Text, variants: Sequence[str]) -> None:
    if missing := [name for name in variants if name not in text]:
        raise TelecomInputError("text", f"of the rung {rung.name} has no text for the variant {missing[0]}")
    if unknown := [name for name in text if name not in variants]:
        there = f"has the variants {', '.join(variants)}" if variants else "has no variants"
        raise TelecomInputError(
            "text", f"of the rung {rung.name} is for the variant {unknown[0]}, but the audience {there}"
        )


def _known(audience: Any) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """Return the variants and the columns of an audience, as far as they are known when the Dag is parsed."""
    from airflow_provider_telecom.operators.audience import PrepareAudienceOperator

    if isinstance(audience, Mapping):
        return list(audience.get("variants", {})), list(audience.get("columns", []))
    operator = getattr(audience, "operator", None)
    if not isinstance(operator, PrepareAudienceOperator):
        return None, None
    variants = columns = None
    if operator.variants is None:
        variants = []
    elif is_literal(operator.variants):
        from airflow_provider_telecom.bulk.variants import HOLDOUT

        variants = [name for name, share in operator.variants.items() if name != HOLDOUT and share]
    if operator.columns is None or is_literal(operator.columns):
        columns = [name for name in operator.columns or {} if name not in ("msisdn", "timezone")]
    return variants, columns
