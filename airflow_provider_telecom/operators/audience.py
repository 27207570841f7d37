"""The operator that prepares an audience: whom a campaign may write to, and why not the others."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypedDict, Unpack, get_args

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.tasks.arguments import TaskArguments
from airflow_provider_telecom.tasks.base import LocalOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.tasks.private import hide, hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.audience_builder import AudienceBuilder, AudienceCounts
    from airflow_provider_telecom.bulk.audience_folder import AudienceInfo
    from airflow_provider_telecom.bulk.frequency_cap import FrequencyCap
    from airflow_provider_telecom.bulk.sources import SourceColumns
    from airflow_provider_telecom.bulk.variants import Variants

OnBadRows = Literal["fail", "skip"]
OnNoRecipients = Literal["fail", "skip"]
HlrUnknown = Literal["keep", "drop"]
ExcludedNumbers = Literal["masked", "full"]
_MAX_RECIPIENTS = 10**12
_PREFIX = re.compile(r"\+?([1-9][0-9]{0,14})")
_LONG_NUMBER = re.compile(r"\d(?:[ ()-]{0,2}\d){6,}")

log = logging.getLogger(__name__)


class AudienceSummary(TypedDict):
    """What the task returns: no numbers."""

    path: str
    sha256: str
    recipients: int
    rows: int
    excluded: Mapping[str, int]
    variants: Mapping[str, int]
    timezones: Mapping[str, int]
    shards: int
    columns: Sequence[str]


class PrepareAudienceOperator(LocalOperator):
    """Prepares the audience of a campaign: reads numbers, applies a policy, and writes a folder.

    The folder has `audience.parquet` (the recipients), `excluded.parquet` (each other row with its first
    reason) and `audience.json` (counts, hash, policy). Reasons, in this order: `bad_number`, `duplicate`,
    `suppressed`, `frequency_cap`, `hlr_inactive`, `not_allowed_prefix`, `missing_value`, `holdout`. Sending
    operators take the folder, or `task.output`, as `recipients`.

    Needs the extra `campaigns`. DuckDB does the work in a private temporary folder, which is removed at the
    end: tens of millions of rows need little memory.

    :param output: the folder of the audience: a path or URL; give each run its own, as with `{{ run_id }}`.
        An audience is never changed: one that another policy or other rows have made is refused.
    :param recipients: a list (numbers, or mappings with the columns), `task.output` of a task that returned
        one, or the path or URL of a file, a glob (`s3://crm/people/*.csv`) or a folder: CSV and TSV with a
        header, JSON lines, Parquet.
    :param sql: a query in place of `recipients`; its rows are streamed. It needs an `ORDER BY`, so that a
        try after this one finds the same audience.
    :param sql_conn_id: the connection of the query: any of Airflow's common SQL provider.
    :param columns: the source's column by the audience's: `{"msisdn": "phone", "name": "first_name",
        "timezone": "tz"}`. `msisdn` is the number (default: a column `msisdn`), `timezone` an IANA name, or
        several with commas; all others are for texts, and each recipient must have a value in them.
    :param suppress: stop lists: paths, globs or folders of files with the numbers of those who must not get
        a message. Columns `reason` and `date` are shown in `excluded.parquet`.
    :param suppress_column: the column of the numbers in the stop lists.
    :param history: the folder of the outcome files of earlier messages, for `frequency_cap`.
    :param frequency_cap: at most so many messages to a number in so many hours, days or weeks, with the
        campaign's own: with `2/7d`, numbers that got two in the last 7 days are excluded.
    :param hlr: the folder of the outcome files of HLR lookups: numbers that are known to be inactive are
        excluded.
    :param hlr_max_age: lookups older than that count as unknown.
    :param hlr_unknown: `keep` (default), or `drop` the numbers that are not known to be active: those with
        the result "unknown", and those without a result that is new enough.
    :param allow_prefixes: only numbers that begin with one of these: `["380", "48"]`.
    :param variants: names with their shares in percent: `{"A": 45, "B": 45, "holdout": 10}`. The holdout gets
        no message.
    :param salt: the same salt gives a number the same variant in every run; needed for `variants`.
    :param shards: split the audience into so many parts, to be sent by as many mapped tasks.
    :param timezone: the time zone of numbers whose own column is empty and whose numbering plan has none.
    :param default_region: the country (ISO 3166) of numbers without a country code.
    :param on_bad_rows: `fail` (default): a row or number that cannot be read stops the task; the error names
        the first ones. `skip`: such rows are excluded.
    :param on_no_recipients: `fail` (default), or `skip` the task if all rows are excluded. In both cases
        `excluded.parquet` says why.
    :param max_recipients: refuse an audience of more than that.
    :param excluded_numbers: numbers in `excluded.parquet`: `masked` (default), or in `full`.
    :param memory_limit: the memory of DuckDB; what does not fit is spilled to the temporary folder.

    Sends nothing. Returns `path`, `sha256`, `recipients`, `rows`, `excluded`, `variants`, `timezones`,
    `shards`, `columns`. Raises TelecomInputError. Source: no vendor; docs/audience.md describes it.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "recipients",
        "sql",
        "sql_conn_id",
        "columns",
        "suppress",
        "history",
        "frequency_cap",
        "hlr",
        "allow_prefixes",
        "variants",
        "salt",
        "timezone",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    ui_color = "#d7e3fc"

    def __init__(
        self,
        *,
        output: str,
        recipients: Any = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        columns: Mapping[str, str] | None = None,
        suppress: str | Sequence[str] | None = None,
        suppress_column: str = "msisdn",
        history: str | None = None,
        frequency_cap: str | None = None,
        hlr: str | None = None,
        hlr_max_age: timedelta | None = None,
        hlr_unknown: HlrUnknown = "keep",
        allow_prefixes: Sequence[str] = (),
        variants: Mapping[str, int | Decimal | str] | None = None,
        salt: str | None = None,
        shards: int = 1,
        timezone: str | None = None,
        default_region: str = "UA",
        on_bad_rows: OnBadRows = "fail",
        on_no_recipients: OnNoRecipients = "fail",
        max_recipients: int | None = None,
        excluded_numbers: ExcludedNumbers = "masked",
        memory_limit: str = "600MB",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.output_path = output  # a task's `output` is its XCom
        self.recipients, self.sql, self.sql_conn_id = recipients, sql, sql_conn_id
        self.columns = columns
        self.suppress_column = non_blank("suppress_column", suppress_column)
        self.suppress, self.history, self.frequency_cap = suppress, history, frequency_cap
        self.hlr, self.hlr_max_age = hlr, hlr_max_age
        self.hlr_unknown = one_of("hlr_unknown", hlr_unknown, get_args(HlrUnknown))
        self.allow_prefixes, self.variants, self.salt = allow_prefixes, variants, salt
        self.shards, self.timezone, self.default_region = shards, timezone, default_region
        self.on_bad_rows = one_of("on_bad_rows", on_bad_rows, get_args(OnBadRows))
        self.on_no_recipients = one_of("on_no_recipients", on_no_recipients, get_args(OnNoRecipients))
        if max_recipients is not None:
            in_range("max_recipients", max_recipients, 1, _MAX_RECIPIENTS)
        self.max_recipients = max_recipients
        self.excluded_numbers = one_of("excluded_numbers", excluded_numbers, get_args(ExcludedNumbers))
        self.memory_limit = non_blank("memory_limit", memory_limit)
        for library in ("duckdb", "pyarrow"):
            check_library("output", library)
        self._check(only_literals=True)

    def _hide(self) -> None:
        """Hide what can contain numbers. Paths of files, and queries without numbers, stay visible."""
        super()._hide()
        self.recipients = _hidden_paths(self.recipients)
        self.suppress = _hidden_paths(self.suppress)
        for field in ("history", "hlr"):
            setattr(self, field, _hidden_paths(getattr(self, field)))
        if isinstance(self.sql, str) and _LONG_NUMBER.search(self.sql):
            self.sql = hide(self.sql)

    def execute(self, context: Context) -> AudienceSummary:
        """Prepare the audience."""
        with HideTraceback():
            return self._prepare(context)

    def _prepare(self, context: Context) -> AudienceSummary:
        from airflow_provider_telecom.bulk.audience_builder import AudienceBuilder, private_database

        self._check(only_literals=False)
        folder = _output_folder(self.output_path)
        policy, as_of = self._policy(), _as_of(context)
        existing = _existing(folder, policy)
        with private_database(self.memory_limit) as (database, copies):
            builder = AudienceBuilder(database, self._source_columns(), self._rules())
            self._read(builder, copies)
            builder.check_rows(self.on_bad_rows)
            self._exclude(builder, copies, as_of, context)
            counts = builder.decide()
            if self.max_recipients is not None and counts.recipients > self.max_recipients:
                rule = f"are {counts.recipients}, more than max_recipients={self.max_recipients}"
                raise TelecomInputError("recipients", rule)
            self._log(counts)
            if not counts.recipients:
                self._refuse_nobody(builder, counts, folder, copies, existing)
            info = self._write(builder, counts, folder, copies, policy, existing, as_of)
        return {
            "path": self.output_path.rstrip("/"),
            "sha256": info.sha256,
            "recipients": info.recipients,
            "rows": info.rows,
            "excluded": info.excluded,
            "variants": info.variants,
            "timezones": info.timezones,
            "shards": info.shards,
            "columns": list(info.columns),
        }

    def _refuse_nobody(
        self,
        builder: AudienceBuilder,
        counts: AudienceCounts,
        folder: ObjectStoragePath,
        copies: Path,
        existing: AudienceInfo | None,
    ) -> NoReturn:
        """Write who is excluded and why, and raise AirflowSkipException or TelecomInputError."""
        from airflow.sdk.exceptions import AirflowSkipException

        from airflow_provider_telecom.bulk.audience_folder import EXCLUDED_FILE
        from airflow_provider_telecom.tasks.storage import place

        where = ""
        if existing is None:
            builder.write_excluded(copies / EXCLUDED_FILE, full_numbers=self.excluded_numbers == "full")
            place(copies / EXCLUDED_FILE, folder / EXCLUDED_FILE)
            where = f"; {folder / EXCLUDED_FILE} has them"
        excluded = ", ".join(f"{reason} {count}" for reason, count in counts.excluded.items() if count)
        rule = f"are none: all {counts.rows} rows are excluded ({excluded}){where}"
        if self.on_no_recipients == "skip":
            raise AirflowSkipException(f"recipients: {rule}")
        raise TelecomInputError("recipients", rule)

    def _check(self, *, only_literals: bool) -> None:
        """Check the parameters: those that are known when the Dag is parsed, or all."""

        def is_known(value: object) -> bool:
            return is_literal(value) or not only_literals

        if (self.recipients is None) == (self.sql is None):
            raise TelecomInputError("recipients", "or sql must be given, and not both")
        if (self.sql is None) != (self.sql_conn_id is None):
            raise TelecomInputError("sql_conn_id", "is the connection of sql: give both, or none")
        if (self.history is None) != (self.frequency_cap is None):
            raise TelecomInputError("frequency_cap", "counts the messages of history: give both, or none")
        if self.hlr_max_age is not None and self.hlr_max_age <= timedelta(0):
            raise TelecomInputError("hlr_max_age", "must be longer than 0")
        if self.hlr is None and (self.hlr_max_age is not None or self.hlr_unknown == "drop"):
            raise TelecomInputError("hlr", "is needed for hlr_max_age and hlr_unknown")
        if is_known(self.output_path):
            non_blank("output", self.output_path)
        if is_known(self.columns):
            self._source_columns()
        if is_known(self.allow_prefixes):
            self._prefixes()
        if self.salt is not None and self.variants is None:
            raise TelecomInputError("variants", "are needed for salt")
        if self.variants is not None and is_known(self.variants):
            self._variants("-" if self.salt is not None and not is_known(self.salt) else self.salt)
        if self.frequency_cap is not None and is_known(self.frequency_cap):
            self._cap()
        if self.timezone is not None and is_known(self.timezone):
            from airflow_provider_telecom.bulk.timezones import parse_zones

            parse_zones(self.timezone)
        from airflow_provider_telecom.bulk.variants import check_shards

        check_shards(self.shards)

    def _source_columns(self) -> SourceColumns:
        from airflow_provider_telecom.bulk.sources import source_columns

        return source_columns(self.columns)

    def _prefixes(self) -> Sequence[str]:
        prefixes = self.allow_prefixes
        if isinstance(prefixes, str) or not isinstance(prefixes, Sequence):
            raise TelecomInputError("allow_prefixes", "must be a list of prefixes like 380")
        found = [_PREFIX.fullmatch(prefix) if isinstance(prefix, str) else None for prefix in prefixes]
        if None in found:
            raise TelecomInputError("allow_prefixes", "a prefix has 1 to 15 digits, and begins with 1 to 9")
        return sorted({one[1] for one in found if one})

    def _variants(self, salt: str | None) -> Variants | None:
        if self.variants is None:
            return None
        from airflow_provider_telecom.bulk.variants import Variants

        return Variants(self.variants, salt)  # type: ignore[arg-type]  # it refuses None

    def _rules(self) -> Any:
        from airflow_provider_telecom.bulk.audience_builder import AudienceRules

        return AudienceRules(
            self.default_region, self._prefixes(), self._variants(self.salt), self.shards, self.timezone
        )

    def _read(self, builder: AudienceBuilder, copies: Path) -> None:
        recipients, sql = self.reveal("recipients"), self.reveal("sql")
        if sql is not None:
            _read_sql(builder, str(self.sql_conn_id), sql)
        elif isinstance(recipients, (list, tuple)):
            builder.source.read_list(recipients)
        elif isinstance(recipients, str) or hasattr(recipients, "open"):
            builder.source.read_files(recipients, copies)
        else:
            kind = type(recipients).__name__
            raise TelecomInputError("recipients", f"must be a list or a path, not {kind}")

    def _exclude(self, builder: AudienceBuilder, copies: Path, as_of: datetime, context: Context) -> None:
        """Add the tables of numbers that the stop lists, the cap and the HLR lookups exclude."""
        if self.suppress:
            from airflow_provider_telecom.bulk.stop_lists import create_stop_list

            table = create_stop_list(
                builder.database,
                _as_list(self.suppress),
                copies,
                column=self.suppress_column,
                region=self.default_region,
            )
            builder.exclude("suppressed", table)
        if self.history is not None:
            from airflow_provider_telecom.bulk.frequency_cap import create_capped

            table = create_capped(
                builder.database, self.history, copies, self._cap(), as_of, own_run=_own_run(context)
            )
            builder.exclude("frequency_cap", table)
        if self.hlr is not None:
            from airflow_provider_telecom.bulk.hlr_history import create_hlr_inactive

            table = create_hlr_inactive(
                builder.database,
                self.hlr,
                copies,
                as_of,
                self.hlr_max_age,
                self.hlr_unknown,
                people=builder.people,
            )
            builder.exclude("hlr_inactive", table)

    def _cap(self) -> FrequencyCap:
        from airflow_provider_telecom.bulk.frequency_cap import FrequencyCap

        return FrequencyCap.parse(self.frequency_cap)  # type: ignore[arg-type]  # it refuses None

    def _policy(self) -> dict[str, Any]:
        """Return what decides about the audience, except for the rows of the sources."""
        recipients, sql = self.reveal("recipients"), self.reveal("sql")
        source = recipients if isinstance(_hidden_paths(recipients), str) else "list"
        variants = self._variants(self.salt)
        return {
            "recipients": None if sql is not None else str(source),
            "sql": _LONG_NUMBER.sub("***", sql) if sql is not None else None,
            "sql_sha256": hashlib.sha256(sql.encode()).hexdigest() if sql is not None else None,
            "sql_conn_id": self.sql_conn_id,
            "columns": dict(self.columns or {"msisdn": "msisdn"}),
            "suppress": _as_list(self.suppress),
            "suppress_column": self.suppress_column if self.suppress else None,
            "history": self.history,
            "frequency_cap": self.frequency_cap,
            "hlr": self.hlr,
            "hlr_max_age": None if self.hlr_max_age is None else f"{self.hlr_max_age.total_seconds():.0f} s",
            "hlr_unknown": self.hlr_unknown if self.hlr else None,
            "allow_prefixes": list(self._prefixes()),
            "variants": {name: str(share) for name, share in variants.shares.items()} if variants else None,
            "salt": self.salt,
            "shards": self.shards,
            "timezone": self.timezone,
            "default_region": self.default_region,
            "excluded_numbers": self.excluded_numbers,
        }

    def _log(self, counts: AudienceCounts) -> None:
        lines = [("rows", counts.rows), *counts.excluded.items(), ("recipients", counts.recipients)]
        lines += [(f"variant {name}", count) for name, count in counts.variants.items()]
        width = max(len(name) for name, _ in lines)
        table = "\n".join(f"  {name:{width}} {count:>12,}" for name, count in lines)
        log.info("audience:\n%s", table)

    def _write(
        self,
        builder: AudienceBuilder,
        counts: AudienceCounts,
        folder: ObjectStoragePath,
        copies: Path,
        policy: Mapping[str, Any],
        existing: AudienceInfo | None,
        as_of: datetime,
    ) -> AudienceInfo:
        """Write the folder, or return the description of an equal audience that is there already."""
        from airflow_provider_telecom.bulk.audience_folder import (
            AUDIENCE_FILE,
            EXCLUDED_FILE,
            AudienceInfo,
            write_info,
        )
        from airflow_provider_telecom.tasks.storage import place, sha256_of

        builder.write_audience(copies / AUDIENCE_FILE)
        sha256 = sha256_of(copies / AUDIENCE_FILE)
        if existing is not None and existing.sha256 == sha256:
            if not (folder / AUDIENCE_FILE).exists():  # somebody has removed it, and left the description
                place(copies / AUDIENCE_FILE, folder / AUDIENCE_FILE)
            log.info("the same audience is in %s already", folder)
            return existing
        if existing is not None:
            raise _another(folder, "the rows of the sources, the stop lists or the history have changed")
        builder.write_excluded(copies / EXCLUDED_FILE, full_numbers=self.excluded_numbers == "full")
        for name in (AUDIENCE_FILE, EXCLUDED_FILE):
            place(copies / name, folder / name)
        info = AudienceInfo(
            rows=counts.rows,
            recipients=counts.recipients,
            sha256=sha256,
            excluded=counts.excluded,
            variants=counts.variants,
            timezones=counts.timezones,
            shards=self.shards,
            columns=list(builder.text_columns),
            policy=policy,
            policy_sha256=_policy_sha256(policy),
            as_of=as_of.isoformat().replace("+00:00", "Z"),
        )
        write_info(folder, info)
        return info


def _hidden_paths(value: Any) -> Any:
    """Return a path or glob, or a list of them, as it is, and anything else as a private value."""
    paths = value if isinstance(value, (list, tuple)) else [value]
    for path in paths:
        plain = str(path).replace("*", "x") if isinstance(path, str) or hasattr(path, "open") else path
        if not isinstance(plain, str) or not isinstance(hide_unless_path(plain, ("",)), str):
            return hide(value)
    return value


def _as_list(paths: str | Sequence[str] | None) -> list[str]:
    return [] if paths is None else [str(paths)] if isinstance(paths, str) else [str(one) for one in paths]


def _output_folder(path: str) -> ObjectStoragePath:
    """Return the folder of the audience. Raises TelecomInputError if a file is there."""
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.tasks.storage import is_local, open_folder

    found = ObjectStoragePath(path.rstrip("/"))
    place = Path(found.path).expanduser() if is_local(found) else found
    if place.is_file():
        raise TelecomInputError("output", f"{path} is a file; it must be a folder")
    return open_folder(path, field="output")


def _existing(folder: ObjectStoragePath, policy: Mapping[str, Any]) -> AudienceInfo | None:
    """Return the description of the audience that is there. Raises TelecomInputError for another policy."""
    from airflow_provider_telecom.bulk.audience_folder import INFO_FILE, read_info

    if not (folder / INFO_FILE).exists():
        return None
    found = read_info(folder)
    if found.policy_sha256 == _policy_sha256(policy):
        return found
    names = [name for name in policy if found.policy.get(name) != policy[name]]
    raise _another(folder, f"another policy has made it: {', '.join(names) or 'the policy'} is different")


def _another(folder: ObjectStoragePath, why: str) -> TelecomInputError:
    return TelecomInputError(
        "output",
        f"{folder}/audience.json: there is another audience: {why}. An audience is never changed: give each "
        "run a folder of its own, as with {{ run_id }}, or remove that one",
    )


def _policy_sha256(policy: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()


def _as_of(context: Context) -> datetime:
    """Return the time of the run, which stays the same when its tasks are cleared."""
    run: Any = context.get("dag_run")
    found = getattr(run, "run_after", None) or context.get("logical_date") or datetime.now(UTC)
    return found.astimezone(UTC)


def _own_run(context: Context) -> str:
    """Return how the run of a message begins in outcomes of this Dag run."""
    from airflow_provider_telecom.bulk.outcomes import run_text

    ti = context["ti"]
    return run_text(ti.dag_id, ti.run_id, "")


def _read_sql(builder: AudienceBuilder, conn_id: str, sql: str) -> None:
    """Read the rows of a query. An error of the database is raised without the numbers in its text."""
    from airflow.sdk import BaseHook

    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError:
        rule = "needs a provider of a database: pip install apache-airflow-providers-common-sql"
        raise TelecomInputError("sql", rule) from None
    hook = BaseHook.get_hook(conn_id)
    if not isinstance(hook, DbApiHook):
        raise TelecomInputError("sql_conn_id", f"{conn_id} is no connection of a database")
    try:
        builder.source.read_sql(hook, sql)
    except TelecomError:
        raise
    except Exception as error:
        text = _LONG_NUMBER.sub("***", str(error).partition("\n")[0])
        raise RuntimeError(f"the query of {conn_id} failed: {type(error).__name__}: {text}") from None
