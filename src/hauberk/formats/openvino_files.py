"""Networks of OpenVINO: a graph as XML, whose numbers lie in a file of the same name.

The graph says of each constant where in that file it lies; operators that are in no published
set come from a library that the application loads. Tags are read one by one, with a limit; no
entity is expanded, and a document type is another judge's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.formats.pickle_values import printable
from hauberk.formats.remarks import Beside, Grade, Remark, Said, evasive
from hauberk.formats.spans import open_span

_NETWORK = re.compile(r"<net\b[^>]{0,500}\bversion\s*=")
_HEAD_BYTES = 4096
_LAYER = re.compile(r"<layer\b[^>]{0,2000}>")
_DATA = re.compile(r"<data\b[^>]{0,20000}>")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"'<>]*)[\"']")
_PUBLISHED = re.compile(r"opset\d+|experimental|util|ie_internal_opset|gpu_opset|SimpleOp|")
_NUMBER = re.compile(r"[0-9]{1,19}")


def is_network(path: Path) -> bool:
    """Whether there is a network of OpenVINO at ``path``."""
    if not path.is_file():
        return False
    try:
        with open_span(path) as span:
            head = span.read(0, _HEAD_BYTES).decode("utf-8", "replace")
    except HauberkError:
        return False
    return _NETWORK.search(head) is not None


def judge_network(text: str) -> Iterator[Said]:
    """What is wrong with a network; nothing of a text that is none."""
    if not _NETWORK.search(text[:_HEAD_BYTES]):
        return
    foreign: dict[str, None] = {}
    for layer in _LAYER.finditer(text):
        said = dict(_ATTRIBUTE.findall(layer[0]))
        if not _PUBLISHED.fullmatch(said.get("version", "")):
            foreign[said.get("type", "")] = None
    for kind in foreign:
        shown = printable(kind)[:80]
        reason = f"has the layer {shown!r}, which a library outside must bring"
        yield Remark(Grade.UNKNOWN, shown, reason, 0)
    yield from _places(text)


def _places(text: str) -> Iterator[Said]:
    """How far the numbers beside it are read."""
    end = 0
    for data in _DATA.finditer(text):
        said = dict(_ATTRIBUTE.findall(data[0]))
        if not {"offset", "size"} <= said.keys():
            continue
        if not all(_NUMBER.fullmatch(said[key]) for key in ("offset", "size")):
            yield evasive("a constant's place in the file beside it is no number")
            return
        end = max(end, int(said["offset"]) + int(said["size"]))
    if end:
        yield Beside(".bin", end)
