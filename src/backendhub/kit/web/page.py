"""Pages without any external asset: the docs of a system, made from its OpenAPI document."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mounts import Mounted

STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);--dim:light-dark(#5c5f68,#a3a6b0)}
body{background:Canvas;color:CanvasText;font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}a{color:LinkText}
code,pre{font:14px/1.45 ui-monospace,SFMono-Regular,Menlo,monospace}pre{overflow:auto;border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th,td{overflow-wrap:anywhere}h1,li{overflow-wrap:anywhere}.keep{white-space:nowrap;overflow-wrap:normal}
.wrap{white-space:pre-wrap;overflow-wrap:anywhere}iframe{box-sizing:border-box;width:100%;height:24rem;border:1px solid var(--line);background:#fff}
a:focus-visible,button:focus-visible,summary:focus-visible{outline:2px solid;outline-offset:2px}
@media(max-width:40rem){.rows tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}.rows th,.rows td{border:0;padding:0 .8rem 0 0}
.rows td:first-child{display:block;font-weight:600}.rows tr:first-child{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}}
.dim{color:var(--dim)}.verb{display:inline-block;min-width:4.2rem;font-weight:700}section{border-top:1px solid var(--line)}
""".strip()


def page(title: str, body: str) -> str:
    """A whole HTML document."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )


def docs_page(mounted: Mounted) -> str:
    """Every operation with its parameters, its body and a curl line."""
    document: dict[str, Any] = json.loads(mounted.openapi())
    parts = [
        f"<h1>{escape(document['info']['title'])}</h1><p>{_prose(document['info']['description'])}</p>",
        f'<p class="dim">OpenAPI 3.1: <a href="{escape(mounted.prefix)}/openapi.json">openapi.json</a> · '
        '<a href="/_hub">all systems</a></p>',
    ]
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            parts.append(_operation(document, mounted.prefix, path, verb, operation))
    return page(document["info"]["title"], "".join(parts))


def _operation(document: dict[str, Any], prefix: str, path: str, verb: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td><td>{escape(_type(document, schema))}"
        f"{' · required' if p.get('required') else ''}</td><td>{_prose(p.get('description') or schema.get('description') or '')}</td></tr>"
        for p in operation.get("parameters", [])
        for schema in [p.get("schema") or next(iter(p["content"].values()))["schema"]]
    )
    table = (
        f"<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>{rows}</table>" if rows else ""
    )
    content = operation.get("requestBody", {}).get("content", {})
    sample = ""
    curl = f"curl {'' if verb == 'get' else f'-X {verb.upper()} '}http://localhost:8000{prefix}{path}"
    if content:
        media, body = next(iter(content.items()))
        text = json.dumps(example(document, body["schema"]), ensure_ascii=False)
        curl += f" \\\n  -H 'Content-Type: {media}' \\\n  -d '{text}'"
        sample = _properties(document, body["schema"])
    return (
        f'<section><h2><span class="verb">{verb.upper()}</span> <code>{escape(prefix + path)}</code></h2>'
        f"<p>{_prose(operation.get('description') or operation.get('summary') or '')}</p>{table}{sample}"
        f"<pre>{escape(curl)}</pre></section>"
    )


def _prose(text: str) -> str:
    """Text with `code` in it, as HTML."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _resolve(document: dict[str, Any], schema: Any) -> dict[str, Any]:
    """The schema that is meant. Some come from users: what is no object, or refers to nothing, says nothing."""
    if not isinstance(schema, dict):
        return {}
    if "$ref" not in schema:
        return schema
    found: Any = document
    for part in str(schema["$ref"]).removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _properties(document: dict[str, Any], schema: dict[str, Any]) -> str:
    schema = _resolve(document, schema)
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(document, p))}{' · required' if name in required else ''}</td>"
        f"<td>{_prose(p.get('description', '') if isinstance(p, dict) else '')}</td></tr>"
        for name, p in schema.get("properties", {}).items()
    )
    return f"<table><tr><th>Body</th><th>Type</th><th></th></tr>{rows}</table>" if rows else ""


DEPTH = 8
"""How far into a schema, which may contain itself, types and examples are told."""


def _type(document: dict[str, Any], schema: Any, depth: int = 0) -> str:
    if not isinstance(schema, dict) or depth == DEPTH:
        return "any"
    if "anyOf" in schema:
        kinds = [_type(document, s, depth + 1) for s in schema["anyOf"] if s != {"type": "null"}]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " | ".join(json.dumps(v) for v in schema["enum"])
    if "$ref" in schema:
        named = _resolve(document, schema)
        if "anyOf" in named and "title" in named:
            return str(named["title"])
        return _type(document, named, depth + 1)
    if isinstance(schema.get("type"), list):
        return " or ".join(kind for kind in schema["type"] if kind != "null")
    if schema.get("type") == "array":
        return f"list of {_type(document, schema.get('items', {}), depth + 1)}"
    return str(
        schema.get("format") or schema.get("title" if schema.get("type") == "object" else "type", "any")
    )


def example(document: dict[str, Any], schema: Any, depth: int = 0) -> Any:
    """A value that a schema of the document allows, as far as it can be told."""
    schema = _resolve(document, schema)
    if schema.get("examples"):
        return schema["examples"][0]
    if depth == DEPTH:
        return None
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0], depth + 1)
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "object" or "properties" in schema:
        members = schema.get("properties", {})
        names = [name for name in schema.get("required", ()) if name in members] or list(members)[:2]
        return {name: example(document, members[name], depth + 1) for name in names}
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "")
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(
        kind[-1] if isinstance(kind, list) else kind
    )
