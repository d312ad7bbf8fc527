"""`backendhub chat`: a client for a terminal, for any server of this chat."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid, Unauthenticated

app = cli.commands(
    "chat",
    "Talk in rooms and to people, on a server that `backendhub serve chat` runs.",
    examples=(
        "backendhub chat sign-up ada --url http://127.0.0.1:8000",
        "backendhub chat new General",
        "backendhub chat talk General                # type, and read what others type",
        'backendhub chat send @grace "Lunch?"        # to one person',
        "tail -f deploy.log | backendhub chat send General -",
    ),
)
Url = Annotated[str | None, Option(help="The server; kept for the next commands.", metavar="URL")]
Room = Annotated[
    str, Argument(help="A room's name, or @somebody for the conversation with them.", metavar="ROOM")
]
Name = Annotated[str, Argument(help="The account.", metavar="NAME")]
Secret = Annotated[
    bool, Option("--password-stdin", help="Read the password from stdin instead of asking for it.")
]


def _http() -> Any:
    """The server that was signed in at, its token renewed where it has to be. Raises Unauthenticated."""
    from . import client

    settings = hub.current().settings
    url, token = settings.get("chat.url") or "", settings.get("chat.token")
    if not token:
        raise Unauthenticated("Nobody is signed in.", hint="backendhub chat sign-in NAME")
    http = client.Http(url, token)
    try:
        http.ask("GET", "/me")
    except Unauthenticated:
        refresh = settings.get("chat.refresh_token")
        if not refresh:
            raise
        http.token = None
        _keep(url, http.ask("POST", "/refresh", {"refreshToken": refresh}))
        http.token = settings.get("chat.token")
    return http


def _keep(url: str, grant: dict[str, Any]) -> None:
    settings = hub.current().settings
    for name, value in (
        ("chat.url", url),
        ("chat.token", grant["token"]),
        ("chat.refresh_token", grant["refreshToken"]),
    ):
        settings.write(name, value)


def _password(from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    return getpass("Password: ")


def _enter(path: str, key: str, name: str, url: str | None, from_stdin: bool) -> dict[str, str]:
    from . import client

    address = url or hub.current().settings.get("chat.url") or ""
    if not address.startswith(("http://", "https://")):
        raise Invalid(f"{address!r} is no address of a server.", hint="--url http://127.0.0.1:8000")
    grant = client.Http(address).ask("POST", path, {key: name, "password": _password(from_stdin)})
    _keep(address, grant)
    return {"name": grant["user"]["name"], "url": address}


def _room(http: Any, name: str) -> str:
    if name.startswith("@"):
        return str(http.ask("POST", "/direct", {"user": name[1:]})["id"])
    return str(http.room(name)["id"])


@app.command("sign-up", undoable=False, says="Welcome, {0[name]}. Signed in at {0[url]}.")
def sign_up(name: Name, url: Url = None, password_stdin: Secret = False) -> dict[str, str]:
    """Make an account and sign in."""
    return _enter("/register", "username", name, url, password_stdin)


@app.command("sign-in", undoable=False, says="Signed in as {0[name]} at {0[url]}.")
def sign_in(name: Name, url: Url = None, password_stdin: Secret = False) -> dict[str, str]:
    """Sign in."""
    return _enter("/login", "login", name, url, password_stdin)


@app.command("sign-out", undoable=False, says="Signed out.")
def sign_out() -> dict[str, str]:
    """Sign out: what this terminal kept holds no longer, and its connections end."""
    http = _http()
    http.ask("POST", "/logout")
    settings = hub.current().settings
    for name in ("chat.token", "chat.refresh_token"):
        settings.write(name, None)
    return {"url": http.url}


@app.command(undoable=False, columns=("name", "kind", "new", "topic"), empty="You are in no room yet.")
def rooms(
    public: Annotated[bool, Option("--public", help="Rooms that anybody may enter.")] = False,
) -> list[dict[str, Any]]:
    """Your rooms and how much is new in each; or the public ones."""
    http = _http()
    if public:
        found: list[dict[str, Any]] = http.ask("GET", "/rooms/public", limit=100)
        return [{**room, "new": None} for room in found]
    return [
        {**room, "new": room["top"] - max(room["seen"], room["joined"])} for room in http.ask("GET", "/rooms")
    ]


@app.command(undoable=False, says="{0[name]} is open.")
def new(
    name: Annotated[str, Argument(help="Its name.", metavar="NAME")],
    private: Annotated[bool, Option("--private", help="Only for whom a member has added.")] = False,
    topic: Annotated[str, Option(help="What it is about.")] = "",
    members: Annotated[list[str] | None, Option("--with", help="Who is in it.", metavar="USER")] = None,
) -> dict[str, Any]:
    """Open a room."""
    kind = "private" if private else "public"
    body = {"name": name, "kind": kind, "topic": topic, "members": members or []}
    found: dict[str, Any] = _http().ask("POST", "/rooms", body)
    return found


@app.command(undoable=False, says="You are in {0[name]}.")
def join(room: Room) -> dict[str, Any]:
    """Enter a public room."""
    http = _http()
    found: dict[str, Any] = http.ask("POST", http.path(_room(http, room), "join"))
    return found


@app.command(undoable=False)
def leave(room: Room) -> None:
    """Leave a room."""
    http = _http()
    http.ask("POST", http.path(_room(http, room), "leave"))


@app.command(
    undoable=False,
    says="{0[sent]} sent.",
    examples=('backendhub chat send General "The build is green."', "ls | backendhub chat send @ada -"),
)
def send(
    room: Room,
    words: Annotated[list[str], Argument(help="The message; - sends each line of stdin.", metavar="TEXT...")],
) -> dict[str, int]:
    """Send a message, or each line of a pipe as one."""
    from backendhub.kit.ids import uuid7

    http = _http()
    path = http.path(_room(http, room), "messages")
    lines = (line.strip() for line in sys.stdin) if words == ["-"] else iter([" ".join(words)])
    count = 0
    for text in lines:
        if text:
            http.ask("POST", path, {"text": text, "device": "terminal", "txn": uuid7()})
            count += 1
    return {"sent": count}


COLUMNS = ("number", "at", "name", "text")


@app.command(undoable=False, columns=COLUMNS, empty="Nothing was said yet.")
def history(
    room: Room,
    last: Annotated[int, Option(min=1, max=100, help="How many of the last messages.")] = 20,
) -> list[dict[str, Any]]:
    """What was said in a room."""
    http = _http()
    found: list[dict[str, Any]] = http.ask("GET", http.path(_room(http, room), "messages"), limit=last)
    return found


@app.command(undoable=False, columns=COLUMNS, empty="Nothing was found.")
def search(
    words: Annotated[list[str], Argument(help="What to look for in your rooms.", metavar="WORD...")],
    limit: Annotated[int, Option(min=1, max=100, help="At most so many.")] = 20,
) -> list[dict[str, Any]]:
    """Find messages by their words, the newest first."""
    found: list[dict[str, Any]] = _http().ask("GET", "/search", q=" ".join(words), limit=limit)
    return found


@app.command(undoable=False)
def talk(
    room: Room,
    last: Annotated[int, Option(min=0, max=100, help="Begin with so many of the last messages.")] = 10,
) -> None:
    """Talk in a room: type, and read what others type; Ctrl-D leaves."""
    from . import talking

    http = _http()
    talking.Talk(http, _room(http, room), hub.output()).run(last)
