"""Bytes in a directory: written beside, synced, renamed into place, so that a crash leaves whole files or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .backend import BLOCK, Entry, Missing, Unavailable

SPOOL = "tmp"


class Directory:
    """A Backend. The directory is made when first written to, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.url = str(self.root)
        self.spool: Path | None = self.root / SPOOL

    def put(self, key: str, path: Path, *, type: str) -> None:
        """Gives a file of the spool directory a second name; data and name are on the disk when this returns."""
        target = self.root / key
        try:
            _sync(path)
            made = _make(target.parent)
            _name(path, target)
            for folder in (target.parent, *made):
                _sync(folder)
        except OSError as error:
            raise self._failed(error) from error

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Reads with an open file, which outlives its name: a deletion meanwhile disturbs nobody."""
        try:
            with (self.root / key).open("rb", buffering=0) as file:
                file.seek(start)
                while length > 0 and (block := file.read(min(BLOCK, length))):
                    length -= len(block)
                    yield block
        except FileNotFoundError:
            raise Missing(key, self.url) from None
        except OSError as error:
            raise self._failed(error) from error
        if length > 0:
            raise Missing(key, self.url)

    def size(self, key: str) -> int | None:
        """What the file system says."""
        try:
            return (self.root / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed(error) from error

    def delete(self, key: str) -> None:
        """Unlinks, and leaves the folder: the next content will want it."""
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Walks the folders below a prefix."""
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                path = Path(folder, name)
                try:
                    about = path.stat()
                except FileNotFoundError:
                    continue
                modified = datetime.fromtimestamp(about.st_mtime, UTC)
                yield Entry(path.relative_to(self.root).as_posix(), about.st_size, modified)

    def sign(self, key: str, *, seconds: int, type: str, disposition: str) -> str | None:
        """A directory has no addresses of its own."""
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _failed(self, error: OSError) -> Unavailable:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else (error.strerror or str(error)).lower()
        return Unavailable(
            f"The directory {self.url} cannot be used: {what}.", hint="check space and permissions"
        )


def _name(path: Path, target: Path) -> None:
    """Makes a file known under another name, in the place of what may be there, at once."""
    try:
        target.hardlink_to(path)
        return
    except FileExistsError:  # bytes that are known to be wrong, or another upload of the same
        beside = path.with_name(path.name + ".new")
        beside.hardlink_to(path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS):
            raise
        import shutil

        beside = path.with_name(path.name + ".new")  # a file system without links
        shutil.copyfile(path, beside)
        _sync(beside)
    beside.replace(target)


def _make(folder: Path) -> list[Path]:
    """Makes a folder and those above it; gives those in which something was made, to be synced."""
    made: list[Path] = []
    while not folder.is_dir():
        made.append(folder)
        folder = folder.parent
    for new in reversed(made):
        new.mkdir(mode=0o700, exist_ok=True)
    return [new.parent for new in made]


def _sync(path: Path) -> None:
    """Waits until a file, or a folder's names, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
