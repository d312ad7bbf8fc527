"""Products and their variants: made, changed, found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Price, Product, Variant

from . import categories, prices
from .naming import handle, metadata, new, stamps, total

STATUSES = ("draft", "proposed", "published", "rejected")


class Full(NamedTuple):
    """A product with all that belongs to it."""

    product: Product
    variants: list[Variant]
    categories: list[str]


# -- products ----------------------------------------------------------------------------------------------


def add(
    db: Db,
    *,
    title: str,
    handle_: str | None = None,
    subtitle: str | None = None,
    description: str | None = None,
    status: str = "draft",
    thumbnail: str | None = None,
    images: Sequence[str] = (),
    options: Mapping[str, Sequence[str]] | None = None,
    tags: Sequence[str] = (),
    material: str | None = None,
    weight: int | None = None,
    origin_country: str | None = None,
    collection_id: str | None = None,
    category_ids: Sequence[str] = (),
    discountable: bool = True,
    metadata_: dict[str, Any] | None = None,
    id: str | None = None,
) -> Product:
    """Adds a product; `options` are its options with their values. Raises Invalid, NotFound, Conflict (the handle)."""
    if collection_id is not None:
        categories.collection(db, collection_id)
    name = handle_ or handle(title)
    if db.one(Product, store.PRODUCT_BY_HANDLE, handle=name) is not None:
        raise Conflict(f"Product with handle: {name}, already exists.", field="handle")
    made = db.insert(
        Product,
        "shop_product",
        id=id or new("prod"),
        handle=name,
        title=title,
        subtitle=subtitle,
        description=description,
        status=status,
        thumbnail=thumbnail or next(iter(images), None),
        images=list(images),
        options=_options(options or {}),
        tags=list(dict.fromkeys(tags)),
        material=material,
        weight=weight,
        origin_country=origin_country,
        collection_id=collection_id,
        discountable=discountable,
        metadata=metadata(metadata_),
        **stamps(),
    )
    categories.assign(db, made.id, category_ids)
    db.run_many(store.ADD_TAG, [{"tag": tag, "product_id": made.id} for tag in made.tags])
    _document(db, made.id)
    return made


def _options(given: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    made = []
    for title, values in given.items():
        if not title or not values:
            raise Invalid("An option has a title and values.", field="options")
        made.append(
            {
                "id": new("opt"),
                "title": title,
                "values": [{"id": new("optval"), "value": v} for v in dict.fromkeys(values)],
            }
        )
    return made


def get(db: Db, id: str, *, public: bool = False) -> Product:
    """A product; with `public` only one that is published. Raises NotFound."""
    found = db.one(Product, store.PRODUCT, id=id)
    if found is None or (public and found.status != "published"):
        raise NotFound(f"Product with id: {id[:80]} was not found")
    return found


def by_handle(db: Db, name: str) -> Product:
    """A published product by its handle. Raises NotFound."""
    found = db.one(Product, store.PRODUCT_BY_HANDLE, handle=name)
    if found is None or found.status != "published":
        raise NotFound(f"There is no product called {name[:80]}.")
    return found


def edit(db: Db, id: str, changes: dict[str, Any]) -> Product:
    """Changes a product. `category_ids` replaces its categories. Raises NotFound, Conflict, Invalid."""
    get(db, id)
    changes = dict(changes)
    category_ids = changes.pop("category_ids", None)
    if changes.get("collection_id"):
        categories.collection(db, changes["collection_id"])
    if "handle" in changes:
        other = db.one(Product, store.PRODUCT_BY_HANDLE, handle=changes["handle"])
        if other is not None and other.id != id:
            raise Conflict(f"Product with handle: {changes['handle']}, already exists.", field="handle")
    if "metadata" in changes:
        changes["metadata"] = metadata(changes["metadata"])
    made = db.update(Product, "shop_product", id, **changes, updated_at=clock.precise())
    assert made is not None
    if category_ids is not None:
        categories.assign(db, id, category_ids)
    _document(db, id)
    return made


def remove(db: Db, id: str) -> None:
    """Removes a product that was never sold nor put into a cart. Raises NotFound, Conflict."""
    get(db, id)
    if db.value(store.SOLD_PRODUCT, id=id):
        raise Conflict("The product was sold: orders name it.", hint="make it a draft instead")
    db.run(store.DELETE_PRODUCT, id=id)


class Found(NamedTuple):
    """A page of products and how many there are altogether."""

    products: list[Product]
    total: int


def find(
    db: Db,
    *,
    q: str | None = None,
    conditions: Mapping[str, Sequence[str]] | None = None,
    order: str = "",
    limit: int = 20,
    offset: int = 0,
    public: bool = True,
) -> Found:
    """Products by words and conditions (`id`, `handle`, `collection_id`, `category_id`, `tag`, `status`), the newest
    first, or the best hit first. A category holds what its sub-categories hold."""
    wanted: dict[str, Any] = {n: list(v) for n, v in (conditions or {}).items()}
    if public:
        wanted["status"] = ["published"]
    if "category_id" in wanted:
        wanted["category_id"] = categories.below(db, wanted["category_id"])
    rows, count, params = store.products(db, wanted, order, search=q)
    ids = [row[0] for row in db.fetch(rows, {**params, "limit": limit, "offset": offset})]
    known = products(db, ids)
    many = total(len(ids), limit, offset)
    return Found([known[id] for id in ids], int(db.value(count, **params)) if many is None else many)


def full(db: Db, products: Sequence[Product]) -> list[Full]:
    """Products with their variants and categories: three statements for any number of them."""
    ids = [p.id for p in products]
    if not ids:
        return []
    variants: dict[str, list[Variant]] = {id: [] for id in ids}
    for variant in db.all(Variant, store.variants_by_product(db), ids=ids):
        variants[variant.product_id].append(variant)
    within: dict[str, list[str]] = {id: [] for id in ids}
    for product_id, category_id in db.fetch(store.categories_by_product(db), {"ids": ids}):
        within[product_id].append(category_id)
    return [Full(p, variants[p.id], within[p.id]) for p in products]


# -- variants ----------------------------------------------------------------------------------------------


def add_variant(
    db: Db,
    product_id: str,
    *,
    title: str,
    sku: str | None = None,
    barcode: str | None = None,
    options: Mapping[str, str] | None = None,
    manage_inventory: bool = True,
    allow_backorder: bool = False,
    rank: int = 0,
    weight: int | None = None,
    metadata_: dict[str, Any] | None = None,
    amounts: Iterable[tuple[str, int]] = (),
    id: str | None = None,
) -> Variant:
    """Adds a variant with its prices: pairs of currency and minor units. Raises NotFound, Invalid, Conflict (the SKU)."""
    product = get(db, product_id)
    chosen = _chosen(product, options or {})
    _free_sku(db, sku)
    made = db.insert(
        Variant,
        "shop_variant",
        id=id or new("variant"),
        product_id=product_id,
        title=title,
        sku=sku,
        barcode=barcode,
        options=chosen,
        manage_inventory=manage_inventory,
        allow_backorder=allow_backorder,
        rank=rank,
        weight=weight,
        metadata=metadata(metadata_),
        deleted_at=None,
        **stamps(),
    )
    for code, amount in amounts:
        prices.put(db, made.id, currency_code=code, amount=amount)
    _document(db, product_id)
    return made


def _chosen(product: Product, options: Mapping[str, str]) -> dict[str, str]:
    """A value for each option of the product, and no other. Raises Invalid."""
    known = {o["title"]: [v["value"] for v in o["values"]] for o in product.options}
    if set(options) != set(known):
        names = ", ".join(known) or "none"
        raise Invalid(f"A variant has a value for each option of its product: {names}.", field="options")
    for title, value in options.items():
        if value not in known[title]:
            raise Invalid(f"{title} is one of {', '.join(known[title])}.", field="options")
    return dict(options)


def _free_sku(db: Db, sku: str | None, but: str = "") -> None:
    other = db.one(Variant, store.VARIANT_BY_SKU, sku=sku) if sku else None
    if other is not None and other.id != but:
        raise Conflict(f"Variant with sku: {sku}, already exists.", field="sku")


def variant(db: Db, id: str) -> Variant:
    """A variant that is sold. Raises NotFound."""
    found = db.one(Variant, store.VARIANT, id=id)
    if found is None:
        raise NotFound(f"Variant with id: {id[:80]} was not found")
    return found


def item(db: Db, text: str) -> Variant | None:
    """The variant that somebody means who is no storefront: by its id, its SKU, or its product's id or handle."""
    found = db.one(Variant, store.VARIANT, id=text) or db.one(Variant, store.VARIANT_BY_SKU, sku=text)
    if found is not None:
        return found
    product = db.one(Product, store.PRODUCT, id=text) or db.one(Product, store.PRODUCT_BY_HANDLE, handle=text)
    return db.one(Variant, store.FIRST_VARIANT, id=product.id) if product else None


def variants_of(db: Db, product_id: str) -> list[Variant]:
    """The variants of a product, in their order."""
    return db.all(Variant, store.VARIANTS_OF, id=product_id)


def variants(db: Db, ids: Iterable[str]) -> dict[str, Variant]:
    """Variants by their ids, those that are sold no more too."""
    wanted = list(dict.fromkeys(ids))
    return {v.id: v for v in db.all(Variant, store.variants_by_id(db), ids=wanted)} if wanted else {}


def products(db: Db, ids: Iterable[str]) -> dict[str, Product]:
    """Products by their ids."""
    wanted = list(dict.fromkeys(ids))
    return {p.id: p for p in db.all(Product, store.products_by_id(db), ids=wanted)} if wanted else {}


def every_variant(db: Db, *, limit: int, offset: int) -> tuple[list[Variant], int]:
    """A page of all variants, and how many there are."""
    ids = [row[0] for row in db.fetch(store.ALL_VARIANTS, {"limit": limit, "offset": offset})]
    known, many = variants(db, ids), total(len(ids), limit, offset)
    return [known[id] for id in ids], int(db.value(store.COUNT_VARIANTS)) if many is None else many


def edit_variant(db: Db, product_id: str, id: str, changes: dict[str, Any]) -> Variant:
    """Changes a variant. Raises NotFound, Invalid, Conflict."""
    found = variant(db, id)
    if found.product_id != product_id:
        raise NotFound(f"Variant with id: {id[:80]} was not found")
    changes = dict(changes)
    if "options" in changes:
        changes["options"] = _chosen(get(db, product_id), changes["options"])
    if "metadata" in changes:
        changes["metadata"] = metadata(changes["metadata"])
    _free_sku(db, changes.get("sku"), id)
    made = db.update(Variant, "shop_variant", id, **changes, updated_at=clock.precise())
    assert made is not None
    _document(db, product_id)
    return made


def set_prices(db: Db, variant_id: str, given: Iterable[Mapping[str, Any]]) -> list[Price]:
    """Replaces the prices of a variant that are in no list."""
    db.run(store.CLEAR_PRICES, variant_id=variant_id)
    return [prices.put(db, variant_id, **each) for each in given]


def remove_variant(db: Db, product_id: str, id: str) -> None:
    """Takes a variant out of the catalogue; orders go on naming it. Raises NotFound."""
    if variant(db, id).product_id != product_id or not db.run(
        store.RETIRE_VARIANT, id=id, now=clock.precise()
    ):
        raise NotFound(f"Variant with id: {id[:80]} was not found")
    _document(db, product_id)


def _document(db: Db, product_id: str) -> None:
    """Writes down what the product is found by."""
    found = full(db, [get(db, product_id)])[0]
    product = found.product
    words = [w for v in found.variants for w in (v.title, v.sku or "", v.barcode or "")]
    words += [v["value"] for o in product.options for v in o["values"]]
    words += [*product.tags, product.material or "", *categories.names(db, found.categories)]
    if product.collection_id:
        words.append(categories.collection(db, product.collection_id).title)
    db.run(
        store.PUT_DOCUMENT,
        product_id=product_id,
        title=f"{product.title} {product.subtitle or ''}".strip(),
        words=" ".join(dict.fromkeys(w for w in words if w)),
        body=product.description or "",
    )
