"""Full text: the same words found on both engines, whatever is typed."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backendhub.kit import search
from backendhub.kit.db import Db, Store, connect, journal
from backendhub.kit.db.migrate import register
from backendhub.kit.search.snippet import pieces, snippet
from backendhub.kit.search.words import spans

SYSTEM = "searched"
PAGES = search.Index("searched_search", {"title": 4, "body": 1})
_folder = TemporaryDirectory()
_place = Path(_folder.name)
(_place / "0001_init.sql").write_text(
    "CREATE TABLE searched (id {pk}, title TEXT NOT NULL, body TEXT NOT NULL);\n-- undo: searched\n"
)
for _dialect in ("sqlite", "postgres"):
    _text = search.schema(PAGES, table="searched", dialect=_dialect)
    (_place / f"0002_search.{_dialect}.sql").write_text(_text)
register(SYSTEM, _place)

CORPUS = [
    (
        "Rust and memory safety",
        "E-mail user.name@example.com about http://foo.com/bar/baz.html?q=1 (v1.2.3).",
    ),
    ("Ελλάδα", "Ο Οδυσσεύς γύρισε στην Ιθάκη."),
    ("हिन्दी भाषा", "यह एक वाक्य है। नमस्ते दुनिया"),
    ("العربية", "اللُّغَة العربية جميلة، والخط كذلك؟"),
    ("ภาษาไทย", "สวัสดี ชาวโลก"),
    ("Straße", "Größe und Übermut: Łódź, Việt Nam, naïve façade — “quoted” … it’s"),
    ("日本語", "東京 タワー、大阪。"),
    ("한국어", "안녕하세요 세계"),
    ("עברית", "שָׁלוֹם עולם"),
    ("Привет", "Ёжик и йод; мир, труд"),
    ("Numbers", "-42 3.14 1,000 00012 m² ½ 0x1f 3d v2 IV Ⅷ snake_case don't AT&T C++ <b>bold</b> a/b"),
    ("", "İstanbul ISPARTA ışık"),
    ("Emoji", "I ❤ 🍕 and 👩‍👩‍👧 too"),
]


def load(db: Db) -> None:
    for title, body in CORPUS:
        db.run("INSERT INTO searched (title, body) VALUES (:title, :body)", title=title, body=body)


def found(db: Db, text: str) -> list[int]:
    return [hit.id for hit in search.find(db, PAGES, text, limit=100)]


def titles(db: Db, text: str) -> list[str]:
    return [CORPUS[id - 1][0] for id in found(db, text)]


# -- what a query means --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("milk eggs", [(("milk",), False, False), (("eggs",), True, False)]),
        ('"Fresh Milk" eggs', [(("fresh", "milk"), False, False), (("eggs",), True, False)]),
        ('eggs "fresh milk"', [(("eggs",), False, False), (("fresh", "milk"), False, False)]),
        ("mil* eggs -ham", [(("mil",), True, False), (("eggs",), False, False), (("ham",), False, True)]),
        ('eggs -"fresh milk', [(("eggs",), False, False), (("fresh", "milk"), False, True)]),
        ("e-mail", [(("e", "mail"), True, False)]),
        ("milk !?", [(("milk",), True, False)]),
        ("- milk", [(("milk",), True, False)]),
        (
            "Ångström ŒUVRE straße",
            [(("angstrom",), False, False), (("œuvre",), False, False), (("straße",), True, False)],
        ),
        ("", []),
        ('"" * - "', []),
    ],
)
def test_a_query_is_read(text: str, terms: list[Any]) -> None:
    assert search.parse(text) == terms


def test_a_query_has_its_bounds() -> None:
    many = search.parse(" ".join(f"w{i}" for i in range(1000)))
    assert len(many) == 32
    (long,) = search.parse("x" * 1000 + ".rest")
    assert long == (("x" * 200,), True, False)
    assert len(search.parse(".".join(["w"] * 1000))[0].words) == 32


def test_operators_of_the_engines_are_words(db: Db) -> None:
    load(db)
    assert titles(db, "rust AND safety") == ["Rust and memory safety"]
    for text in (
        "rust OR memory",
        "NEAR(rust memory)",
        "title:rust",
        "rust^2",
        "rust & !memory",
        "rust <-> memory",
    ):
        assert found(db, text) == [] or titles(db, text) == ["Rust and memory safety"]
    assert found(db, "rust OR nothing") == []
    assert found(db, "x' OR '1'='1") == []
    assert db.value("SELECT count(*) FROM searched") == len(CORPUS)


def test_words_phrases_prefixes_and_exclusions(db: Db) -> None:
    load(db)
    assert titles(db, "safety RUST") == ["Rust and memory safety"]
    assert titles(db, "saf") == ["Rust and memory safety"]
    assert titles(db, "saf rust") == []
    assert titles(db, "saf* rust") == ["Rust and memory safety"]
    assert titles(db, '"memory safety"') == ["Rust and memory safety"]
    assert titles(db, '"safety memory"') == []
    assert titles(db, '"memory saf"') == []
    assert titles(db, "and -rust") == ["Emoji"]
    assert titles(db, 'and -"memory safety"') == ["Emoji"]
    assert titles(db, "-rust") == []


def test_what_a_parser_would_take_apart_otherwise_is_found_by_its_words(db: Db) -> None:
    load(db)
    for text in (
        "user",
        "name",
        "example",
        "com",
        "foo",
        "foo.com",
        "baz",
        "html",
        "v1.2.3",
        "v1",
        "user.name@example.com",
    ):
        assert titles(db, text) == ["Rust and memory safety"], text
    for text in (
        "42",
        "14",
        "000",
        "00012",
        "0x1f",
        "3d",
        "snake",
        "case",
        "snake_case",
        "don't",
        "don",
        "at&t",
        "bold",
    ):
        assert titles(db, text) == ["Numbers"], text


def test_case_and_latin_accents_do_not_matter(db: Db) -> None:
    load(db)
    for text in (
        "NAIVE",
        "naïve",
        "nai\u0308ve",
        "façade",
        "FACADE",
        "viet nam",
        "grosse und",
        "ubermut",
        "QUOTED",
    ):
        expected = [] if text == "grosse und" else ["Straße"]  # ß is no accent
        assert titles(db, text) == expected, text
    assert titles(db, "οδυσσεύς") == titles(db, "ΟΔΥΣΣΕΎΣ") == ["Ελλάδα"]
    assert titles(db, "ПРИВЕТ") == titles(db, "ёжик") == ["Привет"]
    assert titles(db, "istanbul") == [""]


def test_marks_belong_to_their_words(db: Db) -> None:
    load(db)
    assert titles(db, "हिन्दी") == ["हिन्दी भाषा"]
    assert titles(db, "न") == ["हिन्दी भाषा"]  # the beginning of नमस्ते
    assert titles(db, "न्दी") == []  # the end of हिन्दी
    assert titles(db, "สวัสดี") == ["ภาษาไทย"]
    assert titles(db, "اللُّغَة") == ["العربية"]


def test_a_hit_in_a_heavier_column_comes_first(db: Db) -> None:
    for title, body in (("Cats", "about a dog and more"), ("A dog", "about cats and so on"), ("x", "y")):
        db.run("INSERT INTO searched (title, body) VALUES (:t, :b)", t=title, b=body)
    assert found(db, "dog") == [2, 1]
    assert found(db, "cats") == [1, 2]


def test_pages_follow_each_other_without_a_gap(db: Db) -> None:
    for i in range(57):
        db.run("INSERT INTO searched (title, body) VALUES ('word', :b)", b="word " * (i % 3))
    whole = search.find(db, PAGES, "word", limit=100)
    assert len(whole) == 57
    assert whole == sorted(whole, key=lambda h: (h.score, h.id))
    pages: list[search.Hit] = []
    while page := search.find(db, PAGES, "word", limit=10, after=pages[-1] if pages else None):
        pages += page
    assert pages == whole


def test_a_condition_stands_in_any_statement(db: Db) -> None:
    load(db)
    condition, params = PAGES.condition(db, "and", "s.id")
    sql = f"SELECT s.title FROM searched s WHERE s.title <> :other AND {condition} ORDER BY s.id"
    assert db.fetch(sql, {**params, "other": "Emoji"}) == [("Rust and memory safety",)]


# -- what may be typed, and stored ---------------------------------------------------------------------------


class _Back(Exception):
    """Takes a transaction back."""


@contextmanager
def rolled_back(store: Store) -> Iterator[Db]:
    with suppress(_Back), store.transaction() as db:
        yield db
        raise _Back


@pytest.fixture
def loaded(_migrated: Any) -> Iterator[list[Db]]:
    """The corpus on both engines."""
    with ExitStack() as stack:
        dbs = [stack.enter_context(rolled_back(_migrated(e, (SYSTEM,)))) for e in ("sqlite", "postgres")]
        rows = [{"id": i, "title": t, "body": b} for i, (t, b) in enumerate(CORPUS, 1)]
        for db in dbs:
            db.run_many("INSERT INTO searched (id, title, body) VALUES (:id, :title, :body)", rows)
        yield dbs


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.postgres
@QUICK
@given(text=st.text())
@example(text="\x00\ud800\udfff")
@example(text='"' * 999)
@example(text="-" * 99 + "a*b\\c'd\"e|f&g!h(i)j:k")
@example(text="a-" * 5000)
def test_no_text_raises(loaded: list[Db], text: str) -> None:
    for db in loaded:
        assert isinstance(search.find(db, PAGES, text), list)
    assert "".join(p.text for p in pieces(text, text)) == text
    assert snippet(text, text, size=20) is not None


WORDS = sorted({text[a:b] for pair in CORPUS for text in pair for a, b in spans(text)})
TERM = st.builds(
    lambda word, cut, form: form.format(word[: cut or None]),
    st.sampled_from(WORDS),
    st.integers(0, 3),
    st.sampled_from(["{}", "{}*", '"{}"', "-{}", "{}.", "({})"]),
)


@pytest.mark.postgres
@settings(QUICK, max_examples=300)
@given(terms=st.lists(TERM, min_size=1, max_size=4))
def test_both_engines_find_the_same(loaded: list[Db], terms: list[str]) -> None:
    text = " ".join(terms)
    lite, postgres = (sorted(found(db, text)) for db in loaded)
    assert lite == postgres, search.parse(text)


LETTERS = "abcxyzABCXYZ0123456789äÖßéĀłŁğıİøœŒ αβγΩς жЙѣ אבש عربي 日本語かナ 한글"
SYLLABLE = st.one_of(
    st.sampled_from(LETTERS.replace(" ", "")),
    st.builds(str.__add__, st.sampled_from("कखगनदलะ"), st.sampled_from("िीुू्ंा")),
    st.builds(str.__add__, st.sampled_from("بتلغة"), st.sampled_from("\u064b\u064e\u0651")),
    st.sampled_from(["e\u0301", "o\u0308", "A\u030a"]),
)
DOCUMENT = st.lists(
    st.one_of(
        SYLLABLE, SYLLABLE, SYLLABLE, st.sampled_from(" \n\t.,-_/@:;!?#&'\"()[]{}<>|*^%$~`\\=+€—…“”、。؟")
    ),
    max_size=60,
).map(lambda parts: normalize("NFC", "".join(parts)))


@pytest.mark.postgres
@QUICK
@given(document=DOCUMENT)
def test_every_word_of_a_document_finds_it(loaded: list[Db], document: str) -> None:
    for db in loaded:
        with db.savepoint():
            id = 1000
            db.run("INSERT INTO searched (id, title, body) VALUES (:id, '', :b)", id=id, b=document)
            for start, end in spans(document):
                assert id in found(db, document[start:end]), document[start:end]
            for chunk in document.split():
                if search.words(chunk) and '"' not in chunk and not chunk.startswith("-"):
                    assert id in found(db, chunk), chunk
            db.run("DELETE FROM searched WHERE id = :id", id=id)


def test_large_documents_are_indexed(db: Db) -> None:
    odd = " ".join(chr(0x20000 + i // 300) + chr(0x20000 + i % 300) for i in range(90_000))
    for title, body in (("x" * 50_000, "end"), (odd, odd), ("needle", odd)):
        db.run("INSERT INTO searched (title, body) VALUES (:t, :b)", t=title, b=body)
    assert found(db, "needle") == [3]
    assert found(db, "x" * 50_000) == [1]
    assert found(db, "x" * 199) == [1]


# -- kept by triggers ----------------------------------------------------------------------------------------


def test_the_index_follows_every_change(db: Db) -> None:
    load(db)
    db.run("UPDATE searched SET body = 'ferris the crab' WHERE id = 1")
    assert (found(db, "ferris"), found(db, "mail"), found(db, "rust")) == ([1], [], [1])
    db.run("DELETE FROM searched WHERE title = 'Emoji'")
    assert found(db, "too") == []


def test_undo_takes_the_index_along(store: Store) -> None:
    store.use(SYSTEM)
    with store.transaction() as db:
        db.run("INSERT INTO searched (title, body) VALUES ('before', '')")
    with store.transaction(label="edit") as db:
        db.run("UPDATE searched SET title = 'after'")
    assert store.read(found, "after") == [1]
    store.unit(journal.undo)
    assert (store.read(found, "after"), store.read(found, "before")) == ([], [1])
    with store.transaction(label="remove") as db:
        db.run("DELETE FROM searched")
    assert store.read(found, "before") == []
    store.unit(journal.undo)
    assert store.read(found, "before") == [1]


def test_rows_that_were_there_before_the_index_are_found(store: Store, tmp_path: Path) -> None:
    place = tmp_path / "late"
    place.mkdir()
    (place / "0001_init.sql").write_text("CREATE TABLE late (id {pk}, title TEXT, body TEXT);")
    (place / "0002_rows.sql").write_text("INSERT INTO late (title, body) VALUES ('early bird', '');")
    index = search.Index("late_search", {"title": 2, "body": 1})
    text = search.schema(index, table="late", dialect=store.dialect)
    (place / f"0003_search.{store.dialect}.sql").write_text(text)
    register(f"late-{store.dialect}", place)
    store.use(f"late-{store.dialect}")
    assert [hit.id for hit in store.read(search.find, index, "bird")] == [1]


@pytest.mark.postgres
def test_notes_added_at_once_are_both_found(postgres_url: str) -> None:
    """Each document holds all notes of its task, so the later writer must not overwrite the earlier with less."""
    from backendhub.systems.task import service
    from backendhub.systems.task.models import Filter

    store = connect(postgres_url)
    store.use("task")
    tasks = [store.unit(service.add, description=f"task {i}").id for i in range(4)]

    def add(worker: int) -> None:
        for task in tasks:
            with store.transaction() as db:
                sql = "INSERT INTO task_note (task_id, text, created_at) VALUES (:t, :x, '')"
                db.run(sql, t=task, x=f"word{worker}")

    threads = [threading.Thread(target=add, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in range(8):
        assert len(store.read(service.find, Filter(text=f"word{worker}")).items) == 4
    store.close()


# -- snippets ------------------------------------------------------------------------------------------------


def test_a_snippet_marks_hits_and_escapes_the_rest() -> None:
    text = "The quick <brown> fox\n jumps over the lazy dog"
    assert snippet(text, "brown jum") == (
        "The quick &lt;<mark>brown</mark>&gt; fox <mark>jumps</mark> over the lazy dog"
    )
    assert snippet(text, '"lazy dog" -fox', before="[", after="]").endswith("fox jumps over the [lazy dog]")
    assert (
        snippet("Ein naïver Straßenfeger", "NAIVER straß")
        == "Ein <mark>naïver</mark> <mark>Straßenfeger</mark>"
    )
    assert snippet("", "x") == ""


def test_a_snippet_shows_where_most_was_found() -> None:
    text = "one " * 100 + "here are both needle and thread together " + "needle " * 3 + "two " * 100
    shown = snippet(text, "needle thread", size=80)
    assert "<mark>needle</mark> and <mark>thread</mark>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(re.sub("</?mark>", "", shown)) <= 82
    assert snippet(text, "absent", size=10) == "one one…"


@given(st.text(), st.text(max_size=20), st.integers(1, 60))
def test_pieces_are_the_text(text: str, query: str, size: int) -> None:
    assert "".join(p.text for p in pieces(text, query)) == text
    cut = pieces(text, query, size=size)
    inner = "".join(p.text for p in cut)
    assert len(inner) <= size + 2
    assert any(part in text for part in (inner, inner[1:], inner[:-1], inner[1:-1]))


def test_the_guide_shows_what_schema_writes(root: Path) -> None:
    guide = (root / "docs/guides/search.md").read_text()
    index = search.Index("blog_search", {"title": 4, "body": 1})
    for dialect in ("sqlite", "postgres"):
        assert search.schema(index, table="blog_article", dialect=dialect) in guide
