from __future__ import annotations

from pathlib import Path

import pytest

from backendhub.app import reference


@pytest.mark.parametrize(
    "name", [reference.COMMANDS, reference.SETTINGS, reference.README, reference.MIGRATIONS]
)
def test_what_is_generated_is_current(root: Path, name: str) -> None:
    """`make docs` regenerates it."""
    assert reference.render(root)[name] == (root / name).read_text(encoding="utf-8")


def test_a_line_of_a_released_migration_is_never_rewritten(tmp_path: Path) -> None:
    place = tmp_path / "src/backendhub/systems/x/migrations"
    place.mkdir(parents=True)
    (tmp_path / "tests/architecture").mkdir(parents=True)
    (place / "0001_init.sql").write_text("SELECT 1;")
    first = reference.migrations(tmp_path)
    (tmp_path / reference.MIGRATIONS).write_text(first)
    (place / "0001_init.sql").write_text("SELECT 2;")
    (place / "0002_more.sql").write_text("SELECT 3;")
    lines = reference.migrations(tmp_path).splitlines()
    assert lines[0] == first.strip()
    assert lines[1].endswith("systems/x/migrations/0002_more.sql")


def test_the_readme_gets_its_table_where_it_has_no_markers() -> None:
    text = reference.readme("# Title\n")
    assert text.startswith("# Title\n\n## Systems\n")
    assert reference.readme(text) == text
    assert reference.readme(text.replace("| Faces |", "| Old |")) == text
