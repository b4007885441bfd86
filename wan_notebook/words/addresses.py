"""Addresses of media that the service fetches by itself: may it be one, can it be reached, what of it may be shown."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qs, urlsplit

__all__ = [
    "expires",
    "extension",
    "is_address",
    "is_loopback",
    "lower_scheme",
    "proxy_of",
    "public_url",
    "recorded_url",
    "unreachable",
    "without_workspace",
    "wrong_address",
]

MAX_RECORDED = 500
SCHEMES = ("http:", "https:", "oss:")


def is_address(text: str) -> bool:
    """Whether ``text`` is meant as an http(s) or ``oss://`` address rather than a path.

    >>> is_address("HTTPS://example.com/a.png"), is_address("images/a.png")
    (True, False)
    """
    return text[:6].lower().startswith(SCHEMES)


def lower_scheme(text: str) -> str:
    """An address with its scheme in small letters, as the service documents it; anything else as it is.

    >>> lower_scheme("HTTPS://Example.com/A.png"), lower_scheme("C:/A.png")
    ('https://Example.com/A.png', 'C:/A.png')
    """
    if not is_address(text):
        return text
    scheme, colon, rest = text.partition(":")
    return scheme.lower() + colon + rest


def wrong_address(url: str) -> tuple[str, str] | None:
    """Why an address cannot work, and what to do; None for a good one.

    >>> wrong_address("https:///a.png")
    ('it names no host', 'Write https://host/path')
    >>> wrong_address("https://example.com/a.png")
    """
    if any(c.isspace() for c in url):
        return "an address has no blanks in it", f"Write {'%20'.join(url.split())[:60]}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"it is no valid address ({error})", "Copy it again"
    if not host or not url[len(parts.scheme) :].startswith("://"):
        return "it names no host", f"Write {parts.scheme}://host/path"
    if parts.scheme == "oss" and not parts.path.strip("/"):
        return "it names no file", "Give the oss:// address as the upload returned it"
    return None


def unreachable(url: str) -> bool:
    """Whether only this machine or its own network can fetch an address.

    >>> unreachable("http://localhost:8000/a.png"), unreachable("https://example.com/a.png")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` is this machine itself.

    >>> is_loopback("http://127.0.0.1:8000/api/v1"), is_loopback("https://example.com"), is_loopback("http://[::1]:1/")
    (True, False, True)
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(url: str) -> str:
    """The proxy the way to ``url`` takes by this machine's settings, without user name and password; empty for none."""
    from urllib.request import getproxies, proxy_bypass

    parts, known = urlsplit(url), getproxies()
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return ""
    proxy = known.get(parts.scheme) or known.get("all") or ""
    return public_url(proxy if "://" in proxy or not proxy else f"http://{proxy}")


def without_workspace(base_url: str) -> str:
    """A base URL as it may be recorded.

    >>> without_workspace("https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1")
    'https://{workspace}.ap-southeast-1.maas.aliyuncs.com/api/v1'
    """
    return re.sub(r"//[^./]+(\.[a-z0-9-]+\.maas\.aliyuncs\.com)", r"//{workspace}\1", base_url)


def extension(url: str) -> str:
    """The file extension in an address's path, lower case; empty where none can be seen.

    >>> extension("https://example.com/music/a.MP3?Signature=x.y")
    '.mp3'
    """
    last = urlsplit(url).path.rpartition("/")[2]
    found = re.search(r"\.[A-Za-z0-9]{1,5}$", last)
    return found[0].lower() if found else ""


def expires(url: str) -> float | None:
    """When a signed address runs out, in seconds since the epoch, where it says so.

    >>> expires("https://example.com/a.mp4?Expires=1790000000&Signature=x"), expires("https://example.com/a.mp4")
    (1790000000.0, None)
    """
    try:
        signed = parse_qs(urlsplit(url).query).get("Expires", [""])[0]
    except ValueError:
        return None
    return float(signed) if re.fullmatch(r"[0-9]{1,11}", signed, re.ASCII) else None


def public_url(url: str) -> str:
    """An address without query, fragment, user name and password: what may be recorded.

    >>> public_url("https://me:secret@example.com/a.png?Signature=x#y")
    'https://example.com/a.png'
    """
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:/*)[^/\\]*@", r"\1", bare)


def recorded_url(url: str) -> str:
    """As :func:`public_url`, and short enough for a record.

    >>> len(recorded_url("https://example.com/" + "a" * 6000))
    500
    """
    return public_url(url)[:MAX_RECORDED]
