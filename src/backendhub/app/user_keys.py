"""`backendhub user signing` and `user secret`: the keys that sign tokens, and the key that encrypts what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from typer import Argument, Option

from backendhub.app import sealed
from backendhub.kit import cli, hub, sealing
from backendhub.kit.accounts import SigningKey, tokens
from backendhub.kit.errors import Invalid

signing = cli.commands("user signing", "Keys that access tokens are signed with")
secret = cli.commands(
    "user secret",
    "The key that encrypts signing keys, TOTP and webhook secrets in the store, if there is one: BACKENDHUB_SECRET_KEY, "
    "or what the file that BACKENDHUB_SECRET_KEY_FILE names holds",
    examples=(
        "backendhub user secret key > /etc/backendhub.key   # mode 0600, and not beside the store",
        "BACKENDHUB_SECRET_KEY_FILE=/etc/backendhub.key backendhub user secret apply",
    ),
)
GROUPS = {"signing": signing, "secret": secret}
Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask.")]


def with_accounts() -> hub.Hub:
    """The current hub, with the tables of accounts."""
    current = hub.current()
    current.use("accounts")
    return current


def read(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Asks the store of accounts."""
    return with_accounts().read(fn, *args, **kwargs)


def unit(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Changes the store of accounts in one transaction."""
    return with_accounts().unit(fn, *args, **kwargs)


# -- signing keys -----------------------------------------------------------------------------------------


@signing.command(
    "list",
    undoable=False,
    columns=("id", "algorithm", "created_at", "retired_at", "expires_at"),
    empty="No keys yet.",
)
def list_signing() -> list[SigningKey]:
    """List the keys that access tokens are signed with."""
    found: list[SigningKey] = read(tokens.signing_keys)
    return found


@signing.command("rotate", undoable=False)
def rotate(
    overlap: Annotated[int, Option(min=0, help="Seconds that the old keys go on verifying.")] = 86_400,
) -> str:
    """Sign with a new key from now on; print its id."""
    algorithm = hub.current().settings.get("accounts.algorithm") or "ES256"
    made: str = unit(tokens.rotate, algorithm, overlap_s=overlap)
    return made


@signing.command("import", undoable=False, examples=("backendhub user signing import signing_keys.json",))
def import_signing(
    file: Annotated[
        str, Argument(help="A private JWK, a list of them or a JWK set; - reads stdin.", metavar="FILE")
    ],
) -> list[str]:
    """Sign with a key that another product has used; whoever else has it may sign too."""
    import json

    try:
        given = json.loads(cli.read_file(file))
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}.") from None
    keys = given.get("keys", [given]) if isinstance(given, dict) else given
    if not isinstance(keys, list) or not keys or not all(isinstance(k, dict) for k in keys):
        raise Invalid(f"{file} holds no key.", hint="a private JWK (RFC 7517)")
    done: list[str] = unit(lambda db: [tokens.import_key(db, key) for key in keys])
    return done


@signing.command("revoke", undoable=False)
def revoke_signing(
    id: Annotated[str, Argument(help="The key's id.", metavar="ID")], yes: Yes = False
) -> None:
    """Take a signing key back at once: every token that it signed fails from now on."""
    cli.confirm("Every token signed with this key will fail. Go on?", yes=yes)
    unit(tokens.revoke_key, id)
    hub.output().note(f"Revoked {id}.")


# -- encryption -------------------------------------------------------------------------------------------


@secret.command("key", undoable=False)
def make_key() -> str:
    """Print a new key. It is kept nowhere."""
    return sealing.new_key()


@secret.command("apply", undoable=False)
def apply_key(
    plain: Annotated[bool, Option("--plain", help="Decrypt them instead, to do without a key.")] = False,
) -> str:
    """Encrypt the secrets of the store with the first key: those that stand there as they are, and those of older keys.

    To rotate, set the new key in front of the old one, start the servers anew, apply, and drop the old one.
    """
    if not sealing.keys():
        raise Invalid(f"{sealing.VARIABLE} is not set.", hint="backendhub user secret key makes one")
    count: int = unit(sealed.apply, plain=plain)
    return f"{count} secrets {'decrypted' if plain else 'encrypted with the first key'}"
