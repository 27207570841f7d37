"""What all transfers stand on: a folder in object storage, the form of the files, and who is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
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


class TransferArguments(OperatorArguments, total=False):
    """The parameters of `TransferOperator`."""

    path: Required[str]
    storage_conn_id: str | None


class TransferOperator(TelecomOperator):
    """A task that brings a vendor's records into a folder, and returns what stands there now.

    The files appear whole or not at all, and a rerun replaces them. When they are there, an asset event is
    emitted: of the asset with the folder's URI if `path` is known when the Dag is parsed, else through the
    asset alias `<dag id>.<task id>`, which then points to it. Downstream Dags can be scheduled on either.

    :param path: the folder: a path or a URL like `s3://bucket/calls`.
    :param storage_conn_id: Airflow connection of the store, if it needs one.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "path", "storage_conn_id")

    def __init__(self, *, path: str, storage_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path, self.storage_conn_id = path, storage_conn_id
        self._told = self._outlet()
        if self._told not in self.outlets:
            self.outlets = [*self.outlets, self._told]
        self._written_to: str | None = None

    def _outlet(self) -> Asset | AssetAlias:
        if isinstance(self.path, str) and is_literal(self.path):
            return Asset(_uri(self.path))
        return AssetAlias(f"{self.dag_id}.{self.task_id}")

    def _open_folder(self) -> ObjectStoragePath:
        """Return the folder, once it is known that files can be made in it. Raises TelecomInputError."""
        from airflow_provider_telecom.transfers.storage import open_folder

        return open_folder(self.path, self.storage_conn_id)

    def _emit_asset_event(self, context: Context, summary: dict[str, Any]) -> dict[str, Any]:
        """Emit the asset event for what was written, and return the summary."""
        self._written_to = _uri(summary["path"])
        extra: dict[str, JsonValue] = {"rows": summary.get("rows"), "bytes": summary.get("bytes")}
        events = context["outlet_events"]
        if isinstance(self._told, Asset):
            events[self._told].extra = extra
        else:
            events[self._told].add(Asset(self._written_to), extra=extra)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the data set that was written; the OpenLineage provider asks for it."""
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage

        if self._written_to is None:
            return OperatorLineage()
        scheme, _, rest = self._written_to.partition("://")
        bucket, _, key = rest.partition("/")
        place = Dataset("file", f"/{key}") if scheme == "file" else Dataset(f"{scheme}://{bucket}", key)
        return OperatorLineage(outputs=[place])


class RecordsArguments(TransferArguments, total=False):
    """The parameters of `RecordsOperator`."""

    output_format: str
    csv_safe: bool
    on_bad_rows: str


class RecordsOperator(TransferOperator):
    """A transfer of records: one file for each day by the vendor's clocks, in a folder `date=YYYY-MM-DD`.

    A day that the interval covers whole is one file; a part of a day is a file of its own, which a later load
    of the whole day replaces. The vendor's records are gathered on the worker's disk first. The XCom holds
    `path`, `format`, `rows`, `bytes`, `bad_rows`, `quarantine` and `files` (path, rows and bytes of each).

    :param output_format: `jsonl` (default), `csv` or `parquet` (with the extra `parquet`).
    :param csv_safe: put a ' before texts that a spreadsheet would take for a formula (csv only).
    :param on_bad_rows: what to do about records that cannot be read: `fail` (default; nothing is written), or
        `quarantine` (they go to `_quarantine/`, with the reason, and the others where they belong).
    """

    dataset_name: str
    """What the files are called."""

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
            raise TelecomInputError("csv_safe", "is about csv; other formats need no such thing")

    @contextmanager
    def _open_dataset(
        self,
        columns: Sequence[Column],
        parts: Mapping[date | None, Part],
        run: str,
        about: Sequence[str] = (),
    ) -> Iterator[Dataset]:
        """Give a data set to add records to; `run` names what is loaded, in letters, digits and -.

        Raises TelecomInputError when nothing can be written there.
        """
        from airflow_provider_telecom.transfers.dataset import Dataset, DatasetSpec
        from airflow_provider_telecom.transfers.writers import check_available

        check_available(self.output_format)
        form = DatasetSpec(
            self.dataset_name, columns, self.output_format, self.csv_safe, self.on_bad_rows, about
        )
        with Dataset(self._open_folder(), form, parts, run) as dataset:
            yield dataset


def _uri(path: str) -> str:
    """Return a folder as a URI, without a connection's name in it."""
    scheme, found, rest = path.partition("://")
    if not found:
        from pathlib import Path

        return Path(path).expanduser().absolute().as_uri()
    place, slash, key = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{key}".rstrip("/")
