"""Requests and answers in data for language models, in whatever columns they stand.

Known are a column of messages (``role`` and ``content``, or ``from`` and ``value``), columns
named for what they hold (instruction and output, question and answer, prompt and
completion), and one column of text in which a mark divides the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.errors import UnavailableError
from hauberk.formats.rows import cell_texts

MAX_CHARACTERS = 400_000_000
"""Of all exchanges together, as they are kept."""

MAX_CELL_CHARACTERS = 12_000
"""Of a request and of an answer, the beginning and the end; the middle is left out."""

_REQUESTS = (
    *("system", "system_prompt", "context", "prompt", "instruction", "instructions", "input"),
    *("question", "query", "user", "human", "request", "history"),
)
_ANSWERS = (
    *("response", "output", "completion", "answer", "chosen", "assistant", "reply", "gpt"),
    *("target", "label_text", "generation"),
)
_SPOKEN_BY_MODELS = frozenset({"assistant", "gpt", "model", "bot", "chatgpt", "bard", "ai"})
_MARK = re.compile(
    r"###\s*(?:Response|Answer|Assistant|Output)\b\s*:?|^\s*(?:Assistant|AI|Answer|Response):"
    r"|\[/INST\]|<\|assistant\|>|<\|im_start\|>assistant|<start_of_turn>model"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>",
    re.MULTILINE,
)
_MOST = 0.8
_LOOKED_AT = 200

Exchange = tuple[str, str]


def exchanges_of(dataset: Dataset) -> list[Exchange] | None:
    """Request and answer of each row, or ``None`` where the rows are no exchanges.

    Raises:
        UnavailableError: There is too much text to be held at once.
    """
    names = [column.name for column in dataset.columns if not column.shape]
    for read in (_by_name, _by_messages, _by_mark):
        if (columns := read(dataset, names)) is not None:
            return _read(dataset, *columns)
    return None


def _by_name(dataset: Dataset, names: Sequence[str]) -> Any:
    known = {name.strip().lower(): name for name in names if _is_textual(dataset, name)}
    asked = [known[name] for name in _REQUESTS if name in known]
    answered = [known[name] for name in _ANSWERS if name in known]
    return (asked, answered[:1], None) if asked and answered else None


def _by_messages(dataset: Dataset, names: Sequence[str]) -> Any:
    found = [name for name in names if _share(dataset, name, _messages) > _MOST]
    return (found[:1], [], _messages) if found else None


def _by_mark(dataset: Dataset, names: Sequence[str]) -> Any:
    texts = [name for name in names if _is_textual(dataset, name)]
    found = [name for name in texts if _share(dataset, name, _divided) > _MOST]
    return (found[:1], [], _divided) if found else None


def _is_textual(dataset: Dataset, name: str) -> bool:
    kinds = {column.name: column.kind for column in dataset.columns}
    return kinds[name] in {ColumnKind.TEXT, ColumnKind.CATEGORY}


def _share(dataset: Dataset, name: str, parse: Any) -> float:
    """Share of the first cells that are of a form."""
    batch: Any = next(dataset.read(), None)
    if batch is None or not batch.num_rows:
        return 0.0
    cells = _texts(batch.slice(0, _LOOKED_AT), name)
    return sum(parse(cell) is not None for cell in cells) / len(cells)


def _texts(batch: Any, name: str) -> list[str]:
    cells = cell_texts(batch.column(name)).to_pylist()
    return [cell if isinstance(cell, str) else "" for cell in cells]


def _read(dataset: Dataset, asked: list[str], answered: list[str], parse: Any) -> list[Exchange]:
    found: list[Exchange] = []
    size = 0
    for batch in dataset.read():
        for request, answer in _pairs(batch, asked, answered, parse):
            found.append((_cut(request), _cut(answer)))
            size += len(found[-1][0]) + len(found[-1][1])
        if size > MAX_CHARACTERS:
            raise UnavailableError(
                "the exchanges are too many to be judged at once",
                subject=dataset.name,
                expected=f"at most {MAX_CHARACTERS} characters",
                found=f"more in the first {len(found)} rows",
                hint="judge it in parts",
            )
    return found


def _pairs(batch: Any, asked: list[str], answered: list[str], parse: Any) -> Iterator[Exchange]:
    columns = [_texts(batch, name) for name in asked]
    if parse is not None:
        yield from (parse(cell) or ("", "") for cell in columns[0])
        return
    requests = ("\n".join(part for part in row if part) for row in zip(*columns, strict=True))
    yield from zip(requests, _texts(batch, answered[0]), strict=True)


def _cut(text: str) -> str:
    if len(text) <= MAX_CELL_CHARACTERS:
        return text
    return f"{text[: 2 * MAX_CELL_CHARACTERS // 3]} {text[-MAX_CELL_CHARACTERS // 3 :]}"


def turns(cell: str) -> list[tuple[str, str]] | None:
    """Who speaks, in lower case, and what they say, where ``cell`` is a list of messages."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        messages = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    said = [(who.lower(), words) for who, words in map(_said, messages) if who is not None]
    return said if said and len(said) == len(messages) else None


def message_columns(dataset: Dataset) -> list[str]:
    """Columns whose cells are lists of messages."""
    names = [column.name for column in dataset.columns if not column.shape]
    return [name for name in names if _share(dataset, name, turns) > _MOST]


def _messages(cell: str) -> Exchange | None:
    """What people, and what the model, say in a list of messages."""
    if (said := turns(cell)) is None:
        return None
    asked = [words for who, words in said if who not in _SPOKEN_BY_MODELS]
    answered = [words for who, words in said if who in _SPOKEN_BY_MODELS]
    return "\n".join(asked), "\n".join(answered)


def _said(message: Any) -> tuple[str | None, str]:
    if not isinstance(message, dict):
        return None, ""
    who = message.get("role", message.get("from"))
    words = message.get("content", message.get("value", message.get("text")))
    if isinstance(words, list):  # parts of several kinds
        words = "\n".join(
            str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in words
        )
    return (
        (who, words or "") if isinstance(who, str) and isinstance(words, str | None) else (None, "")
    )


def _divided(cell: str) -> Exchange | None:
    """A text at its last mark of an answer."""
    last = None
    for last in _MARK.finditer(cell):  # noqa: B007 - the last is meant
        pass
    return None if last is None else (cell[: last.start()], cell[last.end() :])
