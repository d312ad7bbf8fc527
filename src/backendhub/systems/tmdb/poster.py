"""Posters in the terminal: fetched without the credential, decoded with care, drawn as the terminal can."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Mapping
from enum import StrEnum
from io import BytesIO
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import Invalid, MissingExtra, Upstream

from . import remote

if TYPE_CHECKING:
    from PIL.Image import Image

    from backendhub.kit.http import Http
    from backendhub.kit.output import Output

SIZE = "w185"
FORMATS = ("JPEG", "PNG", "WEBP")  # what TMDB serves; Pillow's many other decoders stay out of reach
MAX_PIXELS = 4_000_000  # w185 has about 50,000
COLUMNS = 32
CHUNK = 4096  # the most base64 that kitty takes in one escape sequence


class Way(StrEnum):
    """How a picture gets onto this terminal."""

    KITTY = "kitty"
    ITERM = "iterm2"
    BLOCKS = "blocks"


def check(output: Output) -> None:
    """Raises Invalid where nobody would see a picture, and MissingExtra without Pillow."""
    if output.format != "table" or not output.stdout.isatty():
        raise Invalid(
            "--poster needs a terminal.", hint="leave it out in a pipe and with --json and the like"
        )
    _pillow()


def way(environ: Mapping[str, str], *, colored: bool) -> Way | None:
    """What the terminal says it can show; None where only colours could show it and they are off."""
    term = environ.get("TERM", "")
    # A multiplexer hands its variables on but swallows pictures.
    if not (environ.get("TMUX") or environ.get("STY") or term.startswith(("tmux", "screen"))):
        if environ.get("KITTY_WINDOW_ID") or "kitty" in term or "ghostty" in term:
            return Way.KITTY
        if environ.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm"):
            return Way.ITERM
    return Way.BLOCKS if colored else None


def fetch(http: Http, url: str) -> bytes:
    """The picture, in a small size. Image hosts are not the API's: this client has no credential."""
    base, size, name = url.rpartition(f"/{remote.POSTER_SIZE}/")
    if not size or not name:
        raise Upstream("TMDB answered in an unexpected shape (no address of a poster).")
    client = http.client(
        base_url=base,
        name="TMDB's image server",
        ttl=remote.WEEK,
        headers={"accept": "image/webp,image/png,image/jpeg"},
    )
    return client.get(f"/{SIZE}/{name}").body


def decode(data: bytes) -> Image:
    """A picture without transparency. Raises Upstream for what is damaged, too large or of another format."""
    pil = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pil.DecompressionBombWarning)
            with pil.open(BytesIO(data), formats=FORMATS) as image:
                image.verify()  # leaves the image unusable: it has to be opened again
            with pil.open(BytesIO(data), formats=FORMATS) as image:
                solid = image.convert("RGBA")
    except (pil.DecompressionBombError, pil.DecompressionBombWarning):
        raise Upstream(f"The poster has more than {MAX_PIXELS} pixels; it was not decoded.") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise Upstream("The poster is no picture that can be read (JPEG, PNG or WebP).") from None
    black: Image = pil.new("RGBA", solid.size, (0, 0, 0, 255))
    return pil.alpha_composite(black, solid).convert("RGB")  # type: ignore[no-any-return]


def draw(image: Image, how: Way, *, columns: int, lines: int) -> str:
    """The text that makes the terminal show a picture, at most so many columns and lines large."""
    wide = max(1, min(COLUMNS, columns))
    tall = max(1, lines - 1)
    # A cell is about twice as high as wide, so a half block is about square.
    scale = min(wide / image.width, 2 * tall / image.height)
    width, height = max(1, int(image.width * scale)), max(1, int(image.height * scale))
    if how is Way.BLOCKS:
        return blocks(image.resize((width, height)))
    return kitty(_png(image), width) if how is Way.KITTY else iterm(_png(image), width)


def blocks(image: Image) -> str:
    """Two pixels in each character: the upper one as its foreground, the lower one as its background."""
    rows = []
    for y in range(0, image.height, 2):
        cells = []
        for x in range(image.width):
            cells.append(f"\x1b[38;2;{_rgb(image, x, y)}")
            if y + 1 < image.height:
                cells.append(f";48;2;{_rgb(image, x, y + 1)}")
            cells.append("m▀")
        rows.append("".join(cells) + "\x1b[0m\n")
    return "".join(rows)


def kitty(png: bytes, columns: int) -> str:
    """The kitty graphics protocol; `q=2` keeps its replies out of what is typed next."""
    text = b64encode(png).decode()
    parts = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)]
    framed = []
    for number, part in enumerate(parts):
        head = f"a=T,f=100,q=2,c={columns}," if number == 0 else "q=2,"
        framed.append(f"\x1b_G{head}m={int(number < len(parts) - 1)};{part}\x1b\\")
    return "".join(framed) + "\n"


def iterm(png: bytes, columns: int) -> str:
    """iTerm2's inline images."""
    head = f"inline=1;size={len(png)};width={columns};preserveAspectRatio=1"
    return f"\x1b]1337;File={head}:{b64encode(png).decode()}\x07\n"


def show(output: Output, data: bytes, how: Way) -> None:
    """Draws a fetched poster."""
    columns, lines = get_terminal_size()
    output.raw(draw(decode(data), how, columns=columns, lines=lines))


def _rgb(image: Image, x: int, y: int) -> str:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return ";".join(map(str, pixel))


def _png(image: Image) -> bytes:
    """Encoded anew, so that nothing of the server's bytes reaches the terminal."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("Posters", "images") from None
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    return Image
