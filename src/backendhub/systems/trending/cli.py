"""`backendhub trending`: what is trending on GitHub."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from backendhub.kit import cli, github, hub
from backendhub.kit.http import Client

from . import service
from .models import Item, Snapshot, Trend

app = cli.commands(
    "trending",
    "What is trending on GitHub: newly created and starred, or gaining stars.",
    examples=(
        "backendhub trending --duration month --limit 20 --language rust",
        "backendhub trending snapshot                 # daily, from cron",
        "backendhub trending --by gained --topic cli",
        "backendhub trending --new --quiet            # for cron: prints only what is new",
    ),
    network=True,
)
COLUMNS = ("rank", "full_name", "stars", "gained", "language", "description")
TTL = 600.0

Language = Annotated[str | None, Option("--language", "-l", help="Only in this programming language.")]
Topic = Annotated[str | None, Option("--topic", help="Only with this topic.")]
MinStars = Annotated[int | None, Option("--min-stars", help="Only with at least so many stars.")]


def _api(ttl: float = TTL) -> Client:
    current = hub.current()
    return github.client(current.http, current.settings, ttl=ttl)


def _web() -> Client:
    current = hub.current()
    # No token here: it is a web page, and a page has no business with it.
    return current.http.client(base_url=github.web(current.settings), name="GitHub", ttl=TTL)


@app.command(
    "show",
    columns=COLUMNS,
    undoable=False,
    default=True,
    examples=("backendhub trending --duration day --by page",),
)
def show(
    duration: Annotated[str, Option("--duration", "-d", help="day, week, month or year.")] = "week",
    limit: Annotated[int, Option("--limit", "-n", help="How many: 1 to 100.")] = 10,
    language: Language = None,
    topic: Topic = None,
    min_stars: MinStars = None,
    by: Annotated[
        str,
        Option(
            "--by", help="created (new and starred), gained (own snapshots) or page (github.com/trending)."
        ),
    ] = "created",
    new: Annotated[bool, Option("--new", help="Only what this question has not shown before.")] = False,
) -> Trend | list[Item]:
    """The trending repositories (also without the word `show`)."""
    want = service.wanted(
        duration=duration, limit=limit, language=language, topic=topic, min_stars=min_stars, by=by
    )
    current = hub.current()
    output = current.output
    with output.progress("Asking GitHub"):
        found = service.trend(current.store, _api, _web, want, output.warn)
    if new:
        found = service.only_new(current.store, want, found)
    if output.format == "json" and not output.fields:
        return found
    if not found.items:
        output.note("Nothing new." if new else "Nothing matches.")
    return found.items


@app.command(
    undoable=False,
    says=lambda s: _measured(s),
    examples=("backendhub trending snapshot --language rust --pages 2",),
)
def snapshot(
    language: Language = None,
    topic: Topic = None,
    min_stars: MinStars = None,
    pages: Annotated[int, Option("--pages", help="Pages of 100 for each age: 1 to 10.")] = 1,
) -> Snapshot:
    """Measure the stars of what is popular, for `--by gained` (daily, from cron)."""
    want = service.wanted(
        duration="week", limit=10, language=language, topic=topic, min_stars=min_stars, by="created"
    )
    current = hub.current()
    with current.output.progress("Measuring stars", total=len(service.AGES) * pages) as tick:
        return service.snapshot(current.store, _api(), want, pages=pages, say=current.output.warn, tick=tick)


def _measured(s: Snapshot) -> str:
    return f"Measured {s.repos} repositories at {s.taken_at:%Y-%m-%d %H:%M} UTC ({s.known} known)"
