"""Mutated model files end in findings or typed errors, never in a crash.

Bounded here; `HAUBERK_MUTATIONS` raises the number of mutations for a longer run.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from random import Random

import pytest
from tests.bypasses.test_model_formats import FILES, ORDINARY

from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.control import NotApplicable
from hauberk.errors import ArtifactError, UnavailableError

ROUNDS = int(os.environ.get("HAUBERK_MUTATIONS", "12"))
SEEDS = {name: (data, label) for name, (data, label) in FILES.items()} | {
    f"ordinary-{name}": (make(), label) for name, (make, label) in ORDINARY.items()
}
EDGES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff" * 8)


def mutated(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) or 1)
        way = rng.randrange(5)
        if way == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif way == 1:
            edge = rng.choice(EDGES)
            out[at : at + len(edge)] = edge
        elif way == 2:
            del out[at : at + rng.randint(1, 16)]
        elif way == 3:
            out[at:at] = out[max(0, at - rng.randint(1, 32)) : at]
        else:
            del out[at:]
    return bytes(out)


@pytest.mark.parametrize("case", SEEDS)
def test_a_mutated_file_never_crashes_its_reader(tmp_path: Path, case: str) -> None:
    data, label = SEEDS[case]
    path = tmp_path / label
    for seed in range(ROUNDS):
        path.write_bytes(mutated(data, Random(f"{case} {seed}")))
        with contextlib.suppress(ArtifactError, UnavailableError, NotApplicable):
            list(UnsafeOpcodes().check(ModelFile(name=label, path=path)))
