"""One command of any orchestrator as a step: isolated, hashed, attested.

The step sees copies of its declared inputs in a fresh folder, and only what it leaves at the
declared outputs comes back. What it took is held against what earlier statements say was made,
so a file that was swapped in between is refused before the command starts. Secrets come as
files. The statement is unsigned: whoever owns the
job owns its keys, so signing belongs to a separate job (``hauberk sign``).

A secret is known in all the forms in which programs write it (`methods.secret_forms`): what the
step prints and the words of its command are masked, and an output that holds one is refused
before any output is kept.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hauberk import __version__
from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.isolation import Grants, Limits, collect_output, interpreter_grants, run
from hauberk.isolation.interpreters import system_grants
from hauberk.lifecycle.replay import Recipe, machine
from hauberk.methods.leaks import leaks
from hauberk.methods.secret_forms import Handed
from hauberk.methods.secrets import mask_secrets
from hauberk.trust.digest import digest_file, parse_digest
from hauberk.trust.predicates import Circumstances, Step, read_step, step_statement
from hauberk.trust.statement import parse

MAX_OUTPUT_BYTES = 64 << 30
FOLDER = Path(".hauberk/steps")
"""Where statements of steps lie, beside the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """What a wrapped step is asked to do.

    Attributes:
        root: The project's folder; inputs and outputs are relative to it.
        secrets: Name to value; given to the step as files named by ``NAME_FILE``.
        level: Exactly this level of isolation.
        image: The container image that the command runs in, as the orchestrator tells it.
        refuses_secrets: Whether an output with what looks like a credential is refused.
    """

    name: str
    command: tuple[str, ...]
    root: Path
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    level: Isolation = Isolation.FULL
    limits: Limits = field(default_factory=Limits)
    image: str = ""
    refuses_secrets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a wrapped step ended; texts are masked.

    Attributes:
        leaks: What looks like a credential that nobody handed out, by output and kind.
    """

    exit_code: int
    stdout: str
    stderr: str
    statement: Path | None
    products: Mapping[str, Digest] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()


def wrap(asked: Wrapped) -> Ended:
    """Run a command as a step and keep its statement.

    Raises:
        TrustError: An input is not the one that an earlier step made.
        ArtifactError: A declared output is missing, is no plain file, or holds a secret.
        UnavailableError: The level is not to be had here.
    """
    if not asked.outputs:
        raise UsageError("a step hands on at least one output", subject=asked.name)
    if asked.image:
        parse_digest(asked.image.rpartition("@")[2])
    handed = Handed(tuple(asked.secrets.items()))
    materials = {name: digest_file(_inside(asked.root, name)) for name in _files(asked)}
    _refuse_telling_names(
        handed, (asked.name, *materials, *asked.outputs, *asked.network, asked.image)
    )
    check_handover(asked.root / FOLDER, materials)
    with tempfile.TemporaryDirectory(prefix="hauberk-step-") as scratch:
        folder = Path(scratch).resolve() / "work"
        _stage(asked, folder, materials)
        started = time.time()
        done = run(
            _command(asked),
            cwd=folder,
            grants=_grants(asked, folder),
            limits=asked.limits,
            level=asked.level,
        )
        shutil.rmtree(folder / _SECRETS, ignore_errors=True)
        texts = [
            masked(part, handed, is_cut=len(part) >= asked.limits.output_bytes)
            for part in (done.stdout, done.stderr)
        ]
        if done.exit_code:
            return Ended(exit_code=done.exit_code, stdout=texts[0], stderr=texts[1], statement=None)
        products, leaked = _collect_all(asked, folder, handed)
    told = replace(asked, command=tuple(handed.mask(word) for word in asked.command))
    statement = _statement(told, materials, products, started, done.level)
    path = asked.root / FOLDER / f"{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(statement)
    return Ended(
        exit_code=0,
        stdout=texts[0],
        stderr=texts[1],
        statement=path,
        products=products,
        leaks=leaked,
    )


_SECRETS = ".secrets"


def _inside(root: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name:
        raise UsageError(
            "inputs and outputs are relative to the project", subject=name, expected="a/b.csv"
        )
    return root / path


def _files(asked: Wrapped) -> list[str]:
    """Declared inputs, folders as the files in them."""
    found: list[str] = []
    for name in asked.inputs:
        path = _inside(asked.root, name)
        if path.is_dir():
            inner = sorted(
                item for item in path.rglob("*") if item.is_file() and not item.is_symlink()
            )
            found += [item.relative_to(asked.root).as_posix() for item in inner]
        elif path.is_file():
            found.append(PurePosixPath(name).as_posix())
        else:
            raise UsageError("an input is not there", subject=name, found="nothing")
    return found


def _stage(asked: Wrapped, folder: Path, materials: Mapping[str, Digest]) -> None:
    folder.mkdir()
    for name, digest in materials.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(asked.root / name, target)
        shutil.copymode(asked.root / name, target)
        if digest_file(target) != digest:
            raise TrustError("an input changed while it was read", subject=name)
    for name in asked.outputs:
        _inside(asked.root, name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name, value in asked.secrets.items():
        (folder / _SECRETS).mkdir(mode=stat.S_IRWXU, exist_ok=True)
        path = folder / _SECRETS / name
        path.write_text(value, "utf-8")
        path.chmod(stat.S_IRUSR)


def _command(asked: Wrapped) -> tuple[str, ...]:
    """The command; a Python that is a script choosing one becomes our own interpreter."""
    program = shutil.which(asked.command[0]) or asked.command[0]
    if Path(program).name.startswith("python") and Path(program).is_file():
        with Path(program).open("rb") as file:
            is_script = file.read(2) == b"#!"
        return (sys.executable if is_script else program, *asked.command[1:])
    return asked.command


def _grants(asked: Wrapped, folder: Path) -> Grants:
    program = _command(asked)[0]
    is_python = Path(program).name.startswith("python")
    read = interpreter_grants(Path(program)) if is_python else system_grants()
    env = {f"{name}_FILE": str(folder / _SECRETS / name) for name in asked.secrets}
    return Grants(read=(folder, *read), write=(folder,), env=env, network=asked.network)


def masked(data: bytes, handed: Handed, *, is_cut: bool = False) -> str:
    """Text without the secrets that were handed out, and without what looks like one.

    Args:
        is_cut: Whether its beginning was dropped; what may be the rest of a secret goes too.
    """
    kept = data[handed.longest :] if is_cut else data
    return mask_secrets(handed.mask(kept.decode("utf-8", "replace")))


def _refuse_telling_names(handed: Handed, names: tuple[str, ...]) -> None:
    for name in names:
        if label := handed.first_in(name):
            raise UsageError(
                "a name of the step, of an input, an output or a host holds a secret",
                subject=_called(label),
                rule="names are written into the statement",
                hint="use another name; the step reads the secret from its file",
            )


def _called(label: str) -> str:
    """How a message calls a secret that was found: by its name and form alone."""
    name, _, form = label.rpartition(", ")
    return f"secret {name} ({form})"


def _collect_all(
    asked: Wrapped, folder: Path, handed: Handed
) -> tuple[dict[str, Digest], tuple[str, ...]]:
    """Take over all outputs, or none; and what in them looks like a credential."""
    copies: dict[str, Path] = {}
    try:
        for name in asked.outputs:
            copies[name] = _copy(asked, folder, name, handed)
        products = {name: digest_file(path) for name, path in copies.items()}
        leaked = tuple(_leaked(copies))
        if leaked and asked.refuses_secrets:
            raise ArtifactError(
                "an output holds what looks like a credential",
                subject=asked.name,
                rule="what a step hands on holds no credential",
                found="; ".join(leaked)[:300],
                hint="nothing was kept; find out what writes it, and rotate it",
            )
        for name, path in copies.items():
            path.replace(asked.root / name)
    finally:
        for path in copies.values():
            path.unlink(missing_ok=True)
    return products, leaked


def _leaked(copies: Mapping[str, Path]) -> Iterator[str]:
    for name, path in copies.items():
        with path.open("rb") as file:
            for leak in leaks(file):
                yield f"{name}: {leak.secret.provider} at byte {leak.offset}"


def _copy(asked: Wrapped, folder: Path, name: str, handed: Handed) -> Path:
    target = asked.root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with collect_output(folder, PurePosixPath(name), max_bytes=MAX_OUTPUT_BYTES) as output:
        descriptor, kept = tempfile.mkstemp(dir=target.parent, prefix=".hauberk-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in _without_secrets(output.file, handed, name):
                    file.write(piece)
        except BaseException:
            Path(kept).unlink(missing_ok=True)
            raise
    return Path(kept)


def _without_secrets(file: BinaryIO, handed: Handed, name: str) -> Iterator[bytes]:
    """The pieces of an output; each was looked through before it is given.

    Raises:
        ArtifactError: It holds a secret that the step was handed.
    """
    search, piece = handed.search(), b"first"
    while piece:
        piece = file.read(1 << 20)
        if label := search.feed(piece) if piece else search.end():
            raise ArtifactError(
                "an output holds a secret that the step was handed",
                subject=name,
                rule="what a step hands on holds none of its secrets, in no encoding",
                found=_called(label),
                hint="nothing was kept; find out what writes it, and rotate the secret if an "
                "earlier run may have published it",
            )
        yield piece


def _statement(
    asked: Wrapped,
    materials: Mapping[str, Digest],
    products: Mapping[str, Digest],
    started: float,
    level: Isolation,
) -> bytes:
    evidence = EvidenceMode.OBSERVED if level is Isolation.OBSERVE else EvidenceMode.ISOLATED
    known = Circumstances(
        run=os.environ.get("GITHUB_RUN_ID") or os.environ.get("CI_PIPELINE_ID") or uuid.uuid4().hex,
        sequence=0,
        policy=Policy(),
        tool_version=__version__,
    )
    return step_statement(
        Step(
            name=asked.name,
            component=Component.PIPELINE,
            command=asked.command,
            materials=materials,
            products=products,
            isolation=level,
            evidence=evidence,
            circumstances=known,
            started=started,
            finished=time.time(),
            parameters=({"image": asked.image} if asked.image else {})
            | {
                "machine": machine(),
                "network": list(asked.network),
                "outputs": list(asked.outputs),
                "secrets": sorted(asked.secrets),
            },
        )
    )


def check_handover(folder: Path, materials: Mapping[str, Digest]) -> None:
    """Hold inputs against what earlier steps say they made.

    Raises:
        TrustError: An input has another digest than the step that made it says.
        ArtifactError: A statement does not parse.
    """
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            said = parse(path.read_bytes()).subjects
        except OSError as error:
            raise UnavailableError("a statement cannot be read", subject=str(path)) from error
        for name, digest in materials.items():
            if name in said and said[name] != digest:
                raise TrustError(
                    "an input is not what the step before made",
                    subject=name,
                    rule=f"it is the product of {path.stem}",
                    expected=str(said[name]),
                    found=str(digest),
                    hint="run that step again, and find out who changed the file",
                )


# Doing it again -----------------------------------------------------------------------


def recipe_of(root: Path, name: str, *, segments: str = "") -> Recipe:
    """What a wrapped step's statement says it takes to do the step again.

    Raises:
        UsageError: There is no such statement, or the segments file is none of its outputs.
        TrustError: Code, an input or an output is not what was attested, or the step cannot be
            the same again: it was handed secrets or a network.
        UnavailableError: This machine computes differently.
    """
    path = root / FOLDER / f"{name}.json"
    if not path.is_file():
        raise UsageError("there is no statement of this step", subject=str(path), found="nothing")
    said = read_step(parse(path.read_bytes()))
    _refuse_unrepeatable(said)
    for item, digest in {**said.materials, **said.products}.items():
        found = digest_file(_inside(root, item)) if (root / item).is_file() else None
        if found != digest:
            raise _unpinned(item, name, digest, found)
    outputs = [str(item) for item in said.parameters.get("outputs", said.products)]
    if segments and segments not in outputs:
        raise UsageError("the segments file is no output", subject=segments, expected=str(outputs))
    asked = Wrapped(
        name=said.name,
        command=said.command,
        root=root,
        inputs=tuple(said.materials),
        outputs=tuple(outputs),
        level=said.isolation,
    )
    return Recipe(
        name=said.name,
        command=_command(asked),
        stage=lambda folder: _stage_into(asked, folder, said.materials),
        grants=lambda folder: _grants(asked, folder),
        limits=asked.limits,
        level=said.isolation,
        products={item: said.products[item] for item in outputs},
        segments=segments,
        committed=root / segments if segments else None,
    )


def _stage_into(asked: Wrapped, folder: Path, materials: Mapping[str, Digest]) -> None:
    folder.rmdir()
    _stage(asked, folder, materials)


def _refuse_unrepeatable(said: Step) -> None:
    why = next((key for key in ("network", "secrets") if said.parameters.get(key)), "")
    here = {key: value for key, value in machine().items() if value != _attested(said, key)}
    if why:
        raise UnavailableError(
            "the step is not replayable",
            subject=said.name,
            rule="what cannot be repeated is not proven",
            found=f"it was given {why}",
        )
    if here:
        raise UnavailableError(
            "the step is not replayable on this machine",
            subject=said.name,
            rule="bit for bit equality holds on the same processor, libraries and threads",
            expected=", ".join(f"{key} {_attested(said, key)}" for key in here),
            found=", ".join(f"{key} {value}" for key, value in here.items()),
        )


def _attested(said: Step, key: str) -> str:
    told = said.parameters.get("machine")
    return str(told.get(key, "unknown")) if isinstance(told, Mapping) else "unknown"


def _unpinned(item: str, name: str, expected: Digest, found: Digest | None) -> TrustError:
    return TrustError(
        f"{item} is not what the statement of {name} says",
        subject=item,
        rule="a replay runs the code and reads the inputs that were attested",
        expected=expected,
        found=str(found or "no such file"),
        hint="restore it; whoever changed it after the step ran can say why",
    )
