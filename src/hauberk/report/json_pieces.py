"""JSON in pieces: a report about a million files is written as it is made, and never held."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hauberk.core.codec import to_json

_STEP = "  "


def json_pieces(value: Any, margin: str = "") -> Iterator[str]:
    """``value`` as JSON with two blanks for each level.

    Args:
        value: As `to_json` takes it; an iterator stands for a list whose items are made one by
            one, and may stand wherever mappings and lists lead, but not in items of another.
        margin: Blanks in front of each line but the first.
    """
    if isinstance(value, Mapping):
        entries = ((f"{_text(str(key))}: ", item) for key, item in value.items())
        yield from _bracketed("{}", entries, margin)
    elif isinstance(value, list):
        yield from _bracketed("[]", (("", item) for item in value), margin)
    elif isinstance(value, Iterator):
        yield from _items(value, margin)
    else:
        yield indented(value, margin)


def _bracketed(marks: str, entries: Iterator[tuple[str, Any]], margin: str) -> Iterator[str]:
    inner = margin + _STEP
    lead = f"{marks[0]}\n{inner}"
    for label, item in entries:
        yield lead + label
        yield from json_pieces(item, inner)
        lead = f",\n{inner}"
    yield marks if lead[0] == marks[0] else f"\n{margin}{marks[1]}"


def _items(items: Iterator[Any], margin: str) -> Iterator[str]:
    inner, lead = margin + _STEP, "["
    for item in items:
        yield f"{lead}\n{inner}{indented(item, inner)}"
        lead = ","
    yield "[]" if lead == "[" else f"\n{margin}]"


def indented(value: Any, margin: str) -> str:
    """A whole value, every line but the first behind ``margin``."""
    return _text(value).replace("\n", f"\n{margin}")


def _text(value: Any) -> str:
    return json.dumps(to_json(value), indent=2, ensure_ascii=False)
