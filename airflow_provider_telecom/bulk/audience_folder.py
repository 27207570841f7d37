"""The folder of an audience: its files, their columns, and reading its recipients.

`audience.parquet` has the recipients, `excluded.parquet` who was left out and why, `audience.json` the counts
and the hash of the recipients. They are written in this order, each as a whole, so a folder with
`audience.json` is complete. An audience is never changed: a file with another hash is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from airflow_provider_telecom.bulk.audience import Columns, Entry, Group
from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns

AUDIENCE_FILE, EXCLUDED_FILE, INFO_FILE = "audience.parquet", "excluded.parquet", "audience.json"
MSISDN, VARIANT, TIMEZONE, SHARD = "msisdn", "variant", "timezone", "shard"
RESERVED = frozenset({MSISDN, VARIANT, TIMEZONE, SHARD})
"""Names of columns that no column of a text may have."""
EXCLUDED_COLUMNS = ("source", "row", "msisdn", "reason", "detail")
REASONS = (
    "bad_number",
    "duplicate",
    "suppressed",
    "frequency_cap",
    "hlr_inactive",
    "not_allowed_prefix",
    "missing_value",
    "holdout",
)
"""Why a row is excluded; the first reason wins."""
VERSION = 1

_NUMBER = "^[1-9][0-9]{6,14}$"
_FILE = re.compile(r"\.[a-z][a-z0-9]{0,6}$", re.IGNORECASE)
"""The end of the name of a file, such as `.csv`."""
_PIECE = 1024 * 1024
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class AudienceInfo:
    """What `audience.json` says. It has no time but `as_of`, so the same inputs give the same bytes."""

    rows: int
    """How many rows the sources had."""
    recipients: int
    """How many rows `audience.parquet` has."""
    sha256: str
    """Of the bytes of `audience.parquet`."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    variants: Mapping[str, int] = field(default_factory=dict)
    """The variants that get a message, each with its count; empty without variants."""
    timezones: Mapping[str, int] = field(default_factory=dict)
    shards: int = 1
    columns: Sequence[str] = ()
    """The columns for texts."""
    policy: Mapping[str, object] = field(default_factory=dict)
    policy_sha256: str = ""
    as_of: str = ""
    version: int = VERSION


def read_info(path: ObjectStoragePath | str) -> AudienceInfo:
    """Return what `audience.json` of a folder says. Raises TelecomInputError if it has no audience."""
    file = _folder(path) / INFO_FILE
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise _wrong(file, "is missing: there is no audience, or the task that prepares it failed") from None
    except ValueError:
        raise _wrong(file, "is not JSON") from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise _wrong(file, f"is not an audience of version {VERSION}")
    kinds = {"rows": int, "recipients": int, "sha256": str, "shards": int, "columns": list}
    kinds |= dict.fromkeys(("excluded", "variants", "timezones"), dict)
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            raise _wrong(file, f"has no `{name}` that is right")
    return AudienceInfo(**{
        one.name: content[one.name] for one in fields(AudienceInfo) if one.name in content
    })


def write_info(path: ObjectStoragePath | str, info: AudienceInfo) -> None:
    """Write `audience.json` into a folder, as a whole. It is the last file of an audience."""
    file = _folder(path) / INFO_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{INFO_FILE}.part")
    beside.write_text(json.dumps(asdict(info), ensure_ascii=False, sort_keys=True, indent=2) + "\n", "utf-8")
    beside.rename(file)


class AudienceReference(NamedTuple):
    """Where an audience is, and the hash that it must have if it is known."""

    path: ObjectStoragePath | str
    sha256: str | None = None


def audience_reference(source: object) -> AudienceReference | None:
    """Return the audience folder that `recipients` means; None for a list or a file.

    A folder is given by its path, which contains a `/`, or by the XCom of `PrepareAudienceOperator`.
    """
    if isinstance(source, Mapping):
        path, sha256 = source.get("path"), source.get("sha256")
        if not isinstance(path, str) or not isinstance(sha256, str):
            rule = "must be a list, a path, or what PrepareAudienceOperator returns, with `path` and `sha256`"
            raise TelecomInputError("recipients", rule)
        return AudienceReference(path, sha256)
    is_path = isinstance(source, PurePath) or hasattr(source, "open")
    if not is_path and (not isinstance(source, str) or not is_folder_path(source)):
        return None
    return None if _FILE.search(str(source)) else AudienceReference(cast("Any", source))


def is_folder_path(text: str) -> bool:
    """Return whether a text is the path of a folder. Templates render a list as a text as well."""
    return "/" in text and text.strip()[:1] not in ("[", "(", "{") and not _FILE.search(text)


def check_variants(wanted: str | Sequence[str] | None, known: Mapping[str, int]) -> Sequence[str] | None:
    """Return the variants to send to, in the audience's order; None for all. Raises TelecomInputError."""
    if wanted is None:
        return None
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if not names:
        raise TelecomInputError("variants", "must name at least one variant")
    there = f"has the variants {', '.join(known)}" if known else "has no variants"
    if unknown := [str(name) for name in names if name not in known]:
        raise TelecomInputError("variants", f"the audience {there}, not {', '.join(unknown)}")
    return [name for name in known if name in names]


def open_audience(
    path: ObjectStoragePath | str,
    *,
    columns: Sequence[str] = (),
    variants: str | Sequence[str] | None = None,
    shard: int | None = None,
    sha256: str | None = None,
) -> FolderAudience:
    """Return the recipients of an audience folder with the values of `columns`, which may be `variant`.

    Only those of the wanted variants and shard. The file is copied to local disk, and read from there.
    Raises TelecomInputError for an incomplete folder, a file that has changed since the audience was
    prepared, another hash than `sha256`, a missing or nested column, and an unknown variant or shard.
    """
    check_library("recipients", "pyarrow")
    folder = _folder(path)
    info = read_info(folder)
    if sha256 is not None and sha256 != info.sha256:
        raise _wrong(folder, "has another audience than the one that was given: its sha256 is different")
    chosen = check_variants(variants, info.variants)
    if shard is not None:
        in_range("shard", shard, 0, info.shards - 1)
    filters: dict[str, Sequence[object]] = {} if chosen is None else {VARIANT: chosen}
    if shard is not None and info.shards > 1:
        filters[SHARD] = [shard]
    copy = _copied(folder / AUDIENCE_FILE, info.sha256)
    try:
        return FolderAudience(copy, str(folder / AUDIENCE_FILE), info, columns, filters)
    except BaseException:
        copy.close()
        raise


class FolderAudience:
    """The recipients of an audience folder (see `campaigns.audience.Audience`)."""

    duplicates = 0
    bad = 0

    def __init__(
        self,
        file: IO[bytes],
        name: str,
        info: AudienceInfo,
        columns: Sequence[str],
        filters: Mapping[str, Sequence[object]],
    ) -> None:
        import pyarrow
        import pyarrow.parquet

        self._file, self.path, self._columns, self._filters = file, name, (MSISDN, *columns), filters
        self.info = info
        try:
            self._parquet = pyarrow.parquet.ParquetFile(file)
        except pyarrow.ArrowInvalid:
            raise _wrong(name, "is not Parquet") from None
        self._check_columns()
        if self._parquet.metadata.num_rows != info.recipients:
            raise _wrong(name, f"has not the {info.recipients} recipients that {INFO_FILE} says")
        self.count = self._checked_count()
        selection = json.dumps({name: list(values) for name, values in sorted(filters.items())})
        self.selection = hashlib.sha256(selection.encode()).hexdigest() if filters else ""
        text = f"{info.sha256} {self.selection}"
        self.sha256 = hashlib.sha256(text.encode()).hexdigest() if filters else info.sha256

    def __enter__(self) -> FolderAudience:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the local copy."""
        self._file.close()

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """Return the recipients in their order, without the first `skip`."""
        for columns in self.columns(skip):
            yield from zip(*columns, strict=True)

    def columns(self, skip: int = 0) -> Iterator[Columns]:
        """Return the recipients by columns, some at a time, without the first `skip`."""
        return self._read(self._filters, skip)

    def groups(self, zone_of: Callable[[Entry], str] | None = None) -> Sequence[Group]:
        """Return the recipients by the texts of their time zones, in the order of their first appearance."""
        counts: dict[str, int] = {}
        for batch in self._batches((TIMEZONE,), self._filters):
            for found in batch.column(0).value_counts().to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]

        def group(name: str, count: int) -> Group:
            sha256 = hashlib.sha256(f"{self.sha256} {name}".encode()).hexdigest()
            filters = {**self._filters, TIMEZONE: [name]}

            def read(skip: int) -> Iterator[Entry]:
                for columns in self._read(filters, skip):
                    yield from zip(*columns, strict=True)

            return Group(name, count, sha256, read, lambda skip: self._read(filters, skip))

        return [group(name, count) for name, count in counts.items()]

    def _read(self, filters: Mapping[str, Sequence[object]], skip: int) -> Iterator[Columns]:
        for batch in self._batches(self._columns, filters, skip):
            yield [column.to_pylist() for column in batch.columns]

    def _batches(
        self, names: Sequence[str], filters: Mapping[str, Sequence[object]], skip: int = 0
    ) -> Iterator[Any]:
        """Return batches of these columns, of the rows that the filters take, without the first `skip`."""
        import pyarrow
        import pyarrow.compute

        wanted = list(dict.fromkeys([*names, *filters]))
        groups = self._row_groups(filters)
        if not filters:  # whole row groups are skipped unread
            while groups and (rows := self._parquet.metadata.row_group(groups[0]).num_rows) <= skip:
                skip, groups = skip - rows, groups[1:]
        for read in self._parquet.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=wanted):
            batch = read
            for name, values in filters.items():
                column = batch.column(batch.schema.get_field_index(name))
                is_wanted = pyarrow.compute.is_in(column, pyarrow.array(values, column.type))
                batch = batch.filter(is_wanted)
            if batch.num_rows <= skip:
                skip -= batch.num_rows
                continue
            yield batch.slice(skip).select(list(names))
            skip = 0

    def _row_groups(self, filters: Mapping[str, Sequence[object]]) -> list[int]:
        """Return the row groups that can have wanted rows, by the ranges of their values."""
        metadata = self._parquet.metadata
        places = {name: place for place, name in enumerate(self._parquet.schema_arrow.names)}

        def may_have(group: int, name: str, values: Sequence[Any]) -> bool:
            found = metadata.row_group(group).column(places[name]).statistics
            if found is None or not found.has_min_max:
                return True
            return any(found.min <= value <= found.max for value in values)

        return [
            group
            for group in range(metadata.num_row_groups)
            if all(may_have(group, name, values) for name, values in filters.items())
        ]

    def _check_columns(self) -> None:
        import pyarrow

        schema = self._parquet.schema_arrow
        there = ", ".join(schema.names)
        for name in dict.fromkeys([*self._columns, TIMEZONE, *self._filters]):
            if schema.names.count(name) != 1:
                raise _wrong(self.path, f"the column {name} is missing; there are {there}")
            kind = schema.field(name).type
            is_number = name == SHARD and name not in self._columns
            is_right = pyarrow.types.is_integer(kind) if is_number else _is_text(kind)
            if not is_right:
                raise _wrong(self.path, f"the column {name} is {kind}, not a text")

    def _checked_count(self) -> int:
        """Return how many recipients are wanted, after checking all their numbers and values."""
        import pyarrow.compute

        count = 0
        for batch in self._batches(self._columns, self._filters):
            for name, column in zip(self._columns, batch.columns, strict=True):
                if column.null_count:
                    raise _wrong(self.path, f"a row has no value in the column {name}")
            is_number = pyarrow.compute.match_substring_regex(batch.column(0), _NUMBER)
            if not pyarrow.compute.all(is_number).as_py():
                raise _wrong(self.path, f"the column {MSISDN} has a value that is no number in E.164 digits")
            count += batch.num_rows
        return count


def check_entries(
    audience: FolderAudience,
    wanted: RecipientColumns,
    max_recipients: int | None = None,
    is_blank: Callable[[Entry], bool] | None = None,
) -> None:
    """Check recipients as those of a list or a file are. Raises TelecomInputError, which names the first row.

    `is_blank` says whether the text for a recipient would be empty.
    """
    if max_recipients is not None and audience.count > max_recipients:
        raise TelecomInputError("recipients", f"are more than max_recipients={max_recipients}")
    if is_blank is None and wanted.text_values:
        is_blank = _has_no_text(1 + wanted.text_values)
    if not (wanted.checks or wanted.unique or is_blank):
        return
    checks = [(1 + wanted.values.index(name), check) for name, check in wanted.checks.items()]
    unique = None if wanted.unique is None else 1 + wanted.values.index(wanted.unique)
    seen: set[str] = set()
    for row, entry in enumerate(audience.entries(), 1):
        try:
            for place, check in checks:
                check(entry[place])
            if is_blank is not None and is_blank(entry):
                raise TelecomInputError("text", "would be empty")
            if unique is not None:
                if entry[unique] in seen:
                    raise TelecomInputError(str(wanted.unique), "occurs in an earlier row")
                seen.add(entry[unique])
        except TelecomInputError as error:
            raise _wrong(audience.path, f"recipient {row}: {error.text}; nothing was sent") from None


def _has_no_text(end: int) -> Callable[[Entry], bool]:
    return lambda entry: not "".join(entry[1:end]).strip()


def _is_text(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _copied(source: ObjectStoragePath, sha256: str) -> IO[bytes]:
    """Return a local copy of a file. Raises TelecomInputError if it has another hash."""
    digest = hashlib.sha256()
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the audience closes it
    try:
        with source.open("rb") as file:  # type: ignore[no-untyped-call]
            while piece := file.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
        if digest.hexdigest() != sha256:
            raise _wrong(
                source,
                f"the file has changed since the audience was prepared: {INFO_FILE} has another sha256",
            )
    except FileNotFoundError:
        copy.close()
        raise _wrong(source, "is missing") from None
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _folder(path: ObjectStoragePath | str) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(str(path).rstrip("/")) if isinstance(path, (str, PurePath)) else path


def _wrong(where: object, rule: str) -> TelecomInputError:
    return TelecomInputError("recipients", f"{where}: {rule}")
