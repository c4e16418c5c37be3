"""Score held-out rows at each checkpoint of a training; only in its worker.

The final model is loaded as it is for scoring, and what it had learnt at each checkpoint is put
into it. The loss is ours: nothing of the training script takes part.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_CHECKPOINTS = 200
MAX_ROWS = 2000
_SIZE = struct.Struct("<Q")


def losses(payload: bytes) -> bytes:
    """Loss of each class at each checkpoint.

    Args:
        payload: JSON with ``model``, ``table``, ``segments`` (paths) and ``label``.

    Returns:
        JSON with ``losses``: class to one number for each checkpoint at which the model could be
        asked, and ``first``, the number of the first of them; or ``reason``.
    """
    from hauberk.lifecycle.workers import native

    request = json.loads(payload)
    model = native._load(Path(request["model"]))  # noqa: SLF001
    frame = native._frame(Path(request["table"])).iloc[:MAX_ROWS]  # noqa: SLF001
    return json.dumps(progress(model, frame, request["label"], Path(request["segments"]))).encode()


def progress(model: Any, frame: Any, label: str, segments: Path) -> dict[str, Any]:
    """See `losses`."""
    import numpy as np

    from hauberk.lifecycle.workers import native
    from hauberk.lifecycle.workers.attacking import class_name
    from hauberk.methods.class_progress import class_losses

    classes = [class_name(one) for one in getattr(model, "classes_", ())]
    if not classes or not hasattr(model, "predict_proba") or label not in frame:
        return {"reason": "the model gives no probabilities of the held-out rows' classes"}
    place = {name: number for number, name in enumerate(classes)}
    places = np.array([place.get(class_name(one), -1) for one in frame[label]], np.int64)
    rows = frame[native._features(model, frame, label)]  # noqa: SLF001
    found: list[list[float | None]] = []
    first = 0
    for number, data in enumerate(_checkpoints(segments)):
        try:
            if not _put(model, data):
                return {"reason": "no checkpoint holds a state of the model's estimator"}
            scores = native._scores(model, rows)  # noqa: SLF001
        except Exception as error:  # noqa: BLE001 - an estimator not fitted yet raises anything
            if found:
                return {"reason": f"checkpoint {number} has no scores: {type(error).__name__}"}
            first = number + 1
            continue
        if scores.shape != (len(rows), len(classes)):
            return {"reason": f"checkpoint {number} gives scores of another shape"}
        found.append(class_losses(scores, places, len(classes)))
    shown = [number for number in range(len(classes)) if found and found[0][number] is not None]
    if not shown:
        return {"reason": "no checkpoint could be asked about a class of the model"}
    by_class = {classes[number]: [line[number] for line in found] for number in shown}
    return {"losses": by_class, "first": first}


def _put(model: Any, data: bytes) -> bool:
    """Give the estimator of ``model`` what it had learnt; whether the checkpoint holds it."""
    from hauberk.lifecycle.segments import Saved, _give_object, decode

    inner = model.steps[-1][1] if hasattr(model, "steps") else model
    name = f"{type(inner).__module__}.{type(inner).__qualname__}"
    for saved in decode(data).values():
        if isinstance(saved, Saved) and saved.name == name:
            _give_object(inner, saved.state)
            return True
    return False


def _checkpoints(path: Path) -> Iterator[bytes]:
    """At most `MAX_CHECKPOINTS`, from the first on."""
    from hauberk.lifecycle.segments import MAGIC

    left = path.stat().st_size - len(MAGIC)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        for _ in range(MAX_CHECKPOINTS):
            head = file.read(_SIZE.size)
            if len(head) < _SIZE.size:
                return
            left -= _SIZE.size
            (size,) = _SIZE.unpack(head)
            if size > left:
                return
            left -= size
            yield file.read(size)
