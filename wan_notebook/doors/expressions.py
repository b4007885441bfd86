"""The words of a magic line, and the notebook's ``$name`` and ``{expression}`` in them, whose quotes are Python's."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.words.phrases import clean
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["expanded", "words"]

# Where an expression may begin: {…} anywhere, $name at the beginning of a value; not {{ and $$.
BEGINS = re.compile(r"\{\{|\}\}|\{|\}|(?:(?<=[\s='\"])|^)\$[^\W\d]\w*")
ATTRIBUTE = re.compile(r"\.[^\W\d]\w*")
BRACKETS = {"(": ")", "[": "]", "{": "}"}
# Quotation marks and spaces of an expression do not end a word of the line: these stand for them meanwhile.
HIDDEN = str.maketrans("'\" \t", "\x01\x02\x03\x04")
SEEN = str.maketrans("\x01\x02\x03\x04", "'\" \t")


def words(line: str) -> list[str]:
    """A line as a shell splits it, but for its expressions, which stay as they are.

    >>> words("cat --image {photos['a cat']} --prompt 'it runs'")
    ['cat', '--image', "{photos['a cat']}", '--prompt', 'it runs']

    Raises
    ------
    InvalidRequestError
        A quotation mark is not closed.
    """
    hidden, place = "", 0
    for found in BEGINS.finditer(line):
        if found.start() >= place:
            end = _end(line, found)
            hidden += line[place : found.start()] + line[found.start() : end].translate(HIDDEN)
            place = end
    lexer = shlex.shlex(hidden + line[place:], posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""  # a backslash is part of a Windows path
    try:
        return [token.translate(SEEN) for token in lexer]
    except ValueError:
        fix = 'Write "it\'s" for a text with an apostrophe'
        raise InvalidRequestError([Problem("line", "", "a quotation mark is not closed", fix=fix)]) from None


def expanded(token: str, evaluate: Callable[[str], Any], objects: dict[str, Any], *, private: bool = False) -> str:
    """``token`` with ``$name`` (any object, put into ``objects`` under a mark) and ``{expression}`` (as text) replaced.

    Raises
    ------
    InvalidRequestError
        An expression fails, or is not closed. Of a private line neither it nor what Python says of it is repeated.
    """
    head, sign, value = token.partition("=") if token.startswith("--") else ("", "", token)
    if value.startswith("$$"):
        return head + sign + value[1:]
    if value.startswith("$") and len(value) > 1:
        result = _evaluated(value[1:], evaluate, private=private)
        if isinstance(result, str):
            return head + sign + result
        mark = f"\0{len(objects)}"
        objects[mark] = result
        return head + sign + mark
    text, place = "", 0
    for found in re.finditer(r"\{\{|\}\}|[{}]", value):
        if found.start() < place:
            continue
        end, said = found.end(), found[0][0]
        if len(found[0]) == 1:
            end = _end(value, found)
            if end == found.end():
                fix = "Write {{ and }} for braces that are meant"
                raise InvalidRequestError([Problem("line", "", "a brace is not closed", fix=fix)])
            said = str(_evaluated(value[found.end() : end - 1].strip(), evaluate, private=private))
        text += value[place : found.start()] + said
        place = end
    return head + sign + text + value[place:]


def _end(line: str, found: re.Match[str]) -> int:
    """Where the expression ends that begins so; the end of the match itself where it is none."""
    if found[0] == "{":
        return _closed(line, found.start()) or found.end()
    end = found.end()
    while found[0].startswith("$"):
        further = _closed(line, end) if line[end : end + 1] in ("[", "(") else None
        attribute = ATTRIBUTE.match(line, end)
        if further is None and attribute is None:
            break
        end = further or (attribute.end() if attribute else end)
    return end


def _closed(line: str, start: int) -> int | None:
    """Behind the bracket that closes the one at ``start``; brackets in Python's strings do not count."""
    waiting, quote = [], ""
    for place in range(start, len(line)):
        sign = line[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in ("'", '"'):
            quote = sign
        elif sign in BRACKETS:
            waiting.append(BRACKETS[sign])
        elif sign in BRACKETS.values():
            if sign != waiting.pop():
                return None
            if not waiting:
                return place + 1
    return None


def _evaluated(expression: str, evaluate: Callable[[str], Any], *, private: bool) -> Any:
    try:
        return evaluate(expression)
    except Exception as error:  # noqa: BLE001  whatever the notebook's own expression raises is the person's to mend
        if private:
            what = f"an expression in it raises {type(error).__name__}; it is private, and not repeated"
            fix = "Try it in a cell of its own, or write $$ or {{ }} if it is meant as text"
            raise InvalidRequestError([Problem("line", "", what, fix=fix)]) from None
        missing = error.name if isinstance(error, NameError) else None
        what, fix = f"{type(error).__name__}: {error}", "Correct it, or write $$ or {{ }} if it is meant as text"
        if missing:
            what = f"there is no variable {missing!r} in this notebook"
            fix = "Run the cell that defines it, or write $$ or {{ }} if it is meant"
        elif isinstance(error, WanError):
            what, fix = error.message.rstrip("."), error.hint
        raise InvalidRequestError([Problem("line", shown(expression), clean(what), fix=clean(fix))]) from None
