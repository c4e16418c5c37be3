"""JSON inside of model files: bounded, and told apart from what only looks like it.

Model configurations are written by libraries that do not promise the strictness that
`strict_json` asks of requests (``NaN`` and ``Infinity`` occur), so only what misleads is
refused: size, depth, and a key that stands twice, which two readers may take differently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hauberk.errors import ArtifactError

MAX_JSON_BYTES = 64 << 20
"""Tokenizers with a quarter of a million merges have some 20 megabytes."""

MAX_DEPTH = 200
"""Brackets open at once. Models of models nest some thirty."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class Doubled(dict[str, Any]):
    """An object in which a key stood twice."""


def read_json(data: bytes) -> Any:
    """The value; objects with a key twice are `Doubled`.

    Raises:
        ArtifactError: It is no JSON, too large or too deep.
    """
    if len(data) > MAX_JSON_BYTES:
        raise _malformed(f"it has {len(data)} bytes")
    _check_depth(data)
    try:
        return json.loads(data, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise _malformed("it is no JSON") from error


def _check_depth(data: bytes) -> None:
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for token in _BRACKETS.finditer(data):
        mark = token[0]
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _malformed(f"it is nested more than {MAX_DEPTH} deep")
        elif mark in b"]}":
            depth -= 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(found)


def objects_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a value, outermost first."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the JSON is malformed: {reason}",
        rule=f"JSON of at most {MAX_JSON_BYTES} bytes and {MAX_DEPTH} levels",
        found=reason,
        hint="save the model again",
    )
