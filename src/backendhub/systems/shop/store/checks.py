"""The invariants of the shop, each a SELECT of what breaks it."""

from __future__ import annotations

from backendhub.kit.checks import Check

CHECKS = (
    Check(
        "nothing is oversold",
        "No stock is below zero, and what is sold or held of it fits what there was",
        "SELECT s.resource, s.location FROM reservation_stock s JOIN shop_variant v ON v.id = s.resource "
        "WHERE s.free < 0 OR s.held < 0 OR s.sold < 0",
    ),
    Check(
        "every line has its stock",
        "Of a line whose stock is counted, what is sold and not yet shipped is what its hold has",
        "SELECT i.id FROM shop_order_item i JOIN shop_order o ON o.id = i.order_id LEFT JOIN ("
        "SELECT hold_id, sum(quantity) AS quantity FROM reservation_units WHERE sold GROUP BY hold_id"
        ") u ON u.hold_id = i.id WHERE i.managed AND coalesce(u.quantity, 0) <> "
        "CASE WHEN o.state = 'canceled' THEN 0 ELSE i.quantity - i.shipped END",
    ),
    Check(
        "a completed cart is an order",
        "Each completed cart has its one order, and each order of a cart has a completed cart",
        "SELECT c.id FROM shop_cart c LEFT JOIN shop_order o ON o.cart_id = c.id AND o.id = c.order_id "
        "WHERE (c.state = 'completed') <> (o.id IS NOT NULL)",
    ),
    Check(
        "an order is its lines",
        "Subtotal, discount and tax of an order are the sums of its lines and its shipping; its total is what they make",
        "SELECT o.id FROM shop_order o LEFT JOIN (SELECT order_id, sum(subtotal) AS subtotal, sum(total) AS total, "
        "sum(discount) AS discount FROM shop_order_item GROUP BY order_id) i ON i.order_id = o.id "
        "WHERE coalesce(i.subtotal, 0) <> o.subtotal OR coalesce(i.total, 0) + o.shipping_total <> o.total "
        "OR i.order_id IS NULL",
    ),
    Check(
        "parcels are counted once",
        "What lines say is packed is what their parcels hold that were not cancelled",
        "SELECT i.id FROM shop_order_item i WHERE i.fulfilled < i.shipped OR i.shipped < i.delivered "
        "OR (i.fulfilled > 0 AND NOT EXISTS (SELECT 1 FROM shop_fulfillment f WHERE f.order_id = i.order_id "
        "AND f.state <> 'canceled'))",
    ),
    Check(
        "promotions are used as often as they count",
        "A promotion's count is the number of orders that used it, and within its limit",
        "SELECT p.id FROM shop_promotion p WHERE p.used <> "
        "(SELECT count(*) FROM shop_promotion_use u WHERE u.promotion_id = p.id) "
        "OR (p.usage_limit IS NOT NULL AND p.used > p.usage_limit)",
    ),
    Check(
        "payments are their refunds",
        "What a payment says was given back is the sum of its refunds, and never more than was captured",
        "SELECT p.id FROM shop_payment p WHERE p.refunded > p.captured OR p.captured > p.amount OR p.refunded <> "
        "coalesce((SELECT sum(amount) FROM shop_refund r WHERE r.payment_id = p.id), 0)",
    ),
    Check(
        "a cancelled order keeps no money",
        "What was captured for an order that is cancelled has all gone back",
        "SELECT p.id FROM shop_payment p JOIN shop_order o ON o.id = p.order_id "
        "WHERE o.state = 'canceled' AND p.captured <> p.refunded",
    ),
    Check(
        "an order was paid for",
        "An order has a payment of its total, unless it costs nothing",
        "SELECT o.id FROM shop_order o WHERE o.total > 0 AND o.cart_id IS NOT NULL AND o.total <> "
        "coalesce((SELECT sum(amount) FROM shop_payment p WHERE p.order_id = o.id), 0)",
    ),
)
