"""Texts made of names that strangers chose, as each place can show them safely.

Names of classes, files, folders and arms can hold anything that a file system or a CSV file does.
One function for each place: `line` and `lines` (a terminal, plain text, the name of a run),
`markdown`, `html`, `csv_text`, `figure` (matplotlib) and `folder_name`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from html import escape
from types import SimpleNamespace

# First, joiners between letters of scripts that need them, or between parts of an emoji
_SUSPICIOUS = re.compile(
    r"((?<=[^\x00-\u02ff])[\u200c\u200d](?=[^\x00-\u02ff]))|[^\x20-\x7e\xa1-\xac\xae-\u02ff]"
)
# name:password@, also with a / in the password, which databases take; then ?token=...
_LOGIN = re.compile(r"(?<=://)(?:[^\s/?#]*@|[^\s:/@]*:(?!\d*[/?#])\S*@)")
_SECRET = re.compile(
    r"([?&;][\w-]*(?:password|passwd|pwd|token|secret|signature|api_?key)[\w-]*=)[^\s&;'\"]+", re.I
)
_MARKS = re.compile(
    r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])|(?<!\w)@(?=\w)|:(?=//)|!(?=\[)"
    r"|^#|^[+-](?=\s|$)|^(?:=+|-+)$|^\d+(?=[.)](?:\s|$))"  # at the start of a line
)
# The last four are the wide forms of = + - @
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I)


def line(text: object) -> str:
    """One line of plain text: what moves a cursor or hides letters is shown as `\\u001b` or `\\n`.

    So are breaks of lines, marks that turn the direction of writing, and letters without width.
    Passwords within addresses are masked.
    """
    return _visible(masked(str(text)), "")


def lines(text: object) -> str:
    """The same for text of several lines, which stay lines."""
    return _visible(masked(str(text)), "\n\t")


def markdown(text: object) -> str:
    """Text that Markdown, and HTML within it, shows as it stands. One line."""
    plain = escape(line(text), quote=False)
    return _MARKS.sub(lambda m: m[0] + "\\" if m[0].isdigit() else "\\" + m[0], plain)


def html(value: object) -> object:
    """A value for a template, which escapes `<` and `&` itself; Markup as it is."""
    return value if hasattr(value, "__html__") else line(value)


def cell(value: object) -> object:
    """A value for a CSV file: a text that a spreadsheet would take for a formula begins with `'`.

    Numbers stay numbers, also those given as text. `from_cell` undoes it.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as a CSV file, with each value as a `cell`."""
    made = io.StringIO()
    # Ends lines with \r\n, and so quotes texts that have either
    writer = csv.writer(SimpleNamespace(write=lambda row: made.write(f"{row[:-2]}\n")))
    writer.writerows(map(cell, row) for row in rows)
    return made.getvalue()


def from_cell(text: str) -> str:
    """The text of which `cell` has made this one."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def figure(text: object) -> str:
    """Text in which matplotlib sees no formula, and which a legend does not hide."""
    shown = line(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def folder_name(text: object) -> str:
    """A name, or its beginning, as a part of the name of a folder on every system."""
    plain = re.sub(r"[<>:\"'/\\|?*]", "_", str(text))
    plain = "".join(char if char.isprintable() else "_" for char in plain)
    return plain.encode()[:100].decode(errors="ignore")


def masked(text: str) -> str:
    """Text in which addresses have `***` in the place of a name and password, or of a token."""
    return _SECRET.sub(r"\1***", _LOGIN.sub("***@", text))


def without_login(address: str) -> str:
    """An address without name, password and token: what is left to tell one server from another."""
    return _SECRET.sub(r"\1", _LOGIN.sub("", address))


def brief(text: str) -> str:
    """A text that somebody gave, as a message quotes it: its beginning where it is long."""
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def _visible(text: str, kept: str) -> str:
    def shown(match: re.Match[str]) -> str:
        char, place = match[0], match.start()
        joins = match[1] and _is_seen(text[place - 1]) and _is_seen(text[place + 1])
        # As JSON writes it, so that JSON stays what it is
        return char if char in kept or joins or _is_seen(char) else json.dumps(char)[1:-1]

    return _SUSPICIOUS.sub(shown, text)


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
