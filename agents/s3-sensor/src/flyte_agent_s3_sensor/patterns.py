"""
Wildcards and regular expressions over keys, in linear time.

Python's own engine may take for ever on a pattern that a task brings; RE2 does not
(https://github.com/google/re2/wiki/WhyRE2). It has neither back references nor look-around.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from .address import common_start

if TYPE_CHECKING:
    from collections.abc import Callable

_WILD = frozenset("*?[")
_PATTERN_BYTES = 2048
_MEMORY_BYTES = 1 << 20
_RANGE_BYTES = 1024


def has_wildcards(text: str) -> bool:
    """Whether a text is more than a key."""
    return not _WILD.isdisjoint(text)


def wildcard_prefix(wildcard: str) -> str:
    """Return what every key that matches begins with."""
    end = min((i for i, char in enumerate(wildcard) if char in _WILD), default=len(wildcard))
    return wildcard[:end]


def check_wildcard(text: str) -> str:
    """
    Return a wildcard.

    Raises:
        InvalidConfig: It is none, or would match everything.
    """
    if not text.strip("*"):
        raise invalid("wildcard", text, "a pattern such as 'in/*.csv'", "For all keys: prefix=''.")
    if not has_wildcards(text):
        raise invalid("wildcard", text, "one of * ? [", f"Write key={text!r}.")
    _compiled("wildcard", wildcard_regex(text))
    return text


def wildcard_regex(wildcard: str) -> str:
    """
    Return the regular expression of a wildcard.

    ``*`` and ``?`` stay within a folder, ``**`` does not; ``[abc]``, ``[a-z]`` and ``[!a]`` are one
    character.
    """
    made, at = [], 0
    while at < len(wildcard):
        piece, at = _piece(wildcard, at)
        made.append(piece)
    return "".join(made)


def _piece(text: str, at: int) -> tuple[str, int]:
    char = text[at]
    if text.startswith("**", at):
        end = at + 2
        return (
            ("(?:.*/)?", end + 1) if text.startswith("/", end) and _opens(text, at) else (".*", end)
        )
    if char == "*":
        return "[^/]*", at + 1
    if char == "?":
        return "[^/]", at + 1
    if char == "[":
        return _one_of(text, at)
    return _escaped(char), at + 1


def _opens(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "/"


def _one_of(text: str, at: int) -> tuple[str, int]:
    end = text.find("]", at + 2 if text.startswith("!", at + 1) else at + 1)
    inner = text[at + 1 : end]
    if end < 0 or not inner.strip("!"):
        raise invalid("wildcard", text, "a ']' after each '[', with characters between")
    negated = inner.startswith("!")
    chars = "".join(c if c == "-" or c.isalnum() else _escaped(c) for c in inner[negated:])
    return (f"[^/{chars}]" if negated else f"[{chars}]"), end + 1


def _escaped(char: str) -> str:
    if char.isalnum() or ord(char) > 127:
        return char
    return f"\\x{ord(char):02x}"


def check_regex(text: str) -> str:
    """
    Return a regular expression.

    Raises:
        InvalidConfig: RE2 does not take it.
    """
    if not text:
        raise invalid("regex", text, "a regular expression that begins with literal text")
    _compiled("regex", text)
    return text


@functools.lru_cache(maxsize=50_000)
def regex_prefix(regex: str) -> str:
    """Return the longest text that every key that matches begins with."""
    least, greatest = _compiled("regex", regex).possiblematchrange(_RANGE_BYTES)
    texts = [text.decode("utf-8", "ignore") for text in (least, greatest)]
    return common_start(texts)


def matcher(regex: str) -> Callable[[str], bool]:
    """Return what says whether a whole key matches."""
    compiled = _compiled("regex", regex)
    return lambda key: compiled.fullmatch(key) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(field: str, regex: str) -> Any:
    import re2

    if len(regex.encode("utf-8", "replace")) > _PATTERN_BYTES:
        raise invalid(field, regex, f"at most {_PATTERN_BYTES} bytes")
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(regex, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        repair = "Look-around and back references are not supported: they can take for ever."
        raise invalid(field, regex, f"what RE2 takes ({text})", repair) from None
