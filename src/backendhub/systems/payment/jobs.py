"""What happens by itself: banks make up their minds, money settles, time runs out."""

from __future__ import annotations

from collections.abc import Callable

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.jobs import Run

from .service import confirming, disputing, intents, money, payouts, refunding
from .service.billing import completing, coupons, paying, renewing, test_clocks

UNITS: dict[str, Callable[..., None]] = {
    "payment.intent_settles": confirming.settled,
    "payment.refund_settles": refunding.settled,
    "payment.refund_fails": refunding.fails,
    "payment.coupon_ends": coupons.ends,
    "payment.invoice_finalizes": paying.finalizes,
    "payment.invoice_collects": paying.collects,
    "payment.invoice_retries": paying.retries,
    "payment.invoice_overdue": paying.overdue,
    "payment.subscription_renews": renewing.renews,
    "payment.subscription_expires": renewing.expires,
    "payment.subscription_ends": renewing.ends,
    "payment.subscription_resumes": renewing.resumes,
    "payment.trial_ends_soon": renewing.trial_ends_soon,
    "payment.session_expires": completing.times_out,
}
"""What is done at its time. Stores hold jobs by these names: none of them may go."""
for name, fn in UNITS.items():
    jobs.job(name)(fn)


@jobs.job("payment.day", cron="* * * * *")
def day(db: Db) -> int:
    """Makes money available, pays payouts, gives back what was held for too long, closes disputes nobody answered."""
    return money.settle(db) + payouts.arrive(db) + intents.expire(db) + disputing.overdue(db)


@jobs.job("payment.clock_advances")
def clock_advances(run: Run, id: str) -> None:
    """Walks a test clock to where it was sent; where its last attempt breaks off, the clock says so."""
    try:
        test_clocks.walk(run.hub.store.unit, id, run.check)
    except Exception:
        if run.attempt >= (run.job.max_attempts or run.kind.attempts):
            run.hub.store.unit(test_clocks.failed, id)
        raise
