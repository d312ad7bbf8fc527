"""The invariants of reservations as live queries."""

from __future__ import annotations

from backendhub.kit import checks
from backendhub.kit.checks import Check
from backendhub.kit.db import Db

CHECKS = (
    Check(
        "stock is its holds",
        "What a stock counts as held and sold is what holds have of it",
        """SELECT s.resource, s.location, s.held, s.sold FROM reservation_stock s LEFT JOIN (
          SELECT resource, location, sum(CASE WHEN sold THEN 0 ELSE quantity END) AS held,
            sum(CASE WHEN sold THEN quantity ELSE 0 END) AS sold
          FROM reservation_units GROUP BY resource, location
        ) u ON u.resource = s.resource AND u.location = s.location
        WHERE s.held <> coalesce(u.held, 0) OR s.sold <> coalesce(u.sold, 0)""",
    ),
    Check(
        "a hold has all of its claims",
        "A hold that is confirmed, or held and not over, has every unit and slot that it claimed",
        """SELECT h.id FROM reservation_hold h WHERE (h.state = 'confirmed' OR (h.state = 'held' AND h.expires_at > :now))
        AND h.size <> (SELECT count(*) FROM reservation_units u WHERE u.hold_id = h.id)
          + (SELECT count(*) FROM reservation_slot s WHERE s.hold_id = h.id)""",
    ),
    Check(
        "no claim without a hold",
        "Every live unit and slot belongs to a hold that is held or confirmed",
        """SELECT c.hold_id FROM (
          SELECT hold_id, expires_at FROM reservation_units UNION ALL SELECT hold_id, expires_at FROM reservation_slot
        ) c LEFT JOIN reservation_hold h ON h.id = c.hold_id AND h.state IN ('held', 'confirmed')
        WHERE c.expires_at > :now AND h.id IS NULL""",
    ),
    Check(
        "sold is confirmed",
        "Only confirmed holds have sold units, and theirs never expire",
        """SELECT u.hold_id FROM reservation_units u LEFT JOIN reservation_hold h ON h.id = u.hold_id
        WHERE u.sold AND (h.state IS NULL OR h.state <> 'confirmed' OR u.expires_at <= :now)""",
    ),
)


def verify(db: Db) -> checks.Report:
    """Looks at every invariant."""
    return checks.run(db, CHECKS)
