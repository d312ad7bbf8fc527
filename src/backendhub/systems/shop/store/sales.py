"""Statements about customers, carts, orders and what becomes of them."""

from __future__ import annotations

from backendhub.kit.db import Db, columns
from backendhub.systems.shop.models import (
    Address,
    Cart,
    CartItem,
    Customer,
    Fulfillment,
    Order,
    OrderItem,
    Payment,
    PaymentCollection,
    PaymentSession,
    Refund,
    Report,
    Return,
)

CUSTOMER = f"SELECT {columns(Customer)} FROM shop_customer WHERE id = :id"
CUSTOMER_OF_USER = f"SELECT {columns(Customer)} FROM shop_customer WHERE user_id = :user_id"
# The customer with an account first, then the oldest guest.
CUSTOMER_BY_EMAIL = (
    f"SELECT {columns(Customer)} FROM shop_customer WHERE email_key = :email_key "
    "ORDER BY user_id IS NULL, id LIMIT 1"
)
GUEST_BY_EMAIL = (
    f"SELECT {columns(Customer)} FROM shop_customer WHERE email_key = :email_key AND user_id IS NULL "
    "ORDER BY id LIMIT 1"
)
CUSTOMERS = "SELECT id FROM shop_customer ORDER BY id DESC LIMIT :limit OFFSET :offset"
COUNT_CUSTOMERS = "SELECT count(*) FROM shop_customer"
ADDRESSES = f"SELECT {columns(Address)} FROM shop_address WHERE customer_id = :customer_id ORDER BY id"
ADDRESS = f"SELECT {columns(Address)} FROM shop_address WHERE id = :id AND customer_id = :customer_id"
DELETE_ADDRESS = "DELETE FROM shop_address WHERE id = :id AND customer_id = :customer_id"
ONLY_SHIPPING = (
    "UPDATE shop_address SET default_shipping = FALSE WHERE customer_id = :customer_id AND id <> :id"
)
ONLY_BILLING = (
    "UPDATE shop_address SET default_billing = FALSE WHERE customer_id = :customer_id AND id <> :id"
)

CART = f"SELECT {columns(Cart)} FROM shop_cart WHERE id = :id"
# Whoever changes a cart takes its row first: on PostgreSQL that is the lock, on SQLite the transaction is.
TOUCH_CART = (
    "UPDATE shop_cart SET version = version + 1, updated_at = :now WHERE id = :id AND state = 'open' "
    f"RETURNING {columns(Cart)}"
)
# The one statement that ends a cart as an order; who comes second changes no row.
COMPLETE_CART = (
    "UPDATE shop_cart SET state = 'completed', order_id = :order_id, completed_at = :now, updated_at = :now, "
    "version = version + 1 WHERE id = :id AND state = 'open'"
)
CANCEL_CART = (
    "UPDATE shop_cart SET state = 'canceled', updated_at = :now, version = version + 1 "
    "WHERE id = :id AND state = 'open'"
)
OPEN_CART_OF = (
    f"SELECT {columns(Cart)} FROM shop_cart WHERE customer_id = :customer_id AND state = 'open' AND kind = 'store' "
    "ORDER BY id DESC LIMIT 1"
)
CART_ITEMS = f"SELECT {columns(CartItem)} FROM shop_cart_item WHERE cart_id = :cart_id ORDER BY id"
CART_ITEM = f"SELECT {columns(CartItem)} FROM shop_cart_item WHERE id = :id AND cart_id = :cart_id"
DELETE_CART_ITEM = "DELETE FROM shop_cart_item WHERE id = :id AND cart_id = :cart_id"

ORDER_BY_ID = f"SELECT {columns(Order)} FROM shop_order WHERE id = :id"
LOCK_ORDER = (
    "UPDATE shop_order SET version = version + 1, updated_at = :now WHERE id = :id "
    f"RETURNING {columns(Order)}"
)
# Of a page first its keys, which an index has: the rows that are passed over are not read.
ORDERS_OF = (
    "SELECT no FROM shop_order WHERE customer_id = :customer_id ORDER BY no DESC LIMIT :limit OFFSET :offset"
)
COUNT_ORDERS_OF = "SELECT count(*) FROM shop_order WHERE customer_id = :customer_id"
ALL_ORDERS = "SELECT id FROM shop_order ORDER BY id DESC LIMIT :limit OFFSET :offset"
COUNT_ORDERS = "SELECT count(*) FROM shop_order"

# Rows of [id, pieces], or of [id, price, price before].
_PIECES = {
    "sqlite": "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS pieces FROM json_each(:wanted))",
    "postgres": (
        "(SELECT value->>0 AS id, CAST(value->>1 AS BIGINT) AS pieces FROM json_array_elements(CAST(:wanted AS json)))"
    ),
}
_PRICES = {
    "sqlite": (
        "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS price, "
        "json_extract(value, '$[2]') AS before FROM json_each(:prices))"
    ),
    "postgres": (
        "(SELECT value->>0 AS id, CAST(value->>1 AS BIGINT) AS price, CAST(value->>2 AS BIGINT) AS before "
        "FROM json_array_elements(CAST(:prices AS json)))"
    ),
}


def _count(change: str, guard: str) -> dict[str, str]:
    """Changes a count of several lines of an order at once, of those whose guard lets it; gives their ids."""
    return {
        dialect: f"UPDATE shop_order_item SET {change} FROM {pieces} AS w WHERE shop_order_item.id = w.id "
        f"AND shop_order_item.order_id = :order_id AND w.pieces > 0 AND {guard} RETURNING shop_order_item.id"
        for dialect, pieces in _PIECES.items()
    }


PACK = _count("fulfilled = fulfilled + w.pieces", "fulfilled + w.pieces <= quantity")
UNPACK = _count("fulfilled = fulfilled - w.pieces", "fulfilled - w.pieces >= shipped")
SHIP = _count("shipped = shipped + w.pieces", "shipped + w.pieces <= fulfilled")
DELIVER = _count("delivered = delivered + w.pieces", "delivered + w.pieces <= shipped")
ASK_BACK = _count(
    "return_requested = return_requested + w.pieces", "return_requested + returned + w.pieces <= shipped"
)
NOT_BACK = _count("return_requested = return_requested - w.pieces", "return_requested >= w.pieces")
TAKE_BACK = _count(
    "returned = returned + w.pieces, return_requested = return_requested - w.pieces",
    "return_requested >= w.pieces",
)
REPRICE = {
    dialect: "UPDATE shop_cart_item SET unit_price = n.price, compare_at = n.before, updated_at = :now "
    f"FROM {prices} AS n WHERE shop_cart_item.id = n.id AND shop_cart_item.cart_id = :cart_id"
    for dialect, prices in _PRICES.items()
}

COLLECTION_OF_PAYMENTS = f"SELECT {columns(PaymentCollection)} FROM shop_payment_collection WHERE id = :id"
COLLECTION_OF_CART = (
    f"SELECT {columns(PaymentCollection)} FROM shop_payment_collection WHERE cart_id = :cart_id"
)
MAKE_COLLECTION = (
    "INSERT INTO shop_payment_collection (id, cart_id, created_at, updated_at) VALUES (:id, :cart_id, :now, :now) "
    "ON CONFLICT (cart_id) DO NOTHING"
)
SESSIONS = f"SELECT {columns(PaymentSession)} FROM shop_payment_session WHERE collection_id = :collection_id ORDER BY id"
SESSION = f"SELECT {columns(PaymentSession)} FROM shop_payment_session WHERE id = :id"
LIVE_SESSION = (
    f"SELECT {columns(PaymentSession)} FROM shop_payment_session WHERE collection_id = :collection_id "
    "AND status NOT IN ('canceled', 'error') ORDER BY id DESC LIMIT 1"
)
DROP_SESSIONS = (
    "UPDATE shop_payment_session SET status = 'canceled', updated_at = :now "
    "WHERE collection_id = :collection_id AND status IN ('pending', 'authorized')"
)
PAYMENT = f"SELECT {columns(Payment)} FROM shop_payment WHERE id = :id"
CAPTURE = (
    "UPDATE shop_payment SET captured = captured + :amount, captured_at = :now "
    "WHERE id = :id AND canceled_at IS NULL AND captured + :amount <= amount AND NOT EXISTS "
    "(SELECT 1 FROM shop_order o WHERE o.id = shop_payment.order_id AND o.state = 'canceled')"
)
REFUND = (
    "UPDATE shop_payment SET refunded = refunded + :amount "
    "WHERE id = :id AND canceled_at IS NULL AND refunded + :amount <= captured"
)
VOID = "UPDATE shop_payment SET canceled_at = :now WHERE id = :id AND canceled_at IS NULL AND captured = 0"

FULFILLMENT_BY_ID = (
    f"SELECT {columns(Fulfillment)} FROM shop_fulfillment WHERE id = :id AND order_id = :order_id"
)
RETURN_BY_ID = f"SELECT {columns(Return)} FROM shop_return WHERE id = :id"
REPORTS = f"SELECT {columns(Report)} FROM shop_report WHERE order_id = :order_id ORDER BY created_at, id"
PUT_REPORT = (
    "INSERT INTO shop_report (id, order_id, kind, data, created_at) VALUES (:id, :order_id, :kind, :data, :now) "
    "ON CONFLICT (order_id, kind, id) DO UPDATE SET data = excluded.data"
)


def customers_by_id(db: Db) -> str:
    """Customers whose ids are in `:ids`."""
    return f"SELECT {columns(Customer)} FROM shop_customer WHERE id {db.among('ids', 'text')}"


def orders_by_id(db: Db) -> str:
    """Orders whose ids are in `:ids`."""
    return f"SELECT {columns(Order)} FROM shop_order WHERE id {db.among('ids', 'text')}"


def orders_by_number(db: Db) -> str:
    """Orders whose numbers are in `:ids`."""
    return f"SELECT {columns(Order)} FROM shop_order WHERE no {db.among('ids')}"


def items_by_order(db: Db) -> str:
    """Lines of the orders in `:ids`."""
    return f"SELECT {columns(OrderItem)} FROM shop_order_item WHERE order_id {db.among('ids', 'text')} ORDER BY order_id, id"


def payments_by_order(db: Db) -> str:
    """Payments of the orders in `:ids`."""
    return f"SELECT {columns(Payment)} FROM shop_payment WHERE order_id {db.among('ids', 'text')} ORDER BY id"


def refunds_by_payment(db: Db) -> str:
    """Refunds of the payments in `:ids`, the oldest first."""
    return f"SELECT {columns(Refund)} FROM shop_refund WHERE payment_id {db.among('ids', 'text')} ORDER BY id"


def fulfillments_by_order(db: Db) -> str:
    """Parcels of the orders in `:ids`."""
    return f"SELECT {columns(Fulfillment)} FROM shop_fulfillment WHERE order_id {db.among('ids', 'text')} ORDER BY id"


def returns_by_order(db: Db) -> str:
    """Returns of the orders in `:ids`."""
    return f"SELECT {columns(Return)} FROM shop_return WHERE order_id {db.among('ids', 'text')} ORDER BY id"


def delete_cart_items(db: Db) -> str:
    """Takes the lines in `:ids` out of a cart."""
    return f"DELETE FROM shop_cart_item WHERE cart_id = :cart_id AND id {db.among('ids', 'text')}"
