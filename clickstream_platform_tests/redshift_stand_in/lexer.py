"""SQL text as tokens, and back: Redshift's lexical rules, where a backslash escapes in string literals.

Belongs here: cutting text into tokens and a cursor over them. Does not: what tokens mean (`translate`, `ddl`, …).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from clickstream_platform_tests.redshift_stand_in.wire import SqlError

_TOKEN = re.compile(
    r"(?P<space>(?:\s+|--[^\n]*|/\*.*?\*/)+)"
    r"|(?P<string>'(?:[^'\\]|\\.|'')*')"
    r'|(?P<quoted>"(?:[^"]|"")*")'
    r"|(?P<param>\$\d+)"
    r"|(?P<word>[A-Za-z_#\u0080-\U0010ffff][\w$#\u0080-\U0010ffff]*)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<operator>::|<>|!=|<=|>=|\|\||->>|->|#>>|#>|@>|<@|!~\*|!~|~\*|[-+*/%<>=^&|~!@#?:;,.()\[\]{}])",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text, the blanks before it, and a word in lower case for comparing."""

    kind: str
    text: str
    space: str = ""

    @property
    def word(self) -> str:
        """Return a keyword or operator in lower case; empty for literals and quoted names."""
        return self.text.lower() if self.kind in ("word", "operator") else ""

    @property
    def is_name(self) -> bool:
        """Tell whether it can be an identifier."""
        return self.kind in ("word", "quoted")

    @property
    def name(self) -> str:
        """Return the identifier as Redshift keeps it: ASCII letters in lower case, even when quoted."""
        text = self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text
        return fold(text)

    @property
    def value(self) -> str:
        """Return the text of a string literal."""
        inner = self.text[1:-1].replace("''", "'")
        return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def words(text: str) -> frozenset[str]:
    """Return the words of a text: long lists are easier to read that way."""
    return frozenset(text.split())


def fold(name: str) -> str:
    """Return a name with its ASCII letters in lower case."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), name)


def tokenize(sql: str) -> list[Token]:
    """Cut a text into tokens; raise SqlError at a character that no token starts with."""
    tokens: list[Token] = []
    position, space = 0, ""
    while position < len(sql):
        found = _TOKEN.match(sql, position)
        if found is None:
            raise SqlError("42601", f'syntax error at or near "{sql[position : position + 20]}"')
        position = found.end()
        if found.lastgroup == "space":
            space = " "  # comments are nobody's business further on
        else:
            tokens.append(Token(found.lastgroup or "", found[0], space))
            space = ""
    return tokens


def split_statements(tokens: Sequence[Token]) -> list[list[Token]]:
    """Cut at semicolons; empty statements vanish."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.word == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def text_of(tokens: Iterable[Token]) -> str:
    """Return tokens as SQL."""
    return "".join(token.space + token.text for token in tokens).strip()


def spaced(token: Token, text: str, kind: str | None = None) -> Token:
    """Return a token with another text."""
    return replace(token, text=text, kind=kind or token.kind)


def literal(value: str) -> str:
    """Return a string literal that means the same with and without backslash escapes."""
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in value else f"'{quoted}'"


class Cursor:
    """Reads tokens from left to right; `statement` names the whole for errors."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Start at the first token."""
        self.tokens = list(tokens)
        self.position = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without taking it; an empty one at the end."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else Token("end", "")

    @property
    def is_done(self) -> bool:
        """Tell whether all tokens are taken."""
        return self.position >= len(self.tokens)

    def next(self) -> Token:
        """Take one token."""
        token = self.peek()
        if token.kind == "end":
            self.fail()
        self.position += 1
        return token

    def accept(self, *words: str) -> bool:
        """Take these words when they come next, all or none."""
        if all(self.peek(index).word == word for index, word in enumerate(words)):
            self.position += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Take these words; raise SqlError when something else comes."""
        if not self.accept(*words):
            self.fail(" ".join(words).upper())

    def name(self) -> Token:
        """Take an identifier."""
        token = self.next()
        if not token.is_name:
            self.position -= 1
            self.fail("a name")
        return token

    def qualified_name(self) -> list[Token]:
        """Take `name`, `schema.name` or `database.schema.name`, with the dots."""
        taken = [self.name()]
        while self.accept("."):
            taken += [Token("operator", "."), self.name()]
        return taken

    def parenthesised(self) -> list[Token]:
        """Take a parenthesised part and return what is inside."""
        self.expect("(")
        start, depth = self.position, 1
        while depth:
            word = self.next().word
            depth += (word == "(") - (word == ")")
        return self.tokens[start : self.position - 1]

    def rest(self) -> list[Token]:
        """Take all that is left."""
        taken = self.tokens[self.position :]
        self.position = len(self.tokens)
        return taken

    def fail(self, wanted: str = "") -> None:
        """Raise a syntax error here."""
        near = text_of(self.tokens[self.position : self.position + 4]) or "end of input"
        expected = f", expected {wanted}" if wanted else ""
        raise SqlError("42601", f'syntax error at or near "{near}"{expected}, in: {text_of(self.tokens)[:200]}')


def split_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """Cut a list at its outermost commas."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.word in ("(", "[")) - (token.word in (")", "]"))
        if token.word == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
