"""Jupyter notebooks as cells of text: sources, and outputs that a reader can read.

Pictures, attachments and other binary outputs are left out: their bytes are no text, and
base64 of them only looks like secrets.

References:
    The notebook file format, version 4.5, sections "Cell types" and "Code cell outputs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hauberk.errors import ArtifactError

MAX_CELLS = 20_000
"""Notebooks of people have hundreds."""

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        number: From 1, in the order of the file.
        is_code: Whether it runs.
        source: What was typed.
        outputs: Texts that running it printed, showed or raised.
    """

    number: int
    is_code: bool
    source: str
    outputs: tuple[str, ...] = ()


def read_notebook(text: str, *, name: str = "notebook") -> tuple[Cell, ...]:
    """The cells of a notebook.

    Raises:
        ArtifactError: It is no JSON, no notebook or has too many cells.
    """
    try:
        book = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError("a notebook is no JSON", subject=name, found=str(error)[:80]) from error
    cells = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        raise ArtifactError(
            "a notebook has a list of cells",
            subject=name,
            expected=f"at most {MAX_CELLS} cells",
            found="none" if not isinstance(cells, list) else f"{len(cells)}",
            hint="convert notebooks of format 3 and older",
        )
    numbered = enumerate(cells, start=1)
    return tuple(_cell(number, cell) for number, cell in numbered if isinstance(cell, dict))


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    outputs = cell.get("outputs")
    shown = outputs if isinstance(outputs, list) else []
    return Cell(
        number=number,
        is_code=cell.get("cell_type") == "code",
        source=_joined(cell.get("source")),
        outputs=tuple(text for output in shown for text in _texts(output) if text),
    )


def _texts(output: Any) -> Iterator[str]:
    if not isinstance(output, dict):
        return
    for key in ("text", "evalue"):
        yield _plain(_joined(output.get(key)))
    yield _plain("\n".join(_lines(output.get("traceback"))))
    data = output.get("data")
    for kind, content in data.items() if isinstance(data, dict) else ():
        if isinstance(kind, str) and not kind.startswith(("image/", "audio/", "video/")):
            yield _plain(_joined(content) or json.dumps(content))


def _lines(value: Any) -> list[str]:
    return [line for line in value if isinstance(line, str)] if isinstance(value, list) else []


def _joined(value: Any) -> str:
    return value if isinstance(value, str) else "".join(_lines(value))


def _plain(text: str) -> str:
    return _ANSI.sub("", text)
