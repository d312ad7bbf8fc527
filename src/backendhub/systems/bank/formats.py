"""Statements as files: OFX 2.0.3 for personal finance programs, camt.053.001.08 (ISO 20022) for accounting."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from backendhub.kit import clock
from backendhub.kit.money import Money

from .models import Kind, Line
from .service.accounts import BIC, SORT_CODE
from .service.statements import Statement

CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_OFX_TYPES = {
    Kind.DEPOSIT: "DEP",
    Kind.WITHDRAWAL: "CASH",
    Kind.TRANSFER: "XFER",
    Kind.PAYMENT: "PAYMENT",
    Kind.STANDING_ORDER: "REPEATPMT",
}
# Domain, family and sub-family of ISO 20022 bank transaction codes, for money that comes in and that goes out.
_CODES = {
    Kind.DEPOSIT: (("PMNT", "CNTR", "CDPT"), ("PMNT", "CNTR", "CDPT")),
    Kind.WITHDRAWAL: (("PMNT", "CNTR", "CWDL"), ("PMNT", "CNTR", "CWDL")),
    Kind.TRANSFER: (("PMNT", "RCDT", "BOOK"), ("PMNT", "ICDT", "BOOK")),
    Kind.PAYMENT: (("PMNT", "RCDT", "DMCT"), ("PMNT", "ICDT", "DMCT")),
    Kind.STANDING_ORDER: (("PMNT", "RCDT", "STDO"), ("PMNT", "ICDT", "STDO")),
}


def transaction_code(line: Line) -> tuple[str, str, str]:
    """The ISO 20022 bank transaction code of a line."""
    return _CODES[line.kind][0 if line.amount > 0 else 1]


def ofx(statement: Statement) -> bytes:
    """The statement in OFX, written with ofxtools."""
    from ofxtools import models as ofx_models
    from ofxtools.header import make_header
    from ofxtools.utils import UTC as OFX_UTC

    def when(moment: datetime) -> datetime:
        return moment.replace(tzinfo=OFX_UTC)

    account, now = statement.account, when(clock.now())
    m: Any = ofx_models
    transactions = [
        m.STMTTRN(
            trntype=_OFX_TYPES[line.kind],
            dtposted=when(line.at),
            trnamt=_decimal(line.amount, account.currency),
            fitid=line.id[:255],
            name=(line.counterparty or line.kind.value)[:32],
            memo=line.reference or None,
        )
        for line in statement.lines
    ]
    answer = m.STMTRS(
        curdef=account.currency,
        bankacctfrom=m.BANKACCTFROM(
            bankid=account.sort_code or SORT_CODE,
            acctid=account.number or account.id,
            accttype="SAVINGS" if account.kind == "SVGS" else "CHECKING",
        ),
        banktranlist=m.BANKTRANLIST(
            *transactions, dtstart=when(statement.since), dtend=when(statement.until)
        ),
        ledgerbal=m.LEDGERBAL(balamt=_decimal(statement.closing, account.currency), dtasof=now),
    )
    ok = m.STATUS(code=0, severity="INFO")
    document = m.OFX(
        signonmsgsrsv1=m.SIGNONMSGSRSV1(sonrs=m.SONRS(status=ok, dtserver=now, language="ENG")),
        bankmsgsrsv1=m.BANKMSGSRSV1(m.STMTTRNRS(trnuid="0", status=ok, stmtrs=answer)),
    )
    body = ElementTree.tostring(document.to_etree())
    return str(make_header(version=203)).encode() + bytes(body)


def camt053(statement: Statement) -> bytes:
    """The statement as camt.053.001.08."""
    account, currency, now = statement.account, statement.account.currency, clock.iso(clock.now())
    root = ElementTree.Element("Document", xmlns=CAMT)
    message = _add(root, "BkToCstmrStmt")
    head = _add(message, "GrpHdr")
    _add(head, "MsgId", f"{account.number}-{statement.id}"[:35])
    _add(head, "CreDtTm", now)
    body = _add(message, "Stmt")
    _add(body, "Id", f"{account.number}-{statement.id}"[:35])
    _add(body, "CreDtTm", now)
    period = _add(body, "FrToDt")
    _add(period, "FrDtTm", clock.iso(statement.since))
    _add(period, "ToDtTm", clock.iso(statement.until))
    own = _add(body, "Acct")
    _add(_add(own, "Id"), "IBAN", account.iban or "")
    _add(own, "Ccy", currency)
    _add(_add(_add(own, "Svcr"), "FinInstnId"), "BICFI", BIC)
    _balance(body, "OPBD", statement.opening, currency, statement.since)
    _balance(body, "CLBD", statement.closing, currency, min(statement.until, clock.now()))
    for line in statement.lines:
        _entry(body, line, currency)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _balance(parent: ElementTree.Element, code: str, minor: int, currency: str, at: datetime) -> None:
    balance = _add(parent, "Bal")
    _add(_add(_add(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _amount(balance, minor, currency)
    _add(_add(balance, "Dt"), "Dt", at.date().isoformat())


def _entry(parent: ElementTree.Element, line: Line, currency: str) -> None:
    entry = _add(parent, "Ntry")
    _add(entry, "NtryRef", str(line.line))
    _amount(entry, line.amount, currency)
    _add(_add(entry, "Sts"), "Cd", "BOOK")
    _add(_add(entry, "BookgDt"), "DtTm", clock.iso(line.at))
    _add(_add(entry, "ValDt"), "Dt", line.at.date().isoformat())
    _add(entry, "AcctSvcrRef", line.id.replace("-", "")[:35])
    domain, family, sub = transaction_code(line)
    code = _add(_add(entry, "BkTxCd"), "Domn")
    _add(code, "Cd", domain)
    families = _add(code, "Fmly")
    _add(families, "Cd", family)
    _add(families, "SubFmlyCd", sub)
    details = _add(_add(entry, "NtryDtls"), "TxDtls")
    _add(_add(details, "Refs"), "AcctSvcrRef", line.id.replace("-", "")[:35])
    if line.counterparty:
        parties = _add(details, "RltdPties")
        _add(_add(_add(parties, "Dbtr" if line.amount > 0 else "Cdtr"), "Pty"), "Nm", line.counterparty[:140])
    if line.reference:
        _add(_add(details, "RmtInf"), "Ustrd", line.reference[:140])


def _amount(parent: ElementTree.Element, minor: int, currency: str) -> None:
    amount = _add(parent, "Amt", Money(abs(minor), currency).decimal)
    amount.set("Ccy", currency)
    _add(parent, "CdtDbtInd", "CRDT" if minor >= 0 else "DBIT")


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = text
    return child


def _decimal(minor: int, currency: str) -> Decimal:
    return Decimal(Money(minor, currency).decimal)
