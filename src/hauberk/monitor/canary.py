"""Rows with known answers, asked of the served model on a schedule.

The rows and what training's model said of them lie in a file, as `hauberk serve --golden` takes
it. They are asked over the Open Inference Protocol, as any client asks, so that weights, label
map and preprocessing are tried as they are served. An answer that differs is an alert, and a
signal of its own origin for going back to the version before.

Limits:
    Finds what changes one of the answers. A server that knows the canaries can answer them alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hauberk.core.finding import Severity
from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.methods.alerting import Alert
from hauberk.monitor.posting import got, posted

if TYPE_CHECKING:
    from hauberk.monitor.settings import Canary
    from hauberk.monitor.store import Store

STATE: Final = "canary"
MAX_FILE_BYTES: Final = 16 << 20
TOLERANCE: Final = 1e-4
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Rows by column name, and what the served output must say of each."""

    rows: tuple[Mapping[str, Any], ...]
    expected: tuple[Any, ...]
    output: str = ""


def rescore(store: Store, model: str, canary: Canary, now: float) -> Iterator[Alert]:
    """Ask the rows and keep how it went; an alert where an answer differs.

    Raises:
        ArtifactError: The server answers something else than answers.
        UnavailableError: The server does not answer.
        UsageError: The file of rows cannot be read.
    """
    known = read_known(canary.rows)
    answers = asked(canary, known)
    wrong = sum(not _agrees(a, b) for a, b in zip(answers, known.expected, strict=True))
    text = f"{wrong} of {len(answers)} canaries are answered differently than at release"
    value = {"at": now, "failed": wrong > 0, "text": text}
    with store.changing() as change:
        change.keep_state(f"{STATE}:{model}", json.dumps(value).encode())
    if wrong:
        yield Alert(
            kind=STATE,
            cause=f"{STATE}/{model}",
            title=text,
            severity=Severity.HIGH,
            at=now,
            asset=model,
            facts={"canaries": str(len(answers)), "others": str(wrong)},
        )


def read_known(path: Path) -> Known:
    """The rows in a file of JSON: ``rows``, ``expected`` and perhaps ``output``.

    Raises:
        UsageError: It cannot be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(MAX_FILE_BYTES))
        pairs = list(zip(value["rows"], value["expected"], strict=True))
        if not pairs or not all(isinstance(row, dict) and row for row, _ in pairs):
            raise ValueError(f"{len(pairs)} rows")  # noqa: TRY301 - one message for all of it
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            "the canaries cannot be read",
            subject=str(path),
            expected='{"rows": [{"column": value, ...}, ...], "expected": [answer, ...]}',
            found=f"{type(error).__name__}: {error}"[:120],
        ) from error
    return Known(
        rows=tuple(row for row, _ in pairs),
        expected=tuple(answer for _, answer in pairs),
        output=str(value.get("output") or ""),
    )


def asked(canary: Canary, known: Known) -> list[Any]:
    """The answers to all rows, in their order."""
    token = "" if canary.token is None else canary.token.read_text("ascii").strip()
    base = f"{canary.url.rstrip('/')}/v2/models/{canary.name}"
    described = _json(*got(base, token=token))
    body = json.dumps({"inputs": _inputs(described, known.rows)}).encode()
    answer = _json(*posted(f"{base}/infer", body, "application/json", token=token))
    for output in answer.get("outputs", ()):
        if known.output in ("", output.get("name")):
            data = output.get("data")
            if isinstance(data, list) and len(data) == len(known.rows):
                return data
    raise _strange("no output with an answer for each row")


def _inputs(described: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The rows as tensors: one for each column, or one that holds all of them in order."""
    declared = described.get("inputs")
    if not isinstance(declared, list) or not all(isinstance(one, dict) for one in declared):
        raise _strange("metadata without inputs")
    names = [str(one.get("name")) for one in declared]
    if set(names) <= set(rows[0]):
        cells = [[row.get(name) for row in rows] for name in names]
        shapes = [[len(rows), *([1] * (len(one.get("shape", [1])) - 1))] for one in declared]
    elif len(names) == 1:
        cells = [[value for row in rows for value in row.values()]]
        shapes = [[len(rows), len(rows[0])]]
    else:
        raise _strange(f"inputs {', '.join(names)[:100]}, which the rows do not have")
    return [
        {"name": name, "datatype": one.get("datatype"), "shape": shape, "data": data}
        for name, one, shape, data in zip(names, declared, shapes, cells, strict=True)
    ]


def _agrees(found: Any, expected: Any) -> bool:
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        return math.isclose(found, expected, rel_tol=0.0, abs_tol=TOLERANCE)
    return bool(found == expected)


def _json(status: int, text: str) -> dict[str, Any]:
    if status != _OK:
        raise UnavailableError("the served model does not answer canaries", found=str(status))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _strange("no object")
    return value


def _strange(found: str) -> ArtifactError:
    return ArtifactError(
        "the served model answers canaries with something else",
        subject="canaries",
        expected="the Open Inference Protocol, version 2",
        found=found,
    )
