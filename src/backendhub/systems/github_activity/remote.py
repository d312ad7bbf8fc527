"""What is asked of GitHub: pages of events, the number of commits of a push, the contribution calendar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from backendhub.kit import clock
from backendhub.kit.errors import HubError, Invalid, NotFound, TooMany, Unauthenticated, Upstream
from backendhub.kit.http import Client, Response

from .models import Day, Event, Heatmap

# Managed users have an underscore, apps end in [bot], and some old names break today's rules about hyphens.
LOGIN = r"(?![-_])[A-Za-z0-9_-]{1,39}(\[bot\])?"
REPO = r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+"
MAX_PAGES = 10  # GitHub gives three; the bound is for servers that never stop
CALENDAR = (
    "query($login:String!,$from:DateTime,$to:DateTime){user(login:$login){contributionsCollection("
    "from:$from,to:$to){contributionCalendar{totalContributions weeks{contributionDays{"
    "date contributionCount}}}}}}"
)
HOUR = 3600


def login(text: str) -> str:
    """A user name. Raises Invalid for what can be none, before anything is asked."""
    name = text.strip().removeprefix("@")
    if re.fullmatch(LOGIN, name) is None:
        raise Invalid(
            f"{text!r} is not a GitHub user name.",
            hint="up to 39 letters, digits, hyphens or underscores, not starting with a hyphen",
        )
    return name


def pages(client: Client, user: str) -> Iterator[tuple[Response, list[Event]]]:
    """The public events of a user, page by page, the latest first. Raises NotFound for no such user."""
    path: str | None = f"/users/{quote(user, safe='')}/events?per_page=100"
    for _ in range(MAX_PAGES):
        if path is None:
            return
        try:
            response = client.get(path)
        except NotFound:
            raise NotFound(f"There is no GitHub user {user!r}.", hint="check the spelling") from None
        found = (_event(row, user) for row in response.records())
        events = sorted((e for e in found if e), key=lambda e: e.created_at, reverse=True)
        yield response, events
        path = response.next


def _event(row: dict[str, Any], user: str) -> Event | None:
    """An event, or None for something that cannot be told about."""
    repo, payload = row.get("repo"), row.get("payload")
    name = repo.get("name") if isinstance(repo, dict) else None
    id, kind, at = row.get("id"), row.get("type"), row.get("created_at")
    if not (isinstance(name, str) and isinstance(kind, str) and isinstance(at, str) and id is not None):
        return None
    try:
        moment = clock.parse(at)
    except ValueError:
        return None
    return Event(str(id), user.lower(), kind, name, payload if isinstance(payload, dict) else {}, moment)


def compare(client: Client, repo: str, before: str, head: str) -> tuple[int | None, int | None]:
    """How many commits lie between two commits (None: GitHub cannot say), and the requests still allowed.

    Not kept in the cache of answers: the number itself is filed, and the rest of the answer is long.
    """
    path = f"/repos/{quote(repo)}/compare/{quote(before, safe='')}...{quote(head, safe='')}?per_page=1"
    response = client.get(path, keep=False, expect=(404, 409, 410, 422))
    if response.status != 200:
        return None, response.remaining
    total = response.record().get("total_commits")
    return (total if isinstance(total, int) and total >= 0 else None), response.remaining


def heatmap(client: Client, user: str, year: int | None) -> Heatmap:
    """The contribution calendar. Raises Unauthenticated without a token, NotFound for no such user."""
    if not client.authenticated:
        raise Unauthenticated(
            "The heat map needs a GitHub token (its API answers nobody without one).",
            hint="set GITHUB_TOKEN, or run `gh auth login`",
        )
    variables: dict[str, Any] = {"login": user}
    if year is not None:
        variables |= {"from": f"{year:04}-01-01T00:00:00Z", "to": f"{year:04}-12-31T23:59:59Z"}
    # GitHub Enterprise serves REST at /api/v3 and GraphQL at /api/graphql.
    path = client.base_url.removesuffix("/v3") + "/graphql"
    data = client.query(path, {"query": CALENDAR, "variables": variables}, ttl=HOUR).record()
    if errors := data.get("errors"):
        raise _graphql_error(errors, user)
    calendar = _dig(data, "data", "user", "contributionsCollection", "contributionCalendar")
    weeks, total = calendar.get("weeks"), calendar.get("totalContributions")
    if not isinstance(weeks, list) or not isinstance(total, int):
        raise Upstream("GitHub answered with a calendar of an unexpected shape.")
    days = [day for week in weeks if isinstance(week, dict) for day in week.get("contributionDays") or ()]
    return Heatmap(user, total, [Day(str(d["date"]), int(d["contributionCount"])) for d in days])


def _dig(data: Any, *path: str) -> dict[str, Any]:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise Upstream("GitHub answered with a calendar of an unexpected shape.")
    return data


def _graphql_error(errors: Any, user: str) -> HubError:
    """GraphQL fails with 200 and a list of reasons."""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    kind, message = first.get("type"), str(first.get("message") or "no reason given")
    if kind == "NOT_FOUND":
        return NotFound(f"There is no GitHub user {user!r}.", hint="check the spelling")
    if kind == "RATE_LIMITED":
        return TooMany("GitHub's rate limit for GraphQL is used up.", hint="try again within the hour")
    if kind in ("INSUFFICIENT_SCOPES", "FORBIDDEN"):
        return Unauthenticated(f"The token may not do this: {message}", hint="it needs the scope read:user")
    return Upstream(f"GitHub could not answer: {message}")
