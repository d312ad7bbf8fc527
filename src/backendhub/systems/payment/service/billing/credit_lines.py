"""What a credit note takes off: lines of its invoice with their shares of discounts and taxes, or lines of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import objects, resources, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Credit, Json
from backendhub.systems.payment.service import money

from . import taxes, totals
from .pricing import bounded, plain, whole

LINE = resources.declare(resources.Resource("credit_note_line_item", "cnli", tells=False, metadata=False))


def read(db: Db, invoice: Json, params: Json) -> list[Json]:
    """The lines that a request wants. Raises ApiError where they are none, or more than the invoice has left."""
    given = params.get("lines")
    if not given:
        if params.get("amount") is None:
            raise ApiError(
                "You must provide one of `amount` or `lines`.", code="parameter_missing", param="amount"
            )
        return [_whole(invoice, params["amount"])]
    known = {each["id"]: each for each in invoice["lines"]["data"]}
    before = {each.line: each for each in db.all(Credit, store.SELECT_CREDIT, invoice=invoice["id"])}
    wanted = [rate for each in given for rate in each.get("tax_rates") or ()]
    rates = {rate["id"]: rate for rate in taxes.rates(db, wanted, param="lines")}
    told: list[Json] = []
    for n, each in enumerate(given):
        param = f"lines[{n}]"
        if each["type"] == "custom_line_item":
            told.append(_custom(each, rates, param))
            continue
        line = known.get(each.get("invoice_line_item") or "")
        if line is None:
            raise ApiError(
                f"No such invoice line item: '{str(each.get('invoice_line_item'))[:200]}'",
                code="resource_missing",
                param=f"{param}[invoice_line_item]",
            )
        fresh, before[line["id"]] = _of_invoice(line, each, before.get(line["id"]), param)
        told.append(fresh)
    return told


def _whole(invoice: Json, amount: int) -> Json:
    money.exact(amount, invoice["currency"])
    return _line(
        amount,
        description=f"Credit for invoice {invoice['number']}",
        quantity=1,
        unit_amount=amount,
        unit_amount_decimal=str(amount),
    )


def _custom(given: Json, rates: Mapping[str, Json], param: str) -> Json:
    """A line that the invoice does not have, with taxes on top of it or within."""
    unit = given.get("unit_amount_decimal")
    if (unit is None) == (given.get("unit_amount") is None):
        raise ApiError(
            "You must provide exactly one of `unit_amount` or `unit_amount_decimal`.",
            param=f"{param}[unit_amount]",
        )
    if not given.get("description"):
        raise ApiError(
            f"Missing required param: {param}[description].",
            code="parameter_missing",
            param=f"{param}[description]",
        )
    exact, count = Fraction(given["unit_amount"] if unit is None else unit), given.get("quantity", 1)
    amount = bounded(whole(exact * count), param=param)
    if amount < 0:
        raise ApiError("A credit note takes off what is positive.", param=f"{param}[unit_amount_decimal]")
    own = tuple(rates[id] for id in given.get("tax_rates") or ())
    priced = totals.price([totals.Line(amount, rates=own)])[0]
    return _line(
        amount,
        description=given["description"],
        quantity=count,
        tax_rates=list(own),
        taxes=[_tax(rate["id"], rate["inclusive"], base, tax) for rate, base, tax in priced.taxes],
        unit_amount=int(exact) if exact.denominator == 1 else None,
        unit_amount_decimal=plain(exact),
    )


def _of_invoice(line: Json, given: Json, before: Credit | None, param: str) -> tuple[Json, Credit]:
    """A line of the invoice, all that is left of it or less, and what is credited of it then.

    Shares are those of all that is credited so far, less what was: several notes add up to the whole line exactly.
    """
    done = before or Credit(line["id"], 0, 0, 0)
    left = line["amount"] - done.amount
    amount = _amount(line, given, left, param)
    if line["amount"] <= 0 or not 0 <= amount <= left:
        raise ApiError(
            f"The amount to credit ({amount}) is greater than what is left of the line item ({max(left, 0)}).",
            code="amount_too_large",
            param=param,
        )
    share = Fraction(done.amount + amount, line["amount"])
    off = whole(sum(d["amount"] for d in line["discount_amounts"]) * share) - done.discount
    on_top = [tax for tax in line["taxes"] if tax["tax_behavior"] == "exclusive"]
    tax = whole(sum(each["amount"] for each in on_top) * share) - done.tax
    part = Fraction(amount, line["amount"])
    fresh = _line(
        amount,
        description=line["description"],
        discount_amount=off,
        discount_amounts=_parts(line["discount_amounts"], off),
        invoice_line_item=line["id"],
        quantity=given.get("quantity"),
        tax_rates=line["tax_rates"],
        taxes=_shares(line["taxes"], on_top, tax, part),
    )
    return fresh, Credit(line["id"], done.amount + amount, done.discount + off, done.tax + tax)


def _amount(line: Json, given: Json, left: int, param: str) -> int:
    if given.get("amount") is not None and given.get("quantity") is not None:
        raise ApiError("You can give `amount` or `quantity`, not both.", param=f"{param}[quantity]")
    if given.get("amount") is not None:
        return int(given["amount"])
    count = given.get("quantity")
    if count is None:
        return left
    if not line["quantity"] or count > line["quantity"]:
        raise ApiError("The quantity is greater than that of the line item.", param=f"{param}[quantity]")
    return whole(Fraction(line["amount"] * count, line["quantity"]))


def _parts(amounts: Sequence[Json], total: int) -> list[Json]:
    """Amounts like these that add up to a total."""
    whole_of = sum(each["amount"] for each in amounts)
    if not whole_of:
        return [each | {"amount": 0} for each in amounts]
    shares = [Fraction(total * each["amount"], whole_of) for each in amounts]
    spread = totals.spread(total, shares)
    return [each | {"amount": part} for each, part in zip(amounts, spread, strict=True)]


def _shares(found: Sequence[Json], on_top: Sequence[Json], tax: int, part: Fraction) -> list[Json]:
    """The taxes of a line in part: those on top add up to `tax`."""
    exact = iter(_parts(on_top, tax))
    told: list[Json] = []
    for each in found:
        within = each["tax_behavior"] != "exclusive"
        amount = whole(each["amount"] * part) if within else next(exact)["amount"]
        told.append(each | {"amount": amount, "taxable_amount": whole(each["taxable_amount"] * part)})
    return told


def _tax(rate: str, inclusive: bool, base: int, amount: int) -> Json:
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate},
        "taxability_reason": "standard_rated",
        "taxable_amount": base,
        "type": "tax_rate_details",
    }


def _line(amount: int, **about: Any) -> Json:
    wide: Json = {
        "id": objects.new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": None,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None,
        "tax_rates": [],
        "taxes": [],
        "unit_amount": None,
        "unit_amount_decimal": None,
    }
    wide |= about
    return wide | {"type": "invoice_line_item" if wide["invoice_line_item"] else "custom_line_item"}


def on_top(line: Json) -> int:
    """The taxes that are added to a line."""
    return sum(tax["amount"] for tax in line["taxes"] if tax["tax_behavior"] == "exclusive")


def total(line: Json) -> int:
    """What a line takes off."""
    return int(line["amount"] - line["discount_amount"] + on_top(line))
