"""`backendhub github-activity`: what people did on GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from typer import Argument, Option

from backendhub.kit import cli, github, hub
from backendhub.kit.errors import Invalid
from backendhub.kit.http import Client
from backendhub.kit.output import FORMATS

from . import render, service
from .models import Activity, Group, Heatmap, Synced
from .service import Sources

app = cli.commands(
    "github-activity",
    "What people did on GitHub, with correct push counts, beyond GitHub's own 30 days.",
    examples=(
        "backendhub github-activity octocat",
        "backendhub github-activity octocat torvalds --type push,pr --since 7d",
        "backendhub github-activity digest octocat --since 1d --format md   # for the stand-up",
        "backendhub github-activity sync octocat                            # for cron: files what GitHub forgets",
    ),
    network=True,
)
TTL = 60.0
COLUMNS = ("created_at", "user", "type", "repo", "text")

Users = Annotated[list[str], Argument(help="GitHub user names.", metavar="USER...")]
Types = Annotated[
    list[str] | None,
    Option("--type", "-t", help="push, pr, review, issue, comment, star, fork, …", metavar="A,B"),
]
Repo = Annotated[
    str | None, Option("--repo", help="owner/name or name; * stands for anything.", metavar="O/R")
]
Since = Annotated[str | None, Option("--since", help="7d, 24h, 2026-01-31, yesterday, …", metavar="WHEN")]
Commits = Annotated[
    str, Option("--commits", help="Count the commits of pushes: auto, always or never.", metavar="HOW")
]
Archive = Annotated[bool, Option("--archive", help="Go on into the archive where GitHub's own feed ends.")]
Format = Annotated[str | None, Option("--format", help="md, or one of " + ", ".join(FORMATS) + ".")]


def _client() -> Client:
    current = hub.current()
    return github.client(current.http, current.settings, ttl=TTL)


@contextmanager
def _sources(text: str) -> Iterator[Sources]:
    current = hub.current()
    with current.output.progress(text) as tick:
        yield Sources(current.store, _client(), github.web(current.settings), current.output.note, tick)


def _format(format: str | None) -> bool:
    """Whether Markdown was asked for; any other format goes to the output as it is."""
    if format == "md":
        return True
    if format is not None:
        if format not in FORMATS:
            raise Invalid(f"There is no format {format!r}.", hint="choose from md, " + ", ".join(FORMATS))
        hub.output().asked = format
    return False


def _for_people() -> bool:
    output = hub.output()
    return output.format in ("table", "plain") and not output.fields


@app.command(
    "show",
    columns=COLUMNS,
    undoable=False,
    default=True,
    examples=("backendhub github-activity octocat --type push --limit 5 --json",),
)
def show(
    user: Users,
    type: Types = None,
    repo: Repo = None,
    since: Since = None,
    limit: Annotated[int, Option(min=1, max=10_000, help="How many lines.")] = 30,
    commits: Commits = "auto",
    summary: Annotated[bool, Option("--summary", help="Count by kind instead of listing.")] = False,
    archive: Archive = False,
    format: Format = None,
) -> list[Activity] | None:
    """The latest activity of users (also without the word `show`)."""
    markdown = _format(format)
    want = service.wanted(types=type or (), repo=repo, since=since, archive=archive, commits=commits)
    with _sources("Asking GitHub") as sources:
        bound = service.EVERYTHING if summary else limit
        found = service.feed(sources, user, want, limit=bound, merge=not summary)
    if not found:
        filtered = bool(type or repo or since)
        hub.output().note("Nothing matches." if filtered else "No public activity in the last 30 days")
    several = len(user) > 1
    if summary:
        hub.output().show(service.summary(found))
        return None
    if markdown:
        hub.output().raw(render.markdown(found, several=several))
        return None
    if _for_people():
        if found:
            hub.output().line(render.lines(found, several=several))
        return None
    return found


@app.command(undoable=False)
def digest(
    user: Users,
    by: Annotated[str, Option("--by", help="day or repo.")] = "day",
    type: Types = None,
    repo: Repo = None,
    since: Since = "7d",
    commits: Commits = "auto",
    archive: Archive = False,
    format: Format = None,
) -> list[Group] | None:
    """What was done by day or by repository; `--format md` for a stand-up."""
    markdown = _format(format)
    want = service.wanted(types=type or (), repo=repo, since=since, archive=archive, commits=commits)
    with _sources("Asking GitHub") as sources:
        groups = service.digest(sources, user, want, by)
    if not groups:
        hub.output().note("Nothing matches.")
    several = len(user) > 1
    if markdown:
        hub.output().raw(render.markdown_digest(groups, several=several))
        return None
    if _for_people():
        if groups:
            hub.output().line(render.digest(groups, several=several))
        return None
    return groups


@app.command(columns=("user", "fetched", "new", "archived", "since", "error"), undoable=False)
def sync(
    user: Annotated[list[str] | None, Argument(help="GitHub users; none: those of earlier times.")] = None,
    forget: Annotated[bool, Option("--forget", help="Take these users off the list instead.")] = False,
) -> cli.Result | list[str]:
    """File everything GitHub still has in the archive (for cron)."""
    with _sources("Filing events") as sources:
        if forget:
            return service.forget(sources, user or ())
        rows: list[Synced] = service.sync(sources, user or ())
    error = service.first_error(rows)
    if error is not None:
        hub.output().warn(error.message)
    return cli.Result(rows, error.exit_code if error else 0)


@app.command(undoable=False)
def heatmap(
    user: Annotated[str, Argument(help="A GitHub user name.", metavar="USER")],
    year: Annotated[
        int | None, Option("--year", help="A calendar year instead of the last twelve months.")
    ] = None,
) -> Heatmap | None:
    """A year of contributions as a heat map (needs a token)."""
    found = service.heatmap(_client(), user, year)
    output = hub.output()
    if _for_people():
        colored = output.colored(output.stdout)
        output.raw(render.heatmap(found, color=colored) + "\n")
        return None
    if output.format in ("csv", "ndjson") and not output.fields:
        output.show(found.days)
        return None
    return found
