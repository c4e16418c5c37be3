"""Zarr: what the description of an array says of the bytes of its chunks.

Versions 2 and 3 name codecs for each array, and one of them unpickles whatever the chunk holds. A
file of references (kerchunk) holds the descriptions as texts, and may point anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.bounded_json import objects_of, read_json
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Grade, Remark, Said, evasive

_UNPICKLES = frozenset({"pickle", "numcodecs.pickle", "dill", "cloudpickle"})
_PRIVATE = re.compile(
    r"^(file://)?(/(etc|proc|sys|dev|root|boot)\b|~)|[/\\\\]\.(ssh|aws|env)\b|^\.\./"
)


def judge_array(data: bytes) -> Iterator[Said]:
    """Codecs that run code, and references out of the store."""
    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    yield from _codecs(value)
    references = value.get("refs") if isinstance(value, dict) else None
    for key, held in references.items() if isinstance(references, dict) else ():
        if isinstance(held, str) and held.lstrip().startswith("{"):
            try:
                yield from _codecs(read_json(held.encode()))
            except ArtifactError:
                yield evasive(f"the description {printable(key)[:80]!r} is no JSON")
        elif isinstance(held, list) and held and _PRIVATE.search(str(held[0])):
            place = printable(str(held[0]))[:120]
            yield evasive(f"takes {printable(key)[:80]!r} from {place!r}, outside of its folder")


def _codecs(value: object) -> Iterator[Remark]:
    for node in objects_of(value):
        for key in ("id", "name"):
            if node.get(key) in _UNPICKLES and not node.keys() - _OF_CODEC:
                name = str(node[key])
                text = f"unpickles the chunks of an array, by its codec {name!r}"
                yield Remark(Grade.CODE, name, text, 0)


_OF_CODEC = frozenset({"id", "name", "protocol", "configuration", "level"})
