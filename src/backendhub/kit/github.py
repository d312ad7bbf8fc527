"""GitHub as every tool that asks it reaches it: address, token, rate-limit hints."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backendhub.kit.errors import HubError, TooMany
from backendhub.kit.http import Client, Credential, Response

if TYPE_CHECKING:
    from backendhub.kit.http import Http
    from backendhub.kit.settings import Settings

API = "https://api.github.com"
WEB = "https://github.com"
VERSION = "2022-11-28"


def client(http: Http, settings: Settings, *, ttl: float) -> Client:
    """A client of the REST API, with a token where there is one."""
    base = settings.get("github.url") or API
    secret = token(settings, base)
    hints = {"unauthenticated": "check GITHUB_TOKEN or the setting github.token (backendhub config)"}
    if secret is None:
        hints["rate_limited"] = "with a token (GITHUB_TOKEN, or `gh auth login`) the limit is far higher"
    return http.client(
        base_url=base,
        name="GitHub",
        ttl=ttl,
        headers={"accept": "application/vnd.github+json", "x-github-api-version": VERSION},
        secret=Credential(secret) if secret else None,
        hints=hints,
        explain=_explain,
    )


def web(settings: Settings) -> str:
    """The address of the web site."""
    return (settings.get("github.web") or WEB).rstrip("/")


def token(settings: Settings, base: str) -> str | None:
    """The token of the settings or the environment, else the one that `gh` holds for this very server."""
    if found := settings.get("github.token"):
        return found.strip()
    from shutil import which

    program = which("gh")
    if program is None:
        return None
    import subprocess

    host = (urlsplit(base).hostname or "").removeprefix("api.")
    try:
        done = subprocess.run(
            [program, "auth", "token", "--hostname", host],
            capture_output=True,
            text=True,
            timeout=10,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # a broken gh is as good as none: the request goes out without a token
    return done.stdout.strip() or None if done.returncode == 0 else None


def _explain(response: Response) -> HubError | None:
    """A secondary rate limit may come as a bare 403."""
    if response.status == 403 and "secondary rate limit" in response.text.lower():
        return TooMany("GitHub asks to slow down (secondary rate limit).", hint="wait a minute or two")
    return None
