"""How values appear in messages: short, on one line, never an API key; and the word somebody probably meant.

>>> shown("sk-" + "a" * 32)
'sk-…'
>>> shown("a\\nb" + "c" * 80)
'a bcccccccccccccccccccccccccccccccccccccccccccccccccccccccc…'
"""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING

from wan_notebook.words.addresses import is_address, public_url

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["file_size", "holds_key", "kind", "one_of", "printable", "redacted", "shown", "slip", "suggest", "trouble"]

# A key as the service hands them out; "task-…" and "risk-taking" are not keys.
KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}|(?<![A-Za-z0-9])Bearer\s+sk-[A-Za-z0-9_-]*", re.IGNORECASE)
LONGEST = 60
KILO = 1024  # as the service's limits are read
TROUBLES = {
    "certificate": "its certificate is not trusted here: behind a company's proxy, name its own in SSL_CERT_FILE",
    "name or service not known": "no such host is known: no network, or no DNS",
    "name resolution": "no such host is known: no network, or no DNS",
    "getaddrinfo": "no such host is known: no network, or no DNS",
    "nodename nor servname": "no such host is known: no network, or no DNS",
    "refused": "the connection was refused",
    "all connection attempts failed": "no connection comes about",
    "407 ": "it asks for a user name and a password, or refuses them: HTTP 407",
    "403 ": "it does not let you through: HTTP 403",
    "disconnected without sending": "it closed the connection without a word",
    "unreachable": "no way leads there from this network",
}


def file_size(count: int) -> str:
    """A number of bytes.

    >>> file_size(512), file_size(48_000), file_size(1_990_000), file_size(75_857_000_000)
    ('512 bytes', '47 kB', '1.9 MB', '70.6 GB')
    """
    if count < KILO:
        return f"{count} bytes"
    if count < KILO**2:
        return f"{count / KILO:.0f} kB"
    return f"{count / KILO**2:.1f} MB" if count < KILO**3 else f"{count / KILO**3:.1f} GB"


def holds_key(text: str) -> bool:
    """Whether ``text`` holds what looks like a literal API key.

    >>> holds_key("Bearer sk-x"), holds_key("a risk-taking-adventurer-of-old")
    (True, False)
    """
    return KEY.search(text) is not None


def redacted(text: str) -> str:
    """``text`` with every literal API key replaced by ``sk-…``."""
    return KEY.sub("sk-…", text)


def printable(text: str) -> str:
    r"""``text`` on one line, with nothing in it that a terminal would obey.

    >>> printable("no\n\x1b[2Jclip\u202e")
    'no �[2Jclip�'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def shown(value: object) -> str:
    """A value as a message may show it: at most 60 characters, one line, printable, without a key.

    Parameters
    ----------
    value : object
        Bytes and pictures are described, not printed; of an address the query and the password are left out.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, (str, int, float, bool, list, tuple, dict, type(None))):
        return kind(value)
    text = value if isinstance(value, str) else repr(value)
    if text[:5].lower() == "data:":
        return f"{text[:40].partition(',')[0]},…"
    text = redacted(public_url(text) if is_address(text) else text)
    text = printable(text[: 4 * LONGEST])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def kind(value: object) -> str:
    """The type of a value, with its article.

    >>> kind([]), kind(open)
    ('a list', 'a builtin_function_or_method')
    """
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def suggest(word: str, choices: Iterable[object], *, likeness: float = 0.6) -> str:
    """Find the choice a misspelt word most likely means; empty when none is close.

    Parameters
    ----------
    likeness : float
        From 0 to 1: how like it has to be.

    >>> suggest("wan2.6-i2v-falsh", ["wan2.6-i2v-flash", "wan2.6-i2v"])
    'wan2.6-i2v-flash'
    >>> suggest("banana", ["single", "multi"])
    ''
    """
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    close = difflib.get_close_matches(word.strip().lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[close[0]] if close else ""


def slip(word: str, choices: Iterable[str]) -> str:
    """Find the choice that ``word`` is but for a slip: one letter too many, missing or wrong, two swapped, other signs.

    Digits count as they are: they tell one version from another.

    >>> slip("wan2.6-i2v-flahs", ["wan2.6-i2v-flash"]), slip("wan2.6_i2v_flash", ["wan2.6-i2v-flash"])
    ('wan2.6-i2v-flash', 'wan2.6-i2v-flash')
    >>> slip("wan2.9-i2v", ["wan2.6-i2v"]), slip("wan2.6-i2v-plus", ["wan2.6-i2v"])
    ('', '')
    """
    said = re.sub(r"[\W_]", "", word.lower())
    for choice in choices:
        known = re.sub(r"[\W_]", "", choice.lower())
        start = _alike(said, known)
        mine, its = said[start:][::-1], known[start:][::-1]
        end = _alike(mine, its)
        mine, its = mine[end:], its[end:]
        near = max(len(mine), len(its)) <= 1 or (len(mine) == 2 and mine == its[::-1])  # noqa: PLR2004  a pair of letters
        if near and re.findall("[0-9]", said) == re.findall("[0-9]", known):
            return choice
    return ""


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), min(len(one), len(other))
    )


def one_of(words: Iterable[object]) -> str:
    """A list as a sentence says it.

    >>> one_of(["480P", "720P", "1080P"])
    '480P, 720P or 1080P'
    """
    *most, last = [str(w) for w in words] or [""]
    return f"{', '.join(most)} or {last}" if most else last


def trouble(error: Exception) -> str:
    """Why a connection did not come about, as far as its error tells; never its own text, which may hold anything.

    >>> trouble(OSError("[Errno 111] Connection refused")), trouble(ValueError("?"))
    ('the connection was refused', 'ValueError')
    """
    said = str(error).lower()
    return next((words for sign, words in TROUBLES.items() if sign in said), type(error).__name__)
