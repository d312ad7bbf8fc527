"""A small bank with three customers and two months of life, made through the service."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock, when
from backendhub.kit.db import Db
from backendhub.kit.money import Money

from .models import AccountKind, Creditor
from .service import accounts, orders, payments

RENT = Creditor(accounts.IBAN, "DE89370400440532013000", "Hausverwaltung Brandt")
POWER = Creditor(accounts.IBAN, "NL91ABNA0417164300", "Groene Stroom BV")


def load(db: Db) -> int:
    """Adds the sample and says how many movements that were: 0 where there are customers already."""
    if accounts.find_customers(db, limit=1):
        return 0
    with clock.traveling(clock.now() - timedelta(days=61)):
        amira = accounts.add_customer(db, name="Amira Haddad", email="amira@mail.example")
        jonas = accounts.add_customer(db, name="Jonas Lindqvist")
        bakery = accounts.add_customer(db, name="Lindqvist & Co", kind="business")
        daily = accounts.open_account(
            db, customer_id=amira.id, currency="EUR", nickname="Every day", overdraft=50_000
        )
        savings = accounts.open_account(
            db, customer_id=amira.id, currency="EUR", kind=AccountKind.SAVINGS, nickname="Rainy days"
        )
        his = accounts.open_account(db, customer_id=jonas.id, currency="EUR")
        shop = accounts.open_account(db, customer_id=bakery.id, currency="EUR", overdraft=500_000)
    count = 0
    for days in range(60, 0, -5):
        with clock.traveling(clock.now() - timedelta(days=days)):
            payments.deposit(
                db, shop.id, Money(84_350 + 1_130 * days, "EUR"), reference="Takings of the week"
            )
            count += 1
            if days % 30 == 0:
                payments.transfer(db, shop.id, daily.id, Money(231_700, "EUR"), reference="Salary")
                payments.pay(db, daily.id, RENT, Money(94_000, "EUR"), reference="Rent, flat 12")
                payments.transfer(db, daily.id, savings.id, Money(30_000, "EUR"), reference="Put aside")
                count += 3
            if days % 20 == 0:
                payments.pay(db, shop.id, POWER, Money(17_245, "EUR"), reference="Customer 400-118")
                payments.transfer(db, daily.id, his.id, Money(2_650, "EUR"), reference="Concert tickets")
                count += 2
    accounts.add_beneficiary(db, daily.id, RENT, reference="Flat 12")
    orders.add(
        db,
        account_id=daily.id,
        creditor=RENT,
        amount=Money(94_000, "EUR"),
        frequency="MNTH",
        first_on=when.add(clock.now().date(), 1, "m"),
        reference="Rent, flat 12",
    )
    return count
