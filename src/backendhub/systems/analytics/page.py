"""The dashboard: figures, a chart, the usual lists, goals; server-rendered, with a script for what is live."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from backendhub.kit.db import Db
from backendhub.kit.web.page import STYLE

from .models import Source
from .service import live, sources, stats

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'"
RANGES = (
    ("day", "Today"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("month", "This month"),
    ("12mo", "12 months"),
    ("all", "All"),
)
FIGURES = (
    ("visitors", "Visitors"), ("visits", "Visits"), ("pageviews", "Page views"), ("views_per_visit", "Views per visit"),
    ("bounce_rate", "Bounce rate"), ("visit_duration", "Visit duration"), ("events", "Events"),
)  # fmt: skip
LISTS = (
    ("visit:source", "Sources"), ("event:page", "Pages"), ("visit:entry_page", "Entry pages"), ("event:name", "Events"),
    ("visit:browser", "Browsers"), ("visit:device", "Devices"),
)  # fmt: skip
SHOWN = 8
WIDTH, HEIGHT = 720, 180
CSS = """
nav ul,.figures{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;list-style:none;padding:0;margin:.6rem 0}
nav a[aria-current]{font-weight:700;text-decoration:none}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.6rem}
.figures div{border:1px solid var(--line);border-radius:8px;padding:.5rem .8rem}.figures dt{color:var(--dim);font-size:.85rem}
.figures dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}
.lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:0 2rem}
.lists section{border:0}.lists td:first-child,.lists th:first-child{overflow-wrap:anywhere}
td:not(:first-child),th:not(:first-child){text-align:right;padding-right:0;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{display:block;height:3px;background:light-dark(#0b57d0,#8ab4f8);border-radius:2px;margin-top:2px}
svg{width:100%;height:auto;display:block}svg rect{fill:light-dark(#0b57d0,#8ab4f8)}svg text{font:11px system-ui,sans-serif;fill:currentColor}
svg line{stroke:currentColor;opacity:.25}form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end;margin:.6rem 0}
select,button{font:inherit;padding:.35rem .6rem;border:1px solid color-mix(in srgb,currentColor 55%,transparent);border-radius:6px;background:Field;color:FieldText}
:focus-visible{outline:3px solid Highlight;outline-offset:2px}#live ol{list-style:none;padding:0;margin:.4rem 0}
#live li{display:flex;gap:.8rem;overflow-wrap:anywhere}
""".strip()
SCRIPT = """'use strict';
const live = document.getElementById('live');
if (live && window.EventSource) {
  const source = new EventSource(live.dataset.url);
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  source.onmessage = (message) => {
    const state = JSON.parse(message.data);
    show('online', String(state.visitors));
    show('waiting', state.waiting ? `${state.waiting} requests are being digested.` : '');
    const list = document.getElementById('latest');
    list.replaceChildren(...state.events.map((event) => {
      const item = document.createElement('li');
      const time = document.createElement('time');
      time.dateTime = event.at;
      time.textContent = new Date(event.at).toLocaleTimeString();
      const what = document.createElement('span');
      what.textContent = event.path ? `${event.name} ${event.path}` : event.name;
      item.append(time, what);
      return item;
    }));
  };
}
"""


def render(db: Db, prefix: str, source_id: str | None, date_range: str) -> str:
    """The whole page. Raises UnknownSource, BadQuery."""
    known = sources.find(db, limit=100).items
    if source_id is None and not known:
        return _document("Analytics", "", _welcome(prefix))
    source = sources.get(db, source_id) if source_id is not None else known[0]
    parts = [
        f"<h1>{escape(source.name)}</h1>",
        _choice(known, source, date_range),
        _ranges(source, date_range),
        _live(db, prefix, source),
        _figures(db, source, date_range),
        _chart(db, source, date_range),
        _goals(db, source, date_range),
        f'<div class="lists">{"".join(_list(db, source, date_range, *each) for each in LISTS)}</div>',
        _accounts(db, source),
    ]
    return _document(f"{source.name} – analytics", prefix, "".join(parts))


def _document(title: str, prefix: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{CSS}</style>"
        f'<script src="{escape(prefix)}/dashboard.js" defer></script></head><body><main>{body}</main></body></html>'
    )


def _welcome(prefix: str) -> str:
    return (
        "<h1>Analytics</h1><p>Nothing has come in yet. Point a Segment library at this address with any write key, or a page at "
        f"<code>{escape(prefix)}/api/event</code> with its domain; or start with <code>--demo</code>.</p>"
    )


def _choice(known: Sequence[Source], source: Source, date_range: str) -> str:
    if len(known) < 2:
        return ""
    options = "".join(
        f'<option value="{escape(s.id)}"{" selected" if s.id == source.id else ""}>{escape(s.name)}</option>'
        for s in known
    )
    return (
        f'<form><label>Source <select name="source">{options}</select></label>'
        f'<input type="hidden" name="range" value="{escape(date_range)}"><button>Show</button></form>'
    )


def _ranges(source: Source, date_range: str) -> str:
    links = []
    for value, text in RANGES:
        here = ' aria-current="page"' if value == date_range else ""
        links.append(
            f'<li><a href="?{escape(urlencode({"source": source.id, "range": value}))}"{here}>{text}</a></li>'
        )
    return f'<nav aria-label="Period"><ul>{"".join(links)}</ul></nav>'


def _live(db: Db, prefix: str, source: Source) -> str:
    state = live.now(db, source)
    rows = "".join(
        f'<li><time datetime="{e["at"]}">{e["at"][11:19]}</time><span>{escape(e["name"])} {escape(e["path"] or "")}</span></li>'
        for e in state["events"]
    )
    return (
        f'<section id="live" data-url="{escape(prefix)}/sources/{escape(source.id)}/live"><h2>Now</h2>'
        f'<p><strong id="online">{state["visitors"]}</strong> visitors in the last five minutes. <span id="waiting" class="dim"></span></p>'
        f'<details><summary>Latest events</summary><ol id="latest">{rows}</ol></details></section>'
    )


def _ask(db: Db, source: Source, date_range: str, metrics: Sequence[str], **more: Any) -> dict[str, Any]:
    return stats.query(db, source, {"metrics": list(metrics), "date_range": date_range, **more})


def _figures(db: Db, source: Source, date_range: str) -> str:
    names = [name for name, _ in FIGURES]
    values = _ask(db, source, date_range, names)["results"][0]["metrics"]
    boxes = "".join(
        f"<div><dt>{label}</dt><dd>{_shown(name, value)}</dd></div>"
        for (name, label), value in zip(FIGURES, values, strict=True)
    )
    return f'<dl class="figures">{boxes}</dl>'


def _shown(name: str, value: Any) -> str:
    if name == "bounce_rate":
        return f"{value} %"
    if name == "visit_duration":
        return f"{int(value) // 60}m {int(value) % 60:02}s"
    return f"{value:,}"


def _chart(db: Db, source: Source, date_range: str) -> str:
    found = _ask(db, source, date_range, ["visitors"], dimensions=["time"], include={"time_labels": True})
    counts = {row["dimensions"][0]: row["metrics"][0] for row in found["results"]}
    labels: list[str] = found["meta"]["time_labels"]
    top = max(counts.values(), default=0) or 1
    step = WIDTH / len(labels)
    bars = []
    for i, label in enumerate(labels):
        height = counts.get(label, 0) / top * (HEIGHT - 40)
        bars.append(
            f'<rect x="{i * step + step * 0.1:.1f}" y="{HEIGHT - 20 - height:.1f}" width="{step * 0.8:.1f}" height="{height:.1f}">'
            f"<title>{escape(label)}: {counts.get(label, 0)} visitors</title></rect>"
        )
    marks = "".join(
        f'<text x="{x}" y="{HEIGHT - 5}" text-anchor="{anchor}">{escape(label)}</text>'
        for x, anchor, label in ((0, "start", labels[0]), (WIDTH, "end", labels[-1]))
    )
    about = f"Visitors, {labels[0]} to {labels[-1]}; at most {top}"
    return (
        f'<figure style="margin:1rem 0"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(about)}">'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - 20}" y2="{HEIGHT - 20}"/><text x="0" y="12">{top}</text>{"".join(bars)}{marks}</svg>'
        f'<figcaption class="dim">{escape(about)}</figcaption></figure>'
    )


def _goals(db: Db, source: Source, date_range: str) -> str:
    if not sources.goals(db, source.id):
        return ""
    metrics = ["visitors", "events", "conversion_rate"]
    rows = _ask(db, source, date_range, metrics, dimensions=["event:goal"])["results"]
    body = "".join(
        f"<tr><td>{escape(r['dimensions'][0])}</td><td>{r['metrics'][0]:,}</td><td>{r['metrics'][2]} %</td></tr>"
        for r in rows
    )
    return (
        "<section><h2>Goals</h2><table><thead><tr><th>Goal</th><th>Visitors</th><th>Conversion</th></tr></thead>"
        f"<tbody>{body}</tbody></table></section>"
    )


def _list(db: Db, source: Source, date_range: str, dimension: str, title: str) -> str:
    found = _ask(db, source, date_range, ["visitors"], dimensions=[dimension], pagination={"limit": SHOWN})
    top = max((r["metrics"][0] for r in found["results"]), default=1) or 1
    rows = "".join(
        f"<tr><td>{escape(r['dimensions'][0])}"
        f'<span class="bar" style="width:{100 * r["metrics"][0] / top:.0f}%"></span></td><td>{r["metrics"][0]:,}</td></tr>'
        for r in found["results"]
    )
    body = (
        f"<tbody>{rows}</tbody>"
        if rows
        else '<tbody><tr><td class="dim">Nothing yet</td><td></td></tr></tbody>'
    )
    return f"<section><h2>{title}</h2><table><thead><tr><th>{title[:-1]}</th><th>Visitors</th></tr></thead>{body}</table></section>"


def _accounts(db: Db, source: Source) -> str:
    tallies = sources.tallies(db, source.id, days=30)
    received, stored = sum(t.received for t in tallies), sum(t.stored for t in tallies)
    known, refused = sum(t.duplicates for t in tallies), sum(t.rejected for t in tallies)
    return (
        f"<section><h2>Accounted for</h2><p>In 30 days {received:,} events were received: {stored:,} stored, {known:,} known "
        f"already, {refused:,} refused.</p></section>"
    )
