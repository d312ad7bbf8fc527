"""What an unwelcome answer means to the person at the keyboard: one error of the tree, with a hint."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock
from backendhub.kit.errors import Denied, HubError, Invalid, NotFound, TooMany, Unauthenticated, Upstream

from .response import Response, redact


def of(response: Response, *, secret: str | None = None, hints: dict[str, str] | None = None) -> HubError:
    """The error for an answer that is no success. `hints` are by code of the error: `rate_limited`, …"""
    error = _kind(response, _said(response, secret))
    if error.hint is None:
        error.hint = (hints or {}).get(error.code)
    return error


def _kind(response: Response, said: str) -> HubError:
    name, status = response.service, response.status
    if status == 401:
        return Unauthenticated(f"{name} does not accept the credential{said}.")
    if status == 429 or (status == 403 and (response.remaining == 0 or response.retry_after is not None)):
        return TooMany(f"{name}'s rate limit is used up{until(response)}.")
    if status == 403:
        return Denied(f"{name} refuses this{said}.")
    if status in (404, 410):
        return NotFound(f"{name} has nothing at {response.url}.")
    if status in (400, 409, 422):
        return Invalid(f"{name} does not accept this request{said}.")
    if status >= 500:
        return Upstream(f"{name} failed: it answered {status}{said}.", hint="try again later")
    return Upstream(f"{name} answered {status}{said}, which was not expected.")


def until(response: Response) -> str:
    """` until 14:05 (in 23m)` in local time, or nothing where the server did not say."""
    moment = response.available_at
    if moment is None:
        return ""
    # Rounded up to the minute: a person who comes back at the time named must not be too early.
    local = (moment + timedelta(seconds=59, microseconds=999_999)).astimezone()
    text = f"{local:%H:%M}" if local.date() == clock.today() else f"{local:%Y-%m-%d %H:%M}"
    seconds = max(0, int((moment - clock.precise()).total_seconds() + 0.999))
    wait = (
        f"{seconds}s"
        if seconds < 120
        else f"{-(-seconds // 60)}m"
        if seconds < 7200
        else f"{seconds // 3600}h"
    )
    return f" until {text} (in {wait})"


def _said(response: Response, secret: str | None) -> str:
    """The server's own words, in one short line."""
    try:
        data = response.json()
    except Upstream:
        return ""
    if not isinstance(data, dict):
        return ""
    words = data.get("message") or data.get("status_message") or data.get("detail")
    if not isinstance(words, str) or not words.strip():
        return ""
    return ": " + redact(" ".join(words.split())[:200].rstrip("."), secret)
