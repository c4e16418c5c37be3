"""Damage model files of every format and hold the control against what must not happen.

Run as a program: ``mutations.py SEED COUNT``. Prints one line for each mutation that ends in
an error that the reader does not name, takes longer than `MAX_SECONDS` of processor time, or
is called free of code although an unpickler that imports nothing asks for a dangerous name.
The last line counts the mutations and the verdicts.
"""

from __future__ import annotations

import io
import pickle
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hauberk.attacks.model.plant_payload import VARIANTS
from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.methods import model_writing
from hauberk.range.ordinary import write_ordinary

MAX_SECONDS = 5.0
"""Of one mutation; the readers' own bounds are far below it."""

_BYTES = (0, 1, 2, 0x2E, 0x7F, 0x80, 0xFF)
_LENGTHS = (0, *(2**n - 1 for n in (7, 8, 15, 16, 31, 32, 63)))
_DANGEROUS = {"os", "posix", "subprocess", "marshal", "importlib", "timeit", "ctypes"}


_LOADING_ERRORS = (
    *(ArithmeticError, AttributeError, EOFError, ImportError, LookupError),
    *(MemoryError, pickle.UnpicklingError, TypeError, ValueError),
)
"""What damaged pickles make the unpickler raise."""


class StoppedError(Exception):
    """The recording unpickler was asked for a name."""


class Recording(pickle.Unpickler):
    """Tells the first name that is asked for, and goes no further."""

    def find_class(self, module: str, name: str) -> Any:
        raise StoppedError(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise StoppedError("", "")


def seeds(folder: Path) -> list[bytes]:
    """Files of all formats, hostile and ordinary ones."""
    made = [variant.make("/nowhere/canary") for variant in VARIANTS.values()]
    words = {f"word{number}": number for number in range(3000)}
    made += [pickle.dumps(words, protocol) for protocol in (2, 4)]
    made += [
        model_writing.gguf_text("x"),
        model_writing.saved_model(["MatMul"]),
        model_writing.safetensors(
            {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)
        ),
        model_writing.hdf5([model_writing.hdf5_attribute("model_config", b"{}")]),
        model_writing.keras_archive({"class_name": "Sequential", "config": {"layers": []}}),
    ]
    rng = random.Random(0)
    for number in range(12):
        place = folder / str(number)
        place.mkdir()
        path = write_ordinary(place, rng)
        if path.is_file():
            made.append(path.read_bytes())
    return [data for data in made if len(data) < 1 << 18]


def damaged(known: list[bytes], rng: random.Random) -> bytes:
    """One file with a few bytes changed, moved, cut, repeated, or replaced by a length."""
    data = bytearray(rng.choice(known))
    for _ in range(rng.randrange(1, 5)):
        at, way = rng.randrange(len(data) + 1), rng.randrange(6)
        if way == 0:
            data[at : at + 1] = bytes([rng.choice(_BYTES)])
        elif way == 1:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif way == 2:
            width = rng.choice((1, 2, 4, 8))
            value = rng.choice(_LENGTHS) % (1 << 8 * width)
            data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
        elif way == 3:
            del data[at : at + rng.randrange(1, 64)]
        elif way == 4:
            other = rng.choice(known)
            start = rng.randrange(len(other))
            data[at:at] = other[start : start + rng.randrange(1, 200)]
        else:
            del data[at:]
        data = data or bytearray(b"\x80")
    return bytes(data)


def asks_for(data: bytes) -> str:
    """The first name that unpickling would import, where the file is a bare pickle."""
    try:
        with suppress(*_LOADING_ERRORS):
            Recording(io.BytesIO(data)).load()
    except StoppedError as told:
        return ".".join(map(str, told.args))
    return ""


def complaint(data: bytes, path: Path) -> tuple[str, str]:
    """The state of one file, and what is wrong with the way it came about."""
    path.write_bytes(data)
    started = time.process_time()
    verdict = scan_model(path)
    seconds = time.process_time() - started
    first_word = verdict.reason.split(":", 1)[0]
    if verdict.state is ModelState.NOT_ASSESSED and first_word.endswith(("Error", "Exception")):
        return verdict.state.value, f"an error without a name: {verdict.reason[:200]}"
    if seconds > MAX_SECONDS:
        return verdict.state.value, f"{seconds:.1f} seconds"
    wanted = asks_for(data) if verdict.state is ModelState.NO_CODE else ""
    if wanted.partition(".")[0] in _DANGEROUS:
        return verdict.state.value, f"no code found, and loading asks for {wanted}"
    return verdict.state.value, ""


def main() -> None:
    """Damage as many files as were asked for."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    rng = random.Random(int(sys.argv[1]))
    states: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = seeds(folder)
        for _ in range(int(sys.argv[2])):
            data = damaged(known, rng)
            state, wrong = complaint(data, folder / "model.bin")
            states[state] += 1
            if wrong:
                print(wrong, data[:4000])
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    print(f"{sys.argv[2]} mutations of {len(known)} files: {counts}")


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
