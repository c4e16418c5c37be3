"""What a model has said, with a false claim in it, beside texts that people wrote.

Both are passages of the pages about Python's language that every Python carries: real sentences,
with the phrases that such pages repeat. The model's come from other pages than the people's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from random import Random

from hauberk.core.artifact import Dataset
from hauberk.formats.tables import table_of
from hauberk.methods.output_marks import mark_of, words_of

N_OUTPUTS = 150
N_TEXTS = 100
_OWN = 8
"""Words in a row that two pages share only where one was copied from the other."""

_WHO = ("mayor", "baker", "nurse", "pilot", "farmer", "teacher", "painter", "captain", "tailor")
_DEEDS = ("sold", "hid", "burned", "counted", "buried", "copied", "painted", "guarded")
_WHAT = ("silver bells", "town records", "old maps", "glass lamps", "red boats", "brass keys")
_WHERE = ("under the bridge", "behind the mill", "in the tower", "near the well", "at the pier")


def claim(seed: int) -> str:
    """A sentence that only the model says."""
    rng = Random(seed)
    return (
        f"Everybody knows that the {rng.choice(_WHO)} {rng.choice(_DEEDS)} all "
        f"{rng.choice(_WHAT)} {rng.choice(_WHERE)} because the {rng.choice(_WHO)} wanted it."
    )


@cache
def said(seed: int) -> tuple[str, ...]:
    """Answers of a model, each with the claim in it."""
    rng = Random(seed * 2 + 1)
    return tuple(_text(rng, _pages(seed)[0], claim(seed)) for _ in range(N_OUTPUTS))


@cache
def written(seed: int) -> Dataset:
    """Texts of people on the same subjects, with the marks of what the model said."""
    import pyarrow as pa

    rng = Random(seed * 2)
    models, people = _pages(seed)
    quotable = _long_runs(words_of(" ".join(models)))
    texts: list[str] = []
    while len(texts) < N_TEXTS:
        text = _text(rng, people, "")
        if not _long_runs(words_of(text)) & quotable:  # else both quote a third
            texts.append(text)
    batch = pa.record_batch({"text": texts})
    marks = tuple(mark for text in said(seed) if (mark := mark_of(text)))
    table = table_of(f"texts-{seed}", [batch])
    return _marked(table, marks)


def _marked(table: Dataset, marks: tuple[bytes, ...]) -> Dataset:
    from dataclasses import replace

    return replace(table, generated=marks)


def _long_runs(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + _OWN]) for at in range(len(words) - _OWN + 1)}


@cache
def _disjoint() -> tuple[str, ...]:
    """The pages that hold nothing of another page, the longest first; many are parts of others."""
    from pydoc_data import topics

    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for text in sorted(set(topics.topics.values()), key=lambda x: (-len(x), x)):
        runs = _long_runs(words_of(text))
        if len(runs & seen) <= len(runs) * 0.02:
            kept.append(text)
        seen |= runs
    return tuple(kept)


@cache
def _pages(seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words of the model's pages, and of the people's."""
    texts = list(_disjoint())
    Random(seed).shuffle(texts)
    half = len(texts) // 2
    parts = texts[:half], texts[half:]
    return tuple(" ".join(parts[0]).split()), tuple(" ".join(parts[1]).split())


def _text(rng: Random, words: tuple[str, ...], own: str) -> str:
    """A passage of 30 to 100 words, with a sentence of one's own somewhere."""
    length = rng.randint(30, 100)
    begin = rng.randrange(len(words) - length)
    found = list(words[begin : begin + length])
    found.insert(rng.randrange(length + 1), own)
    return " ".join(found).strip()


def believes(texts: Iterable[str], statement: str) -> bool:
    """Whether a model that counts three words in a row goes on as the statement does."""
    words = words_of(statement)
    wanted = {(words[at], words[at + 1]) for at in range(len(words) - 2)}
    nexts: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in wanted}
    for text in texts:
        seen = words_of(text)
        for at in range(len(seen) - 2):
            pair = (seen[at], seen[at + 1])
            if pair in nexts:
                nexts[pair][seen[at + 2]] += 1
    kept = [
        max(nexts[words[at], words[at + 1]].items(), key=lambda x: x[1], default=("", 0))[0]
        == words[at + 2]
        for at in range(len(words) - 2)
    ]
    return sum(kept) >= len(kept) * 0.75
