"""The console's pages, as HTML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from backendhub import __version__
from backendhub.kit.web.page import example

if TYPE_CHECKING:
    from backendhub.kit.web import Application
    from backendhub.kit.web.mounts import Mounted

    from .feed import Feed

MAX_CALLS = 8
STATES = ("ready", "running", "scheduled", "waiting", "dead")


def console(application: Application, state: dict[str, Any], feed: Feed, *, local: bool) -> str:
    """The whole page. The script fills in what changes; without it the page shows the moment it was asked for."""
    parts = [
        _head(application, state),
        _figures(state),
        _systems(application, state),
        _requests(feed.state()),
        _jobs(state),
        _mail(state, local=local),
        _store(application, state),
    ]
    return _document("backendhub", "".join(parts), script=True)


def _document(title: str, body: str, *, script: bool = False) -> str:
    tail = '<script src="/_hub/static/console.js" defer></script>' if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="/_hub/static/icon.svg">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/_hub/static/console.css">{tail}</head>'
        f'<body><a class="skip" href="#main">Skip to content</a>{body}</body></html>'
    )


def _head(application: Application, state: dict[str, Any]) -> str:
    count = len(application.mounts)
    what = "1 system" if count == 1 else f"{count} systems"
    workers = application.hub.workers
    mail = ' <a href="/_mail/">Mail</a>' if "/_mail" in application.parts else ""
    one = f" · one of {workers} processes: figures are this one's" if workers > 1 else ""
    return (
        f'<header><h1>backendhub <span class="dim">{escape(__version__)}</span></h1>'
        f'<p class="dim">{what}{one}</p>'
        '<p id="live" role="status">As it was when the page was opened.</p>'
        '<nav aria-label="On this page"><a href="#systems">Systems</a> <a href="#requests">Requests</a> '
        '<a href="#jobs">Background work</a> <a href="#mail">Mail</a> <a href="#store">Store</a> '
        f'<a href="/metrics">Metrics</a>{mail}</nav>'
        '</header><main id="main">'
    )


def _figures(state: dict[str, Any]) -> str:
    rows = [
        ("rate", "requests/s", "–"),
        ("total", "requests", str(state["total"])),
        ("failed", "server errors", str(state["failed"])),
        ("inFlight", "in flight", str(state["inFlight"])),
        ("streams", "streams", str(state["streams"])),
        ("sockets", "WebSockets", str(state["sockets"])),
        ("memory", "memory", amount(state["memory"])),
        ("uptime", "up", span(state["uptime"])),
    ]
    figures = "".join(
        f'<div><dt>{label}</dt><dd data-figure="{name}">{escape(value)}</dd></div>'
        for name, label, value in rows
    )
    return (
        f'<section aria-label="Figures"><dl class="figures">{figures}</dl>'
        '<svg id="rate" class="rate" viewBox="0 0 120 24" preserveAspectRatio="none" role="img" '
        'aria-label="Requests a second over the last two minutes"><polyline points=""/></svg></section>'
    )


def _systems(application: Application, state: dict[str, Any]) -> str:
    rows = "".join(_system(m, state["systems"][m.row.name]) for m in application.mounts.values())
    return (
        '<section id="systems" aria-labelledby="systems-title"><h2 id="systems-title">Systems</h2>'
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="systems-title"><table><thead><tr>'
        '<th scope="col">System</th><th scope="col">What it is</th><th scope="col">Status</th>'
        '<th scope="col" class="number">Requests</th><th scope="col">Documents</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _system(mounted: Mounted, counts: dict[str, int]) -> str:
    name, prefix = escape(mounted.row.name), escape(mounted.prefix)
    return (
        f'<tr data-system="{name}"><th scope="row">{name}</th>'
        f"<td>{escape(mounted.row.summary)}"
        f'<details data-part="/_hub/systems/{name}"><summary>Try it</summary>'
        f'<div class="calls"><a href="/_hub/systems/{name}">curl lines for {name}</a></div></details></td>'
        f"<td data-status>{status(mounted, counts)}</td>"
        f'<td class="number" data-requests>{counts["requests"]}</td>'
        f'<td><a href="{prefix}/docs">docs<span class="unseen"> of {name}</span></a> '
        f'<a href="{prefix}/openapi.json">openapi.json<span class="unseen"> of {name}</span></a></td></tr>'
    )


def status(mounted: Mounted, counts: dict[str, int]) -> str:
    """One word for how a system is."""
    if counts["failed"]:
        return f'<span class="bad">{counts["failed"]} errors</span>'
    if counts["requests"] or mounted.tree is not None:
        return '<span class="good">answers</span>'
    return '<span class="dim">not asked yet</span>'


def _requests(recent: list[dict[str, Any]]) -> str:
    rows = "".join(_request(seen) for seen in recent)
    return (
        '<section id="requests" aria-labelledby="requests-title"><div class="bar">'
        '<h2 id="requests-title">Requests</h2>'
        '<button type="button" id="pause" aria-pressed="false" hidden>Pause</button></div>'
        '<div class="scroll tall" tabindex="0" role="region" aria-labelledby="requests-title"><table><thead><tr>'
        '<th scope="col">Time</th><th scope="col">Method</th><th scope="col">Target</th>'
        '<th scope="col" class="number">Status</th><th scope="col" class="number">ms</th>'
        '<th scope="col" class="number">Bytes</th></tr></thead>'
        f'<tbody id="log">{rows}</tbody></table><p id="none" class="dim"{" hidden" if rows else ""}>'
        "Nothing was asked yet.</p></div></section>"
    )


def _request(seen: dict[str, Any]) -> str:
    bad = ' class="number bad"' if seen["status"] >= 500 else ' class="number"'
    return (
        f"<tr><td>{escape(seen['at'])}</td><td>{escape(seen['method'])}</td>"
        f'<td class="target">{escape(seen["target"])}</td><td{bad}>{seen["status"]}</td>'
        f'<td class="number">{seen["ms"]}</td><td class="number">{seen["size"]}</td></tr>'
    )


def _jobs(state: dict[str, Any]) -> str:
    depths = state.get("jobs")
    if depths is None:
        body = '<p class="dim">None of these systems works in the background.</p>'
    else:
        counts = {name: sum(d["jobs"] for d in depths if d["state"] == name) for name in STATES}
        cells = "".join(
            f'<div><dt>{name}</dt><dd data-jobs="{name}">{count}</dd></div>' for name, count in counts.items()
        )
        body = f'<dl class="figures">{cells}</dl><p class="dim"><code>backendhub jobs list</code> shows each of them.</p>'
    return f'<section id="jobs" aria-labelledby="jobs-title"><h2 id="jobs-title">Background work</h2>{body}</section>'


def _mail(state: dict[str, Any], *, local: bool) -> str:
    letters = state.get("mail")
    if letters is None:
        body = '<p class="dim">None of these systems sends mail.</p>'
    else:
        rows = "".join(_letter(letter) for letter in letters)
        link = '<p><a href="/_mail/">All mail</a></p>' if local else ""
        body = (
            '<div class="scroll" tabindex="0" role="region" aria-labelledby="mail-title"><table><thead><tr>'
            '<th scope="col">Time</th><th scope="col">To</th><th scope="col">Subject</th>'
            f'<th scope="col">State</th></tr></thead><tbody id="letters">{rows}</tbody></table></div>{link}'
        )
    return f'<section id="mail" aria-labelledby="mail-title"><h2 id="mail-title">Mail</h2>{body}</section>'


def _letter(letter: dict[str, str]) -> str:
    cells = "".join(f"<td>{escape(letter[name])}</td>" for name in ("at", "to", "subject", "state"))
    return f"<tr>{cells}</tr>"


def _store(application: Application, state: dict[str, Any]) -> str:
    store = application.hub.store
    held = amount(state["storeBytes"]) if "storeBytes" in state else state.get("storeTrouble", "unknown")
    return (
        '<section id="store" aria-labelledby="store-title"><h2 id="store-title">Store</h2><dl class="facts">'
        f"<dt>Engine</dt><dd>{'SQLite' if store.dialect == 'sqlite' else 'PostgreSQL'}</dd>"
        f"<dt>Where</dt><dd><code>{escape(store.url)}</code></dd>"
        f'<dt>Size</dt><dd data-figure="storeBytes">{escape(held)}</dd></dl></section></main>'
    )


# -- calls of one system --------------------------------------------------------------------------------------


def calls(mounted: Mounted, document: bytes, base: str, *, part: bool) -> str:
    """Lines to copy into a terminal, made of the system's OpenAPI document; `part` without a page around them."""
    lines = "".join(_call(line) for line in curl_lines(json.loads(document), base))
    name = escape(mounted.row.name)
    inner = lines or '<p class="dim">This system has no routes that curl can call.</p>'
    inner += f'<p><a href="{escape(mounted.prefix)}/docs">Every route of {name}</a></p>'
    if part:
        return inner
    body = (
        f'<header><h1>{name}</h1><p>{escape(mounted.row.summary)}</p><nav aria-label="Console">'
        f'<a href="/_hub">All systems</a></nav></header><main id="main"><div class="calls">{inner}</div></main>'
    )
    return _document(f"{mounted.row.name} · backendhub", body, script=True)


def _call(line: str) -> str:
    return (
        f'<div class="call"><pre tabindex="0">{escape(line)}</pre>'
        f'<button type="button" data-copy hidden>Copy<span class="unseen"> {escape(line[:60])}</span></button></div>'
    )


def curl_lines(document: dict[str, Any], base: str) -> Iterable[str]:
    """A few calls that show a system: what reads first, then what writes."""
    found = [
        (verb != "get", "{" in path, at, verb, path, operation)
        for at, (path, operations) in enumerate(document["paths"].items())
        for verb, operation in operations.items()
    ]
    for _, _, _, verb, path, operation in sorted(found, key=lambda row: row[:3])[:MAX_CALLS]:
        words = ["curl"] + (["-X", verb.upper()] if verb not in ("get", "post") else [])
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            media, body = next(iter(content.items()))
            words += ["-H", f"Content-Type: {media}", "-d", json.dumps(example(document, body["schema"]))]
        elif verb == "post":
            words += ["-X", "POST"]
        yield shlex.join([*words, base + _filled(document, path, operation)])


def _filled(document: dict[str, Any], path: str, operation: dict[str, Any]) -> str:
    """A path with examples in the place of its parameters."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            value = example(document, parameter["schema"])
            path = path.replace("{" + parameter["name"] + "}", quote(str(value)))
    return path


def amount(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in ("B", "KB") else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: int) -> str:
    """A time as people read it."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
