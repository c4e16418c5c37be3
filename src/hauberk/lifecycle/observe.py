"""Watch the commands of an unmodified project and propose its lifecycle file from what they did.

Nothing is enforced while watching, so nothing is signed: the record says ``observed``, and
no gate to production takes that for evidence. What the watcher cannot see stands in the
proposal as a comment.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk import __version__
from hauberk.core.artifact import Digest
from hauberk.core.codec import to_json
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.core.record import RunRecord, Section, StepReport, StepState
from hauberk.errors import UsageError
from hauberk.isolation import Limits, Observation, observe_run
from hauberk.lifecycle.lifecycle_file import FILE, find
from hauberk.lifecycle.propose import MODELS, TABLES, acquisition_lines, columns_of
from hauberk.lifecycle.run import run_id
from hauberk.lifecycle.steps import command_of
from hauberk.trust import predicates
from hauberk.trust.digest import digest_file
from hauberk.trust.policy import sealed
from hauberk.trust.predicates import Circumstances, Step
from hauberk.trust.store import Store

PROPOSED = "hauberk.proposed.toml"
"""Name of the proposal where the project has a lifecycle file already."""

_CODE = frozenset({".py", ".ipynb", ".r", ".sh", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".md"})
_TRAIN, _TEST = re.compile(r"train", re.IGNORECASE), re.compile(r"test|holdout", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One command with what it did inside the project.

    Attributes:
        component: What the command seems to be, by what it wrote.
        inputs: Data that it read; code and configuration are left out.
        outside: Files outside the project that it read or wrote.
    """

    command: str
    component: Component
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    outside: tuple[str, ...]
    hosts: tuple[str, ...]
    observation: Observation


def observe(
    root: Path,
    commands: Sequence[str],
    *,
    python: Path,
    clock: Callable[[], float],
    say: Callable[[str], None],
) -> tuple[RunRecord, Path]:
    """Run the commands as their user would, watch them, write proposal and record.

    Returns:
        The record, and where the proposed lifecycle file lies.

    Raises:
        UsageError: No command is given, or one fails.
    """
    if not commands:
        raise UsageError("there is nothing to observe", hint='--observe "python train.py"')
    started = clock()
    seen = []
    for line in commands:
        say(f"observing: {line}")
        seen.append(_watched(root, line, python))
        say(f"  {_summary(seen[-1])}")
    target = root / (PROPOSED if find(root) else FILE)
    target.write_text(proposal(root.resolve(), seen), encoding="utf-8")
    record = _record(root, seen, started, clock())
    return record, target


def _watched(root: Path, line: str, python: Path) -> Seen:
    watched = observe_run(command_of(line, python), root.resolve(), Limits())
    if watched.completed.exit_code != 0:
        tail = watched.completed.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise UsageError(
            "an observed command fails",
            subject=line,
            expected="exit code 0",
            found=f"exit code {watched.completed.exit_code}: {' '.join(tail)[:200]}",
            hint="run it by hand first",
        )
    inside = [_inside(root, path) for path in watched.reads]
    written = [name for path in watched.writes if (name := _inside(root, path))]
    outputs = tuple(name for name in written if not _is_by_product(name))
    inputs = tuple(name for name in inside if name and _is_data(name) and name not in outputs)
    outside = (*watched.reads, *watched.writes)
    return Seen(
        command=line,
        component=_component(outputs),
        inputs=inputs,
        outputs=outputs,
        outside=tuple(str(path) for path in outside if not _inside(root, path)),
        hosts=watched.hosts,
        observation=watched,
    )


def _inside(root: Path, path: Path) -> str:
    return (
        path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else ""
    )


def _is_by_product(name: str) -> bool:
    parts = Path(name).parts
    return "__pycache__" in parts or name.endswith(".pyc") or parts[0] in (".git", ".hauberk")


def _is_data(name: str) -> bool:
    return Path(name).suffix.lower() not in _CODE and not _is_by_product(name)


def _component(outputs: Sequence[str]) -> Component:
    if any(Path(name).suffix.lower() in MODELS for name in outputs):
        return Component.TRAINING
    tables = [Path(name).stem for name in outputs if Path(name).suffix.lower() in TABLES]
    if any(_TRAIN.search(name) for name in tables) and any(_TEST.search(name) for name in tables):
        return Component.PREPARATION
    return Component.PREPROCESSING


def _summary(seen: Seen) -> str:
    parts = [f"{len(seen.inputs)} data files read", f"{len(seen.outputs)} written"]
    if seen.hosts:
        parts.append(f"talked to {', '.join(seen.hosts[:3])}")
    return f"{seen.component}: " + ", ".join(parts)


# The proposal --------------------------------------------------------------------------


def proposal(root: Path, seen: Sequence[Seen]) -> str:
    """A lifecycle file from what was seen, with what could not be seen as comments."""
    made = {path for item in seen for path in item.outputs}
    raw = tuple(dict.fromkeys(p for item in seen for p in item.inputs if p not in made))
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", root.name).strip("-") or "project"
    blocks = [
        "# Proposed from watching the project's own commands. Check it, then: hauberk run",
        *(f"# The watcher cannot see: {line}" for line in seen[0].observation.blind),
        "",
        f"[project]\nname = {json.dumps(plain)}\n",
        *acquisition_lines(raw, columns_of(root / raw[0]) if raw else ()),
        *(_block(number, item, seen) for number, item in enumerate(seen, start=1)),
        *([] if _has(Component.PREPARATION, seen) else [_split()]),
        '[validation]\n# metrics = { accuracy = ">= 0.8" }\n',
    ]
    return "\n".join(blocks)


def _has(component: Component, seen: Sequence[Seen]) -> bool:
    return any(item.component is component for item in seen)


def _split() -> str:
    return (
        "[preparation]  # no command wrote a test set, so Hauberk makes the split\n"
        "split = { test = 0.2, validation = 0.2 }\n"
    )


def _block(number: int, item: Seen, seen: Sequence[Seen]) -> str:
    lines = [*_head(number, item), f"run = {json.dumps(item.command)}"]
    if item.component is Component.PREPARATION:
        lines.extend(_roles(item))
    elif item.component is Component.TRAINING:
        models = [name for name in item.outputs if Path(name).suffix.lower() in MODELS]
        rest = [name for name in item.outputs if name not in models]
        if _has(Component.PREPARATION, seen):
            lines.append(f"inputs = {json.dumps(list(_unsealed(item)))}")
        lines.append(f"outputs = {json.dumps([*models, *rest])}")
    else:
        lines.append(f"inputs = {json.dumps(list(item.inputs))}")
        lines.append(f"outputs = {json.dumps(list(item.outputs))}")
    if item.hosts:
        lines.append(f"# it talked to {', '.join(item.hosts)}; steps run without network unless")
        lines.append('# limits = { network = ["host"] } names a host')
    lines.extend(f"# outside the project: {path}" for path in item.outside[:5])
    return "\n".join([*lines, ""])


def _head(number: int, item: Seen) -> list[str]:
    if item.component is not Component.PREPROCESSING:
        return [f"[{item.component}]"]
    words = shlex.split(item.command)
    script = next((Path(word).stem for word in words if word.endswith(".py")), f"step-{number}")
    return [f"[preprocessing.{re.sub(r'[^A-Za-z0-9_-]+', '-', script)}]"]


def _roles(item: Seen) -> list[str]:
    """Which output is which part; validation is switched off where there is none."""
    train = next(name for name in item.outputs if _TRAIN.search(Path(name).stem))
    test = next(name for name in item.outputs if _TEST.search(Path(name).stem))
    valid = next((name for name in item.outputs if "valid" in Path(name).stem.lower()), None)
    lines = [f"inputs = {json.dumps(list(item.inputs))}", f"train = {json.dumps(train)}"]
    lines.append(f"test = {json.dumps(test)}")
    lines.append(f"validation = {json.dumps(valid or '')}")
    return lines


def _unsealed(item: Seen) -> tuple[str, ...]:
    return tuple(name for name in item.inputs if not _TEST.search(Path(name).stem))


# The record ----------------------------------------------------------------------------


def _record(root: Path, seen: Sequence[Seen], started: float, finished: float) -> RunRecord:
    store = Store.open(root)
    name = run_id(started)
    steps = tuple(_report(root, item, name, n, store) for n, item in enumerate(seen, start=1))
    record = RunRecord(
        project=root.resolve().name,
        run_id=name,
        started=started,
        finished=finished,
        exit_code=0,
        isolation=Isolation.OBSERVE,
        steps=steps,
        environment={"hauberk": __version__, "watcher": seen[0].observation.means.value},
        trust={"signatures": "unsigned: the project was watched, not isolated"},
    )
    store.write(store.runs / name / "record.json", json.dumps(to_json(record), indent=1).encode())
    return record


def _report(root: Path, item: Seen, run: str, number: int, store: Store) -> StepReport:
    inputs, outputs = _digests(root, item.inputs), _digests(root, item.outputs)
    statement = _statement(item, run, number, inputs, outputs)
    if statement:
        store.write(store.runs / run / f"observed-{number}.json", statement)
    rows = [
        ("command", item.command),
        *((path, "read") for path in item.inputs),
        *((path, "written") for path in item.outputs),
        *((host, "talked to") for host in item.hosts),
    ]
    return StepReport(
        component=item.component,
        state=StepState.DONE,
        summary=f"{item.command}: {_summary(item)}",
        isolation=Isolation.OBSERVE,
        evidence=EvidenceMode.OBSERVED,
        inputs=inputs,
        outputs=outputs,
        sections=(Section(title="Observed", rows=tuple(rows)),),
    )


def _digests(root: Path, names: Sequence[str]) -> dict[str, Digest]:
    return {name: digest_file(root / name) for name in names if (root / name).is_file()}


def _statement(
    item: Seen, run: str, number: int, inputs: dict[str, Digest], outputs: dict[str, Digest]
) -> bytes:
    """What was observed, in the words of an attestation but unsigned; empty without products."""
    if not outputs:
        return b""
    step = Step(
        name=f"{item.component}.observed-{number}",
        component=item.component,
        command=tuple(shlex.split(item.command)),
        materials=inputs,
        products=outputs,
        isolation=Isolation.OBSERVE,
        evidence=EvidenceMode.OBSERVED,
        circumstances=Circumstances(
            run=run, sequence=number, policy=sealed(Policy()), tool_version=__version__
        ),
        started=0.0,
        finished=0.0,
    )
    return predicates.step_statement(step)
