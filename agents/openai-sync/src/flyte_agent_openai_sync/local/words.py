"""Text as the stand-in understands it: tokens, sentences, the ones that matter, and what a question is about."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

_TOKEN = re.compile(r"\w{1,5}|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])|\n{2,}|\n(?=\s*[-*•#\d])")
_WORD = re.compile(r"[^\W\d_]{2,}")
_WANTED = re.compile(
    r"(?:at most|in|within|up to|about)?\s*(\d{1,3}|one|two|three|four|five)[- ](words?|sentences?)",
    re.IGNORECASE,
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_SENTENCES = 3


def count_tokens(text: str) -> int:
    """Return about how many tokens a model would see."""
    return len(_TOKEN.findall(text))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, as they stand."""
    found = (" ".join(part.split()) for part in _SENTENCE.split(text))
    return [sentence for sentence in found if _WORD.search(sentence)]


class _Splitter:
    """How the summariser takes a text apart; its own splitter needs data from the network."""

    def to_sentences(self, paragraph: str) -> tuple[str, ...]:
        return tuple(sentences(paragraph))

    def to_words(self, sentence: str) -> tuple[str, ...]:
        return tuple(_WORD.findall(sentence))


@functools.cache
def _summarizer() -> Any:
    from sumy.nlp.stemmers import Stemmer
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.utils import get_stop_words

    made = LexRankSummarizer(Stemmer("english"))
    made.stop_words = get_stop_words("english")
    return made


@functools.lru_cache(maxsize=256)
def best_sentences(text: str, count: int) -> tuple[str, ...]:
    """Return the sentences that say most about a text, in its order."""
    found = sentences(text)
    if len(found) <= count:
        return tuple(found)
    from sumy.parsers.plaintext import PlaintextParser

    document = PlaintextParser.from_string("\n".join(found), _Splitter()).document
    return tuple(str(sentence) for sentence in _summarizer()(document, count))


def summary(text: str) -> str:
    """Return a summary as long as the text asks for: ``in at most 30 words``, ``two sentences``."""
    wanted = _WANTED.search(text)
    body = split_question(text)[1]
    if wanted is None:
        return " ".join(best_sentences(body, _SENTENCES))
    said = wanted[1].lower()
    number, unit = _NUMBERS.get(said) or int(said), wanted[2].lower()
    if unit.startswith("sentence"):
        return " ".join(best_sentences(body, number))
    chosen: list[str] = []
    for sentence in best_sentences(body, _SENTENCES):
        if chosen and len(" ".join([*chosen, sentence]).split()) > number:
            break
        chosen.append(sentence)
    return " ".join(" ".join(chosen).split()[:number])


def split_question(text: str) -> tuple[str, str]:
    """Return what is asked, and the text it is asked about; they are parted by an empty line, as people do."""
    head, blank, body = text.partition("\n\n")
    if blank and body.strip() and len(head) < 400:
        return head, body
    head, colon, body = text.partition(":\n")
    return (head, body) if colon and body.strip() and len(head) < 400 else ("", text)


def vector(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1; texts with the same words have near ones."""
    import hashlib

    found = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        place = int.from_bytes(digest[:4], "big") % dimensions
        found[place] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(number * number for number in found)) or 1.0
    return [number / length for number in found]


def words_of(text: str) -> set[str]:
    """Return the words of a name or a text, for comparison."""
    return {
        word.lower().rstrip("s")
        for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text))
    }
