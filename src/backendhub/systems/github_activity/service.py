"""The rules of the feed: what is shown, how pushes are counted and merged, what is filed."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from backendhub.kit import clock, when
from backendhub.kit.db import Store
from backendhub.kit.errors import HubError, Invalid, NotFound, StoreError, TooMany, Upstream
from backendhub.kit.http import Client

from . import remote, store
from .describe import ALIASES, SYNONYMS, pushed, words
from .models import Activity, Count, Event, Group, Heatmap, Synced

LOW = 20  # requests that `--commits auto` leaves to other uses
EVERYTHING = 2**31 - 1
UNKNOWN_FOR = timedelta(days=1)  # how long "GitHub cannot say" is believed
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Say = Callable[[str], None]
Tick = Callable[[float], None]


class Wanted(NamedTuple):
    """A filter."""

    types: frozenset[str] = frozenset()
    repo: str | None = None
    since: datetime = EPOCH
    archive: bool = False
    commits: str = "auto"


class Sources(NamedTuple):
    """Where a feed comes from, and where remarks and progress go."""

    store: Store
    client: Client
    web: str
    say: Say
    tick: Tick


def wanted(
    *,
    types: Sequence[str] = (),
    repo: str | None = None,
    since: str | None = None,
    archive: bool = False,
    commits: str = "auto",
) -> Wanted:
    """A filter from what was typed. Raises Invalid."""
    if commits not in ("auto", "always", "never"):
        raise Invalid(f"--commits takes auto, always or never, not {commits!r}.")
    kinds = frozenset(k for text in types for part in text.split(",") if part.strip() for k in kind(part))
    if repo is not None:
        repo = repo.strip().lower()
        if re.fullmatch(r"[a-z0-9_.*?-]+(/[a-z0-9_.*?-]+)?", repo) is None:
            raise Invalid(f"{repo!r} is not a repository.", hint="write owner/name; * stands for anything")
    return Wanted(kinds, repo, past(since) if since else EPOCH, archive, commits)


def kind(text: str) -> tuple[str, ...]:
    """The event types that a word stands for: `pr`, `PullRequestEvent`. Raises Invalid."""
    word = text.strip().lower()
    if found := ALIASES.get(SYNONYMS.get(word, word)):
        return found
    if match := re.fullmatch(r"(?i)[a-z]+event", text.strip()):
        known = {t.lower(): t for types in ALIASES.values() for t in types}
        return (known.get(word, match[0]),)
    raise Invalid(f"There is no event type {text.strip()!r}.", hint="choose from " + ", ".join(ALIASES))


def past(text: str) -> datetime:
    """`7d` ago, or a day or moment as such. Raises Invalid."""
    if re.fullmatch(r"(?i)-?\d{1,4}\s*(min|h|d|w|m|y)[a-z]*", text.strip()):
        return clock.now() - when.duration(text.strip().lstrip("-"))
    moment = when.parse(text)
    if isinstance(moment, datetime):
        return moment
    return datetime(moment.year, moment.month, moment.day).astimezone(UTC)


# -- the feed ---------------------------------------------------------------------------------------------


def feed(
    sources: Sources, users: Sequence[str], want: Wanted, *, limit: int, merge: bool = True
) -> list[Activity]:
    """The latest activity of users, pushes in a row merged. Raises NotFound, TooMany, Upstream."""
    logins = list(dict.fromkeys(remote.login(user) for user in users))  # all of them before the first request
    counter = Counter(sources, want.commits)
    streams = [_events(sources, counter, user, want) for user in logins]
    names = {user.lower(): user for user in logins}
    lines: list[Activity] = []
    for event in heapq.merge(*streams, key=lambda e: e.created_at, reverse=True):
        if len(lines) == limit and not (merge and _may_merge(lines[-1], event)):
            break
        line = tell(sources, counter, event, names[event.login])
        if merge and lines and (merged := merge_pushes(lines[-1], line)):
            lines[-1] = merged
        elif len(lines) == limit:
            break
        else:
            lines.append(line)
    return lines


def _events(sources: Sources, counter: Counter, user: str, want: Wanted) -> Iterator[Event]:
    """What a user did, the latest first: the live feed, then (if wanted) the archive."""
    seen: set[str] = set()
    archive = want.archive
    try:
        for response, events in remote.pages(sources.client, user):
            sources.tick(1)
            counter.budget = response.remaining if response.source in ("network", "revalidated") else None
            if response.source == "network":
                keep(sources, events)
            fresh = [e for e in events if e.id not in seen]
            seen.update(e.id for e in fresh)
            yield from (e for e in fresh if matches(e, want))
            if events and events[-1].created_at < want.since:
                break
    except Upstream as error:
        filed = _archived(sources, user, want)
        if not filed:
            raise
        if not archive:
            sources.say(f"{error.message} Showing what the archive has of {user}.")
        archive = True
    if archive:
        yield from (e for e in _archived(sources, user, want) if e.id not in seen and matches(e, want))


def _archived(sources: Sources, user: str, want: Wanted) -> list[Event]:
    return sources.store.read(store.of_user, user.lower(), want.since)


def keep(sources: Sources, events: list[Event]) -> int:
    """Files events; a store that cannot be written costs the archive, not the feed."""
    try:
        with sources.store.transaction() as db:
            return store.insert(db, events)
    except StoreError as error:
        sources.say(f"Not filed in the archive: {error.message}")
        return 0


def matches(event: Event, want: Wanted) -> bool:
    """Whether a filter lets an event through."""
    if want.types and event.type not in want.types:
        return False
    repo = event.repo.lower()
    if want.repo and not fnmatchcase(repo if "/" in want.repo else repo.split("/", 1)[-1], want.repo):
        return False
    return event.created_at >= want.since


def tell(sources: Sources, counter: Counter, event: Event, user: str) -> Activity:
    """An event as a line."""
    said = words(event)
    count, source, text = None, None, said.text
    if event.type == "PushEvent":
        count, source = counter.count(event)
        text = pushed(event.repo, said.ref, count)
    url = f"{sources.web}/{event.repo}{said.path}"
    rest = (event.repo, said.ref, count, source, text, said.title, url, event.created_at)
    return Activity(event.id, user, event.type, said.action, *rest)


def _may_merge(line: Activity, event: Event) -> bool:
    same = line.repo == event.repo and line.user.lower() == event.login
    return same and line.type == event.type == "PushEvent"


def merge_pushes(newer: Activity, older: Activity) -> Activity | None:
    """Two pushes to a repository as one; None where they are not, or where a known number would be lost."""
    if not (
        newer.type == older.type == "PushEvent" and newer.repo == older.repo and newer.user == older.user
    ):
        return None
    if bool(newer.commits) != bool(older.commits):
        return None
    if not newer.commits or not older.commits:
        return newer if newer.ref == older.ref else None
    total = newer.commits + older.commits
    source = newer.commits_source if newer.commits_source == older.commits_source else "compare"
    ref = newer.ref if newer.ref == older.ref else None
    return newer._replace(commits=total, commits_source=source, ref=ref, text=pushed(newer.repo, ref, total))


class Counter:
    """Counts the commits of pushes, which the events API stopped doing in October 2025."""

    def __init__(self, sources: Sources, mode: str) -> None:
        self._sources = sources
        self._mode = mode
        self._stopped = mode == "never"
        self.budget: int | None = None
        """Requests that the rate limit still allows, as far as known."""

    def count(self, event: Event) -> tuple[int | None, str]:
        """The number of commits and where it is from: `payload`, `compare` or `unknown`."""
        size = event.payload.get("size")
        if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
            return size, "payload"
        before, head = event.payload.get("before"), event.payload.get("head")
        shas = isinstance(before, str) and isinstance(head, str) and before.strip("0") and head.strip("0")
        if not shas or re.fullmatch(remote.REPO, event.repo) is None:
            return None, "unknown"
        total = self._compare(event.repo, str(before), str(head))
        return total, "unknown" if total is None else "compare"

    def _compare(self, repo: str, before: str, head: str) -> int | None:
        known = self._sources.store.read(store.compared, repo, before, head)
        if known and (known.total is not None or clock.now() - known.asked_at < UNKNOWN_FOR):
            return known.total
        if self._stopped:
            return None
        if self._mode == "auto" and self.budget is not None and self.budget < LOW:
            self._stop(f"only {self.budget} requests are left")
            return None
        try:
            total, remaining = remote.compare(self._sources.client, repo, before, head)
        except (TooMany, Upstream) as error:
            if self._mode == "always":
                raise
            self._stop(error.message)
            return None
        self._sources.tick(1)
        self.budget = remaining if remaining is not None else self.budget
        self._file(repo, before, head, total)
        return total

    def _stop(self, why: str) -> None:
        self._stopped = True
        self._sources.say(f"Some pushes are shown without their number of commits: {why.rstrip('.')}.")

    def _file(self, repo: str, before: str, head: str, total: int | None) -> None:
        try:
            with self._sources.store.transaction() as db:
                store.compare(db, repo, before, head, total)
        except StoreError as error:
            self._sources.say(f"Not filed in the archive: {error.message}")


# -- views ------------------------------------------------------------------------------------------------


def digest(sources: Sources, users: Sequence[str], want: Wanted, by: str) -> list[Group]:
    """What was done, by `day` or by `repo`; all pushes to a repository in a group are one line."""
    if by not in ("day", "repo"):
        raise Invalid(f"--by takes day or repo, not {by!r}.")
    groups: dict[str, list[Activity]] = {}
    for line in feed(sources, users, want, limit=EVERYTHING, merge=False):
        key = line.repo if by == "repo" else line.created_at.astimezone().date().isoformat()
        items = groups.setdefault(key, [])
        for index, item in enumerate(items):
            if merged := merge_pushes(item, line):
                items[index] = merged
                break
        else:
            items.append(line)
    return [Group(key, items) for key, items in groups.items()]


def summary(lines: Iterable[Activity]) -> list[Count]:
    """How often each kind of thing was done, the most frequent first."""
    names = {t: alias for alias, types in ALIASES.items() for t in types}
    rows: dict[str, list[Activity]] = {}
    for line in lines:
        rows.setdefault(names.get(line.type, line.type), []).append(line)
    counts = [
        Count(
            name,
            len(items),
            sum(i.commits or 0 for i in items) if any(i.commits for i in items) else None,
            len({i.repo for i in items}),
        )
        for name, items in rows.items()
    ]
    return sorted(counts, key=lambda c: (-c.events, c.type))


def sync(sources: Sources, users: Sequence[str]) -> list[Synced]:
    """Files everything GitHub still has of users, or of those that were synced before.

    One that does not exist is reported and does not keep the others from being done. Raises TooMany, Upstream.
    """
    logins = [remote.login(user) for user in users] or sources.store.read(store.users)
    if not logins:
        raise Invalid("Nobody to sync.", hint="name users once: backendhub github-activity sync octocat")
    return [_sync(sources, login) for login in dict.fromkeys(logins)]


def _sync(sources: Sources, user: str) -> Synced:
    fetched: list[Event] = []
    try:
        for _, events in remote.pages(sources.client, user):
            fetched += events
            sources.tick(1)
    except NotFound as error:
        return Synced(user, 0, 0, 0, None, error.message)
    with sources.store.transaction() as db:
        new = store.insert(db, fetched)
        store.synced(db, user.lower())
        count, oldest = store.extent(db, user.lower())
    return Synced(user, len(fetched), new, count, oldest)


def forget(sources: Sources, users: Sequence[str]) -> list[str]:
    """Takes users off the list that `sync` follows; what is filed stays. Raises NotFound."""
    logins = [remote.login(user).lower() for user in users]
    with sources.store.transaction() as db:
        for login in logins:
            if not store.forget(db, login):
                raise NotFound(
                    f"{login} is not on the list.", hint="backendhub github-activity sync USER adds one"
                )
    return logins


def heatmap(client: Client, user: str, year: int | None) -> Heatmap:
    """A year of contributions. Raises Invalid, Unauthenticated, NotFound."""
    if year is not None and not 2008 <= year <= clock.today().year:
        raise Invalid(f"There is no GitHub calendar of {year}.", hint=f"2008 to {clock.today().year}")
    return remote.heatmap(client, remote.login(user), year)


def first_error(rows: Iterable[Synced]) -> HubError | None:
    """What a sync that left someone out ends with."""
    failed = [row for row in rows if row.error]
    return NotFound(failed[0].error or "") if failed else None
