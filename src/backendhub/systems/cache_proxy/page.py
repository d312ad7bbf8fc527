"""The page of the cache: one document, one script that listens to the counters."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from backendhub.kit.output import plain
from backendhub.kit.web.page import STYLE

from .models import Counts

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
SHOWN = (
    ("ratio", "Hit ratio"),
    ("hits", "Hits"),
    ("misses", "Misses"),
    ("collapsed", "Collapsed"),
    ("stale", "Served stale"),
    ("validated", "Validated"),
    ("passed", "Passed on"),
    ("fetches", "Fetches"),
    ("objects", "Objects"),
    ("memoryBytes", "In memory"),
    ("diskBytes", "On disk"),
    ("bytesOut", "Sent"),
    ("bytesIn", "From the origin"),
    ("evicted", "Evicted"),
    ("purged", "Purged"),
    ("errors", "Errors"),
)
CSS = """
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.8rem;padding:0;margin:1rem 0}
.grid div{border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}.grid dt{color:var(--dim);font-size:.85rem}
.grid dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}svg{width:100%;height:9rem;border:1px solid var(--line);border-radius:8px}
.hit{fill:#188038}.miss{fill:#c5221f}
""".strip()
SCRIPT = """
const rows=[],N=120,svg=document.querySelector('svg'),scale=document.querySelector('#scale');
const bytes=n=>{let u=0;while(n>=1024&&u<4){n/=1024;u++}return (u?n.toFixed(1):n)+' '+['B','KiB','MiB','GiB','TiB'][u]};
const show=(k,v)=>k==='ratio'?(100*v).toFixed(1)+' %':/bytes/i.test(k)?bytes(v):v.toLocaleString('en');
function draw(){const seen=rows.slice(-N),top=Math.max(1,...seen.map(r=>r[1]+r[2])),first=N-seen.length;svg.replaceChildren();
scale.textContent=top.toLocaleString('en');seen.forEach((r,i)=>{const bar=(c,y,h)=>{const e=document.createElementNS('http://www.w3.org/2000/svg','rect');
e.setAttribute('class',c);e.setAttribute('x',first+i);e.setAttribute('y',y);e.setAttribute('width',.8);e.setAttribute('height',h);svg.append(e)};
const m=100*r[2]/top,h=100*r[1]/top;bar('miss',100-m,m);bar('hit',100-m-h,h)})}
let last=null;
const source=new EventSource(document.body.dataset.events);
source.addEventListener('history',e=>{rows.length=0;last=null;rows.push(...JSON.parse(e.data).history);draw()});
source.addEventListener('counts',e=>{const c=JSON.parse(e.data);for(const d of document.querySelectorAll('[data-k]'))d.textContent=show(d.dataset.k,c[d.dataset.k]);
if(last){rows.push([0,c.hits-last.hits,c.misses-last.misses]);draw()}last=c});
""".strip()
FIELDS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def render(counts: Counts, prefix: str) -> str:
    """The whole document; it is complete without the script, too."""
    values = plain(counts)
    cells = "".join(
        f'<div><dt>{label}</dt><dd data-k="{name}">{_shown(name, values[name])}</dd></div>'
        for name, label in SHOWN
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>cache-proxy</title><style>{STYLE}{CSS}</style></head>"
        f'<body data-events="{escape(prefix)}/_cache/events"><main><h1>cache-proxy</h1>'
        f'<p class="dim">in front of <code>{escape(counts.origin or "nothing")}</code> · '
        f'<a href="{escape(prefix)}/_cache/objects">objects</a> · <a href="{escape(prefix)}/_check">check</a></p>'
        f'<dl class="grid">{cells}</dl>'
        '<h2>Requests a second</h2><p class="dim">Hits green, misses red, the last two minutes; the highest is <span id="scale">0</span>.</p>'
        '<svg viewBox="0 0 120 100" preserveAspectRatio="none" role="img" aria-label="Hits and misses a second"></svg>'
        f"</main><script>{SCRIPT}</script></body></html>"
    )


def _shown(name: str, value: float) -> str:
    """A value as the script shows it, too."""
    if name == "ratio":
        return f"{100 * value:.1f} %"
    if "bytes" not in name.lower():
        return f"{value:,}"
    unit = 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{value} B"
