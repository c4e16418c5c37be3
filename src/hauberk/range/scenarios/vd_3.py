"""VD-3: weak checksums as the only evidence, and files that were made to fit them."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from hauberk.attacks.registry.resum_file import COLLIDING, WAYS, ResumFile
from hauberk.controls.code.weak_evidence import WeakEvidence
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.threat import ThreatId
from hauberk.formats import plain_yaml
from hauberk.range.outcomes import alarmed, found
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.datasets import CONTROL, Trainee, Warehouse, copy_of

VD_3 = ThreatId("VD-3")
WEAK = WeakEvidence()
NAME = "rows"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _dvc(data: bytes) -> str:
    return f"outs:\n- md5: {_md5(data)}\n  size: {len(data)}\n  hash: md5\n  path: data\n"


def checksummed(seed: int) -> Warehouse:
    """A table with sidecars, in a signed version of all of them."""
    rng = Random(seed)
    rows = "".join(f"{n},{rng.random():.6f},{rng.randrange(2)}\n" for n in range(200))
    data = COLLIDING[0] + rows.encode()
    house = Warehouse()
    files = {
        "data": data,
        "data.crc32": b"%08x\n" % zlib.crc32(data),
        "data.md5": f"{_md5(data)}  data\n".encode(),
        "data.dvc": _dvc(data).encode(),
    }
    house.publish(NAME, files)
    return house


def _fits(way: str, files: Mapping[str, bytes]) -> bool:
    """Whether a client that checks the sidecar of this way would take the data."""
    data = files["data"]
    if way == "crc":
        return files["data.crc32"] == b"%08x\n" % zlib.crc32(data)
    if way == "dvc":
        document = plain_yaml.parse(files["data.dvc"], name="data.dvc")
        return bool(document["outs"][0]["md5"] == _md5(data))
    return files["data.md5"].split()[0] == _md5(data).encode()


def _fitted(seed: int) -> Trial:
    way = tuple(WAYS)[seed % len(WAYS)]
    house = checksummed(seed)
    bare = Trainee(house=copy_of(house), name=NAME, guarded=False)
    taken = ResumFile(way=way).play(bare, Random(seed)).succeeded
    guarded = Trainee(house=copy_of(house), name=NAME, guarded=True)
    refused = ResumFile(way=way).play(guarded, Random(seed)).facts["refused"]
    return Trial(values={"refused": bool(refused)}, potent=taken and _fits(way, bare.house.copy))


def _honest(seed: int) -> Trial:
    alarm = alarmed(CONTROL, checksummed(seed).entry(NAME)) or alarmed(WEAK, _tree(seed, "strong"))
    return Trial(values={"false_refusals": alarm}, false_alarm=float(alarm))


def _weak(seed: int) -> Trial:
    strong = found(WEAK, _tree(seed, "strong"))
    return Trial(values={"detected": found(WEAK, _tree(seed, "weak"))}, false_alarm=float(strong))


def _tree(seed: int, kind: str) -> CodeTree:
    """A repository with evidence for one table, in a form that the seed picks."""
    rng = Random(seed)
    folder, name = rng.choice(("data", "raw/2024", ".")), f"t{rng.randrange(999)}.csv"
    data = rng.randbytes(500)
    path, text = rng.choice(_FORMS[kind])(folder, name, data)
    files = {path: text, "README.md": "# Rows\n\nSee data.\n", "train.py": "import csv\n"}
    if kind == "strong" and rng.random() < 0.5:  # noqa: PLR2004 - half have both
        files[f"{folder}/{name}.md5"] = f"{_md5(data)}  {name}\n"
    sources = [SourceFile(name=p, path=Path(p), text=t) for p, t in sorted(files.items())]
    return CodeTree(name="repository", root=Path("/nowhere"), files=lambda: iter(sources))


_Form = Callable[[str, str, bytes], tuple[str, str]]


def _sums(algorithm: str) -> _Form:
    def form(folder: str, name: str, data: bytes) -> tuple[str, str]:
        digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        return f"{folder}/{algorithm.upper()}SUMS", f"{digest}  {name}\n"

    return form


def _sidecar(algorithm: str) -> _Form:
    def form(folder: str, name: str, data: bytes) -> tuple[str, str]:
        digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        return f"{folder}/{name}.{algorithm}", f"{digest}\n"

    return form


def _bsd(algorithm: str) -> _Form:
    def form(folder: str, name: str, data: bytes) -> tuple[str, str]:
        digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        return f"{folder}/checksums.txt", f"{algorithm.upper()} ({name}) = {digest}\n"

    return form


def _sfv(folder: str, name: str, data: bytes) -> tuple[str, str]:
    return f"{folder}/{name}.sfv", f"; made by hand\n{name} {zlib.crc32(data):08X}\n"


def _tracked(folder: str, name: str, data: bytes) -> tuple[str, str]:
    return f"{folder}/{name}.dvc", _dvc(data).replace("path: data", f"path: {name}")


def _locked(folder: str, name: str, data: bytes) -> tuple[str, str]:
    outs = f"    outs:\n    - path: {folder}/{name}\n      hash: md5\n      md5: {_md5(data)}\n"
    return "dvc.lock", "schema: '2.0'\nstages:\n  fetch:\n    cmd: python fetch.py\n" + outs


_FORMS: Mapping[str, tuple[_Form, ...]] = {
    "weak": (
        _sums("md5"),
        _sums("sha1"),
        _sidecar("md5"),
        _sidecar("sha1"),
        _bsd("md5"),
        _sfv,
        _tracked,
        _locked,
    ),
    "strong": (
        _sums("sha256"),
        _sums("sha512"),
        _sidecar("sha256"),
        _bsd("sha256"),
        _bsd("sha512"),
    ),
}

SCENARIOS = (
    Scenario(
        threat=VD_3,
        attack="nobody yet: a repository with eight forms of weak checksums",
        control=WEAK,
        play=_weak,
        parts=(("detected", "weak evidence only"),),
        note="twins have SHA-256 or SHA-512, half of them beside an MD5; told for review",
    ),
    Scenario(
        threat=VD_3,
        attack=ResumFile(),
        control=CONTROL,
        play=_fitted,
        parts=(("refused", "colliding or re-summed file"),),
        note="CRC-32, MD5 and DVC's MD5 written anew, and a published MD5 collision, in turn; a "
        "client that checks the sidecar takes all of them",
    ),
    Scenario(
        threat=VD_3,
        attack="nobody",
        control=CONTROL,
        play=_honest,
        parts=(("false_refusals", ""),),
        note="a signed version with its sidecars, and a repository with strong checksums",
    ),
)
