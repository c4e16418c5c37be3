"""From formats that run code to formats that carry none, with a check that nothing changed.

State dictionaries of torch become safetensors without being unpickled: bytes are copied and
read again. Estimators are loaded in an isolated worker, scored and converted there; the
result is scored in a second worker, and the scores are compared here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.engine.load_gate import admit
from hauberk.errors import ArtifactError, UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, spawn

if TYPE_CHECKING:
    from hauberk.core.policy import Waiver

FORMATS = {".onnx": "onnx", ".safetensors": "safetensors", ".skops": "skops"}
TOLERANCE = 1e-4
"""Largest difference of two scores of one row, of those above 1 relative to them."""

_WORKER = "hauberk.lifecycle.workers.converting"
_LIMITS = Limits(
    wall_s=600.0, cpu_s=300.0, memory_bytes=4 << 30, processes=64, output_bytes=256 << 20
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was written, and how it was held against the original.

    Attributes:
        compared: Rows of predictions, or tensors.
        difference: Largest difference of two scores; 0 where bytes were compared.
        left_out: Values that the new format does not hold, such as an epoch's number.
    """

    source_sha256: str
    sha256: str
    compared: int
    unit: str
    difference: float
    left_out: int = 0


def convert(
    source: Path,
    target: Path,
    *,
    rows: Path | None = None,
    label: str | None = None,
    allow: Sequence[Waiver] = (),
    tolerance: float = TOLERANCE,
    python: str = sys.executable,
) -> Conversion:
    """Write ``source`` in the format that the ending of ``target`` names.

    Args:
        rows: Table to compare predictions on; without it, normal numbers are drawn.
        label: Column of ``rows`` that is no feature.
        allow: Policy entries for names that nobody has reviewed.
        python: Interpreter that holds the model's library.

    Raises:
        UsageError: The ending names no format, or the target exists.
        ArtifactError: The source is dangerous, or predictions differ; nothing is written.
        TrustError: The source holds names that nobody has reviewed.
    """
    kind = FORMATS.get(target.suffix.lower())
    if kind is None:
        raise UsageError(
            "the ending of the target names no format",
            subject=str(target),
            expected=" ".join(FORMATS),
        )
    if target.exists():
        raise UsageError("the target exists already", subject=str(target), hint="name a new file")
    verdict = admit(source, allow=allow)
    if kind == "safetensors":
        return _tensors(source, target, verdict.sha256)
    request: dict[str, Any] = {"model": str(source.resolve()), "format": kind}
    request["sha256"] = verdict.sha256
    if rows is not None:
        request["columns"] = _columns(rows, label)
    answer = _asked("convert", request, Grants(read=(source.resolve(),)), python)
    again = {key: answer[key] for key in ("columns", "named")} | {"graph": answer["converted"]}
    scored = _asked(f"score_{kind}", again, Grants(), python)
    difference, compared = _difference(_scores(answer), _scores(scored), tolerance)
    data = base64.b64decode(answer["converted"])
    target.write_bytes(data)
    return Conversion(
        source_sha256=verdict.sha256,
        sha256=hashlib.sha256(data).hexdigest(),
        compared=compared,
        unit="rows",
        difference=difference,
    )


def _asked(task: str, request: Any, grants: Grants, python: str) -> Any:
    answer = spawn(
        f"{_WORKER}:{task}",
        json.dumps(request).encode(),
        grants=grants,
        limits=_LIMITS,
        python=python,
    )
    try:
        return json.loads(answer)
    except ValueError as error:
        raise ArtifactError("the worker's answer is malformed", found=str(error)) from error


def _columns(path: Path, label: str | None) -> dict[str, str]:
    from hauberk.formats.tables import open_table
    from hauberk.lifecycle.loading import encoded

    batches = list(open_table(path).read())
    names = [name for name in batches[0].schema.names if name != label]
    import numpy as np

    return {
        name: encoded(np.concatenate([np.asarray(part.column(name)) for part in batches]))
        for name in names
    }


def _difference(old: Any, new: Any, tolerance: float) -> tuple[float, int]:
    """The largest difference and the number of rows, if they agree."""
    import numpy as np

    if old.shape != new.shape:
        raise _differs(f"scores of shape {new.shape} instead of {old.shape}")
    scale = np.maximum(1.0, np.abs(old))
    difference = float(np.max(np.abs(old - new) / scale)) if old.size else 0.0
    if not difference <= tolerance:
        raise _differs(f"a difference of {difference:.3g}, more than {tolerance:g}")
    return difference, len(old)


def _scores(answer: Any) -> Any:
    import numpy as np

    try:
        flat = np.frombuffer(base64.b64decode(answer["scores"]), dtype=np.float64)
        return flat.reshape(tuple(int(size) for size in answer["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError("the worker's answer is malformed", found=str(error)) from error


def _differs(found: str) -> ArtifactError:
    return ArtifactError(
        "the converted model does not predict what the original predicts",
        rule="scores agree on every row that was compared",
        found=found,
        hint="compare on rows like those the model was made for: --rows FILE",
    )


def _tensors(source: Path, target: Path, sha256: str) -> Conversion:
    """Copy tensors byte by byte, then read the result again and compare."""
    from hauberk.formats.safetensors import problems_of
    from hauberk.formats.spans import open_span
    from hauberk.formats.torch_tensors import read_tensors, write_safetensors

    partial = target.with_name(target.name + ".partial")
    try:
        with open_span(source) as span:
            found = read_tensors(span)
            with partial.open("wb") as file:
                write_safetensors(span, found, file)
            with open_span(partial) as written:
                problems = list(problems_of(written))
                if problems or not _agree(span, written, found):
                    raise _differs("; ".join(problems) or "tensors that differ")
        partial.rename(target)
    except OSError as error:
        raise UnavailableError(
            f"the target cannot be written: {error.strerror}", subject=str(target)
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Conversion(
        source_sha256=sha256,
        sha256=admit(target).sha256,
        compared=len(found.tensors),
        unit="tensors",
        difference=0.0,
        left_out=found.others,
    )


def _agree(source: Any, written: Any, found: Any) -> bool:
    """Whether every tensor that was written has the bytes of the one in the source."""
    from hauberk.formats.torch_tensors import elements

    at = 8 + int.from_bytes(written.read(0, 8), "little")
    for tensor in found.tensors:
        for piece in elements(source, tensor):
            if written.read(at, len(piece)) != piece:
                return False
            at += len(piece)
    return bool(at == written.size)
