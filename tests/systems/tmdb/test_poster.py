"""Posters: how they are drawn, what is refused, and that nothing secret goes to the image host."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import respx
from PIL import Image

from backendhub.kit.errors import MissingExtra, Upstream
from backendhub.systems.tmdb import poster
from backendhub.systems.tmdb.poster import Way

API = "https://api.themoviedb.org/3"
IMAGES = "https://image.example/t/p/"
KEY = "0123456789abcdef0123456789ABCDEF"
PICTURE = IMAGES + "w185/7.png"


def picture(width: int = 4, height: int = 6, format: str = "PNG", colour: Any = (255, 0, 0)) -> bytes:
    buffer = BytesIO()
    mode = "RGBA" if len(colour) == 4 else "RGB"
    Image.new(mode, (width, height), colour).save(buffer, format)
    return buffer.getvalue()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("TMUX", "STY", "KITTY_WINDOW_ID", "TERM_PROGRAM", "COLORTERM", "TMDB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMDB_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    with respx.mock(assert_all_called=False) as router:
        router.get(API + "/configuration").respond(json={"images": {"secure_base_url": IMAGES}})
        film = {"id": 7, "title": "Seven", "overview": "", "poster_path": "/7.png"}
        router.get(API + "/movie/7").respond(json=film)
        router.get(PICTURE, name="picture").respond(content=picture())
        yield router


# -- drawing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "colored", "expected"),
    [
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm"}, False, Way.KITTY),
        ({"TERM": "xterm-kitty"}, True, Way.KITTY),
        ({"TERM": "xterm-ghostty"}, True, Way.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, True, Way.ITERM),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, True, Way.ITERM),
        ({"TERM": "xterm-256color"}, True, Way.BLOCKS),
        ({"TERM": "xterm-256color"}, False, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, True, Way.BLOCKS),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/t"}, False, None),
        ({}, True, Way.BLOCKS),
    ],
)
def test_the_terminal_says_what_it_can_show(
    environ: dict[str, str], colored: bool, expected: Way | None
) -> None:
    assert poster.way(environ, colored=colored) is expected


def test_half_blocks_hold_two_pixels_each_and_end_in_a_reset() -> None:
    image = Image.new("RGB", (1, 3))
    for y, colour in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9)]):
        image.putpixel((0, y), colour)
    assert poster.blocks(image) == "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[0m\n\x1b[38;2;7;8;9m▀\x1b[0m\n"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (10, 100), (1, 1), (200, 5)])
def test_half_blocks_fit_the_terminal(columns: int, lines: int) -> None:
    text = poster.draw(Image.new("RGB", (185, 278)), Way.BLOCKS, columns=columns, lines=lines)
    rows = text.splitlines()
    assert 1 <= len(rows) <= max(1, lines - 1)
    assert {row.count("▀") for row in rows} <= set(range(1, min(columns, poster.COLUMNS) + 1))


def test_kitty_gets_a_png_in_chunks() -> None:
    image = Image.effect_noise((120, 120), 90).convert("RGB")  # does not compress: several chunks
    text = poster.draw(image, Way.KITTY, columns=80, lines=24)
    frames = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{head};{data}\x1b\\" for head, data in frames) + "\n" == text
    assert len(frames) > 2 and all(len(data) <= 4096 for _, data in frames)
    assert frames[0][0] == "a=T,f=100,q=2,c=32,m=1"
    assert [head for head, _ in frames[1:]] == ["q=2,m=1"] * (len(frames) - 2) + ["q=2,m=0"]
    with Image.open(BytesIO(b64decode("".join(data for _, data in frames)))) as sent:
        assert (sent.format, sent.size, sent.tobytes()) == ("PNG", image.size, image.tobytes())


def test_a_small_picture_is_one_kitty_frame() -> None:
    assert poster.kitty(b"abc", 5) == "\x1b_Ga=T,f=100,q=2,c=5,m=0;YWJj\x1b\\\n"


def test_iterm_framing() -> None:
    expected = "\x1b]1337;File=inline=1;size=3;width=5;preserveAspectRatio=1:YWJj\x07\n"
    assert poster.iterm(b"abc", 5) == expected


# -- decoding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_tmdb_serves_is_decoded(format: str) -> None:
    image = poster.decode(picture(format=format))
    assert (image.mode, image.size) == ("RGB", (4, 6))
    red, green, blue = image.getpixel((2, 3))
    assert red > 240 and green < 15 and blue < 15


def test_what_is_transparent_is_black() -> None:
    assert poster.decode(picture(colour=(255, 255, 255, 0))).getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("size", [(2001, 2000), (4000, 4000)])  # Pillow warns of one and refuses the other
def test_a_bomb_is_not_decoded(size: tuple[int, int]) -> None:
    buffer = BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    with pytest.raises(Upstream, match="more than 4000000 pixels"):
        poster.decode(buffer.getvalue())


@pytest.mark.parametrize(
    "data", [b"", b"<html>", picture()[:-20], picture(format="GIF"), picture(format="BMP")]
)
def test_what_is_no_picture_or_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(Upstream, match="no picture that can be read"):
        poster.decode(data)


# -- the command ------------------------------------------------------------------------------------------


def test_a_poster_stands_above_the_details_and_no_credential_leaves(
    cli: Callable[..., Any], api: Any
) -> None:
    done = cli("tmdb", "show", "7", "--poster", tty=True)
    assert done.code == 0 and done.out.startswith("\x1b[38;2;255;0;0;48;2;255;0;0m▀")
    assert done.out.index("▀") < done.out.index("Seven")
    (call,) = api["picture"].calls
    assert str(call.request.url) == PICTURE and "authorization" not in call.request.headers
    assert KEY not in str(call.request.headers)


def test_the_cache_answers_offline(cli: Callable[..., Any], api: Any) -> None:
    cli("tmdb", "show", "7", "--poster", tty=True)
    before = len(api.calls)
    done = cli("tmdb", "show", "7", "--poster", "--offline", tty=True)
    assert done.code == 0 and "▀" in done.out and len(api.calls) == before


def test_offline_without_the_poster_the_details_are_shown(cli: Callable[..., Any], api: Any) -> None:
    cli("tmdb", "show", "7")
    done = cli("tmdb", "show", "7", "--poster", "--offline", tty=True)
    assert done.code == 5 and "▀" not in done.out and "Seven" in done.out
    assert "Warning: TMDB's image server: this is not in the cache" in done.err
    assert not api["picture"].called


@pytest.mark.parametrize(("status", "body", "code"), [(404, b"", 3), (200, b"<html>", 5)])
def test_a_poster_that_cannot_be_had_is_a_warning(
    cli: Callable[..., Any], api: Any, status: int, body: bytes, code: int
) -> None:
    api["picture"].respond(status, content=body)
    done = cli("tmdb", "show", "7", "--poster", tty=True)
    assert done.code == code and "Seven" in done.out and "Warning: " in done.err


def test_no_poster_is_a_note(cli: Callable[..., Any], api: Any) -> None:
    api.get(API + "/movie/7").respond(json={"id": 7, "title": "Seven", "poster_path": None})
    done = cli("tmdb", "show", "7", "--poster", tty=True)
    assert done.code == 0 and "Seven" in done.out and "TMDB has no poster of it." in done.err


def test_without_colours_there_are_no_half_blocks_and_no_request(cli: Callable[..., Any], api: Any) -> None:
    done = cli("tmdb", "show", "7", "--poster", "--color", "never", tty=True)
    assert done.code == 0 and "\x1b" not in done.out and "colours are off" in done.err
    assert not api["picture"].called


@pytest.mark.parametrize(
    ("tty", "options"),
    [(False, []), (False, ["--format", "table"]), (True, ["--json"]), (True, ["--format", "csv"])],
)
def test_a_pipe_or_a_program_gets_no_poster(
    cli: Callable[..., Any], api: Any, tty: bool, options: list[str]
) -> None:
    done = cli("tmdb", "show", "7", "--poster", *options, tty=tty)
    assert (done.code, done.out) == (2, "") and "--poster needs a terminal" in done.err and not api.calls


def test_without_pillow_the_extra_is_named(
    cli: Callable[..., Any], api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra):
        poster.decode(b"")
    done = cli("tmdb", "show", "7", "--poster", tty=True)
    assert done.code == 2 and "backendhub[images]" in done.err and not api.calls


def test_the_hot_path_does_not_load_it() -> None:
    code = (
        "import sys; from backendhub.systems.tmdb import cli;"
        "print([m for m in sys.modules if m.startswith('PIL') or m.endswith('tmdb.poster')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
