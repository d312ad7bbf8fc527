"""The rules of the lists: windows in UTC, filters that every way of ranking obeys, what is new."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from backendhub.kit import clock
from backendhub.kit.db import Store
from backendhub.kit.errors import HubError, Invalid, NotFound
from backendhub.kit.http import Client

from . import remote, store
from .models import Gain, Item, Repo, Snapshot, Trend, Wanted

DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
WAYS = ("created", "gained", "page")
MAX_LIMIT = 100
# What a snapshot measures: the most starred of each age, so that newcomers and old hands are both seen.
AGES = (7, 30, 365, None)
Say = Callable[[str], None]


def wanted(
    *, duration: str, limit: int, language: str | None, topic: str | None, min_stars: int | None, by: str
) -> Wanted:
    """A question from what was typed. Raises Invalid."""
    if duration not in DAYS:
        raise Invalid(f"There is no duration {duration!r}.", hint="choose from " + ", ".join(DAYS))
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"--limit takes 1 to {MAX_LIMIT}, not {limit}.")
    if by not in WAYS:
        raise Invalid(f"--by takes {', '.join(WAYS)}, not {by!r}.")
    if language is not None and re.fullmatch(r"[\w+#.' ()-]{1,50}", language) is None:
        raise Invalid(
            f"{language!r} is not a programming language.", hint="write it as GitHub does: c++, rust, …"
        )
    if topic is not None and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,49}", topic.lower()) is None:
        raise Invalid(f"{topic!r} is not a topic.", hint="topics are lower-case letters, digits and hyphens")
    if min_stars is not None and min_stars < 0:
        raise Invalid(f"--min-stars takes 0 or more, not {min_stars}.")
    if by == "page" and duration == "year":
        raise Invalid("The trending page has no list for a year.", hint="--duration day, week or month")
    if by == "page" and topic:
        raise Invalid(
            "The trending page cannot be filtered by topic.", hint="--by created or --by gained can"
        )
    return Wanted(duration, limit, language, topic and topic.lower(), min_stars, by)


def trend(
    db_store: Store, api: Callable[[], Client], web: Callable[[], Client], want: Wanted, say: Say
) -> Trend:
    """The list that was asked for. Raises NotFound, TooMany, Upstream."""
    if want.by == "gained":
        return gained(db_store, want, say)
    if want.by == "page":
        return listed(web(), want)
    return created(api(), want, say)


def start(duration: str) -> datetime:
    """The beginning of a window that ends now, in UTC."""
    return clock.now() - timedelta(days=DAYS[duration])


def qualifiers(want: Wanted, since: datetime | None) -> str:
    """The search for a question."""
    parts = [f"created:>={since:%Y-%m-%d}"] if since else []
    if want.language:
        parts.append(f'language:"{want.language}"' if " " in want.language else f"language:{want.language}")
    if want.topic:
        parts.append(f"topic:{want.topic}")
    if want.min_stars or not parts:
        parts.append(f"stars:>={want.min_stars or 1}")
    return " ".join(parts)


def created(client: Client, want: Wanted, say: Say) -> Trend:
    """The most starred of the repositories created in the window."""
    since = start(want.duration)
    found = remote.search(client, qualifiers(want, since), limit=want.limit)
    if found.incomplete:
        say("GitHub's search ran out of time: the list may be incomplete.")
    repos = sorted(found.repos, key=lambda r: (-r.stars, r.repo))[: want.limit]
    items = [Item(n, r.repo, r.description, r.stars, None, r.language, r.url) for n, r in enumerate(repos, 1)]
    return Trend("search", f"{since:%Y-%m-%d}", found.incomplete, items)


def listed(client: Client, want: Wanted) -> Trend:
    """GitHub's own list, in GitHub's own order."""
    rows, _ = remote.listed(client, want.duration, want.language)
    kept = [r for r in rows if r.stars >= (want.min_stars or 0)][: want.limit]
    items = [
        Item(n, r.full_name, r.description, r.stars, r.gained, r.language, f"{client.base_url}/{r.full_name}")
        for n, r in enumerate(kept, 1)
    ]
    return Trend("page", f"{start(want.duration):%Y-%m-%d}", False, items)


def gained(db_store: Store, want: Wanted, say: Say) -> Trend:
    """What gained the most stars between own snapshots. Raises NotFound where there are not two of them."""
    begin = start(want.duration)
    first, last, _ = db_store.read(store.times)
    hint = "run `backendhub trending snapshot` first, and again later (daily, from cron)"
    if first is None or last is None:
        raise NotFound("There is no star history yet.", hint=hint)
    if first == last or last <= begin:
        age = f"one snapshot, {clock.ago(last)}" if first == last else f"no snapshot since {begin:%Y-%m-%d}"
        raise NotFound(f"There is not enough star history: {age}.", hint=hint)
    if first > begin:
        say(f"The history begins {clock.ago(first)}: stars gained since then.")
    rows = [g for g in db_store.read(store.gains, begin) if _matches(g, want)]
    items = [
        Item(n, g.repo, g.description, g.stars, g.stars - g.before, g.language, g.url)
        for n, g in enumerate(rows[: want.limit], 1)
    ]
    return Trend("snapshots", f"{max(first, begin):%Y-%m-%d}", False, items)


def _matches(gain: Gain, want: Wanted) -> bool:
    if want.language and (gain.language or "").lower() != want.language.lower():
        return False
    if want.topic and want.topic not in gain.topics:
        return False
    return gain.stars > gain.before and gain.stars >= (want.min_stars or 0)


def only_new(db_store: Store, want: Wanted, found: Trend) -> Trend:
    """The part of a list that the same question has not shown before; from now on it has."""
    question = " ".join(f"{k}={v}" for k, v in want._asdict().items() if v is not None and k != "limit")
    with db_store.transaction() as db:
        before = store.seen(db, question)
        fresh = [item for item in found.items if item.full_name not in before]
        store.see(db, question, [item.full_name for item in fresh])
    return found._replace(items=fresh)


def snapshot(
    db_store: Store, client: Client, want: Wanted, *, pages: int, say: Say, tick: Callable[[float], None]
) -> Snapshot:
    """Measures the stars of the most starred repositories of each age.

    Each answer is filed as it comes, so that a rate limit half-way costs only the rest. Raises TooMany, Upstream.
    """
    if not 1 <= pages <= 10:
        raise Invalid(f"--pages takes 1 to 10, not {pages}.")
    taken_at = clock.now()
    measured: set[str] = set()
    requests = 0
    for age in AGES:
        since = taken_at - timedelta(days=age) if age else None
        for number in range(1, pages + 1):
            try:
                found = remote.search(client, qualifiers(want, since), limit=MAX_LIMIT, number=number)
            except HubError as error:
                if measured:
                    error.hint = f"{len(measured)} repositories were measured before that" + (
                        f"; {error.hint}" if error.hint else ""
                    )
                raise
            requests += found.response.source in ("network", "revalidated")
            tick(1)
            if found.response.source == "stale":
                say("Not measured: the answer is old.")
                break
            # One time for the whole run, or that of a cached answer: a number is of when it was asked for.
            _file(db_store, found.repos, min(found.response.fetched_at, taken_at))
            measured |= {r.repo for r in found.repos}
            if len(found.repos) < MAX_LIMIT:
                break
    known = db_store.read(lambda db: int(db.value(store.KNOWN)))
    return Snapshot(taken_at, len(measured), known, requests)


def _file(db_store: Store, repos: list[Repo], taken_at: datetime) -> None:
    with db_store.transaction() as db:
        store.measure(db, repos, taken_at)
