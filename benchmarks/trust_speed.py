"""How fast trust works, as ratios within one run: `python benchmarks/trust_speed.py`.

CPU seconds of this process and of the workers it waited for, the best of several rounds taken
in turn, because wall times on a shared machine say more of its neighbours. Files lie in
memory-backed storage where there is some, so that the disk is not measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.engine.load_gate import admit
from hauberk.trust import dsse
from hauberk.trust.chain import verify_chain
from hauberk.trust.digest import digest_bytes, digest_file, leaves_of
from hauberk.trust.keys import Algorithm, KeyPair, Label, Role, generate
from hauberk.trust.manifest import manifest_of
from hauberk.trust.oms.verification import sign_model, verify_model
from hauberk.trust.places import OpenPlace
from hauberk.trust.predicates import (
    Circumstances,
    ModelTest,
    Named,
    Release,
    Result,
    Step,
    model_test_statement,
    release_statement,
    step_statement,
)
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Root
from hauberk.trust.statement import PAYLOAD_TYPE

MIB = 1 << 20


def spent_s() -> float:
    """CPU seconds so far, readers in forked workers counted once they were waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    found = [resource.getrusage(kind) for kind in kinds]
    return sum(one.ru_utime + one.ru_stime for one in found)


def cpu_s(work: Callable[[], object]) -> float:
    start = spent_s()
    work()
    return spent_s() - start


def best(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Smallest CPU seconds of each, the works taking turns."""
    seconds = [{name: cpu_s(work) for name, work in works.items()} for _ in range(rounds)]
    return {name: min(one[name] for one in seconds) for name in works}


def raw_sha256(path: Path) -> str:
    """The same bytes through hashlib alone, with the buffer that its own helper uses."""
    state, buffer = hashlib.sha256(), bytearray(256 << 10)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            state.update(view[:size])
    return state.hexdigest()


def hashing(folder: Path, size_mib: int, rounds: int) -> dict[str, float]:
    path = folder / "large"
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    seconds = best(
        rounds,
        raw=lambda: raw_sha256(path),
        file=lambda: digest_file(path),
        leaves=lambda: leaves_of(path),
    )
    path.unlink()
    return {
        "sha256_raw_gb_per_cpu_s": size_mib * MIB / seconds["raw"] / 1e9,
        "digest_file_over_raw": seconds["raw"] / seconds["file"],
        "leaves_of_over_raw": seconds["raw"] / seconds["leaves"],
    }


def load_gate(folder: Path, size_mib: int, rounds: int) -> dict[str, float]:
    """What stands before a load: a verified signature and every byte judged."""
    model = folder / "model"
    model.mkdir()
    count = size_mib * MIB // 4
    head = {"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, count * 4]}}
    text = json.dumps(head).encode()
    with (model / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    pair = generate()
    known = {pair.public.key_id: pair.public}
    signature = model / "model.sig"
    signature.write_bytes(sign_model(model, signature, [pair]))
    weights = model / "model.safetensors"
    seconds = best(
        rounds,
        raw=lambda: raw_sha256(weights),
        gate=lambda: admit(weights),
        verify=lambda: verify_model(model, signature, known, workers=1),
    )
    shutil.rmtree(model)
    return {
        "load_gate_hash_passes": seconds["gate"] / seconds["raw"],
        "load_gate_ms_beyond_one_pass": (seconds["gate"] - seconds["raw"]) * 1e3,
        "verify_model_over_raw": seconds["raw"] / seconds["verify"],
    }


def small_files(folder: Path, rounds: int) -> dict[str, float]:
    root = folder / "small"
    for index in range(1000):
        path = root / f"{index % 10}" / f"{index}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(10_000))
    return {"manifest_of_1000_files_s": best(rounds, it=lambda: manifest_of(root))["it"]}


OPERATIONS = 200


def sign_many(pair: KeyPair) -> None:
    for _ in range(OPERATIONS):
        dsse.sign(b"x" * 2000, PAYLOAD_TYPE, [pair])


def verify_many(envelope: dsse.Envelope, pair: KeyPair) -> None:
    known = {pair.public.key_id: pair.public}
    for _ in range(OPERATIONS):
        dsse.verify(envelope, known)


def signatures(rounds: int) -> dict[str, float]:
    figures = {}
    for algorithm in Algorithm:
        pair = generate(algorithm)
        envelope = dsse.sign(b"x" * 2000, PAYLOAD_TYPE, [pair])
        seconds = best(
            rounds, sign=partial(sign_many, pair), verify=partial(verify_many, envelope, pair)
        )
        figures[f"dsse_sign_{algorithm}_us"] = seconds["sign"] / OPERATIONS * 1e6
        figures[f"dsse_verify_{algorithm}_us"] = seconds["verify"] / OPERATIONS * 1e6
    return figures


def chain(rounds: int) -> dict[str, float]:
    """A chain of 12 steps under 100 statements over empty files: deciding without hashing."""
    pair = generate()
    label = Label(machine="m", custodian="c")
    keys = RoleKeys(threshold=1, keys=(TrustedKey(public=pair.public, label=label),))
    root = Root(project="p", roles=dict.fromkeys(Role, keys))
    nothing = digest_bytes(b"")
    around = Circumstances(run="r", sequence=0, policy=Policy(), tool_version="1")
    how = {"isolation": Isolation.FULL, "evidence": EvidenceMode.ISOLATED}
    names = [f"out{index}" for index in range(13)]
    steps = [
        Step(
            name=f"step{index}",
            component=Component.TRAINING,
            command=("run",),
            materials={names[index]: nothing} if index else {},
            products={names[index + 1]: nothing},
            circumstances=replace(around, sequence=index),
            started=0.0,
            finished=0.0,
            **how,
        )
        for index in range(12)
    ]
    tests = [
        ModelTest(
            name=f"test{index}",
            model=names[-1],
            digest=nothing,
            data={names[1]: nothing},
            result=Result.PASSED,
            circumstances=replace(around, sequence=20 + index),
            **how,
        )
        for index in range(88)
    ]
    payloads = [step_statement(step) for step in steps]
    payloads += [model_test_statement(test) for test in tests]
    named = [
        Named(name=one.name, digest=digest_bytes(payload))
        for one, payload in zip([*steps, *tests], payloads, strict=True)
    ]
    release = Release(
        project="p",
        version="1",
        sequence=1,
        channel="staging",
        model=names[-1],
        files={names[-1]: nothing},
        steps=tuple(named[:12]),
        tests=tuple(named[12:]),
        sources=(),
        circumstances=around,
        created=0.0,
    )
    envelopes = [dsse.sign(one, PAYLOAD_TYPE, [pair]).to_bytes() for one in payloads]
    top = dsse.sign(release_statement(release), PAYLOAD_TYPE, [pair]).to_bytes()
    place = OpenPlace(files={name: lambda: [b""] for name in names})

    def decide() -> None:
        verify_chain(release=top, statements=envelopes, places=[place], root=root)

    return {"chain_of_12_steps_100_statements_ms": best(rounds, it=decide)["it"] * 1e3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=512, help="size of the large file")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best one counts")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        figures = hashing(Path(folder), options.size_mib, options.rounds)
        figures |= load_gate(Path(folder), options.size_mib, options.rounds)
        figures |= small_files(Path(folder), options.rounds)
    figures |= signatures(options.rounds) | chain(options.rounds)
    if options.format == "json":
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:40} {value:10.3f}")


if __name__ == "__main__":
    main()
