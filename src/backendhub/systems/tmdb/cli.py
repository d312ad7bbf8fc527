"""`backendhub tmdb`: films and series."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import HubError, Invalid

from . import credential, remote, render, service
from .models import Detail, Item, Kind, Person, Recommendation, Watch
from .remote import Api
from .service import Sources

app = cli.commands(
    "tmdb",
    "Films and series from The Movie Database (TMDB).",
    examples=(
        "backendhub tmdb --type popular",
        "backendhub tmdb --type playing --region DE --language de-DE",
        'backendhub tmdb search "blade runner" --year 1982',
        'backendhub tmdb watch done "The Matrix" --rating 9',
        "backendhub tmdb recommend",
    ),
    network=True,
)
watch = app.group("watch", "The watch list")
auth = app.group("auth", "The API credential")
ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB."
COLUMNS = ("id", "title", "release_date", "vote_average", "vote_count", "genres")

Tv = Annotated[bool, Option("--tv", help="Series instead of films.")]
Page = Annotated[int, Option("--page", help="Which page: 1 to 500.")]
Limit = Annotated[int | None, Option("--limit", "-n", help="How many: 1 to 100. Otherwise one page.")]
Language = Annotated[
    str | None, Option("--language", help="Language of texts: de-DE; English where missing.")
]
Region = Annotated[str | None, Option("--region", help="Country whose releases count: DE.")]
Title = Annotated[list[str], Argument(help="TMDB's id, or a title.", metavar="ID|TITLE")]


def _kind(tv: bool) -> Kind:
    return Kind.TV if tv else Kind.MOVIE


@contextmanager
def _sources(text: str, language: str | None = None, region: str | None = None) -> Iterator[Sources]:
    """Where answers come from; the credential is looked for when TMDB is first needed."""
    current = hub.current()
    tongue = service.language(language or current.settings.get("tmdb.language") or remote.ENGLISH)
    country = service.region(region or current.settings.get("tmdb.region"))
    with current.output.progress(text) as tick:
        yield Sources(
            current.store,
            lambda: Api(remote.client(current.http, current.settings), tongue, country),
            current.output.note,
            tick,
        )


def _table(items: list[Item] | list[Recommendation]) -> list[Any]:
    """Rows for people: `–` for what TMDB does not know. Programs get the items as they are."""
    output = hub.output()
    if output.format not in ("table", "plain"):
        return list(items)
    return [{name: render.dash(value) for name, value in item.as_json().items()} for item in items]


@app.command("list", columns=COLUMNS, empty="Nothing there.", undoable=False, default=True)
def list_(
    type: Annotated[
        str,
        Option("--type", "-t", help="playing, popular, top or upcoming (with --tv: airing for upcoming)."),
    ] = "popular",
    tv: Tv = False,
    page: Page = 1,
    limit: Limit = None,
    region: Region = None,
    language: Language = None,
) -> list[Any]:
    """One of TMDB's lists (also without the word `list`)."""
    with _sources("Asking TMDB", language, region) as sources:
        return _table(service.listing(sources, _kind(tv), type, page=page, limit=limit))


@app.command(columns=COLUMNS, empty="Nothing found.", undoable=False)
def search(
    query: Annotated[list[str], Argument(help="Words of the title.")],
    year: Annotated[int | None, Option("--year", help="Only of this year.")] = None,
    tv: Tv = False,
    page: Page = 1,
    limit: Limit = None,
    region: Region = None,
    language: Language = None,
) -> list[Any]:
    """Search films or series by title."""
    with _sources("Asking TMDB", language, region) as sources:
        found = service.search(sources, _kind(tv), " ".join(query), year=year, page=page, limit=limit)
        return _table(found)


@app.command(says=lambda detail: render.detail(detail), undoable=False)
def show(
    name: Title,
    tv: Tv = False,
    title: Annotated[bool, Option("--title", help="A number is a title too (1917).")] = False,
    poster: Annotated[bool, Option("--poster", help="Its poster too, on a terminal.")] = False,
    language: Language = None,
) -> cli.Result:
    """Everything about a film or series, by id or title."""
    if poster:
        from . import poster as posters

        posters.check(hub.output())
    with _sources("Asking TMDB", language) as sources:
        detail = service.show(sources, _kind(tv), " ".join(name), by_title=title)
    return cli.Result(detail, _poster(detail) if poster else 0)


def _poster(detail: Detail) -> int:
    """Draws the poster; one that cannot be had is a warning and an exit code, and the rest is still shown."""
    from . import poster as posters

    current, url = hub.current(), detail.item.poster_url
    output = current.output
    how = posters.way(output.environ, colored=output.colored(output.stdout))
    if url is None:
        output.note("TMDB has no poster of it.")
    elif how is None:
        output.note("No poster: colours are off, and this terminal is not known to show pictures.")
    else:
        try:
            with output.progress("Fetching the poster"):
                data = posters.fetch(current.http, url)
            posters.show(output, data, how)
        except HubError as error:
            output.warn(error.message)
            return error.exit_code
    return 0


@app.command(says=lambda someone: render.person(someone), undoable=False)
def person(
    name: Annotated[list[str], Argument(help="TMDB's id, or a name.", metavar="ID|NAME")],
    language: Language = None,
) -> Person:
    """Someone in film, and what they are known for."""
    with _sources("Asking TMDB", language) as sources:
        return sources.api().person(" ".join(name).strip())


@app.command(columns=("id", "title", "release_date", "vote_average", "reason"), undoable=False)
def recommend(
    tv: Tv = False,
    limit: Annotated[int, Option("--limit", "-n", help="How many: 1 to 100.")] = 10,
    language: Language = None,
) -> list[Any]:
    """What fits your watch list, with reasons; computed here, from what you rated."""
    with _sources("Looking for what you may like", language) as sources:
        found = service.recommendations(sources, _kind(tv), limit=limit)
    if not found:
        hub.output().note("Nothing fits yet: rate more, or leave out --offline.")
    return _table(found)


# -- the watch list ---------------------------------------------------------------------------------------


@watch.command(says=lambda row: f"{render.named(row)} is on the watch list")
def add(name: Title, tv: Tv = False, language: Language = None) -> Watch:
    """Put a film or series on the watch list."""
    with _sources("Asking TMDB", language) as sources:
        item = service.find(sources, _kind(tv), " ".join(name))
    row, known = hub.unit(service.add, item)
    if known:
        hub.output().note("It was there already.")
    return row


@watch.command(says=lambda row: f"{render.named(row)} is off the watch list")
def rm(name: Title, tv: Tv = False) -> Watch:
    """Take a film or series off the watch list (`backendhub undo` brings it back)."""
    return hub.unit(service.remove, _kind(tv), " ".join(name))


@watch.command(
    "list",
    aliases=("ls",),
    columns=("id", "kind", "title", "release_date", "state", "rating"),
    empty='The watch list is empty. Fill it: backendhub tmdb watch add "…"',
    undoable=False,
)
def watch_list(
    state: Annotated[str, Argument(help="want, done or all.")] = "all",
) -> list[Watch]:
    """The watch list."""
    return hub.read(service.watches, state)


@watch.command(
    says=lambda row: f"{render.named(row)} watched" + (f", rated {row.rating:g}/10" if row.rating else "")
)
def done(
    name: Title,
    rating: Annotated[str | None, Option("--rating", "-r", help="0.5 to 10, in halves.")] = None,
    tv: Tv = False,
    language: Language = None,
) -> Watch:
    """Mark a film or series as watched, with your rating; it need not be on the list yet."""
    mark = service.rating(rating)
    words = " ".join(name)
    row = hub.read(service.listed, _kind(tv), words)
    if row is not None:
        return hub.unit(service.done, row, mark)
    with _sources("Asking TMDB", language) as sources:
        item = service.find(sources, _kind(tv), words)
    return hub.unit(lambda db: service.done(db, service.add(db, item)[0], mark))


# -- the credential ---------------------------------------------------------------------------------------


@auth.command("set", says=lambda s: f"The {s['kind']} is in {s['path']}", undoable=False)
def auth_set(
    verify: Annotated[bool, Option("--verify/--no-verify", help="Ask TMDB whether it is accepted.")] = True,
) -> dict[str, str]:
    """Store a v3 key or v4 token, read from the terminal without echo or from stdin."""
    if sys.stdin.isatty():
        from getpass import getpass

        text = getpass("TMDB v3 key or v4 token: ")
    else:
        text = sys.stdin.readline()
    text = text.strip().removeprefix("Bearer ").strip()
    what = credential.shape(text)
    if what is None:
        raise Invalid(
            "This is neither a v3 key (32 hex digits) nor a v4 token (eyJ…).",
            hint=f"copy it from {credential.SIGN_UP}; nothing was stored",
        )
    settings = hub.current().settings
    name, kind = what
    if verify and not settings.flag("offline"):
        settings.flags |= {"tmdb.token": "", "tmdb.key": "", name: text}  # the new one, whatever else is set
        Api(remote.client(hub.current().http, settings)).verify()
    for flag in ("tmdb.token", "tmdb.key"):
        settings.flags.pop(flag, None)
    settings.write(name, text)
    if settings.lookup(name)[1].startswith("environment"):
        hub.output().warn(f"{settings.lookup(name)[1]} is set too and wins over the file.")
    return {"kind": kind, "setting": name, "path": str(settings.path)}


@auth.command("status", says=lambda s: render.status(s), undoable=False)
def auth_status() -> cli.Result:
    """Which credential is used, where it is from, and whether TMDB accepts it. It is never shown."""
    current = hub.current()
    found = credential.find(current.settings)
    status: dict[str, Any] = {
        "kind": found.kind,
        "source": found.source,
        "accepted": None,
        "attribution": ATTRIBUTION,
    }
    code = 0
    if not current.settings.flag("offline"):
        try:
            Api(remote.client(current.http, current.settings)).verify()
            status["accepted"] = True
        except HubError as error:
            current.output.warn(error.message)
            status["accepted"] = False if error.exit_code == 4 else None
            code = error.exit_code
    return cli.Result(status, code)
