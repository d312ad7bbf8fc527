"""The web form: three pages that post to themselves. No script, no external asset, light and dark."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from backendhub.kit.web.page import STYLE


class Form(NamedTuple):
    """A page: its path, what it is called and the units to choose from."""

    path: str
    title: str
    label: str
    units: tuple[tuple[str, str], ...]
    start: tuple[str, str]


FORMS = (
    Form(
        "length", "Length", "length",
        (("mm", "millimetres (mm)"), ("cm", "centimetres (cm)"), ("m", "metres (m)"), ("km", "kilometres (km)"),
         ("in", "inches (in)"), ("ft", "feet (ft)"), ("yd", "yards (yd)"), ("mi", "miles (mi)"),
         ("nmi", "nautical miles (nmi)")),
        ("ft", "cm"),
    ),
    Form(
        "weight", "Weight", "weight",
        (("mg", "milligrams (mg)"), ("g", "grams (g)"), ("kg", "kilograms (kg)"), ("t", "tonnes (t)"),
         ("oz", "ounces (oz)"), ("lb", "pounds (lb)"), ("st", "stones (st)"), ("short_ton", "short tons, US"),
         ("long_ton", "long tons, UK")),
        ("lb", "kg"),
    ),
    Form(
        "temperature", "Temperature", "temperature",
        (("C", "Celsius (°C)"), ("F", "Fahrenheit (°F)"), ("K", "kelvins (K)"), ("R", "Rankine (°R)")),
        ("C", "F"),
    ),
)  # fmt: skip

CSS = """
nav ul{display:flex;gap:1.5rem;list-style:none;padding:0;margin:0 0 1.5rem;border-bottom:1px solid var(--line)}
nav a{display:inline-block;padding:.5rem 0;text-decoration:none}nav a[aria-current]{font-weight:700;border-bottom:3px solid}
form{display:grid;gap:1rem;max-width:24rem}label{display:grid;gap:.3rem;font-weight:600}
input,select,button{font:inherit;padding:.55rem .7rem;border:1px solid color-mix(in srgb,currentColor 55%,transparent);border-radius:6px;background:Field;color:FieldText}
input,select{font-weight:400}button{background:#0b57d0;color:#fff;border-color:#0b57d0;font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid Highlight;outline-offset:2px}
.result{display:block;font-size:1.6rem;margin:1.5rem 0;padding:.8rem 1rem;border-left:4px solid #0b57d0;overflow-wrap:anywhere}
.error{border-left:4px solid #c5221f;padding:.4rem 1rem;margin:0;font-weight:400}
""".strip()


def render(
    form: Form,
    prefix: str,
    given: dict[str, str],
    *,
    result: str | None = None,
    error: tuple[str, str | None] | None = None,
) -> str:
    """A page with what was typed still in it, and the result or what is wrong."""
    value = escape(given.get("value", ""))
    wrong = ' aria-invalid="true" aria-describedby="error"' if error else ""
    field = (
        f'<input id="value" name="value" inputmode="decimal" autocomplete="off" required maxlength="200" '
        f'value="{value}"{wrong}>'
    )
    body = [
        _nav(form, prefix),
        f"<h1>Convert a {form.label}</h1>",
        f'<output class="result" for="value from to">{escape(result)}</output>' if result else "",
        f'<form method="post" action="{escape(prefix)}/{form.path}">',
        f'<label for="value">Enter the {form.label} to convert{field}</label>',
        _error(error) if error else "",
        _select(form, "from", "Unit to convert from", given.get("from", form.start[0])),
        _select(form, "to", "Unit to convert to", given.get("to", form.start[1])),
        '<button type="submit">Convert</button></form>',
        f'<p><a href="{escape(prefix)}/{form.path}">Start over</a></p>' if result or error else "",
    ]
    lead = "Error: " if error else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{lead}{form.title} converter</title><style>{STYLE}\n{CSS}</style></head>"
        f"<body>{body[0]}<main>{''.join(body[1:])}</main></body></html>"
    )


def _nav(current: Form, prefix: str) -> str:
    links = "".join(
        f'<li><a href="{escape(prefix)}/{form.path}"{" aria-current=page" if form is current else ""}>'
        f"{form.title}</a></li>"
        for form in FORMS
    )
    return f'<nav aria-label="Converters"><ul>{links}</ul></nav>'


def _error(error: tuple[str, str | None]) -> str:
    message, hint = error
    more = f"<br>{escape(hint)}" if hint else ""
    return f'<p class="error" id="error" role="alert">{escape(message)}{more}</p>'


def _select(form: Form, name: str, label: str, chosen: str) -> str:
    options = "".join(
        f'<option value="{unit}"{" selected" if unit == chosen else ""}>{escape(text)}</option>'
        for unit, text in form.units
    )
    return f'<label for="{name}">{label}<select id="{name}" name="{name}">{options}</select></label>'
