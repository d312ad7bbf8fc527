"""The rules of lists, search, the watch list and recommendations. The network is never asked inside a transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Invalid, NotFound, StoreError, Unauthenticated, Upstream

from . import recommend, remote, store
from .models import Detail, Item, Kind, Recommendation, State, Watch
from .remote import Api

MAX_LIMIT = 100
LIKED = 5  # liked items whose neighbours are asked for
LOOKED_AT = 20  # candidates whose details are fetched before the final ranking
Say = Callable[[str], None]


class Sources(NamedTuple):
    """The store, how to reach TMDB (made when first needed), and where remarks and progress go."""

    store: Store
    api: Callable[[], Api]
    say: Say
    tick: Callable[[float], None]


# -- what was typed ---------------------------------------------------------------------------------------


def language(text: str) -> str:
    """`de`, `de-DE`. Raises Invalid."""
    match = re.fullmatch(r"([A-Za-z]{2})(?:[-_]([A-Za-z]{2}))?", text.strip())
    if match is None:
        raise Invalid(f"{text!r} is not a language.", hint="write de or de-DE")
    return match[1].lower() + (f"-{match[2].upper()}" if match[2] else "")


def region(text: str | None) -> str | None:
    """`DE`. Raises Invalid."""
    if text is None:
        return None
    if re.fullmatch(r"[A-Za-z]{2}", text.strip()) is None:
        raise Invalid(f"{text!r} is not a country.", hint="write two letters: DE, US")
    return text.strip().upper()


def list_name(kind: Kind, text: str) -> str:
    """The name of a list. Raises Invalid for one that does not exist for this kind."""
    if text not in remote.LISTS[kind]:
        raise Invalid(
            f"There is no list {text!r} of {_many(kind)}.",
            hint="choose from " + ", ".join(remote.LISTS[kind]),
        )
    return text


def _many(kind: Kind) -> str:
    return "films" if kind is Kind.MOVIE else "series"


def _page(page: int) -> int:
    if not 1 <= page <= remote.MAX_PAGE:
        raise Invalid(f"--page takes 1 to {remote.MAX_PAGE}, not {page}.")
    return page


def _limit(limit: int | None) -> int:
    if limit is not None and not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"--limit takes 1 to {MAX_LIMIT}, not {limit}.")
    return limit or 0


# -- asking TMDB ------------------------------------------------------------------------------------------


def listing(
    sources: Sources, kind: Kind, name: str, *, page: int = 1, limit: int | None = None
) -> list[Item]:
    """One of TMDB's lists: a page, or as many items as asked for. Raises Invalid, Upstream and the like."""
    name, first, wanted = list_name(kind, name), _page(page), _limit(limit)
    return _pages(sources, lambda api, number: api.listing(kind, name, number), first, wanted)


def search(
    sources: Sources,
    kind: Kind,
    text: str,
    *,
    year: int | None = None,
    page: int = 1,
    limit: int | None = None,
) -> list[Item]:
    """What matches a title. Raises Invalid."""
    if not text.strip():
        raise Invalid("There is nothing to search for.")
    if year is not None and not 1870 <= year <= 2200:
        raise Invalid(f"{year} is not a year of film.")
    first, wanted = _page(page), _limit(limit)
    return _pages(
        sources, lambda api, number: api.search(kind, text.strip(), year=year, page=number), first, wanted
    )


def _pages(sources: Sources, ask: Callable[[Api, int], list[Item]], first: int, wanted: int) -> list[Item]:
    api = sources.api()
    items = ask(api, first)
    sources.tick(1)
    page = first
    while len(items) < wanted and page < remote.MAX_PAGE:
        page += 1
        more = ask(api, page)
        sources.tick(1)
        if not more:
            break
        items += more
    unique = list({item.id: item for item in items}.values())  # a list may shift between two pages
    keep(sources, unique)
    return unique[:wanted] if wanted else unique


def keep(sources: Sources, items: list[Item]) -> None:
    """Files items for offline use; a store that cannot be written does not spoil the answer."""
    try:
        with sources.store.transaction() as db:
            store.keep(db, items)
    except StoreError as error:
        sources.say(f"Not filed for offline use: {error.message}")


def show(sources: Sources, kind: Kind, words: str, *, by_title: bool = False) -> Detail:
    """Everything about an item named by id or title. Raises NotFound."""
    api = sources.api()
    name = words.strip()
    if name.isdecimal() and not by_title:
        if len(name) > 15:
            raise Invalid(f"{name} is not an id of TMDB.")
        detail = _detail(api, kind, int(name))
    else:
        found = search(sources, kind, name)
        if not found:
            raise NotFound(f"TMDB knows no {'film' if kind is Kind.MOVIE else 'series'} called {name!r}.")
        exact = [i for i in found if i.title.lower() == name.lower()]
        detail = _detail(api, kind, (exact or found)[0].id)
    keep(sources, [detail.item])
    return detail


def _detail(api: Api, kind: Kind, id: int) -> Detail:
    try:
        return api.detail(kind, id)
    except NotFound:
        what = "film" if kind is Kind.MOVIE else "series"
        raise NotFound(f"TMDB has no {what} with the id {id}.", hint="backendhub tmdb search TITLE") from None


# -- the watch list ---------------------------------------------------------------------------------------


def find(sources: Sources, kind: Kind, words: str) -> Item:
    """An item by id or title, out of the store where TMDB cannot be reached. Raises NotFound, Upstream."""
    name = words.strip()
    id = int(name) if name.isdecimal() and len(name) <= 15 else None
    try:
        return show(sources, kind, name).item
    except (Upstream, Unauthenticated):
        read = sources.store.read
        filed = read(store.item, kind, id) if id is not None else read(store.titled, kind, name)
        if filed is None:
            raise
        return filed


def add(db: Db, item: Item) -> tuple[Watch, bool]:
    """Puts an item on the watch list; says whether it was there already."""
    known = store.watched(db, item.kind, item.id, "")
    return (known, True) if known else (store.add(db, item), False)


def rating(text: str | None) -> float | None:
    """A mark from 0.5 to 10 in halves. Raises Invalid."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,2}(\.[05])?", text.strip()) is None or not 0.5 <= float(text) <= 10:
        raise Invalid(f"{text!r} is not a rating.", hint="write 0.5 to 10 in halves: 8, 8.5")
    return float(text)


def listed(db: Db, kind: Kind, words: str) -> Watch | None:
    """A row of the watch list by id or title."""
    name = words.strip()
    return store.watched(db, kind, int(name) if name.isdecimal() and len(name) <= 15 else None, name)


def done(db: Db, row: Watch, mark: float | None) -> Watch:
    """Marks a row as watched, with a rating where one is given."""
    return store.done(db, row, mark, clock.now())


def remove(db: Db, kind: Kind, words: str) -> Watch:
    """Takes an item off the watch list. Raises NotFound."""
    row = listed(db, kind, words)
    if row is None:
        raise NotFound(f"{words.strip()!r} is not on the watch list.", hint="backendhub tmdb watch list")
    store.remove(db, row)
    return row


def watches(db: Db, state: str) -> list[Watch]:
    """The watch list. Raises Invalid for an unknown state."""
    if state not in ("all", *State):
        raise Invalid(f"There is no state {state!r}.", hint="choose from want, done, all")
    return store.watches(db, state)


# -- recommendations --------------------------------------------------------------------------------------


def recommendations(sources: Sources, kind: Kind, *, limit: int) -> list[Recommendation]:
    """What fits the watch list best. TMDB is asked for candidates and details where it can be.

    Raises NotFound where there is nothing to go by.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"--limit takes 1 to {MAX_LIMIT}, not {limit}.")
    rows = [w for w in sources.store.read(store.watches) if w.kind is kind]
    if not rows:
        raise NotFound(
            "There is nothing on the watch list to go by.",
            hint='backendhub tmdb watch done "The Matrix" --rating 9',
        )
    with _where_possible(sources):
        _learn(sources, kind, rows)
    first = recommend.rank(
        _tastes(sources, kind, rows), sources.store.read(store.pool, kind), limit=LOOKED_AT
    )
    with _where_possible(sources):
        api = sources.api()
        _look_at(sources, api, kind, [r.item.id for r in first if not r.item.detailed])
    return recommend.rank(_tastes(sources, kind, rows), sources.store.read(store.pool, kind), limit=limit)


@contextmanager
def _where_possible(sources: Sources) -> Iterator[None]:
    """Without network or credential the ranking makes do with what the store knows."""
    try:
        yield
    except (Upstream, Unauthenticated) as error:
        sources.say(f"Only from what is known here: {error.message}")


def _learn(sources: Sources, kind: Kind, rows: list[Watch]) -> None:
    """Fetches details of what was watched, and candidates: popular, best rated, and beside what was liked."""
    api = sources.api()
    filed = {row.item_id: sources.store.read(store.item, kind, row.item_id) for row in rows}
    _look_at(sources, api, kind, [id for id, item in filed.items() if item is None or not item.detailed])
    liked = sorted(rows, key=lambda w: (-(w.rating or 6.0), w.item_id))
    for name in ("popular", "top"):
        keep(sources, api.listing(kind, name, 1))
        sources.tick(1)
    for row in (w for w in liked[:LIKED] if (w.rating or 6.0) >= 6):
        with suppress(NotFound):
            keep(sources, api.related(kind, row.item_id))
        sources.tick(1)


def _look_at(sources: Sources, api: Api, kind: Kind, ids: list[int]) -> None:
    """Files the details of items; one that TMDB has taken out since is passed over."""
    found = []
    try:
        for id in ids:
            with suppress(NotFound):
                found.append(_detail(api, kind, id).item)
            sources.tick(1)
    finally:
        keep(sources, found)


def _tastes(sources: Sources, kind: Kind, rows: list[Watch]) -> list[recommend.Taste]:
    filed = {row.item_id: sources.store.read(store.item, kind, row.item_id) for row in rows}
    return [recommend.taste(row, item) for row in rows if (item := filed[row.item_id])]
