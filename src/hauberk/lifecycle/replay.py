"""Do a training again, in random segments or whole, and compare bit for bit.

The training's outputs are committed first: their digests stand in a signed hand-over, the
states of the segments file in a hash chain. Then segments are drawn from the operating
system's randomness, and the declared recipe does them again in the same sandbox from the states
that were committed. The last segment is always among them, because the model follows from it.

Where a segment differs, all of the training is done again, which is the better witness: a script
that forgot to hand some state to the callback is honest, one that cannot be repeated even whole
is not replayable, and only what is repeatable and different was tampered with.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from random import Random, SystemRandom
from typing import BinaryIO

from hauberk.core.artifact import Digest, Replay
from hauberk.core.policy import Isolation
from hauberk.errors import ArtifactError
from hauberk.isolation import Completed, Grants, Limits, collect_output, run
from hauberk.lifecycle.segments import FROM, MAGIC, WHICH
from hauberk.trust.digest import digest_bytes

MAX_STATES = 100_000
"""A training with more checkpoints needs fewer, larger segments."""

MAX_OUTPUT_BYTES = 64 << 30
_COMMITTED = ".hauberk-committed"
_CHUNK = 1 << 20
_SIZE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Digests of the states between the segments, and the head of the chain over them.

    Attributes:
        states: One more than there are segments.
    """

    states: tuple[Digest, ...]

    @property
    def segments(self) -> int:
        """How many segments lie between the states."""
        return len(self.states) - 1

    @property
    def head(self) -> Digest:
        """A digest over all states in their order."""
        head = b""
        for state in self.states:
            head = hashlib.sha256(head + state.encode()).digest()
        return Digest(f"sha256:{head.hex()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What did the training, and will do it again.

    Attributes:
        stage: Fills an empty folder with code and inputs, by their attested digests.
        grants: What the step may touch when it runs in a folder.
        products: Path to attested digest of what the training made; the model first.
        segments: Path of the segments file among the products; empty where there is none.
        committed: The segments file as it was committed.
    """

    name: str
    command: tuple[str, ...]
    stage: Callable[[Path], None]
    grants: Callable[[Path], Grants]
    limits: Limits
    level: Isolation
    products: Mapping[str, Digest]
    segments: str = ""
    committed: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Second:
    """What came out of one more execution; ``trouble`` says why nothing did."""

    results: Mapping[str, Digest] = field(default_factory=dict)
    trouble: str = ""


def read_chain(path: Path) -> Chain:
    """The digests of a segments file; it is read once and never held in memory.

    Raises:
        ArtifactError: It is no segments file, ends early or has too many states.
    """
    with path.open("rb") as file:
        return _chain_of(file, path.stat().st_size, path.name)


def _chain_of(file: BinaryIO, total: int, name: str) -> Chain:
    if file.read(len(MAGIC)) != MAGIC:
        raise ArtifactError(
            "not a file of segments",
            subject=name,
            expected="what the callback of `hauberk replay --callback` writes",
            found="another beginning",
        )
    states: list[Digest] = []
    at = len(MAGIC)
    while at < total:
        head = file.read(_SIZE)
        size = int.from_bytes(head, "little")
        if len(head) < _SIZE or at + _SIZE + size > total or len(states) >= MAX_STATES:
            raise ArtifactError(
                "a file of segments is malformed",
                subject=name,
                expected=f"at most {MAX_STATES} whole states",
                found=f"state {len(states)} of {size} bytes at byte {at} of {total}",
            )
        states.append(_digest(file, size))
        at += _SIZE + size
    return Chain(states=tuple(states))


def _digest(file: BinaryIO, size: int) -> Digest:
    state = hashlib.sha256()
    while size:
        part = file.read(min(size, _CHUNK))
        state.update(part)
        size -= len(part)
    return Digest(f"sha256:{state.hexdigest()}")


def draw(segments: int, count: int, rng: Random | None = None) -> tuple[int, ...]:
    """Numbers of segments to do again; by default from the system's own randomness."""
    source = rng or SystemRandom()
    return tuple(sorted(source.sample(range(segments), min(count, segments))))


def replay(
    recipe: Recipe, *, count: int = 8, full: bool = False, rng: Random | None = None
) -> Replay:
    """Do drawn segments again, or the whole training.

    Args:
        count: Segments to draw; all are done where there are no more.
        full: All of it, from the beginning and without the committed states.
        rng: For repeatable figures only; whoever trains must not know it.

    Raises:
        ArtifactError: The segments file is malformed.
        TrustError: Code or an input is no longer what was attested.
    """
    if full or not recipe.segments or recipe.committed is None:
        return _whole(recipe, None)
    chain = read_chain(recipe.committed)
    if chain.segments < 1:
        return _nothing(recipe, "its file of segments holds no segment")
    drawn = draw(chain.segments, count, rng)
    wanted = tuple(sorted({*drawn, chain.segments - 1}))
    committed = _wanted(chain, wanted) | _model(recipe)
    second = _execute(recipe, wanted)
    repeated = {name: second.results[name] for name in committed if name in second.results}
    if second.trouble or repeated != committed:
        return _whole(recipe, chain)
    return Replay(
        name=recipe.name,
        committed=committed,
        repeated=repeated,
        segments=chain.segments,
        drawn=drawn,
    )


def _whole(recipe: Recipe, chain: Chain | None) -> Replay:
    """All of it again; twice where the first time gives something else."""
    if chain is None and recipe.segments and recipe.committed is not None:
        chain = read_chain(recipe.committed)
    states = dict(_named(range(len(chain.states)), chain.states)) if chain else {}
    others = {path: item for path, item in recipe.products.items() if path != recipe.segments}
    committed = states | others
    second = _execute(recipe, None)
    if second.trouble:
        return _nothing(recipe, second.trouble)
    if _same(committed, second):
        return _compared(recipe, committed, second, chain)
    third = _execute(recipe, None)
    steady = {name for name in committed if second.results.get(name) == third.results.get(name)}
    shaky = [name for name in (*states, *_model(recipe)) if name not in steady]
    if third.trouble or shaky:
        return _nothing(recipe, third.trouble or f"{shaky[0]} is another each time")
    kept = {name: digest for name, digest in committed.items() if name in steady}
    return _compared(recipe, kept, second, chain)


def _same(committed: Mapping[str, Digest], second: _Second) -> bool:
    return all(second.results.get(name) == digest for name, digest in committed.items())


def _compared(
    recipe: Recipe, committed: Mapping[str, Digest], second: _Second, chain: Chain | None
) -> Replay:
    return Replay(
        name=recipe.name,
        committed=committed,
        repeated={name: item for name, item in second.results.items() if name in committed},
        segments=chain.segments if chain else 0,
    )


def _nothing(recipe: Recipe, why: str) -> Replay:
    return Replay(name=recipe.name, committed={}, repeated={}, unrepeatable=why)


def _model(recipe: Recipe) -> dict[str, Digest]:
    return dict(list(recipe.products.items())[:1])


def _wanted(chain: Chain, numbers: Sequence[int]) -> dict[str, Digest]:
    """States that doing these segments again must give; what it began with is always there."""
    wanted = [0, *(number + 1 for number in numbers)]
    return dict(_named(wanted, [chain.states[number] for number in wanted]))


def _named(numbers: Sequence[int], states: Sequence[Digest]) -> list[tuple[str, Digest]]:
    return [(f"state {number}", state) for number, state in zip(numbers, states, strict=True)]


def _execute(recipe: Recipe, numbers: Sequence[int] | None) -> _Second:
    """One more execution in a folder of its own; ``None`` is all of it."""
    with tempfile.TemporaryDirectory(prefix="hauberk-replay-") as scratch:
        folder = Path(scratch).resolve() / "work"
        folder.mkdir()
        recipe.stage(folder)
        for path in recipe.products:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
        grants = recipe.grants(folder)
        env = dict(grants.env)
        if numbers is not None and recipe.committed is not None:
            _lend(recipe.committed, folder / _COMMITTED, numbers)
            env |= {WHICH: ",".join(map(str, numbers)), FROM: str(folder / _COMMITTED)}
        done = run(
            recipe.command,
            cwd=folder,
            grants=Grants(read=grants.read, write=grants.write, env=env),
            limits=recipe.limits,
            level=recipe.level,
        )
        if done.exit_code or done.killed_by:
            return _Second(trouble=_why(done))
        return _results(recipe, folder, numbers)


def _lend(committed: Path, target: Path, numbers: Sequence[int]) -> None:
    """A segments file that holds only the states which the segments begin with."""
    with committed.open("rb") as source, target.open("wb") as file:
        file.write(source.read(len(MAGIC)))
        for number in range(max(numbers) + 1):
            size = int.from_bytes(source.read(_SIZE), "little")
            if number in numbers and number:
                file.write(size.to_bytes(_SIZE, "little"))
                _copy(source, file, size)
            else:
                file.write(bytes(_SIZE))
                source.seek(size, os.SEEK_CUR)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        part = source.read(min(size, _CHUNK))
        if not part:
            return
        target.write(part)
        size -= len(part)


def _why(done: Completed) -> str:
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1][:200] if said else ""
    return f"it ended with {done.killed_by or f'exit code {done.exit_code}'} {last}".rstrip()


def _results(recipe: Recipe, folder: Path, numbers: Sequence[int] | None) -> _Second:
    found: dict[str, Digest] = {}
    try:
        for path in recipe.products:
            with collect_output(folder, PurePosixPath(path), max_bytes=MAX_OUTPUT_BYTES) as output:
                if path == recipe.segments:
                    chain = _chain_of(output.file, output.size, path)
                    found |= _states(chain, numbers)
                else:
                    found[path] = _digest(output.file, output.size)
    except ArtifactError as error:
        return _Second(trouble=str(error))
    return _Second(results=found)


def _states(chain: Chain, numbers: Sequence[int] | None) -> dict[str, Digest]:
    if numbers is None:
        return dict(_named(range(len(chain.states)), chain.states))
    wanted = (0, *(number + 1 for number in numbers))
    return dict(zip([f"state {number}" for number in wanted], chain.states, strict=False))


def machine() -> dict[str, str]:
    """What bit for bit equality depends on, beside the packages: processor, system, threads."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        cpuinfo = ""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith(("flags", "Feat"))), "")
    return {
        "instructions": digest_bytes(flags.encode())[:23],
        "libc": "-".join(platform.libc_ver()),
        "processor": platform.machine(),
        "processors": str(len(os.sched_getaffinity(0))),
    }
