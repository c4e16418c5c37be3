"""Run one step of the user: skip it if nothing changed, else stage, isolate, collect, attest.

1. The recipe is the digest of everything that the products depend on: command, inputs by
   digest, code by digest, environment, limits, isolation level, Hauberk's version.
2. An authenticated cache entry for the recipe whose blobs are whole lets the step be
   skipped; its attestation is the one that was made when it ran.
3. Otherwise the step runs in a folder of its own at the run's isolation level.
4. Only after its whole process tree has ended are the declared outputs collected, hashed
   and published; a missing one fails the step and nothing of it is kept.
5. The hand-over is signed by the separate signer, then cached.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hauberk import __version__
from hauberk.core.artifact import Digest, StepRecord, StepUse
from hauberk.core.codec import from_json, to_json
from hauberk.core.policy import EvidenceMode, Isolation
from hauberk.core.record import Attestation, StepReport, StepState
from hauberk.errors import TrustError, UnavailableError
from hauberk.isolation import Grants, Limits, collect_output, interpreter_grants, list_outputs, run
from hauberk.lifecycle import usage_history
from hauberk.lifecycle.handing import credentials_of
from hauberk.lifecycle.pacing import Pace
from hauberk.lifecycle.settings import size_bytes
from hauberk.lifecycle.staging import stage
from hauberk.lifecycle.workshop import Made
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes

if TYPE_CHECKING:
    from hauberk.isolation import Completed
    from hauberk.lifecycle.plan import Step
    from hauberk.lifecycle.workshop import Workshop

CHUNK_BYTES = 1 << 20
SIGNALS = 128
"""Exit codes above it name the signal that ended a process."""

SHOWN_LINES = 20
"""Lines of a failed step's output that are shown; the whole tail is in the run's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that is done or was skipped.

    Attributes:
        usage: What it used when it ran.
        children: Programs that ran beside its own, with how many processes of each.
        earlier: Processor seconds of earlier runs of the same command on as much input.
    """

    record: StepRecord
    attestation: Attestation
    skipped: bool
    made: Made
    usage: Mapping[str, float]
    denials: tuple[str, ...] | None
    children: Mapping[str, int] = field(default_factory=dict)
    earlier: tuple[float, ...] = ()

    def use(self, step: Step, own: str = "") -> StepUse:
        """What controls look at: what it used, beside what it was allowed."""
        return StepUse(
            name=step.name,
            cpu_s=float(self.usage.get("cpu_s", 0.0)),
            children=self.children,
            programs=step.table.limits.programs,
            denials=self.denials,
            own=(own,) if own else (),
            earlier=self.earlier,
        )


class StepFailed(Exception):  # noqa: N818 - becomes a report, not an error message
    """A step did not do what it declared.

    Attributes:
        reason: One line.
        detail: The tail of what it printed.
    """

    def __init__(self, reason: str, detail: str = "", hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.hint = hint


def do(step: Step, shop: Workshop) -> Done:
    """Run ``step`` or skip it.

    Raises:
        StepFailed: It failed, was killed, or did not write what it declared.
        UnavailableError: The isolation level cannot be had here.
    """
    materials = materials_of(step, shop)
    recipe = recipe_of(step, shop, materials)
    done = _cached(recipe, shop)
    if done is None:
        done = _run(step, shop, materials)
        _remember(recipe, done, shop)
    for path in done.record.products:
        shop.deliver(path)
    return done


def materials_of(step: Step, shop: Workshop) -> dict[str, Digest]:
    """Everything that the step can read, by path: its inputs and the project's code."""
    inputs = {path: _input(path, shop) for path in step.table.inputs}
    return {**shop.code.files, **inputs}


def recipe_of(step: Step, shop: Workshop, materials: Mapping[str, Digest]) -> Digest:
    """Identity of everything that the products depend on."""
    table = step.table
    parts = {
        "step": step.name,
        "command": table.run,
        "outputs": list(table.outputs),
        "at": dict(table.at),
        "collect": dict(table.collect),
        "environment": dict(table.environment),
        "limits": to_json(table.limits),
        "materials": dict(materials),
        "interpreter": str(shop.python),
        "packages": shop.shared.lock,
        "isolation": shop.context.isolation.value,
        "signers": list(shop.signing.key_ids),
        "policy": shop.context.policy.digest,
        "version": __version__,
        **_answering(step, shop),
    }
    return digest_bytes(canonical_json(parts))


def _answering(step: Step, shop: Workshop) -> dict[str, str]:
    """Training answers a monitor's request anew, whatever earlier runs trained."""
    if step.name != shop.plan.training.name or shop.asked.digest is None:
        return {}
    return {"asked": shop.asked.digest}


def _input(path: str, shop: Workshop) -> Digest:
    """An input's digest; a file of the project that nobody makes is landed as it is."""
    if path not in shop.digests:
        shop.land(path, shop.store.publish_file(shop.settings.root / path))
    return shop.digests[path]


# Skipping ------------------------------------------------------------------------------


def _cached(recipe: Digest, shop: Workshop) -> Done | None:
    """The hand-over that an earlier run made for the recipe, if all of it is still whole."""
    try:
        entry = shop.cache.get(recipe)
    except TrustError as error:
        shop.say("cache-refused", f"a cache entry was refused: {error.message}")
        return None
    if entry is None:
        return None
    done = _done_from(json.loads(entry))
    if not all(_is_whole(digest, shop) for digest in done.record.products.values()):
        return None
    shop.adopt(done.record, done.attestation)
    return done


def _is_whole(digest: Digest, shop: Workshop) -> bool:
    try:
        shop.store.blobs.check(digest)
    except (TrustError, UnavailableError):
        shop.say("blob-refused", f"{digest} in the store is damaged or gone; running again")
        return False
    return True


def _done_from(value: Any) -> Done:
    return Done(
        record=from_json(StepRecord, value["record"]),
        attestation=from_json(Attestation, value["attestation"]),
        skipped=True,
        made=from_json(Made, value["made"]),
        usage=value["usage"],
        denials=None if value["denials"] is None else tuple(value["denials"]),
        children=dict(value.get("children", {})),
        earlier=tuple(value.get("earlier", ())),
    )


def _remember(recipe: Digest, done: Done, shop: Workshop) -> None:
    entry = {
        "record": to_json(done.record),
        "attestation": to_json(done.attestation),
        "made": to_json(done.made),
        "usage": dict(done.usage),
        "denials": None if done.denials is None else list(done.denials),
        "children": dict(done.children),
        "earlier": list(done.earlier),
    }
    shop.cache.put(recipe, json.dumps(entry).encode())


# Running -------------------------------------------------------------------------------


def _run(step: Step, shop: Workshop, materials: Mapping[str, Digest]) -> Done:
    folder = shop.work / step.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return _run_in(folder, step, shop, materials)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, step: Step, shop: Workshop, materials: Mapping[str, Digest]) -> Done:
    inputs = {path: shop.digests[path] for path in step.table.inputs}
    placed = {path: shop.digests[what] for path, what in step.table.at.items()}
    stage(folder, shop.settings.root, shop.code, {**inputs, **placed}, shop.store)
    for path in step.table.outputs:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    started = shop.context.clock()
    with Pace() as pace:
        completed = run(
            command_of(step.table.run, shop.python),
            cwd=folder,
            grants=Grants(
                read=(folder, *interpreter_grants(shop.python)),
                write=(folder,),
                env=dict(step.table.environment),
                network=step.table.limits.network,
                credentials=credentials_of(step, shop.settings, os.environ),
            ),
            limits=limits_of(step, shop),
            level=shop.context.isolation,
        )
    finished = shop.context.clock()
    _refuse_failure(step, completed)
    products = _collected(step, shop, folder)
    made = Made(
        level=completed.level,
        evidence=_evidence(completed.level),
        started=started,
        finished=finished,
        parameters=_parameters(step),
    )
    record = StepRecord(
        name=step.name,
        command=tuple(shlex.split(step.table.run)),
        materials=dict(materials),
        products=products,
    )
    attestation = shop.signing.attest_step(record, made, (), shop)
    shop.adopt(record, attestation)
    return Done(
        record=record,
        attestation=attestation,
        skipped=False,
        made=made,
        usage=to_json(completed.usage),
        denials=completed.denials,
        children=completed.children,
        earlier=usage_history.note(step, shop, inputs, completed.usage.cpu_s, pace.factor),
    )


def _parameters(step: Step) -> dict[str, Any]:
    """What else shaped the products, for the attestation."""
    table = step.table
    named = {"at": dict(table.at), "collect": dict(table.collect)}
    return {"limits": to_json(table.limits), **{key: what for key, what in named.items() if what}}


def command_of(line: str, python: Path) -> tuple[str, ...]:
    """The words of a command line; ``python`` means the project's own interpreter."""
    words = shlex.split(line)
    if words and words[0] in ("python", "python3"):
        words[0] = str(python)
    return tuple(words)


def limits_of(step: Step, shop: Workshop) -> Limits:
    """The step's limits in bytes and seconds."""
    table, source = step.table.limits, shop.settings.source
    return Limits(
        wall_s=table.wall_s,
        cpu_s=table.cpu_s,
        memory_bytes=size_bytes(table.memory, source, (*step.keys, "limits", "memory")),
        processes=table.processes,
        file_bytes=size_bytes(table.file, source, (*step.keys, "limits", "file")),
    )


def _evidence(level: Isolation) -> EvidenceMode:
    return EvidenceMode.OBSERVED if level is Isolation.OBSERVE else EvidenceMode.ISOLATED


def _refuse_failure(step: Step, completed: Completed) -> None:
    if completed.exit_code == 0 and not completed.timed_out and not completed.killed_by:
        return
    tail = completed.stderr.decode("utf-8", "replace").splitlines()[-SHOWN_LINES:]
    raise StepFailed(
        _why(step, completed) + _last_words(tail), "\n".join(tail), _advice(step, tail)
    )


def _last_words(tail: list[str]) -> str:
    """The last line that a failed step printed, which most often says why."""
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    return f": {last[:160]}" if last else ""


def _why(step: Step, completed: Completed) -> str:
    if completed.timed_out:
        return f"{step.name} took longer than {step.table.limits.wall_s:g} s and was killed"
    if completed.killed_by in _KEY_OF_LIMIT:
        key = _KEY_OF_LIMIT[completed.killed_by]
        limit = getattr(step.table.limits, key)
        return f"{step.name} was killed: it used more than limits.{key} = {limit}{_ran(completed)}"
    if completed.killed_by:
        return f"{step.name} was killed: {completed.killed_by}{_ran(completed)}"
    if completed.exit_code > SIGNALS:
        return f"{step.name} was killed by signal {completed.exit_code - SIGNALS}"
    return f"{step.name} ended with exit code {completed.exit_code}"


_KEY_OF_LIMIT = {
    "cpu_s": "cpu_s",
    "memory_bytes": "memory",
    "processes": "processes",
    "file_bytes": "file",
}


def _ran(completed: Completed) -> str:
    names = [f"{name} ({count})" for name, count in list(completed.children.items())[:SHOWN_LINES]]
    return f"; beside it ran {', '.join(names)}" if names else ""


def _advice(step: Step, tail: list[str]) -> str:
    text = "\n".join(tail)
    if "No such file" in text or "FileNotFoundError" in text:
        return f"only declared inputs are there; add the file to inputs of [{'.'.join(step.keys)}]"
    if "ModuleNotFoundError" in text:
        return 'the step runs with the interpreter in [project] python = "..."; install it there'
    if "MemoryError" in text:
        return f"raise limits.memory of [{'.'.join(step.keys)}]"
    return "run the command by hand to see more"


def _collected(step: Step, shop: Workshop, folder: Path) -> dict[str, Digest]:
    """Digests of the declared outputs, now in the store."""
    products: dict[str, Digest] = {}
    max_bytes = limits_of(step, shop).file_bytes
    for path in step.table.outputs:
        if pattern := step.table.collect.get(path):
            products[path] = _publish(_only_match(folder, pattern, step), max_bytes, folder, shop)
            continue
        if not (folder / path).exists():
            raise StepFailed(
                f"{step.name} did not write {path}",
                hint=f"outputs of [{'.'.join(step.keys)}] are what the command must write",
            )
        products[path] = _publish(path, max_bytes, folder, shop)
    return products


def _only_match(folder: Path, pattern: str, step: Step) -> str:
    """The one file of the step that ``pattern`` names; ``**`` stands for folders in between."""
    parts = PurePosixPath(pattern).parts
    fixed = PurePosixPath(*takewhile(lambda part: not set(part) & set("*?["), parts[:-1]))
    if not (folder / fixed).exists():
        found: list[str] = []
    else:
        found = [str(name) for name in list_outputs(folder, fixed) if _fits(name.parts, parts)]
    if len(found) != 1:
        raise StepFailed(
            f"{step.name} wrote {len(found)} files like {pattern}",
            hint=f"collect of [{'.'.join(step.keys)}] names a pattern that fits exactly one file",
        )
    return found[0]


def _fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not parts or not names:
        return not parts and not names
    if parts[0] == "**":
        return _fits(names, parts[1:]) or _fits(names[1:], parts)
    return fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _publish(path: str, max_bytes: int, folder: Path, shop: Workshop) -> Digest:
    """Hash and store one output from the handle that the checks were made on."""
    with collect_output(folder, PurePosixPath(path), max_bytes=max_bytes) as output:
        return shop.store.blobs.put(iter(lambda: output.file.read(CHUNK_BYTES), b""))


def report_of(step: Step, done: Done) -> StepReport:
    """The bare report of a step that is done."""
    from hauberk.core.record import Section
    from hauberk.report.wording import number

    rows = [(name.replace("_", " "), number(value)) for name, value in done.usage.items()]
    beside = [("ran beside it", f"{name} ({count})") for name, count in done.children.items()]
    observed = "not observed" if done.denials is None else str(len(done.denials))
    return StepReport(
        component=step.component,
        state=StepState.SKIPPED if done.skipped else StepState.DONE,
        summary=f"{step.table.run}: {'unchanged, skipped' if done.skipped else 'done'}",
        started=done.made.started,
        seconds=done.made.finished - done.made.started,
        isolation=done.made.level,
        evidence=done.made.evidence,
        inputs={path: done.record.materials[path] for path in step.table.inputs},
        outputs=done.record.products,
        attestations=(done.attestation,),
        sections=(
            Section(
                title=step.name,
                rows=(("command", step.table.run), ("denials", observed), *rows, *beside),
            ),
        ),
    )
