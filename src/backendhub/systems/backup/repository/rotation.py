"""Adding, replacing and showing keys."""

from __future__ import annotations

import json
from collections.abc import Iterable

from backendhub.kit.errors import Invalid

from . import keys
from .context import Context


def add(context: Context, *, passphrase: str | None = None, recipient: str | None = None) -> str:
    """Another passphrase for the same identities, or another recipient for what is written from now on."""
    _need_identity(context)
    if (passphrase is None) == (recipient is None):
        raise Invalid("Give either a passphrase or a recipient")
    if passphrase is not None:
        return keys.store_identities(context.backend, context.ring.identities, passphrase)
    assert recipient is not None
    recipients = [*context.ring.recipients, keys.check_recipient(recipient)]
    for key in context.ring.write_keys.values():
        keys.store_write_key(context.backend, key, recipients)
    _configure(context, recipients)
    return recipients[-1]


def rotate(context: Context, *, passphrase: str | None = None, recipients: Iterable[str] = ()) -> str:
    """New keys for everything written from now on; the old ones go on opening what they opened.

    The new key file is stored before the configuration names it and the old files go last, so that at every
    instant a passphrase opens the whole repository.
    """
    _need_identity(context)
    if context.config["mode"] == "recipients":
        new = [keys.check_recipient(r) for r in recipients]
        if not new:
            raise Invalid("Name the new recipients")
        for key in context.ring.write_keys.values():
            keys.store_write_key(context.backend, key, new)
        _configure(context, new)
        return new[0]
    if passphrase is None:
        raise Invalid("A new passphrase is needed")
    ring = context.ring
    own = {keys.recipient_of(i) for i in ring.identities}
    old = [e.name for e in context.backend.list("keys") if not e.name.endswith(".write.age")]
    identity, recipient = keys.new_identity()
    identities = [identity, *ring.identities]
    name = keys.store_identities(context.backend, identities, passphrase)
    key = keys.secret_write_key(identity, context.id)
    ring.identities, ring.write_id = identities, keys.key_id(key)
    ring.write_keys = {ring.write_id: key, **ring.write_keys}
    others = [r for r in ring.recipients if r not in own]
    if others:
        for each in ring.write_keys.values():
            keys.store_write_key(context.backend, each, [recipient, *others])
    _configure(context, [recipient, *others])
    for stale in old:
        context.backend.delete(stale)
    return name


def export(context: Context) -> str:
    """The identities as an age identity file: what opens the repository without the passphrase."""
    _need_identity(context)
    return "".join(identity + "\n" for identity in context.ring.identities)


def _configure(context: Context, recipients: list[str]) -> None:
    context.config["recipients"] = recipients
    if context.config["mode"] == "passphrase":
        context.config["mac"] = keys.config_mac(
            context.config, context.ring.write_keys[context.ring.write_id]
        )
    context.backend.put("config.json", [json.dumps(context.config, indent=1).encode()])
    context.ring.set_recipients(recipients)


def _need_identity(context: Context) -> None:
    if not context.ring.can_read:
        raise keys.wrong("Changing keys needs the identity.")
