"""Buckets of S3, Google Cloud Storage and Azure through obstore (the extra `objects`): opened alike, failing in a line."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from backendhub.kit.errors import MissingExtra

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def open_store(
    url: str, *, feature: str, request_seconds: float, retry_seconds: float, **options: Any
) -> tuple[Any, Any]:
    """The module obstore and a store of it; credentials and endpoint come from the vendor's usual variables.

    `options` are obstore's own. Raises MissingExtra naming the feature, and ValueError for a URL that it does not
    understand.
    """
    try:
        import obstore
        from obstore import exceptions, store
    except ImportError as error:
        raise MissingExtra(feature, "objects") from error
    client: Any = {
        "timeout": timedelta(seconds=request_seconds),
        "connect_timeout": "15s",
        "allow_http": _plain_http(options),
    }
    retries: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=retry_seconds)}
    try:
        opened: Any = store.from_url(url, client_options=client, retry_config=retries, **options)
    except exceptions.BaseError as error:
        raise ValueError(line(error)) from error
    return obstore, opened


def _plain_http(options: dict[str, Any]) -> bool:
    endpoint = options.get("endpoint") or next((os.environ[n] for n in ENDPOINTS if n in os.environ), "")
    return str(endpoint).startswith("http://") or os.environ.get("AZURE_STORAGE_USE_EMULATOR") == "true"


def line(error: Exception) -> str:
    """The first line of an error: obstore's go on for pages."""
    return " ".join(str(error).split("\n\n")[0].split())[:300]
