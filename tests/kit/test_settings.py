from __future__ import annotations

import stat
from pathlib import Path

import pytest

from backendhub.kit.errors import Invalid
from backendhub.kit.settings import Setting, Settings, mask, user_dir

DECLARED = [
    Setting("demo.limit", "how many", "10"),
    Setting("demo.token", "key", env=("DEMO_TOKEN",), secret=True),
]


def make(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **flags: str) -> Settings:
    path = tmp_path / "config.toml"
    if text:
        path.write_text(text)
    return Settings(flags, declared=DECLARED, environ=environ or {}, path=path)


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    text = "[demo]\nlimit = 3\n"
    assert make(tmp_path).lookup("demo.limit") == ("10", "default")
    assert make(tmp_path, text).lookup("demo.limit") == ("3", "file")
    environ = {"BACKENDHUB_DEMO_LIMIT": "4"}
    assert make(tmp_path, text, environ).lookup("demo.limit") == ("4", "environment (BACKENDHUB_DEMO_LIMIT)")
    flags = {"demo.limit": "5"}
    assert make(tmp_path, text, environ, **flags).lookup("demo.limit") == ("5", "flag")


def test_other_variables_count_after_our_own_and_empty_ones_do_not(tmp_path: Path) -> None:
    assert make(tmp_path, environ={"DEMO_TOKEN": "t"}).lookup("demo.token") == (
        "t",
        "environment (DEMO_TOKEN)",
    )
    both = {"DEMO_TOKEN": "t", "BACKENDHUB_DEMO_TOKEN": "u"}
    assert make(tmp_path, environ=both).get("demo.token") == "u"
    assert make(tmp_path, environ={"BACKENDHUB_DEMO_LIMIT": ""}).lookup("demo.limit")[1] == "default"


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("YES", True), ("1", True), ("off", False), ("0", False)]
)
def test_flags(tmp_path: Path, text: str, value: bool) -> None:
    assert make(tmp_path, environ={"BACKENDHUB_OFFLINE": text}).flag("offline") is value


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    settings = make(tmp_path, environ={"BACKENDHUB_OFFLINE": "maybe", "BACKENDHUB_TIMEOUT": "soon"})
    with pytest.raises(Invalid, match="offline is 'maybe'"):
        settings.flag("offline")
    with pytest.raises(Invalid, match="timeout is 'soon'"):
        settings.number("timeout")


def test_secrets_are_masked_in_the_listing(tmp_path: Path) -> None:
    rows = {v.name: v for v in make(tmp_path, environ={"DEMO_TOKEN": "abcdefghijklmnop"}).values()}
    assert rows["demo.token"].value == "…mnop"
    assert mask("short") == "…"


def test_what_no_tool_knows_is_listed_as_such(tmp_path: Path) -> None:
    rows = {v.name: v for v in make(tmp_path, "[demo]\nlimitt = 3\n").values()}
    assert rows["demo.limitt"].help == "not known to any tool"


@pytest.mark.parametrize("text", ["= 3", "[demo", "\x00", "a = 1\na = 2"])
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid, match="is not valid TOML"):
        make(tmp_path, text).get("demo.limit")


def test_a_file_that_is_not_text_or_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="is not valid TOML"):
        make(tmp_path).get("demo.limit")
    folder = Settings(path=tmp_path, environ={})
    with pytest.raises(Invalid, match="cannot be read"):
        folder.get("format")


def test_writing_keeps_comments_order_and_the_rest(tmp_path: Path) -> None:
    text = '# mine\ncolor = "never" # really\n\n[demo]\n# how many\nlimit = 3\nother = "x"\n'
    settings = make(tmp_path, text)
    settings.write("demo.limit", "7")
    assert settings.path.read_text() == text.replace("limit = 3", 'limit = "7"')
    assert settings.get("demo.limit") == "7"
    settings.write("demo.limit", None)
    assert settings.lookup("demo.limit") == ("10", "default")
    assert "# how many" in settings.path.read_text()


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(path=tmp_path / "new" / "config.toml", environ={}, declared=DECLARED)
    settings.write("demo.token", 'with "quotes" and \\')
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600
    assert Settings(path=settings.path, environ={}).get("demo.token") == 'with "quotes" and \\'


def test_a_file_that_others_may_read_is_made_private_by_writing(tmp_path: Path) -> None:
    settings = make(tmp_path, "color = 'never'\n")
    settings.path.chmod(0o644)
    settings.write("demo.token", "x")
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600


def test_booleans_and_numbers_of_the_file_are_read_as_text(tmp_path: Path) -> None:
    settings = make(tmp_path, "offline = true\ntimeout = 2.5\n")
    assert settings.flag("offline") is True
    assert settings.number("timeout") == 2.5


def test_relative_directories_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert user_dir("data").is_absolute()
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert user_dir("data") == Path("/somewhere/backendhub")
