"""Who said what of which item, from the files that labelling tools write.

Two forms are read: Label Studio's JSON export (tasks with ``annotations`` and
``predictions``), and delimited text with the columns ``item``, ``annotator``, ``label`` and
optionally ``time`` and ``kind``. Nothing is guessed: an annotation without an item, a person
or a label is refused with its place.

References:
    Label Studio documentation, "Label Studio JSON format of annotated tasks".
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from hauberk.errors import ArtifactError, UsageError

MAX_BYTES = 512 << 20
MAX_ANNOTATIONS = 20_000_000
MAX_NAME = 512
"""Characters of an item, a person or a label."""

_REQUIRED = {"item", "annotator", "label"}
_CHOICES = {"choices", "rating", "taxonomy", "labels", "number"}


class Source(StrEnum):
    """Where a label comes from."""

    HUMAN = "human"
    MODEL = "model"
    GOLD = "gold"
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One label that somebody gave.

    Attributes:
        item: What was labelled: a row number or the value of a key column, as text.
        time: When, as the tool wrote it; empty where it did not.
        assisted: Whether a model had proposed this very label before.
    """

    item: str
    annotator: str
    label: str
    time: str = ""
    source: Source = Source.HUMAN
    assisted: bool = False


def read_annotations(path: Path, *, key: str | None = None) -> tuple[Annotation, ...]:
    """All annotations in the file, in its order.

    Args:
        key: Field of a task's data that names the item; by default ``row``, else the task's
            ``id``.

    Raises:
        ArtifactError: The file or one of its annotations is malformed; names the place.
        UsageError: There is no such file.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            _refuse(str(path), f"at most {MAX_BYTES} bytes", "more")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(
            "annotations cannot be read", subject=str(path), found=error.strerror
        ) from None
    except UnicodeDecodeError as error:
        _refuse(f"{path}, byte {error.start}", "UTF-8", "other bytes")
    if text.lstrip()[:1] in {"[", "{"}:
        return tuple(_tasks(text, path, key))
    return tuple(_lines(text, path))


def _lines(text: str, path: Path) -> Iterator[Annotation]:
    try:
        reader = csv.DictReader(text.splitlines())
        if not set(reader.fieldnames or ()) >= _REQUIRED:
            _refuse(f"{path}:1", ", ".join(sorted(_REQUIRED)), ", ".join(reader.fieldnames or ()))
        for line, row in enumerate(reader, 2):
            place = f"{path}:{line}"
            yield Annotation(
                item=_name(row["item"], place, "item"),
                annotator=_name(row["annotator"], place, "annotator"),
                label=_name(row["label"], place, "label"),
                time=(row.get("time") or "")[:MAX_NAME],
                source=_source(row.get("kind") or Source.HUMAN, place),
            )
    except csv.Error as error:
        _refuse(str(path), "delimited text", str(error)[:100])


def _source(text: str, place: str) -> Source:
    if text not in set(Source):
        _refuse(f"{place}, column kind", ", ".join(Source), repr(text[:40]))
    return Source(text)


def _tasks(text: str, path: Path, key: str | None) -> Iterator[Annotation]:
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(str(path), "JSON that can be read", "other text")
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    for number, task in enumerate(tasks):
        place = f"{path}, task {number}"
        if not isinstance(task, dict):
            _refuse(place, "an object", type(task).__name__)
        item = _item(task, key, place)
        proposed = {label for label, _, _ in _results(task.get("predictions"), place)}
        for label, who, given in _results(task.get("predictions"), place):
            name = str(given.get("model_version") or who or "model")
            yield _annotation(item, f"model:{name}", label, (given, Source.MODEL, False))
        for label, who, given in _results(task.get("annotations"), place):
            source = Source.GOLD if given.get("ground_truth") is True else Source.HUMAN
            yield _annotation(
                item, _name(who, place, "completed_by"), label, (given, source, label in proposed)
            )


def _annotation(
    item: str, who: str, label: str, more: tuple[dict[str, Any], Source, bool]
) -> Annotation:
    given, source, assisted = more
    time = str(given.get("updated_at") or given.get("created_at") or "")[:MAX_NAME]
    return Annotation(
        item=item, annotator=who, label=label, time=time, source=source, assisted=assisted
    )


def _item(task: dict[str, Any], key: str | None, place: str) -> str:
    data = task.get("data")
    data = data if isinstance(data, dict) else {}
    if key is not None:
        return _name(data.get(key), place, f"data.{key}")
    return _name(data.get("row", task.get("id")), place, "data.row or id")


def _results(given: Any, place: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Label, person and the whole of each annotation that was not cancelled."""
    if given is None:
        return
    if not isinstance(given, list):
        _refuse(place, "a list of annotations", type(given).__name__)
    for one in given:
        if not isinstance(one, dict):
            _refuse(place, "an annotation as an object", type(one).__name__)
        if one.get("was_cancelled") is True:
            continue
        who = one.get("completed_by")
        who = who.get("email") or who.get("id") if isinstance(who, dict) else who
        for label in _labels(one.get("result"), place):
            yield label, who, one


def _labels(results: Any, place: str) -> Iterator[str]:
    if not isinstance(results, list):
        _refuse(place, "a list as result", type(results).__name__)
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            _refuse(place, "a value in each result", "none")
        found = next((value[name] for name in sorted(_CHOICES) if name in value), None)
        if isinstance(found, list):
            if len(found) != 1:
                _refuse(place, "one choice", f"{len(found)} choices")
            found = found[0]
        if found is not None:
            yield _name(found, place, "label")


def _name(value: Any, place: str, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        _refuse(place, f"a text or number as {what}", type(value).__name__)
    text = str(value).strip()
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        _refuse(place, f"1 to {MAX_NAME} printable characters as {what}", repr(text[:40]))
    return text


def _refuse(place: str, expected: str, found: str) -> NoReturn:
    raise ArtifactError(
        "an annotation is malformed",
        subject=place,
        rule="every annotation names its item, its annotator and one label",
        expected=expected,
        found=found,
        hint="export the annotations again, or mend the line",
    )
