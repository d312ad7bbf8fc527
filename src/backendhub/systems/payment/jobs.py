"""What happens by itself: banks make up their minds, money settles, time runs out."""

from __future__ import annotations

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.jobs import Run

from .service import confirming, disputing, intents, money, payouts, refunding
from .service.billing import completing, coupons, paying, renewing, test_clocks


@jobs.job("payment.intent_settles")
def intent_settles(db: Db, id: str) -> None:
    """Ends a payment that the bank was working on."""
    confirming.settled(db, id)


@jobs.job("payment.refund_settles")
def refund_settles(db: Db, id: str) -> None:
    """Ends a refund that was pending."""
    refunding.settled(db, id)


@jobs.job("payment.refund_fails")
def refund_fails(db: Db, id: str) -> None:
    """Lets a refund fail whose card wants that."""
    refunding.fail(db, id)


@jobs.job("payment.day", cron="* * * * *")
def day(db: Db) -> int:
    """Makes money available, pays payouts, gives back what was held for too long, closes disputes nobody answered."""
    return money.settle(db) + payouts.arrive(db) + intents.expire(db) + disputing.overdue(db)


@jobs.job("payment.coupon_ends")
def coupon_ends(db: Db, id: str) -> None:
    """Ends a coupon whose time is over."""
    coupons.ends(db, id)


@jobs.job("payment.invoice_finalizes")
def invoice_finalizes(db: Db, id: str) -> None:
    """Finalises a draft and collects it."""
    paying.finalizes(db, id)


@jobs.job("payment.invoice_collects")
def invoice_collects(db: Db, id: str) -> None:
    """Collects an invoice that was finalised by hand."""
    paying.collects(db, id)


@jobs.job("payment.invoice_retries")
def invoice_retries(db: Db, id: str, count: int) -> None:
    """Tries again to be paid."""
    paying.retries(db, id, count)


@jobs.job("payment.invoice_overdue")
def invoice_overdue(db: Db, id: str) -> None:
    """Tells of an invoice that was not paid in time."""
    paying.overdue(db, id)


@jobs.job("payment.subscription_renews")
def subscription_renews(db: Db, id: str, due: int) -> None:
    """Bills the next period."""
    renewing.renews(db, id, due)


@jobs.job("payment.subscription_expires")
def subscription_expires(db: Db, id: str) -> None:
    """Gives up what was never paid."""
    renewing.expires(db, id)


@jobs.job("payment.subscription_ends")
def subscription_ends(db: Db, id: str) -> None:
    """Cancels at the time that was said."""
    renewing.ends(db, id)


@jobs.job("payment.subscription_resumes")
def subscription_resumes(db: Db, id: str, until: int) -> None:
    """Ends a pause of collection."""
    renewing.resumes(db, id, until)


@jobs.job("payment.trial_ends_soon")
def trial_ends_soon(db: Db, id: str, trial: int) -> None:
    """Tells that a trial ends in three days."""
    renewing.trial_ends_soon(db, id, trial)


@jobs.job("payment.clock_advances")
def clock_advances(run: Run, id: str) -> None:
    """Walks a test clock to where it was sent."""
    test_clocks.walk(run.hub.store.unit, id, run.check)


@jobs.job("payment.session_expires")
def session_expires(db: Db, id: str) -> None:
    """Expires a Checkout Session that nobody has paid."""
    completing.times_out(db, id)
