"""Objects in S3, Google Cloud Storage or Azure through obstore (the extra `objects`)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from backendhub.kit.objects import line, open_store
from backendhub.systems.backup.models import CORRUPT, STORAGE, BackupError

from .backend import SMALL, Buffer, Entry, Missing

T = TypeVar("T")
RETRY_SECONDS = 180.0
REQUEST_SECONDS = 120.0  # together five minutes, after which a cron job is better told


class ObjectBackend:
    """A bucket and prefix as a Backend; credentials and endpoint come from the vendor's usual variables."""

    def __init__(self, url: str, *, retry_seconds: float = RETRY_SECONDS, **options: Any) -> None:
        self.url = url
        self.emergency = False
        self.retry_seconds = retry_seconds
        try:
            # Few retries inside: the outer loop also covers what obstore does not retry (PUT timeouts).
            self._obs, self._store = open_store(
                url,
                feature="Backing up to an object store",
                request_seconds=min(REQUEST_SECONDS, retry_seconds),
                retry_seconds=min(60.0, retry_seconds),
                **options,
            )
        except ValueError as e:
            raise BackupError(f"{url}: {e}", STORAGE) from e
        self._errors = self._obs.exceptions

    def close(self) -> None:
        """Nothing is held open."""

    def _retried(self, name: str, act: Callable[[], T]) -> T:
        """Runs a request until it succeeds, fails for good, or its time is up."""
        e = self._errors
        final = (
            e.PermissionDeniedError,
            e.UnauthenticatedError,
            e.InvalidPathError,
            e.NotSupportedError,
            e.UnknownConfigurationKeyError,
        )
        until = time.monotonic() + self.retry_seconds
        pause = 0.2
        while True:
            try:
                return act()
            except FileNotFoundError as error:
                raise Missing(name, self.url) from error
            except final as error:
                raise self._failed(name, error) from error
            except (e.AlreadyExistsError, e.PreconditionError):
                raise
            except (e.BaseError, OSError) as error:
                if time.monotonic() + pause > until:
                    raise self._failed(name, error) from error
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 15)

    def _failed(self, name: str, error: Exception) -> BackupError:
        return BackupError(
            f"{self.url}: {name}: {line(error)}",
            STORAGE,
            hint="Check the credentials, the bucket's name and region, and the network.",
        )

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """One PUT; the store shows nothing of a truncated one."""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._retried(name, lambda: self._obs.put(self._store, name, data, use_multipart=False))

    def create(self, name: str, data: Buffer) -> bool:
        """A conditional PUT. If ours was stored but its answer lost, the retry finds our own bytes."""
        try:
            self._retried(name, lambda: self._obs.put(self._store, name, data, mode="create"))
        except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
            return self.get(name) == bytes(data)
        return True

    def get(self, name: str, *, limit: int = SMALL) -> bytes:
        """A whole object, after a look at its declared size."""

        def act() -> bytes:
            found = self._obs.get(self._store, name)
            if found.meta["size"] > limit:
                raise BackupError(f"{self.url}: {name} is {found.meta['size']} bytes: too large", CORRUPT)
            return bytes(found.bytes())

        return self._retried(name, act)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """A ranged GET; a range that begins at or beyond the end is empty, as with a file."""
        if length <= 0:
            return b""

        def act() -> bytes:
            try:
                return bytes(self._obs.get_range(self._store, name, start=start, length=length))
            except self._errors.BaseError:
                size = self.stat(name)  # only on failure: a HEAD before every range would double the requests
                if size is not None and start >= size:
                    return b""
                raise

        return self._retried(name, act)

    def list(self, prefix: str) -> Iterator[Entry]:
        """All objects below a prefix; stores differ in order, so sorted here."""

        def act() -> list[Entry]:
            return [
                Entry(meta["path"], meta["size"])
                for batch in self._obs.list(self._store, prefix, chunk_size=1000)
                for meta in batch
            ]

        with suppress(Missing):
            yield from sorted(self._retried(prefix, act))

    def delete(self, name: str) -> None:
        """Deletes an object."""
        with suppress(Missing):
            self._retried(name, lambda: self._obs.delete(self._store, name))

    def stat(self, name: str) -> int | None:
        """The size by a HEAD request."""
        try:
            meta = self._retried(name, lambda: self._obs.head(self._store, name))
        except Missing:
            return None
        return int(meta["size"])

    def relieve(self) -> bool:
        """A bucket has no reserve."""
        return False

    def reserve(self) -> None:
        """A bucket has no reserve."""

    def lock_file(self, name: str) -> str | None:
        """A bucket has no kernel locks; the caller keeps them in its cache directory."""
        return None

    def sweep(self) -> int:
        """An interrupted PUT leaves nothing."""
        return 0
