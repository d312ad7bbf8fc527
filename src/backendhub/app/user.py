"""`backendhub user`: the accounts that every API of a store shares."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, NamedTuple

from typer import Argument, Option

from backendhub.app import user_keys
from backendhub.app.user_keys import Yes, read, unit, with_accounts
from backendhub.kit import cli, clock, hub, when
from backendhub.kit.accounts import (
    ApiKey,
    Session,
    Status,
    User,
    api_keys,
    sessions,
    signing_in,
    users,
)
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

app = cli.commands(
    "user",
    "Accounts: one store of them for every API of this machine. WHO is an id, an e-mail address or a username.",
    examples=(
        "backendhub user add ada@example.com --admin",
        "backendhub user key add ada@example.com --name ci --scope posts:read",
        'curl -H "Authorization: Bearer $(backendhub user token ada@example.com)" http://127.0.0.1:8000/',
    ),
)
key_app = app.group("key", "API keys of programs")
app.groups |= user_keys.GROUPS
COMMANDS = {"user": app}

Who = Annotated[str, Argument(help="Id, e-mail address or username.", metavar="WHO")]
Stdin = Annotated[bool, Option("--stdin", help="Read the password from the first line of stdin.")]
Generate = Annotated[bool, Option("--generate", help="Make a password up and print it, once.")]
COLUMNS = ("email", "username", "name", "roles", "status", "created_at", "last_sign_in_at", "id")


class Made(NamedTuple):
    """A secret that is shown this once."""

    id: str
    name: str
    secret: str


# -- accounts ---------------------------------------------------------------------------------------------


@app.command(
    undoable=False,
    says="Added {0.label} ({0.id}).",
    examples=(
        "backendhub user add ada@example.com --admin          # asks for a password",
        "backendhub user add ada@example.com --generate       # makes one up",
        "pass show ada | backendhub user add ada@example.com --stdin",
    ),
)
def add(
    email: Annotated[str | None, Argument(help="E-mail address.", metavar="EMAIL")] = None,
    username: Annotated[str | None, Option("--username", "-u", help="Username.")] = None,
    name: Annotated[str | None, Option(help="Name to show.")] = None,
    role: Annotated[list[str] | None, Option(help="A role; may be repeated.")] = None,
    admin: Annotated[bool, Option("--admin", help="Short for --role admin.")] = False,
    stdin: Stdin = False,
    generate: Generate = False,
    no_password: Annotated[bool, Option("--no-password", help="An account for API keys only.")] = False,
) -> User:
    """Add an account. Nobody becomes an administrator unless it is said here or with `promote`."""
    if not email and not username:
        raise cli.Usage(
            "An account needs an e-mail address or a --username.", hint="backendhub user add EMAIL"
        )
    if email:
        users.email(email)  # before anybody is asked for a password
    hash = None if no_password else _password(email, username, name, stdin=stdin, generate=generate)
    roles = [*(role or ()), *(["admin"] if admin else ())]
    names = {"email": email, "username": username, "name": name}
    added: User = unit(users.add, **names, roles=roles, password_hash=hash, email_confirmed=True)
    return added


@app.command(undoable=False, columns=COLUMNS, empty="There are no accounts: backendhub user add EMAIL")
def list_(
    text: Annotated[str | None, Argument(help="Part of an address or name.", metavar="TEXT")] = None,
    role: Annotated[str | None, Option(help="Only with this role.")] = None,
    disabled: Annotated[bool, Option("--disabled", help="Only those that are disabled.")] = False,
    limit: Annotated[int, Option("--limit", "-n", min=1, max=10_000, help="How many at most.")] = 100,
) -> list[User]:
    """List accounts, newest first."""
    status = Status.DISABLED if disabled else None
    found: list[User] = read(users.listed, text=text, role=role, status=status, limit=limit).items
    return found


@app.command(undoable=False)
def show(who: Who) -> dict[str, Any]:
    """Show an account with its sessions and keys."""

    def whole(db: Db) -> dict[str, Any]:
        user = users.resolve(db, who)
        shown = {name: getattr(user, name) for name in COLUMNS if name != "id"}
        return {
            "id": user.id,
            **shown,
            "password": "set" if users.password_hash(db, user.id) else "none",
            "sessions": len(sessions.of_user(db, user.id)),
            "keys": sum(1 for key in api_keys.listed(db, user.id) if key.revoked_at is None),
        }

    found: dict[str, Any] = read(whole)
    return found


@app.command(undoable=False)
def passwd(
    who: Who,
    stdin: Stdin = False,
    generate: Generate = False,
    keep_sessions: Annotated[bool, Option("--keep-sessions", help="Leave its sign-ins alone.")] = False,
) -> None:
    """Set a password: asked for, read from stdin or made up; never an argument. Ends the account's sign-ins."""
    user: User = read(users.resolve, who)
    hash = _password(user.email, user.username, user.name, stdin=stdin, generate=generate)

    def change(db: Db) -> int:
        users.set_hash(db, user.id, hash)
        return 0 if keep_sessions else sessions.end_all(db, user.id, by="password")

    ended = unit(change)
    hub.output().note(f"Changed the password of {user.label}; {ended} sign-ins ended.")


def _is_now(user: User) -> str:
    return f"{user.label} is now: {', '.join(user.roles) or 'without a role'}."


@app.command(undoable=False, says=_is_now)
def promote(who: Who, role: Annotated[str, Option(help="The role to give.")] = "admin") -> User:
    """Give an account a role; admin unless told otherwise."""
    return _roles(who, lambda roles: roles | {role})


@app.command(undoable=False, says=_is_now)
def demote(who: Who, role: Annotated[str, Option(help="The role to take.")] = "admin") -> User:
    """Take a role from an account; admin unless told otherwise. The last administrator stays one."""
    return _roles(who, lambda roles: roles - {role})


def _roles(who: str, change: Callable[[set[str]], set[str]]) -> User:
    def apply(db: Db) -> User:
        user = users.resolve(db, who)
        return users.edit(db, user.id, roles=change(set(user.roles)))

    done: User = unit(apply)
    return done


@app.command(undoable=False, says="{0.label} is disabled: its sign-ins and keys hold no longer.")
def disable(who: Who) -> User:
    """Disable an account: its tokens, sessions and keys stop working with the next request."""

    def apply(db: Db) -> User:
        user = users.edit(db, users.resolve(db, who).id, status=Status.DISABLED)
        sessions.end_all(db, user.id, by="disabled")
        return user

    done: User = unit(apply)
    return done


@app.command(undoable=False, says="{0.label} is active.")
def enable(who: Who) -> User:
    """Let a disabled account sign in again."""
    done: User = unit(
        lambda db: users.edit(db, users.resolve(db, who).id, status=Status.ACTIVE, banned_until=None)
    )
    return done


@app.command(undoable=False, aliases=("rm",), says="Removed {0.label}.")
def remove(who: Who, yes: Yes = False) -> User:
    """Remove an account with all that is only its own. There is no undo."""
    user: User = read(users.resolve, who)
    cli.confirm(f"Remove {user.label} and what is only its own?", yes=yes)
    done: User = unit(users.remove, user.id)
    return done


@app.command(
    undoable=False,
    columns=("id", "methods", "user_agent", "ip", "created_at", "seen_at"),
    empty="No sign-ins.",
)
def sessions_(who: Who) -> list[Session]:
    """List the sign-ins of an account."""
    found: list[Session] = read(lambda db: sessions.of_user(db, users.resolve(db, who).id))
    return found


@app.command(undoable=False)
def logout(who: Who) -> None:
    """End every sign-in of an account."""
    ended = unit(lambda db: sessions.end_all(db, users.resolve(db, who).id))
    hub.output().note(f"Ended {ended} sign-ins.")


# -- tokens and keys --------------------------------------------------------------------------------------


@app.command(undoable=False, examples=("TOKEN=$(backendhub user token ada@example.com --for 8h)",))
def token(
    who: Who,
    for_: Annotated[str, Option("--for", help="How long it holds: 15min, 1h, 7d.", metavar="SPAN")] = "1h",
    scope: Annotated[
        list[str] | None, Option(help="What it may do; without: whatever the account may.")
    ] = None,
) -> str:
    """Print an access token of an account, for curl and scripts. `user logout` takes it back."""
    seconds = int((_moment(for_) - clock.precise()).total_seconds() + 0.5)
    if seconds < 1:
        raise Invalid(f"{for_!r} is no time to come.", hint="--for 1h")
    current = with_accounts()

    def make(db: Db) -> str:
        user = users.resolve(db, who)
        about = {
            "scopes": api_keys.scope_names(scope or ()),
            "user_agent": "backendhub user token",
            "idle_s": 0,
        }
        grant = signing_in.sign_in(db, current, user, method="command", lifetime_s=seconds, **about)
        return grant.access_token

    return current.unit(make)


@key_app.command(
    "add",
    undoable=False,
    examples=("backendhub user key add ada@example.com --name ci --scope posts:read --expires 90d",),
)
def add_key(
    who: Who,
    name: Annotated[str, Option(help="What it is for.")],
    scope: Annotated[
        list[str] | None, Option(help="What it may do; without: whatever the account may.")
    ] = None,
    expires: Annotated[str | None, Option(help="A date or a span: 2027-01-01, 90d.", metavar="WHEN")] = None,
) -> Made:
    """Make an API key and show it, this once; only its hash is kept."""
    until = _moment(expires) if expires else None

    def make(db: Db) -> Made:
        user = users.resolve(db, who)
        made, text = api_keys.make(db, user.id, name=name, scopes=scope or (), expires_at=until)
        return Made(made.id, made.name, text)

    done: Made = unit(make)
    return done


@key_app.command(
    "list",
    undoable=False,
    columns=("id", "name", "start", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"),
    empty="No keys.",
)
def list_keys(
    who: Annotated[str | None, Argument(help="Only of this account.", metavar="WHO")] = None,
) -> list[ApiKey]:
    """List keys: how they start, what they may do, when they were last used."""
    found: list[ApiKey] = read(lambda db: api_keys.listed(db, users.resolve(db, who).id if who else None))
    return found


@key_app.command("revoke", undoable=False, says="Revoked {0.name} ({0.start}…).")
def revoke_key(id: Annotated[str, Argument(help="The key's id.", metavar="ID")]) -> ApiKey:
    """Take a key back; the next request with it fails."""
    done: ApiKey = unit(api_keys.revoke, id)
    return done


# -- helpers ----------------------------------------------------------------------------------------------


def _moment(text: str) -> datetime:
    """A date, a time or a span as a moment to come; a day means its beginning. Raises Invalid."""
    found: date | datetime = when.parse(text if not text[:1].isdigit() or "-" in text else f"+{text}")
    if isinstance(found, datetime):
        return found.astimezone(UTC)
    if text.rstrip("dwmyDWMY").lstrip("+").isdigit():  # a span of days keeps the time of day
        return datetime.combine(found, clock.precise().time(), UTC)
    return datetime.combine(found, time(), UTC)


def _password(*about: str | None, stdin: bool, generate: bool) -> str:
    """The hash of a password that is typed twice, read from stdin or made up. Raises Usage, Weak."""
    passwords = with_accounts().passwords
    if stdin and generate:
        raise cli.Usage("Either --stdin or --generate.")
    if generate:
        text = secrets.token_urlsafe(15)
        sys.stderr.write(f"Password: {text}\n")
    elif stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise cli.Usage("There is no terminal to ask for a password.", hint="add --stdin or --generate")
    else:
        from getpass import getpass

        text = getpass("Password: ", stream=sys.stderr)
        if getpass("Again: ", stream=sys.stderr) != text:
            raise Invalid("The two passwords are not the same.")
    return passwords.hash(passwords.check(text, *about))
