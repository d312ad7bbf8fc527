"""Telling others: pings in healthchecks' style and a Slack message on failure and recovery.

A notification that fails is a warning and never the failure of a backup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backendhub.kit.errors import Invalid

TIMEOUT = 10.0
TAIL = 10_000  # healthchecks.io keeps so many bytes of a body
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Notifier:
    """Where one target's runs are reported."""

    warn: Warn
    ping_url: str | None = None
    slack_webhook: str | None = None

    def started(self, rid: str) -> None:
        """`…/start`: from here on a silence is noticed."""
        if self.ping_url:
            self._post(_ping(self.ping_url, "start", rid), b"", "ping")

    def finished(self, rid: str, exit_code: int, tail: str) -> None:
        """`…/<exit code>` with the end of the log."""
        if self.ping_url:
            body = tail.encode(errors="replace")[-TAIL:]
            self._post(_ping(self.ping_url, str(exit_code), rid), body, "ping")

    def message(self, text: str) -> None:
        """A message to Slack."""
        if self.slack_webhook:
            import json

            # Slack reads <…> as links and mentions: a table called <!channel> must not wake anybody.
            safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            body = json.dumps({"text": safe}).encode()
            self._post(self.slack_webhook, body, "Slack", "application/json")

    def _post(self, url: str, body: bytes, what: str, kind: str = "text/plain; charset=utf-8") -> None:
        from http.client import HTTPException
        from urllib.request import Request, urlopen

        request = Request(url, data=body, headers={"Content-Type": kind, "User-Agent": "backendhub"})
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:
                answer.read(1024)
        except (OSError, HTTPException, ValueError) as error:
            # The URL is as good as a password, so it is not repeated.
            self.warn(f"The {what} did not get through: {type(error).__name__}: {error}")


def check_url(url: str | None) -> str | None:
    """A URL that can be pinged, or None. Raises Invalid."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise Invalid("A ping URL begins with https:// (or http://).")
    return url


def _ping(url: str, end: str, rid: str) -> str:
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    query = f"{parts.query}&rid={rid}" if parts.query else f"rid={rid}"
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{end}", query=query))
