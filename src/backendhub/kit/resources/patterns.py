"""Regular expressions of JavaScript, in the part of the language that SQLite's and PostgreSQL's engines share.

Patterns come from clients. Both engines take time that is linear in the text for what passes here (there are no
backreferences), sizes are capped, and both find the same rows: classes are spelt out, and letters are lower case,
as is the text that they are matched with.
"""

from __future__ import annotations

from typing import NoReturn

from backendhub.kit.errors import Malformed

MAX_LENGTH = 200
MAX_GROUPS = 20
MAX_REPEAT = 100
MAX_PRODUCT = 1000
"""The largest product of nested counts: `(a{10}){10}` is 100."""
SPECIAL = frozenset("\\^$.*+?()[]{}|")
CLASSES = {"d": "0-9", "w": "a-z0-9_", "s": " \t\n\r\f\v"}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
BORDERS = {"sqlite": {"b": r"\b", "B": r"\B"}, "postgres": {"b": r"\y", "B": r"\Y"}}


def is_literal(text: str) -> bool:
    """Whether a pattern is plain text."""
    return SPECIAL.isdisjoint(text)


def translate(text: str, dialect: str) -> str:
    """The pattern for an engine. Raises Malformed for one that is broken, too large or of another kind."""
    if len(text) > MAX_LENGTH:
        raise Malformed(f"A pattern has {MAX_LENGTH} characters at most.")
    return _Translator(text, dialect).whole()


class _Translator:
    def __init__(self, text: str, dialect: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0
        self.borders = BORDERS[dialect]

    def whole(self) -> str:
        found, _ = self.branches()
        if self.at < len(self.text):
            self.fail("a parenthesis too many")
        return found

    def fail(self, why: str) -> NoReturn:
        raise Malformed(f"The pattern {self.text!r} cannot be used: {why}.")

    def peek(self, expected: str) -> bool:
        """Whether this text follows; goes past it."""
        found = self.text.startswith(expected, self.at)
        self.at += len(expected) * found
        return found

    def branches(self) -> tuple[str, int]:
        """`a|b` and the largest product of counts within."""
        parts, largest = [""], 1
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self.peek("|"):
                parts.append("")
            else:
                atom, inner = self.atom()
                count, suffix = self.repeat()
                if suffix and (atom in ("^", "$") or atom in self.borders.values()):
                    self.fail("nothing to repeat")
                largest = max(largest, inner * count)
                if largest > MAX_PRODUCT:
                    self.fail("it repeats too much")
                parts[-1] += atom + suffix
        return "|".join(parts), largest

    def repeat(self) -> tuple[int, str]:
        """The count after an atom; a lazy one finds the same rows."""
        for sign in "*+?":
            if self.peek(sign):
                self.peek("?")
                return 1, sign
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if not self.text.startswith("{", self.at) or not (low and _digits(low + high)):
            return 1, ""
        bounds = [int(low), int(high or low)]
        if max(bounds) > MAX_REPEAT or bounds[1] < bounds[0]:
            self.fail(f"counts are {MAX_REPEAT} at most, the smaller first")
        self.at = end + 1
        self.peek("?")
        return bounds[1], "{" + low + comma + high + "}"

    def atom(self) -> tuple[str, int]:
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            return self.group()
        if char == "[":
            return self.bracket(), 1
        if char == "\\":
            return self.escape(), 1
        if char == ".":
            return "[^\n]", 1
        if char in "*+?":
            self.fail("nothing to repeat")
        return (char if char in "^$" else literal(char.lower())), 1

    def group(self) -> tuple[str, int]:
        self.groups += 1
        if self.groups > MAX_GROUPS:
            self.fail(f"it has more than {MAX_GROUPS} groups")
        if not self.peek("?:") and self.peek("?"):
            self.fail("groups that look ahead, look behind or have names are not supported")
        found, product = self.branches()
        if not self.peek(")"):
            self.fail("a parenthesis is not closed")
        return f"(?:{found})", product

    def escape(self) -> str:
        kind, found = self.escaped()
        if kind == "border":
            return self.borders[found]
        return literal(found) if kind == "char" else f"[{found}]" if kind == "set" else f"[^{found}]"

    def escaped(self) -> tuple[str, str]:
        """What follows a backslash: ("set", "0-9"), ("not", "0-9"), ("border", "b") or ("char", ".")."""
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if not char:
            self.fail("it ends in a backslash")
        if char.lower() in CLASSES:
            return "set" if char.islower() else "not", CLASSES[char.lower()]
        if char in self.borders:
            return "border", char
        if char in CONTROLS:
            return "char", CONTROLS[char]
        if char in ("x", "u"):
            return "char", self.numbered(2 if char == "x" else 4)
        if char.isalnum():
            self.fail(f"\\{char} is not supported")
        return "char", char

    def numbered(self, length: int) -> str:
        """The character of a number of hexadecimal digits."""
        digits = self.text[self.at : self.at + length]
        self.at += length
        if len(digits) != length or not all(d in "0123456789abcdefABCDEF" for d in digits):
            self.fail(f"a character needs {length} hexadecimal digits")
        char = chr(int(digits, 16)).lower()
        if char == "\0" or "\ud800" <= char <= "\udfff":
            self.fail("it names a character that text cannot hold")
        return char

    def bracket(self) -> str:
        negated = "^" if self.peek("^") else ""
        items: list[str] = []
        while not self.peek("]"):
            is_set, first = self.item()
            if is_set:
                items.append(first)
            elif self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                items.append(self.range(first, *self.item()))
            else:
                items.append(inside(first.lower()))
        if not items:
            self.fail("brackets are empty")
        return f"[{negated}{''.join(items)}]"

    def item(self) -> tuple[bool, str]:
        """One character as written, or a whole class such as `0-9`."""
        if self.at >= len(self.text):
            self.fail("a bracket is not closed")
        char = self.text[self.at]
        self.at += 1
        if char != "\\":
            return False, char
        kind, found = self.escaped()
        if kind not in ("char", "set"):
            self.fail("this class is not supported in brackets")
        return kind == "set", found

    def range(self, first: str, is_set: bool, last: str) -> str:
        """`a-f`; of capital letters the small ones."""
        if first.isupper() and last.isupper():
            first, last = first.lower(), last.lower()
        if is_set or first > last:
            self.fail("a range is broken")
        return f"{inside(first)}-{inside(last)}"


def literal(char: str) -> str:
    """A character that means itself."""
    return "\\" + char if char in SPECIAL else char


def inside(char: str) -> str:
    """A character that means itself in brackets."""
    return "\\" + char if char in "\\]^-[&~" else char


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()
