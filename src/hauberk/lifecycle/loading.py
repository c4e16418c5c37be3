"""``hauberk.load``: models that stay outside of this process unless they are signed and pinned.

1. The file passes the load gate (`hauberk.engine.load_gate`), wherever it is loaded.
2. With ``sha256`` and ``keys`` both given, the bytes are read once, held against the pin,
   and the signature must cover that digest; then the object is made here.
3. Otherwise a fresh isolated worker loads the file for each question and answers with
   numbers; the object never exists here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hauberk.engine.load_gate import admit
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.isolation import Grants, Limits, spawn

if TYPE_CHECKING:
    from hauberk.core.policy import Waiver
    from hauberk.trust.keys import KeyId, PublicKey

_WORKER = "hauberk.lifecycle.workers.predicting:predict"
_LIMITS = Limits(
    wall_s=300.0, cpu_s=300.0, memory_bytes=4 << 30, processes=64, output_bytes=256 << 20
)
MAX_PINNED_BYTES = 4 << 30
"""A pinned model is read into memory once, so that what is hashed is what is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedModel:
    """A model in a worker without network, keys or writable folders.

    Each question starts a worker and loads the file anew, which costs about a second: ask
    for many rows at once.

    Attributes:
        sha256: Of the file that was judged; a worker that finds another one refuses.
        python: Interpreter that holds the model's library.
    """

    path: Path
    sha256: str
    python: str

    def predict(self, rows: Any) -> Any:
        """What the model's ``predict`` says of rows: an array of numbers or text."""
        return self._ask("predict", rows)

    def predict_proba(self, rows: Any) -> Any:
        """What the model's ``predict_proba`` says of rows: ``(n_rows, n_classes)``, float64."""
        return self._ask("predict_proba", rows)

    def _ask(self, method: str, rows: Any) -> Any:
        request = {
            "model": str(self.path),
            "sha256": self.sha256,
            "method": method,
            **_written(rows),
        }
        answer = spawn(
            _WORKER,
            json.dumps(request).encode(),
            grants=Grants(read=(self.path,)),
            limits=_LIMITS,
            python=self.python,
        )
        return _read(answer)


def load(
    path: Path | str,
    *,
    sha256: str = "",
    keys: Mapping[KeyId, PublicKey] | None = None,
    signature: Path | None = None,
    allow: Sequence[Waiver] = (),
    today: date | None = None,
    python: str = sys.executable,
) -> Any:
    """A model to ask for predictions.

    Args:
        path: A pickle or joblib file of an estimator.
        sha256: Digest of the file that you expect, from a place that the file's sender does
            not control. With ``keys`` it lets the model into this process.
        keys: Public keys whose signature is believed.
        signature: Where the signature lies; by default beside the file.
        allow: Policy entries, as `hauberk.scan_model` takes them.
        python: Interpreter of the worker.

    Returns:
        The estimator itself where it is signed and pinned, else an `IsolatedModel`.

    Raises:
        ArtifactError: The file is dangerous or malformed.
        TrustError: The pin or the signature does not hold, or a name was never reviewed.
        UnavailableError: The file could not be read to its end.
    """
    place = Path(path).resolve()
    if place.is_dir():
        raise UsageError("a model to load is a single file", subject=str(place))
    verdict = admit(place, allow=allow, today=today)
    if sha256 and verdict.sha256 != sha256.removeprefix("sha256:"):
        raise _other_bytes(place, sha256, verdict.sha256)
    if sha256 and keys:
        return _signed_object(place, verdict.sha256, keys, signature)
    if keys:
        raise UsageError(
            "a signed model without a pin is not loaded here",
            subject=str(place),
            expected="sha256 and keys together",
            hint="pin the digest that you expect, or leave out both to load it in a worker",
        )
    return IsolatedModel(path=place, sha256=verdict.sha256, python=python)


def _signed_object(
    path: Path, sha256: str, keys: Mapping[KeyId, PublicKey], signature: Path | None
) -> Any:
    from hauberk.trust.oms.verification import signature_path, verify_model

    found = verify_model(path, signature or signature_path(path), keys)
    if not any(one.digest.removeprefix("sha256:") == sha256 for one in found.signed.resources):
        raise TrustError(
            "the signature does not cover the digest of the whole file",
            subject=str(path),
            rule="the pin and the signature speak of the same bytes",
            expected=sha256,
            found=f"{len(found.signed.resources)} other digests",
            hint="sign the file without shards",
        )
    data = _bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _other_bytes(path, sha256, "a file that changed while it was read")
    import joblib

    return joblib.load(io.BytesIO(data))  # noqa: TID251 - signed, pinned and judged, by digest


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_PINNED_BYTES:
        raise ArtifactError(
            "the model is too large to be held in memory while it is checked",
            subject=str(path),
            rule=f"at most {MAX_PINNED_BYTES} bytes",
            hint="load it in a worker: leave out the pin",
        )
    return path.read_bytes()


def _other_bytes(path: Path, expected: str, found: str) -> TrustError:
    return TrustError(
        "the model is not the one that was pinned",
        subject=str(path),
        rule="a pinned digest is exact",
        expected=expected,
        found=found,
        hint="fetch it again, or pin the digest of the new version after reviewing it",
    )


def _written(rows: Any) -> dict[str, Any]:
    """Rows as plain arrays, column by column where they are a frame."""
    import numpy as np

    columns = [str(name) for name in getattr(rows, "columns", ())]
    if columns:
        return {"columns": {name: encoded(np.asarray(rows[name])) for name in columns}}
    return {"rows": encoded(np.asarray(rows))}


def encoded(array: Any) -> str:
    """An array in the npy format, as base64; objects become text."""
    import numpy as np

    plain = array.astype(str) if array.dtype.kind == "O" else array
    buffer = io.BytesIO()
    np.save(buffer, plain, allow_pickle=False)
    return base64.b64encode(buffer.getvalue()).decode()


def _read(answer: bytes) -> Any:
    """The worker's answer, believed no further than its shape: it ran foreign code."""
    import numpy as np

    try:
        return np.load(io.BytesIO(base64.b64decode(answer)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ArtifactError(
            "the worker's answer is malformed",
            rule="predictions are one array of numbers or text",
            found=f"{type(error).__name__}: {error}",
        ) from error
