"""Bank statements in OFX and QFX, read by ofxtools."""

from __future__ import annotations

import io
from typing import Any

from backendhub.kit import money
from backendhub.kit.errors import HubError, Invalid

from .formats import Draft
from .models import Kind
from .service import one_line


def read_ofx(data: bytes) -> list[Draft]:
    """Every transaction of every statement. Raises Invalid where the file or an amount cannot be read."""
    from ofxtools.Parser import OFXTree

    tree = OFXTree()
    try:
        tree.parse(io.BytesIO(data))
        document: Any = tree.convert()
        statements = document.statements
    except (
        Exception
    ) as error:  # ofxtools raises ValueError, ParseError, OFXSpecError, KeyError, … for bad files
        raise Invalid(f"The file is not OFX that can be read: {type(error).__name__}: {error}.") from error
    return [
        _draft(statement, account, transaction, number)
        for statement, account in ((s, getattr(s.account, "acctid", "")) for s in statements)
        for number, transaction in enumerate(statement.transactions or (), 1)
    ]


def _draft(statement: Any, account: str, transaction: Any, number: int) -> Draft:
    where = f"transaction {number} of account {account[-4:]}"
    try:
        code = money.currency(
            str((getattr(transaction, "currency", None) and transaction.cursym) or statement.curdef)
        )
        amount = money.parse(format(transaction.trnamt.normalize(), "f"), code)
        if amount.minor == 0:
            raise Invalid("the amount is 0.")
        text = " ".join(p for p in (transaction.name, transaction.memo) if p and p.strip())
        return Draft(
            where,
            Kind.EXPENSE if amount.minor < 0 else Kind.INCOME,
            transaction.dtposted.date().isoformat(),
            one_line(text or str(transaction.trntype)),
            abs(amount.minor),
            code,
            key=f"ofx:{account}:{transaction.fitid}",
        )
    except HubError as error:
        raise Invalid(f"{where}: {error.message}", hint=error.hint) from None
