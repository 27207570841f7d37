"""Where files end up: each appears under its name whole, or not at all.

On a local disk a file is written beside its place and renamed. An object store (S3, GCS, Azure) shows an
object only when its upload is complete. Nothing here takes a name from a vendor.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_PIECE = 1 << 20
_ONLY_OURS, _ONLY_OUR_FOLDER = 0o600, 0o700  # call records and recordings are personal data


def open_folder(path: str, conn_id: str | None = None) -> ObjectStoragePath:
    """Return the folder at `path` (made if it is missing) once a file could be made in it.

    `conn_id` is the Airflow connection of the store. Raises TelecomInputError.
    """
    from airflow.sdk import ObjectStoragePath

    if not isinstance(path, str) or not path.strip():
        raise TelecomInputError("path", "must be a folder: a path, or a URL like s3://bucket/folder")
    if "://" not in path:
        path = str(Path(path).expanduser().absolute())
    try:
        root = ObjectStoragePath(path.rstrip("/") or "/", conn_id=conn_id)
        _try_out(root)
    except Exception as error:
        raise TelecomInputError("path", f"cannot be written to: {type(error).__name__}: {error}") from None
    return root


def _try_out(root: ObjectStoragePath) -> None:
    if is_local(root):
        _make(Path(root.path))
        tempfile.TemporaryFile(dir=root.path).close()
        return
    probe = root / ".probe"
    probe.fs.pipe_file(probe.path, b"")
    remove(probe)


def is_local(path: ObjectStoragePath) -> bool:
    """Whether a path is on a local disk."""
    return path.protocol in ("", "file", "local")


def place(file: Path, target: ObjectStoragePath) -> None:
    """Put a finished local file at `target`, in place of what stood there."""
    if is_local(target):
        _place_on_disk(file, Path(target.path))
    else:
        target.fs.put_file(str(file), target.path)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a local file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _place_on_disk(file: Path, target: Path) -> None:
    _make(target.parent)
    for left_over in target.parent.glob(f".{target.name}.*.part"):  # by a task that was killed
        left_over.unlink(missing_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    with file.open("rb") as source, os.fdopen(_opened(beside), "wb") as copy:
        copyfileobj(source, copy, _PIECE)
        copy.flush()
        os.fsync(copy.fileno())
    beside.replace(target)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _ONLY_OURS)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(_ONLY_OUR_FOLDER, exist_ok=True)


def list_names(folder: ObjectStoragePath) -> Iterator[str]:
    """Yield the names of what is in a folder; none when there is no such folder."""
    with suppress(FileNotFoundError):
        folder.fs.invalidate_cache(folder.path)
        yield from [inner.rstrip("/").rpartition("/")[2] for inner in folder.fs.ls(folder.path, detail=False)]


def remove(target: ObjectStoragePath) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        target.fs.rm_file(target.path)
