"""Names for addresses: `How to Train Your Dragon` is found under `how-to-train-your-dragon`."""

from __future__ import annotations

LONGEST = 80
RESERVED = ("feed",)  # `/articles/feed` is no article


def slug(title: str) -> str:
    """The slug that a title asks for, in ASCII; `post` for one that has no letter or digit at all."""
    from slugify import slugify

    return str(slugify(title, max_length=LONGEST, word_boundary=True, save_order=True)) or "post"


def is_of(slug: str, base: str) -> bool:
    """Whether a slug is `base`, with a number behind it or not."""
    rest = slug.removeprefix(base)
    return rest == "" or (rest != slug and rest.startswith("-") and rest[1:].isdigit())
