"""Base classes of the transfers: the folder in object storage, the format of the files, the asset event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Required

from airflow.sdk import Asset, AssetAlias

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath
    from pydantic import JsonValue

    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.vendors.columns import Column

FORMATS = ("csv", "jsonl", "parquet")


def check_extra(field: str, extra: str, module: str) -> None:
    """Raise TelecomInputError if the library of an extra is not installed; for use when a Dag is parsed."""
    if find_spec(module) is None:
        rule = f"needs the library {module}: pip install 'airflow-provider-telecom[{extra}]'"
        raise TelecomInputError(field, rule)


class TransferArguments(OperatorArguments, total=False):
    """The parameters of `TransferOperator`."""

    path: Required[str]
    storage_conn_id: str | None


class TransferOperator(TelecomOperator):
    """Writes a vendor's records to a folder, and returns what the folder holds.

    A file appears complete or not at all; a rerun replaces it. Then an asset event is emitted: of the asset
    with the folder's URI if `path` is known when the Dag is parsed, otherwise through the asset alias
    `<dag id>.<task id>`, which then points to that asset. Downstream Dags can be scheduled on either.

    :param path: the folder: a path, or a URL such as `s3://bucket/calls`.
    :param storage_conn_id: Airflow connection of the object storage, if it needs one.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "path", "storage_conn_id")

    def __init__(self, *, path: str, storage_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path, self.storage_conn_id = path, storage_conn_id
        self._outlet: Asset | AssetAlias
        if isinstance(path, str) and is_literal(path):
            self._outlet = Asset(_uri(path))
        else:
            self._outlet = AssetAlias(f"{self.dag_id}.{self.task_id}")
        if self._outlet not in self.outlets:
            self.outlets = [*self.outlets, self._outlet]
        self._written_to: str | None = None

    def _open_folder(self) -> ObjectStoragePath:
        """Return the folder after a test write. Raises TelecomInputError if it fails."""
        from airflow_provider_telecom.tasks.storage import open_folder

        return open_folder(self.path, self.storage_conn_id)

    def _emit_asset_event(self, context: Context, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Emit the asset event of the folder; return the summary as the task's result."""
        self._written_to = _uri(summary["path"])
        extra: dict[str, JsonValue] = {"rows": summary.get("rows"), "bytes": summary.get("bytes")}
        events = context["outlet_events"]
        if isinstance(self._outlet, Asset):
            events[self._outlet].extra = extra
        else:
            events[self._outlet].add(Asset(self._written_to), extra=extra)
        return dict(summary)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the written data set to the OpenLineage provider."""
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage

        if self._written_to is None:
            return OperatorLineage()
        scheme, _, rest = self._written_to.partition("://")
        bucket, _, key = rest.partition("/")
        written = Dataset("file", f"/{key}") if scheme == "file" else Dataset(f"{scheme}://{bucket}", key)
        return OperatorLineage(outputs=[written])


class RecordsArguments(TransferArguments, total=False):
    """The parameters of `RecordsOperator`."""

    output_format: str
    csv_safe: bool
    on_bad_rows: str


class RecordsOperator(TransferOperator):
    """Writes records to one file for each day in the vendor's time zone, in folders `date=YYYY-MM-DD`.

    If the interval covers a part of a day only, the file holds that part, and a later load of the whole day
    replaces it. The records are collected on the worker's disk first. The XCom holds `path`, `format`,
    `rows`, `bytes`, `bad_rows`, `quarantine` and `files` (path, rows and bytes of each).

    :param output_format: `jsonl` (default), `csv` or `parquet` (with the extra `parquet`).
    :param csv_safe: put a ' before texts that a spreadsheet would run as a formula (csv only).
    :param on_bad_rows: what to do with unreadable records: `fail` (default; nothing is written), or
        `quarantine` (they are written to `_quarantine/` with the reason, and all others as usual).
    """

    dataset_name: str
    """The name of the files, without their ending."""

    def __init__(
        self,
        *,
        output_format: str = "jsonl",
        csv_safe: bool = False,
        on_bad_rows: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_format = one_of("output_format", output_format, FORMATS)
        self.on_bad_rows = one_of("on_bad_rows", on_bad_rows, ("fail", "quarantine"))
        self.csv_safe = one_of("csv_safe", csv_safe, (True, False))
        if csv_safe and output_format != "csv":
            raise TelecomInputError("csv_safe", "is for csv only; other formats do not need it")
        if output_format == "parquet":
            check_extra("output_format", "parquet", "pyarrow")

    @contextmanager
    def _open_dataset(
        self,
        columns: Sequence[Column],
        parts: Mapping[date | None, Part],
        run: str,
        subjects: Sequence[str] = (),
    ) -> Iterator[Dataset]:
        """Provide a data set to add records to; `run` names this load, in letters, digits and -.

        Raises TelecomInputError if nothing can be written to the folder.
        """
        from airflow_provider_telecom.bulk.garbage import old_objects_frozen
        from airflow_provider_telecom.transfers.dataset import Dataset, DatasetSpec

        spec = DatasetSpec(
            self.dataset_name, columns, self.output_format, self.csv_safe, self.on_bad_rows, subjects
        )
        with old_objects_frozen(), Dataset(self._open_folder(), spec, parts, run) as dataset:
            yield dataset


def _uri(path: str) -> str:
    """Return a folder as a URI without the id of a connection."""
    scheme, found, rest = path.partition("://")
    if not found:
        from pathlib import Path

        return Path(path).expanduser().absolute().as_uri()
    place, slash, key = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{key}".rstrip("/")
