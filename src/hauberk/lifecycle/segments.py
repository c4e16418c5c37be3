"""Checkpoints of a training between its segments, from which any segment can be done again.

Copy this one file beside your training script (``hauberk replay --callback hauberk_segments.py``);
it needs nothing but Python. Hand over everything that the training changes as it goes::

    segments = Segments("train.segments")
    for epoch in segments.over(range(20), model=model, optimizer=optimizer, rng=rng):
        ...  # one segment: change model, optimizer and rng in place

Torch modules and optimizers, estimators with ``partial_fit`` or ``warm_start``, arrays, random
generators, and dictionaries and lists of numbers are understood. The file is declared as an
output of the step. When a segment is done again, the same script starts, is given the state that
the segment began with, and ends after it. Only state is restored: hyper-parameters are those that
the script sets. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

MAGIC = b"hauberk segments 1\n"
FROM, WHICH = "HAUBERK_SEGMENTS_FROM", "HAUBERK_SEGMENTS"
"""Variables of a replay: the committed file, and the numbers of the segments to do again."""

_SIZE = struct.Struct("<Q")
_PLAIN = (type(None), bool, int, str)
_TRUSTED = ("sklearn.", "numpy.")
_MAX_DEPTH = 40


class Segments:
    """Writes a checkpoint before the first segment and after each.

    Args:
        path: File for the checkpoints, a declared output of the step.
    """

    def __init__(self, path: str = "train.segments") -> None:
        self._path = Path(path)

    def over(self, items: Iterable[T], **state: Any) -> Iterator[T]:
        """The items, each the work of one segment; ``state`` is all that changes meanwhile."""
        todo = list(items)
        with self._path.open("wb") as file:
            file.write(MAGIC)
            if WHICH in os.environ:
                numbers = [int(number) for number in os.environ[WHICH].split(",")]
                yield from _again(file, todo, numbers, state)
                if numbers[-1] < len(todo) - 1:
                    file.close()
                    raise SystemExit(0)
                return
            _write(file, state)
            for item in todo:
                yield item
                _write(file, state)


def record_privacy(
    path: str,
    *,
    noise: float,
    batch: float,
    rows: int,
    steps: int,
    delta: float | None = None,
    clip: float | None = None,
) -> None:
    """Record how a private training made its noise; call it again for a further phase.

    With opacus: ``noise=optimizer.noise_multiplier``, ``clip=optimizer.max_grad_norm``, the
    expected size of a batch, the rows of the data set, and the steps that were taken.

    Args:
        path: A declared output of the step, which ``privacy`` of ``[training]`` names.
        noise: Standard deviation in units of the clipping norm.
        batch: Rows in a batch, as expected.
        rows: Rows that batches are drawn from.
        steps: Updates with noise.
        delta: Chance that the bound may fail; one over the rows where it is left out.
        clip: The clipping norm, for the record.
    """
    place = Path(path)
    told = json.loads(place.read_text()) if place.exists() else {"phases": []}
    phase: dict[str, float] = {"noise": noise, "batch": batch, "rows": rows, "steps": steps}
    told["phases"].append(phase if clip is None else {**phase, "clip": clip})
    if delta is not None:
        told["delta"] = delta
    place.write_text(json.dumps(told))


def _again(file: Any, todo: list[T], numbers: list[int], state: dict[str, Any]) -> Iterator[T]:
    with Path(os.environ[FROM]).open("rb") as committed:
        _write(file, state)  # what the script begins with must be what was committed, too
        for number in numbers:
            if number:
                restore(state, _frame(committed, number))
            yield todo[number]
            _write(file, state)


def _write(file: Any, state: dict[str, Any]) -> None:
    data = encode(state)
    file.write(_SIZE.pack(len(data)))
    file.write(data)
    file.flush()


def _frame(file: Any, number: int) -> bytes:
    """The checkpoint with a number; 0 is the state before the first segment."""
    file.seek(len(MAGIC))
    for _ in range(number):
        (size,) = _SIZE.unpack(file.read(_SIZE.size))
        file.seek(size, os.SEEK_CUR)
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    return bytes(file.read(size))


# Taking ------------------------------------------------------------------------------


def encode(state: Any) -> bytes:
    """The same state as the same bytes: a JSON tree and the buffers that it names."""
    buffers: list[bytes] = []
    tree = _take(state, buffers, 0)
    head = json.dumps([tree, [len(data) for data in buffers]], separators=(",", ":")).encode()
    return b"".join([_SIZE.pack(len(head)), head, *buffers])


def _take(value: Any, buffers: list[bytes], depth: int) -> Any:  # noqa: C901, PLR0911 - kinds
    if depth > _MAX_DEPTH:
        raise TypeError("the state is nested too deeply to be saved between segments")
    if isinstance(value, _PLAIN):
        return ["v", value]
    if isinstance(value, float):
        return ["f", value.hex()]
    if isinstance(value, (list, tuple)):
        return ["l", [_take(item, buffers, depth + 1) for item in value]]
    if isinstance(value, dict):
        items = [
            [_take(k, buffers, depth + 1), _take(v, buffers, depth + 1)] for k, v in value.items()
        ]
        return ["d", items]
    if isinstance(value, (bytes, bytearray)):
        return ["b", _buffer(bytes(value), buffers)]
    if hasattr(value, "detach"):
        return ["x", _take(_numbers_of(value), buffers, depth + 1)]
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        return _array(value, buffers)
    taken = _state_of(value, inner=depth > 1)
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return ["o", name, _take(taken, buffers, depth + 1)]


def _buffer(data: bytes, buffers: list[bytes]) -> int:
    buffers.append(data)
    return len(buffers) - 1


def _array(value: Any, buffers: list[bytes]) -> Any:
    if value.dtype.hasobject:
        items = value.ravel().tolist()
        if all(isinstance(item, str) for item in items):  # names of columns, of classes
            return ["t", list(value.shape), items]
        raise TypeError(
            "an array of objects cannot be saved between segments; declare a full replay instead"
        )
    return ["a", value.dtype.str, list(value.shape), _buffer(value.tobytes(), buffers)]


def _numbers_of(tensor: Any) -> Any:
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype.itemsize == 2 and "bfloat16" in str(plain.dtype):  # noqa: PLR2004 - bytes
        plain = plain.view(sys.modules["torch"].int16)
    return plain.numpy()


def _state_of(value: Any, *, inner: bool) -> Any:  # noqa: PLR0911 - a line per kind
    """What an object has learnt, without what its maker chose."""
    if hasattr(value, "param_groups"):
        return value.state_dict()["state"]
    if hasattr(value, "state_dict"):
        return dict(value.state_dict())
    if hasattr(value, "bit_generator"):
        return value.bit_generator.state
    if hasattr(value, "getstate"):
        return value.getstate()
    if hasattr(value, "get_state") and hasattr(value, "set_state"):
        return value.get_state()
    learnt = getattr(value, "__dict__", None)
    if learnt is None:
        return None  # compiled, without a state of its own: its owner makes it anew
    by_script = hasattr(value, "get_params") and not inner
    chosen = set(value.get_params(deep=False)) if by_script else set()
    return {
        key: item
        for key, item in sorted(learnt.items())
        if key not in chosen and not callable(item)
    }


# Giving back -------------------------------------------------------------------------


def restore(state: dict[str, Any], data: bytes) -> None:
    """Put a saved state back into the objects that it was taken from."""
    saved = decode(data)
    for name, value in state.items():
        _give(value, saved[name])


def decode(data: bytes) -> dict[str, Any]:
    """The tree of a checkpoint, with its buffers in place; objects stay pairs of name and state."""
    (size,) = _SIZE.unpack_from(data)
    tree, sizes = json.loads(data[_SIZE.size : _SIZE.size + size])
    buffers, at = [], _SIZE.size + size
    for length in sizes:
        buffers.append(data[at : at + length])
        at += length
    return dict(_plain(tree, buffers))


class Saved:
    """The state of an object."""

    def __init__(self, name: str, state: Any) -> None:
        self.name, self.state = name, state


def _plain(tree: Any, buffers: list[bytes]) -> Any:  # noqa: C901, PLR0911 - a line per kind
    kind = tree[0]
    if kind == "v":
        return tree[1]
    if kind == "f":
        return float.fromhex(tree[1])
    if kind == "l":
        return [_plain(item, buffers) for item in tree[1]]
    if kind == "d":
        return {_key(_plain(k, buffers)): _plain(v, buffers) for k, v in tree[1]}
    if kind == "b":
        return buffers[tree[1]]
    if kind == "x":
        return Saved("tensor", _plain(tree[1], buffers))
    if kind == "o":
        return Saved(tree[1], _plain(tree[2], buffers))
    if kind == "t":
        return _texts_of(tree)
    return _array_of(tree, buffers)


def _texts_of(tree: Any) -> Any:
    import numpy as np

    _, shape, items = tree
    made = np.empty(len(items), dtype=object)
    made[:] = items
    return made.reshape(shape)


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _array_of(tree: Any, buffers: list[bytes]) -> Any:
    import numpy as np

    _, kind, shape, index = tree
    return np.frombuffer(buffers[index], np.dtype(kind)).reshape(shape).copy()


def _give(value: Any, saved: Any) -> None:
    """Change ``value`` in place to what was saved of it."""
    if isinstance(value, dict):
        made = {key: _made(saved[key], value.get(key)) for key in saved}
        value.clear()
        value.update(made)
    elif isinstance(value, list):
        value[:] = [_made(item, None) for item in saved]
    elif hasattr(value, "detach"):
        with sys.modules["torch"].no_grad():
            value.copy_(_tensor(saved, value))
    elif hasattr(value, "tobytes") and hasattr(value, "dtype"):
        value[...] = saved
    else:
        _give_object(value, saved.state)


def _made(saved: Any, before: Any) -> Any:
    """A value from what was saved, of the kind that stood there before where that says more."""
    if isinstance(saved, Saved):
        if saved.name == "tensor":
            return _tensor(saved, before)
        return _object(saved) if before is None else _filled(before, saved)
    if isinstance(saved, dict):
        inner = before if isinstance(before, dict) else {}
        return {key: _made(item, inner.get(key)) for key, item in saved.items()}
    if isinstance(saved, list):
        made = [_made(item, None) for item in saved]
        return tuple(made) if isinstance(before, tuple) else made
    if getattr(saved, "shape", None) == () and not isinstance(before, type(saved)):
        return saved[()]
    return saved


def _filled(before: Any, saved: Saved) -> Any:
    _give_object(before, saved.state)
    return before


def _tensor(saved: Any, like: Any) -> Any:
    torch = sys.modules["torch"]
    found = torch.from_numpy(saved.state)
    if like is not None and hasattr(like, "dtype") and found.dtype != like.dtype:
        return found.view(like.dtype)
    return found


def _give_object(value: Any, state: Any) -> None:
    if hasattr(value, "param_groups"):
        groups = value.state_dict()["param_groups"]
        value.load_state_dict({"state": _made(state, None), "param_groups": groups})
    elif hasattr(value, "load_state_dict"):
        value.load_state_dict(_made(state, dict(value.state_dict())))
    elif hasattr(value, "bit_generator"):
        value.bit_generator.state = _made(state, None)
    elif hasattr(value, "setstate"):
        value.setstate(_frozen(state))
    elif hasattr(value, "get_state") and hasattr(value, "set_state"):
        value.set_state(_frozen(state))
    elif state is not None:
        _learnt(value, state)


def _frozen(state: Any) -> Any:
    return tuple(_frozen(item) for item in state) if isinstance(state, list) else state


def _learnt(value: Any, state: dict[str, Any]) -> None:
    """Attributes of an estimator; what the script chose stays as it chose it."""
    chosen = value.get_params(deep=False) if hasattr(value, "get_params") else {}
    for key in [key for key in vars(value) if key not in chosen and key not in state]:
        delattr(value, key)
    for key, item in state.items():
        is_remade = isinstance(item, Saved) and item.state is None
        if key not in chosen and not is_remade:
            setattr(value, key, _chosen(_made(item, None), chosen))


def _chosen(made: Any, chosen: dict[str, Any]) -> Any:
    """An inner object, such as an optimizer, with the hyper-parameters that the script chose."""
    inner = getattr(made, "__dict__", {})
    for key in inner.keys() & chosen.keys():
        if type(inner[key]) is type(chosen[key]):
            setattr(made, key, chosen[key])
    return made


def _object(saved: Saved) -> Any:
    """An object of the libraries' own that was made during training.

    Only classes that the script has imported already, and nothing of them is called but the
    making of an empty object.
    """
    module, _, name = saved.name.rpartition(".")
    if not module.startswith(_TRUSTED) or module not in sys.modules:
        raise TypeError(f"a state of {saved.name} cannot be put back; hand it over by itself")
    kind: Callable[..., Any] = getattr(sys.modules[module], name)
    if hasattr(kind, "set_state"):
        made = kind()
        made.set_state(_frozen(saved.state))
        return made
    made = object.__new__(kind)  # type: ignore[arg-type]
    made.__dict__.update({key: _made(item, None) for key, item in (saved.state or {}).items()})
    return made
