"""Files that a campaign reads: a path, a glob or a folder in object storage, and copies on local disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_LOCAL = ("", "file", "local")
_GLOB = frozenset("*?[]{}")


def find_files(
    field: str, path: str | ObjectStoragePath, suffixes: Sequence[str], *, may_be_empty: bool = False
) -> list[ObjectStoragePath]:
    """Return the files that a path stands for, in the order of their names.

    `path` is a file, a glob (`s3://crm/people/*.csv`), or a folder, whose files with one of the `suffixes`
    are returned, also those in folders of it. Raises TelecomInputError for `field` if there is no such file
    (unless it is a folder that `may_be_empty`), or if one that the path names has another suffix.
    """
    from airflow.sdk import ObjectStoragePath

    root = ObjectStoragePath(path) if isinstance(path, str) else path
    if root.protocol in _LOCAL:
        root = ObjectStoragePath(str(Path(root.path).expanduser().absolute()))
    store = root.fs
    store.invalidate_cache()
    if "*" in root.path:
        found = [name for name in store.glob(root.path) if not store.isdir(name)]
    elif store.isdir(root.path):
        found = [name for name in store.find(root.path) if name.lower().endswith(tuple(suffixes))]
    else:
        found = [root.path] if store.exists(root.path) else []
    if root.path not in found:  # files with such names are temporary ones
        found = [name for name in found if not name.rpartition("/")[2].startswith((".", "_"))]
    if not found:
        if may_be_empty and store.isdir(root.path):
            return []
        rule = f"there is no file {shown_path(root)}"
        if may_be_empty:
            rule += "; for a start, create the folder, or put an empty file with the name _start into it"
        raise TelecomInputError(field, rule)
    for name in found:
        if not name.lower().endswith(tuple(suffixes)):
            raise TelecomInputError(field, f"{name} must end in {', '.join(suffixes)}")
    prefix = "" if root.protocol in _LOCAL else f"{root.protocol}://"
    return [ObjectStoragePath(f"{prefix}{name}", conn_id=root.conn_id) for name in sorted(found)]


def shown_path(path: object) -> str:
    """Return a path or glob for an error message, or what stands for a text that looks like numbers."""
    hidden = hide_unless_path(str(path).replace("*", "x"), ("",))
    return str(path) if isinstance(hidden, str) else str(hidden)


def local_copy(file: ObjectStoragePath, folder: Path) -> Path:
    """Return a file on local disk: itself if it is there already, otherwise a copy in `folder`.

    The path has no character that DuckDB takes as a part of a glob.
    """
    copy = folder / f"{len(list(folder.iterdir())):06d}{Path(file.name).suffix.lower()}"
    if file.protocol in _LOCAL:
        if _GLOB.isdisjoint(file.path):
            return Path(file.path)
        copy.symlink_to(file.path)
        return copy
    file.fs.get_file(file.path, str(copy))
    return copy


def file_name(file: ObjectStoragePath) -> str:
    """Return the last part of a file's path, for messages and the column `source`."""
    return str(file.path).rstrip("/").rpartition("/")[2]
