"""RE-6: weights and data sets in the files and the history of a repository."""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import zlib
from pathlib import Path
from random import Random

from hauberk.attacks.code.commit_weights import WAYS, CommitWeights
from hauberk.controls.code.exposed_weights import ExposedWeights
from hauberk.core.threat import ThreatId
from hauberk.formats.source import command, environment, open_tree
from hauberk.formats.spans import span_of
from hauberk.formats.weights import weights_in
from hauberk.methods import model_writing as write
from hauberk.range.scenario import Scenario, Trial

RE_6 = ThreatId("RE-6")
CONTROL = ExposedWeights()
ATTACK = CommitWeights()


def _git(root: Path, *words: str) -> None:
    settings = ("-c", "user.name=range", "-c", "user.email=range@example.invalid")
    subprocess.run(
        (*command("git", root), *settings, *words),
        env=environment(),
        capture_output=True,
        check=True,
    )


def _plant(seed: int) -> Trial:
    """One file, in the work tree or only in the history."""
    rng = Random(seed)
    way = tuple(WAYS)[seed % len(WAYS)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "train.py").write_text("print('train')\n")
        _git(root, "init", "--quiet")
        attacked = CommitWeights(way=way).apply(open_tree(root), rng)
        _git(root, "add", "--all")
        _git(root, "commit", "--quiet", "--message", "one")
        if seed // len(WAYS) % 2:
            (root / attacked.truth["path"]).unlink()
            _git(root, "commit", "--quiet", "--all", "--message", "two")
        found = list(CONTROL.check(open_tree(root)))
        hit = [item for item in found if attacked.truth["path"] in item.path]
    return Trial(values={"detected": bool(hit)}, potent=True)


def _ordinary(seed: int) -> Trial:
    """One binary or text file as repositories carry them."""
    rng = Random(seed)
    name, data = _FILES[seed % len(_FILES)](rng)
    return Trial(values={"false_alarms": bool(weights_in(span_of(data), name))})


def _picture(rng: Random) -> tuple[str, bytes]:
    rows = b"".join(
        bytes([0, *(rng.randrange(256) // 9 * 9 for _ in range(300))]) for _ in range(99)
    )
    chunk = zlib.compress(rows)
    return "a.png", b"\x89PNG\r\n\x1a\n" + len(chunk).to_bytes(4, "big") + b"IDAT" + chunk


def _noise(rng: Random) -> tuple[str, bytes]:
    return "a.enc", random.Random(rng.random()).randbytes(60_000)


def _text(rng: Random) -> tuple[str, bytes]:
    words = ("model", "train", "the", "loss", "of", "data", "=", "return", "\n")
    return "notes.md", " ".join(rng.choices(words, k=9_000)).encode()


def _table(rng: Random) -> tuple[str, bytes]:
    lines = [f"{rng.random():.4f},{rng.randrange(99)},{rng.choice('ab')}" for _ in range(2_000)]
    return "tests/rows.csv", ("x,y,z\n" + "\n".join(lines)).encode()


def _archive(rng: Random) -> tuple[str, bytes]:
    members = {f"src/{number}.py": _text(rng)[1] for number in range(3)}
    return "package.whl", write.zipped(members)


def _bitmap(rng: Random) -> tuple[str, bytes]:
    """Grey values of a gradient with noise, uncompressed."""
    return "a.raw", bytes(
        min(255, max(0, (x + y) // 2 + rng.randrange(-9, 9)))
        for y in range(200)
        for x in range(200)
    )


def _database(rng: Random) -> tuple[str, bytes]:
    rows = json.dumps([rng.randrange(10**6) for _ in range(5_000)]).encode()
    return "cache.db", b"SQLite format 3\0" + rows


def _fixture(rng: Random) -> tuple[str, bytes]:
    return "tests/tiny.onnx", write.onnx_model([], [write.onnx_tensor((1,), rng.randbytes(4))])


def _program(rng: Random) -> tuple[str, bytes]:
    """Machine code: few opcodes often, addresses that repeat."""
    code = bytes(
        rng.choice(b"\x48\x89\xe5\x8b\x45\xfc\x0f\x00\xe8\xff\xc3\x90") for _ in range(40_000)
    )
    return "lib.o", b"\x00\x01\x02\x03" + code


_FILES = (
    _picture, _noise, _text, _table, _archive, _bitmap, _database, _fixture, _program
)  # fmt: skip

SCENARIOS = (
    Scenario(
        threat=RE_6,
        attack=ATTACK,
        control=CONTROL,
        play=_plant,
        parts=(("detected", ""),),
        note=f"{len(WAYS)} ways in turn, in the work tree and only in the history of a real git "
        "repository, renamed in most cases",
    ),
    Scenario(
        threat=RE_6,
        attack="none: ordinary files of repositories",
        control=CONTROL,
        play=_ordinary,
        parts=(("false_alarms", ""),),
        note="pictures, bitmaps, noise, text, tables, archives, machine code, tiny fixtures",
    ),
)
