"""Puts files in place in object storage: each appears under its name complete, or not at all.

On a local disk a file is written under a temporary name and renamed. An object store (S3, GCS, Azure) shows
an object only when its upload is complete. No name here comes from a vendor.
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

_CHUNK_BYTES = 1 << 20
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700  # call records and recordings are personal data


def open_folder(path: str, conn_id: str | None = None, *, field: str = "path") -> ObjectStoragePath:
    """Return the folder at `path` after a test write; make it if it does not exist.

    `conn_id` is the Airflow connection of the object storage. Raises TelecomInputError for `field`.
    """
    from airflow.sdk import ObjectStoragePath

    if not isinstance(path, str) or not path.strip():
        raise TelecomInputError(field, "must be a folder: a path, or a URL like s3://bucket/folder")
    if "://" not in path:
        path = str(Path(path).expanduser().absolute())
    try:
        root = ObjectStoragePath(path.rstrip("/") or "/", conn_id=conn_id)
        _test_write(root)
    except Exception as error:
        raise TelecomInputError(field, f"cannot be written to: {type(error).__name__}: {error}") from None
    return root


def open_parent(path: str, *, field: str = "path") -> ObjectStoragePath:
    """Return the path of a file after a test write into its folder, as `open_folder` does it."""
    folder, _, name = path.rpartition("/")
    return open_folder(folder or ("/" if path.startswith("/") else "."), field=field) / name


def _test_write(root: ObjectStoragePath) -> None:
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
    """Put a finished local file at `target`; an existing file there is replaced."""
    if is_local(target):
        _place_on_disk(file, Path(target.path))
    else:
        target.fs.put_file(str(file), target.path)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a local file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _place_on_disk(file: Path, target: Path) -> None:
    _make(target.parent)
    for stale in target.parent.glob(f".{target.name}.*.part"):  # of a killed task
        stale.unlink(missing_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    with file.open("rb") as source, os.fdopen(_create(temporary), "wb") as copy:
        copyfileobj(source, copy, _CHUNK_BYTES)
        copy.flush()
        os.fsync(copy.fileno())
    temporary.replace(target)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _FILE_MODE)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(_FOLDER_MODE, exist_ok=True)


def list_names(folder: ObjectStoragePath) -> Iterator[str]:
    """Yield the names in a folder; none if the folder does not exist."""
    with suppress(FileNotFoundError):
        folder.fs.invalidate_cache(folder.path)
        yield from [inner.rstrip("/").rpartition("/")[2] for inner in folder.fs.ls(folder.path, detail=False)]


def remove(target: ObjectStoragePath) -> None:
    """Remove a file if it exists."""
    with suppress(FileNotFoundError):
        target.fs.rm_file(target.path)
