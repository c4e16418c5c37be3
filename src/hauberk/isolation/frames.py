"""The one worker protocol: bytes in, one frame out.

A result frame is ``HBK1``, one status byte (``R`` result, ``E`` error), the body's length
as little-endian ``u64``, and the body. The body of a result is what the task returned;
the body of an error is a JSON object of strings. Nothing is ever unpickled, and a frame
is read as hostile: whatever runs in the worker can write to its descriptor.
"""

from __future__ import annotations

import json

from hauberk import errors

GREETING = b"HBK1"
"""Begins every frame; a worker writes it before it loads anything foreign."""

_HEAD_BYTES = len(GREETING) + 1 + 8
_MAX_PART = 2000  # characters of one part of an error; more is cut
_PARTS = ("subject", "rule", "expected", "found", "hint")
_RAISED = {
    cls.__name__: cls
    for cls in (
        errors.ArtifactError,
        errors.InternalError,
        errors.LimitError,
        errors.TrustError,
        errors.UnavailableError,
        errors.UsageError,
    )
}


def result_frame(body: bytes) -> bytes:
    """What follows the greeting when a task returned."""
    return _frame(b"R", body)


def error_frame(error: errors.HauberkError) -> bytes:
    """What follows the greeting when a task raised one of our errors."""
    parts = {"error": type(error).__name__, "message": error.message[:_MAX_PART]}
    for name in _PARTS:
        value = getattr(error, name)
        if value is not None:
            parts[name] = str(value)[:_MAX_PART]
    return _frame(b"E", json.dumps(parts).encode())


def _frame(status: bytes, body: bytes) -> bytes:
    return status + len(body).to_bytes(8, "little") + body


def open_frame(data: bytes) -> bytes:
    """The result in a frame.

    Raises:
        HauberkError: The error that the frame holds, by class name.
        InternalError: It is not one whole frame.
    """
    body = data[_HEAD_BYTES:]
    size = int.from_bytes(data[5:_HEAD_BYTES], "little")
    if data[:4] != GREETING or data[4:5] not in (b"R", b"E") or len(body) != size:
        raise errors.InternalError(
            "a worker wrote something that is not one frame",
            found=f"{len(data)} bytes",
            hint="what the worker reads may have taken it over; its result is not used",
        )
    if data[4:5] == b"R":
        return body
    raise _error_in(body)


def _error_in(body: bytes) -> errors.HauberkError:
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, dict) or not all(isinstance(v, str) for v in parts.values()):
        return errors.InternalError("a worker's error could not be read")
    cls = _RAISED.get(parts.get("error", ""), errors.InternalError)
    details = {name: parts[name][:_MAX_PART] for name in _PARTS if name in parts}
    return cls(parts.get("message", "a worker failed")[:_MAX_PART], **details)
