"""`/_mail`: the mail of this store, for people and for tests. Served on loopback only.

Pages of other sites cannot read it: the Host has to be this machine's (a name that was rebound to 127.0.0.1 is not),
and what changes something has to come from the same origin. HTML mail is shown in a sandbox without scripts,
forms or requests to anybody.
"""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from ipaddress import ip_address
from typing import Annotated, cast
from urllib.parse import urlsplit

from pydantic import Field

from backendhub.kit import clock, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, NotFound
from backendhub.kit.web.page import page

from . import outgoing
from .models import Message
from .read import Opened, attachment, opened

router = web.Router("Mail that was sent from here, or would have been.")
HTML = "text/html; charset=utf-8"
Limit = Annotated[int, Field(ge=1, le=200)]
SHOWN = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
BODY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'self'"


@router.on_request
async def here(request: web.Request) -> None:
    """Lets in only who talks to this machine by its own name, and changes only what its own pages ask for."""
    host = (request.header("host") or "").rsplit(":", 1)[0].strip("[]") or "localhost"
    if host != "localhost" and not _loopback(host):
        raise Denied("Mail is shown under http://127.0.0.1 or http://localhost only.")
    if request.method in ("GET", "HEAD"):
        return
    # Browsers say `Origin: null` of forms on pages that send no referrer, so what they say of the site comes first.
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site is None and origin and urlsplit(origin).netloc == request.header("host"):
        site = "same-origin"
    if site not in ("same-origin", "none", None) or (site is None and origin):
        raise Denied("Another site may not change mail.")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# -- for tests -----------------------------------------------------------------------------------------------


@router.get("/messages")
def messages(db: Db, limit: Limit = 50, before: str | None = None) -> list[Opened]:
    """Mails in full, the newest first; `before` is the id of the last one of the page before."""
    return [opened(mail) for mail in outgoing.find(db, before=before, limit=limit)]


@router.get("/messages/{id}")
def message(db: Db, id: str) -> Opened:
    """One mail in full."""
    return opened(outgoing.get(db, id))


@router.delete("/messages/{id}")
def remove(db: Db, id: str) -> None:
    """Forgets a mail; one that has not been sent is not sent."""
    outgoing.remove(db, id)


@router.delete("/messages")
def clear(db: Db) -> None:
    """Forgets every mail."""
    outgoing.clear(db)


@router.get("/messages/{id}/raw", media_type="message/rfc822")
def raw(db: Db, id: str) -> bytes:
    """The mail as it left."""
    return _sent(outgoing.get(db, id).raw.encode("ascii"), "text/plain; charset=us-ascii")


@router.get("/messages/{id}/html", media_type=HTML)
def body(db: Db, id: str) -> bytes:
    """The HTML of a mail, without scripts and without requests to anybody."""
    html = opened(outgoing.get(db, id)).html
    if html is None:
        raise NotFound("The mail has no HTML.")
    return _sent(html.encode(), HTML, {"content-security-policy": BODY})


@router.get("/messages/{id}/attachments/{number}", media_type="application/octet-stream")
def file(db: Db, id: str, number: int) -> bytes:
    """An attachment, to be saved."""
    name, _, content = attachment(outgoing.get(db, id), number)
    return _sent(content, "application/octet-stream", {"content-disposition": web.disposition(name)})


def _sent(content: bytes, media_type: str, headers: dict[str, str] | None = None) -> bytes:
    return cast(bytes, web.Reply(content, headers=headers or {}, media_type=media_type))


# -- for people ----------------------------------------------------------------------------------------------


@router.get("/", media_type=HTML, in_schema=False)
def index(db: Db, before: str | None = None) -> bytes:
    """Every mail, the newest first."""
    found = outgoing.find(db, before=before, limit=51)
    rows = "".join(_row(mail) for mail in found[:50])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Subject", "To", "State", "When"))
    table = f'<table class="rows"><tr>{head}</tr>{rows}</table>'
    parts = ["<h1>Mail</h1>", table if rows else "<p>No mail yet.</p>"]
    if len(found) > 50:
        parts.append(f'<p><a href="?before={escape(found[49].id)}">Older</a></p>')
    if rows:
        parts.append(
            "<details><summary>Delete all mail</summary>"
            '<form method="post" action="/_mail/clear"><button>Delete it, for good</button></form></details>'
        )
    parts.append(
        '<p class="dim">JSON: <a href="/_mail/messages">messages</a> · <a href="/_hub">all systems</a></p>'
    )
    return _page("Mail", "".join(parts))


def _row(mail: Message) -> str:
    return (
        f'<tr><td><a href="/_mail/view/{escape(mail.id)}">{escape(mail.subject) or "(no subject)"}</a></td>'
        f'<td>{escape(mail.shown_to)}</td><td class="keep">{escape(mail.state)}</td>'
        f'<td class="keep">{escape(clock.ago(mail.created_at))}</td></tr>'
    )


@router.get("/view/{id}", media_type=HTML, in_schema=False)
def view(db: Db, id: str) -> bytes:
    """One mail."""
    mail = opened(outgoing.get(db, id))
    head = "".join(
        f'<tr><th scope="row" class="keep">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in mail.headers.items()
    )
    if mail.error:
        head += f'<tr><th scope="row">Error</th><td>{escape(mail.error)}</td></tr>'
    parts = [
        f"<h1>{escape(mail.subject) or '(no subject)'}</h1><p>{escape(mail.state)}</p><table>{head}</table>"
    ]
    base = f"/_mail/messages/{escape(mail.id)}"
    if mail.html is not None:
        parts.append(f'<h2>HTML</h2><iframe sandbox title="HTML of the mail" src="{base}/html"></iframe>')
        links = "".join(f"<li>{_linked(link)}</li>" for link in _links(mail.html))
        parts.append(f"<h2>Its links</h2><ul>{links}</ul>" if links else "")
    parts.append(f'<h2>Text</h2><pre class="wrap">{_linked(mail.text)}</pre>')
    if mail.attachments:
        files = "".join(
            f'<li><a href="{base}/attachments/{f.number}">{escape(f.name)}</a> {escape(f.media_type)}, {f.size} bytes</li>'
            for f in mail.attachments
        )
        parts.append(f"<h2>Attachments</h2><ul>{files}</ul>")
    parts.append(
        f'<p><a href="{base}/raw">Source</a> · <a href="/_mail/">All mail</a></p>'
        f'<form method="post" action="/_mail/delete/{escape(mail.id)}"><button>Delete</button></form>'
    )
    return _page(mail.subject or "Mail", "".join(parts))


def _linked(text: str) -> str:
    """Text as HTML in which addresses can be followed."""
    parts = re.split(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)])", text)
    return "".join(
        f'<a rel="noreferrer" href="{escape(part)}">{escape(part)}</a>' if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )


class _Links(HTMLParser):
    """Where the links of a page lead: in the sandbox that shows it they lead nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes note of a link."""
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.lower().startswith(("http://", "https://")):
            self.found[href] = None


def _links(html: str) -> list[str]:
    parser = _Links()
    parser.feed(html)
    return list(parser.found)


@router.post("/delete/{id}", consumes=("*/*",), in_schema=False)
def delete(db: Db, id: str) -> None:
    """The button of a mail."""
    outgoing.remove(db, id)
    return web.reply(None, status=303, headers={"location": "/_mail/"})


@router.post("/clear", consumes=("*/*",), in_schema=False)
def delete_all(db: Db) -> None:
    """The button of the list."""
    outgoing.clear(db)
    return web.reply(None, status=303, headers={"location": "/_mail/"})


def _page(title: str, content: str) -> bytes:
    return _sent(page(title, content).encode(), HTML, {"content-security-policy": SHOWN})
