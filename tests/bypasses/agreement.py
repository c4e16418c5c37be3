"""Hold the reader against both of CPython's unpicklers on damaged pickles.

Run as a program in a process of its own: some damaged pickles ask the C unpickler for more
memory than there is. The unpicklers import nothing; every name they ask for is recorded and
answered with a class that does nothing. Prints the inputs for which the reader does not
tell a name that an unpickler asked for, unless it refuses the input for crossing a frame.
"""

from __future__ import annotations

import collections
import datetime as dt
import io
import pickle
import pickletools
import random
import resource
import sys
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from contextlib import suppress
from typing import Any, Self

from hauberk.attacks.model.plant_payload import VARIANTS
from hauberk.errors import LimitError
from hauberk.formats.pickle_events import Imported, Oddity
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import span_of

CODES = [ord(code.code) for code in pickletools.opcodes]


class Inert:
    """Takes everything and does nothing."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return self

    def __setstate__(self, state: Any) -> None: ...
    def append(self, item: Any) -> None: ...
    def extend(self, items: Any) -> None: ...
    def add(self, item: Any) -> None: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...


def recording(base: Any) -> Any:
    """An unpickler that records names and imports none of them."""

    class Recording(base):
        def __init__(self, file: io.BytesIO) -> None:
            super().__init__(file)
            self.asked: list[tuple[str, str]] = []

        def find_class(self, module: str, name: str) -> Any:
            self.asked.append((module, name))
            return Inert

        def persistent_load(self, pid: Any) -> Any:
            return None

    return Recording


UNPICKLERS = (recording(pickle.Unpickler), recording(pickle._Unpickler))


def seeds() -> list[bytes]:
    values = [
        {"a": [1, 2.5, (3, None)], "b": {1, 2}},
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        collections.OrderedDict(a=1),
        [b"xx" * 30, "é" * 10, 10**30, -5, True],
        collections.Counter("abc"),
        bytearray(b"a"),
    ]
    honest = [pickle.dumps(value, protocol) for value in values for protocol in range(6)]
    made = [variant.make("/nowhere") for variant in VARIANTS.values()]
    return [*honest, *(data for data in made if data[:1] in (b"\x80", b"c", b"("))]


def damaged(known: list[bytes], rng: random.Random) -> bytes:
    data = bytearray(rng.choice(known))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        way = rng.random()
        if way < 0.4:
            data[at : at + 1] = bytes([rng.choice(CODES)])
        elif way < 0.5:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif way < 0.7:
            data[at:at] = bytes([rng.choice(CODES)])
        elif way < 0.8:
            del data[at : at + rng.randrange(1, 8)]
        else:
            other = rng.choice(known)
            start = rng.randrange(len(other))
            data[at:at] = other[start : start + rng.randrange(1, 40)]
    return bytes(data)


def told(data: bytes) -> set[tuple[str, str]] | None:
    """Names that the reader tells; ``None`` where it refuses the input for its structure."""
    try:
        events = list(read_pickle(span_of(data), max_opcodes=100_000))
    except LimitError:
        return None
    if any(isinstance(event, Oddity) and "crosses" in event.reason for event in events):
        return None
    return {(e.target.module, e.target.name) for e in events if isinstance(e, Imported)}


def missed(data: bytes) -> list[tuple[str, str]]:
    known = told(data)
    if known is None:
        return []
    asked: list[tuple[str, str]] = []
    for unpickler in UNPICKLERS:
        reader = unpickler(io.BytesIO(data))
        with suppress(Exception):
            reader.load()
        asked += reader.asked
    return [pair for pair in asked if pair not in known and python3(*pair) not in known]


def python3(module: str, name: str) -> tuple[str, str]:
    return NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    warnings.simplefilter("ignore")
    rng, known = random.Random(int(sys.argv[1])), seeds()
    for _ in range(int(sys.argv[2])):
        data = damaged(known, rng)
        for pair in missed(data):
            print(pair, data)


if __name__ == "__main__":
    main()
