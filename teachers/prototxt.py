"""Protobuf's text format (a .prototxt) as nested fields, without knowing which message it is."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from teachers.common.errors import UserError

_MAX_DEPTH = 32
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f\v]+|\#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<word>[\w.+-]+)|(?P<mark>[{}<>:\[\],;])""",
    re.ASCII,
)


class TextField(NamedTuple):
    """One `name: value` or `name { ... }`; a repeated field appears as often as it has values."""

    name: str
    value: str | tuple["TextField", ...]
    line: int


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse_text(text: str, where: str) -> tuple[TextField, ...]:
    """The fields of the outermost message; UserError says at which line what was found and what was expected."""
    return _Parser(_tokens(text, where), where).fields(until="", depth=0)


def _tokens(text: str, where: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise UserError(f"{where}:{line}: not a prototxt: found {text[position : position + 20]!r}")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), line)
        line += found.group().count("\n")
        position = found.end()
    yield _Token("end", "", line)


class _Parser:
    def __init__(self, tokens: Iterator[_Token], where: str) -> None:
        self.tokens = tokens
        self.where = where
        self.token = next(tokens)

    def fail(self, expected: str) -> UserError:
        found = repr(self.token.text[:40]) if self.token.text else "the end of the file"
        return UserError(f"{self.where}:{self.token.line}: expected {expected}, found {found}")

    def advance(self) -> _Token:
        token = self.token
        self.token = next(self.tokens)
        return token

    def fields(self, until: str, depth: int) -> tuple[TextField, ...]:
        if depth > _MAX_DEPTH:
            raise UserError(f"{self.where}:{self.token.line}: more than {_MAX_DEPTH} messages inside one another")
        found: list[TextField] = []
        while self.token.text != until:
            if self.token.kind != "word":
                raise self.fail(f"a field's name or {until!r}" if until else "a field's name")
            name = self.advance()
            found.extend(TextField(name.text, value, name.line) for value in self.values(depth))
            if self.token.text in (",", ";"):
                self.advance()
        return tuple(found)

    def values(self, depth: int) -> list[str | tuple[TextField, ...]]:
        colon = self.token.text == ":"
        if colon:
            self.advance()
        if self.token.text in ("{", "<"):
            return [self.message(depth)]
        if not colon:
            raise self.fail("':' or '{'")
        if self.token.text != "[":
            return [self.scalar()]
        self.advance()
        values: list[str | tuple[TextField, ...]] = []
        while self.token.text != "]":
            values.append(self.message(depth) if self.token.text in ("{", "<") else self.scalar())
            if self.token.text == ",":
                self.advance()
            elif self.token.text != "]":
                raise self.fail("',' or ']'")
        self.advance()
        return values

    def message(self, depth: int) -> tuple[TextField, ...]:
        until = "}" if self.advance().text == "{" else ">"
        fields = self.fields(until, depth + 1)
        self.advance()
        return fields

    def scalar(self) -> str:
        if self.token.kind not in ("string", "word"):
            raise self.fail("a value")
        token = self.advance()
        text = token.text[1:-1] if token.kind == "string" else token.text
        while token.kind == "string" and self.token.kind == "string":  # adjacent strings are one
            text += self.advance().text[1:-1]
        return text
