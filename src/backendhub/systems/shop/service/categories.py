"""The tree of categories, and collections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Category, Collection

from .naming import handle, metadata, new, stamps

MAX_DEPTH = 8


def add(
    db: Db,
    *,
    name: str,
    handle_: str | None = None,
    description: str = "",
    parent_id: str | None = None,
    rank: int = 0,
) -> Category:
    """Adds a category, below another or at the root. Raises NotFound, Conflict."""
    id = new("pcat")
    above = get(db, parent_id).path if parent_id else ""
    if above.count(".") >= MAX_DEPTH:
        raise Conflict(f"Categories are at most {MAX_DEPTH} deep.")
    return db.insert(
        Category,
        "shop_category",
        id=id,
        name=name,
        handle=handle_ or handle(name),
        description=description,
        parent_id=parent_id,
        path=f"{above}{id}.",
        rank=rank,
        **stamps(),
    )


def get(db: Db, id: str) -> Category:
    """A category. Raises NotFound."""
    found = db.one(Category, store.CATEGORY, id=id)
    if found is None:
        raise NotFound(f"Category with id: {id[:80]} was not found")
    return found


def find(db: Db) -> list[Category]:
    """Every category, each after the one it is in; those beside each other by rank and name."""
    found = {c.id: c for c in db.all(Category, store.CATEGORIES)}

    def place(c: Category) -> list[tuple[int, str, str]]:
        above = [found[id] for id in c.path.split(".") if id in found]
        return [(a.rank, a.name, a.id) for a in above]

    return sorted(found.values(), key=place)


def edit(db: Db, id: str, changes: dict[str, Any]) -> Category:
    """Changes name, handle, description or rank. Raises NotFound, Conflict."""
    get(db, id)
    made = db.update(Category, "shop_category", id, **changes, updated_at=clock.precise())
    assert made is not None
    return made


def remove(db: Db, id: str) -> None:
    """Removes a category that has none below it. Raises NotFound, Conflict."""
    here = get(db, id)
    if any(c.parent_id == here.id for c in find(db)):
        raise Conflict("There are categories below it.")
    db.run(store.DELETE_CATEGORY, id=id)


def below(db: Db, ids: Iterable[str]) -> list[str]:
    """These categories and all that are in them."""
    wanted = set(ids)
    return [c.id for c in db.all(Category, store.CATEGORIES) if not wanted.isdisjoint(c.path.split("."))]


def names(db: Db, ids: Sequence[str]) -> list[str]:
    """The names of these categories and of those they are in."""
    if not ids:
        return []
    known = {c.id: c for c in db.all(Category, store.CATEGORIES)}
    above = [known[part] for id in ids if id in known for part in known[id].path.split(".") if part in known]
    return list(dict.fromkeys(c.name for c in above))


def assign(db: Db, product_id: str, ids: Sequence[str]) -> None:
    """Puts a product into these categories and no other. Raises NotFound."""
    wanted = list(dict.fromkeys(ids))
    if wanted:
        known = {c.id for c in db.all(Category, store.CATEGORIES)}
        for id in wanted:
            if id not in known:
                raise NotFound(f"Category with id: {id[:80]} was not found")
    db.run(store.CLEAR_CATEGORIES, product_id=product_id)
    db.run_many(store.ADD_CATEGORY, [{"product_id": product_id, "category_id": id} for id in wanted])


# -- collections -------------------------------------------------------------------------------------------


def add_collection(
    db: Db, *, title: str, handle_: str | None = None, metadata_: dict[str, Any] | None = None
) -> Collection:
    """Makes a collection. Raises Conflict for a handle that is taken."""
    return db.insert(
        Collection,
        "shop_collection",
        id=new("pcol"),
        title=title,
        handle=handle_ or handle(title),
        metadata=metadata(metadata_),
        **stamps(),
    )


def collection(db: Db, id: str) -> Collection:
    """A collection. Raises NotFound."""
    found = db.one(Collection, store.COLLECTION, id=id)
    if found is None:
        raise NotFound(f"Collection with id: {id[:80]} was not found")
    return found


def collections(db: Db) -> list[Collection]:
    """Every collection, by title."""
    return db.all(Collection, store.COLLECTIONS)


def remove_collection(db: Db, id: str) -> None:
    """Removes a collection that holds nothing. Raises NotFound, Conflict."""
    collection(db, id)
    db.run(store.DELETE_COLLECTION, id=id)
