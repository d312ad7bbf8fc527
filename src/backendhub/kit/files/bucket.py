"""Bytes in a bucket of S3, Google Cloud Storage or Azure, through obstore."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from backendhub.kit import objects
from backendhub.kit.errors import Invalid

from .backend import BLOCK, Entry, Missing, Unavailable

T = TypeVar("T")
REQUEST_SECONDS = 60.0
RETRY_SECONDS = 20.0
PART = 8 << 20
"""Bytes of a part; a larger file is sent in several, four at a time."""


class Bucket:
    """A Backend. Credentials and endpoint come from the vendor's usual variables."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.spool: Path | None = None
        waits = {"request_seconds": REQUEST_SECONDS, "retry_seconds": RETRY_SECONDS}
        try:
            self._obs, self._store = objects.open_store(url, feature="Files in a bucket", **waits, **options)
        except ValueError as error:
            raise Invalid(f"{url} cannot be used for files: {error}.") from error

    def _do(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except FileNotFoundError:
            raise
        except (self._obs.exceptions.BaseError, OSError) as error:
            hint = "check credentials, name and region of the bucket, and the network"
            raise Unavailable(f"{self.url} cannot be used: {objects.line(error)}.", hint=hint) from error

    def put(self, key: str, path: Path, *, type: str) -> None:
        """One PUT, or a multipart upload that appears whole at its end."""
        attributes = {"Content-Type": type}

        def act() -> None:
            self._obs.put(
                self._store, key, path, attributes=attributes, chunk_size=PART, max_concurrency=4,
                use_multipart=path.stat().st_size > PART,
            )  # fmt: skip

        self._do(act)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """One ranged GET, handed on as it arrives. Raises Missing also where it ends too early."""
        if length <= 0:
            return
        try:
            options: Any = {"range": (start, start + length)}
            stream = self._do(
                lambda: self._obs.get(self._store, key, options=options).stream(min_chunk_size=BLOCK)
            )
            while (block := self._do(lambda: next(stream, None))) is not None:
                length -= len(block)
                yield bytes(block)
        except FileNotFoundError:
            raise Missing(key, self.url) from None
        if length > 0:
            raise Missing(key, self.url)

    def size(self, key: str) -> int | None:
        """A HEAD request."""
        try:
            return int(self._do(lambda: self._obs.head(self._store, key))["size"])
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """A DELETE request; S3 does not say whether there was anything."""
        try:
            self._do(lambda: self._obs.delete(self._store, key))
        except FileNotFoundError:
            return

    def entries(self, prefix: str) -> Iterator[Entry]:
        """A listing, 1,000 keys a request."""
        pages = self._obs.list(self._store, prefix, chunk_size=1000)
        while (page := self._do(lambda: next(pages, None))) is not None:
            for about in page:
                yield Entry(about["path"], about["size"], about["last_modified"])

    def sign(self, key: str, *, seconds: int, type: str, disposition: str) -> str | None:
        """A presigned GET (SigV4) with `response-content-*`: obstore signs none with those, so its address is signed
        again. None where the secret key is not in the environment (roles) or the bucket is not S3."""
        if not self.url.startswith("s3"):
            return None
        plain = str(self._do(lambda: self._obs.sign(self._store, "GET", key, timedelta(seconds=seconds))))
        more = {"response-content-disposition": disposition, "response-content-type": type}
        return resign(
            plain, more, os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        )

    def close(self) -> None:
        """Nothing is held open."""


def resign(url: str, more: dict[str, str], key_id: str | None, secret: str | None) -> str | None:
    """A presigned address with further parameters (AWS Signature Version 4, query string); None without the key that
    signed it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | more
    query.pop("X-Amz-Signature", None)
    signer, _, scope = query.get("X-Amz-Credential", "").partition("/")
    if not secret or signer != key_id:
        return None
    encoded = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items()))
    canonical = f"GET\n{parts.path}\n{encoded}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{encoded}&X-Amz-Signature={signature}"
