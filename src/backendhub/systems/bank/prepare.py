"""`serve bank --verify`: the whole ledger is added up again before the first request."""

from __future__ import annotations

from backendhub.kit.errors import StoreError
from backendhub.kit.hub import Hub


def prepare(hub: Hub) -> None:
    """Refolds the ledger where `bank.verify` says so. Raises StoreError where anything does not add up."""
    if not hub.settings.flag("bank.verify"):
        return
    from backendhub.kit import (
        ledger,  # not before it is needed: whoever serves everything waits for this module
    )

    report = hub.read(ledger.verify, "bank")
    broken = [check for check in report.checks if not check.ok]
    if broken:
        found = "; ".join(f"{c.name}: {c.violations} ({c.examples[0]})" for c in broken)
        raise StoreError(f"The ledger does not add up: {found}.", hint="restore a backup, and keep this file")
    count = hub.read(lambda db: db.value("SELECT count(*) FROM ledger_transfer"))
    hub.output.note(f"The ledger adds up: {len(report.checks)} invariants over {count:,} transfers.")
