"""All hits of one file, read once for all controls.

A control asks for the hits of a file and keeps those of its own family. What was read is kept
by the digest of the file, so that ten controls cost as much as one; only hits are kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.finding import Finding, Level, Severity
from hauberk.errors import ArtifactError, InternalError
from hauberk.formats.kept_results import kept_results
from hauberk.formats.notebooks import read_notebook
from hauberk.formats.python_source import is_python, parse
from hauberk.methods.code.commands import faults
from hauberk.methods.code.dependencies import dependency_hits, is_dependency_file, pins_of
from hauberk.methods.code.dependency_rules import SETS_HOOKS
from hauberk.methods.code.fetched_files import fetched_hits
from hauberk.methods.code.handed_flags import handed_hits
from hauberk.methods.code.hidden_texts import active_hits, comment_hits, unseen_hits
from hauberk.methods.code.images import ARCHIVE, INDEX, MOVING, image_hits, is_image_file
from hauberk.methods.code.insiders import insider_hits
from hauberk.methods.code.lasting_files import lasting_hits
from hauberk.methods.code.learning import learning_hits
from hauberk.methods.code.left_out_asserts import optimised_hits
from hauberk.methods.code.library_calls import library_hits
from hauberk.methods.code.orchestration import manifest_hits
from hauberk.methods.code.package_settings import package_setting_hits
from hauberk.methods.code.project_settings import (
    character_hits,
    is_settings_file,
    settings_hits,
)
from hauberk.methods.code.proxies import proxy_hits
from hauberk.methods.code.python_execution import execution_hits
from hauberk.methods.code.python_exposure import exposure_hits
from hauberk.methods.code.python_index import index_of
from hauberk.methods.code.python_installs import install_hits
from hauberk.methods.code.python_loading import MOVING as HUB
from hauberk.methods.code.python_loading import loading_hits
from hauberk.methods.code.python_requests import request_hits
from hauberk.methods.code.r_scripts import r_hits
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import command_faults
from hauberk.methods.code.settings_files import is_script
from hauberk.methods.code.soft_gates import soft_gate_hits
from hauberk.methods.code.startup_files import startup_hits
from hauberk.methods.code.telling import MAX_PER_FILE, is_test, not_checked, of_hits
from hauberk.methods.code.workflows import workflow_hits, workflow_kind
from hauberk.methods.identity_cases import cases
from hauberk.methods.python_names import names_of

MAX_KEPT = 200_000
"""Files whose hits are remembered; beyond that all are forgotten."""

Torch = tuple[int, ...] | None

PIPED = rule(
    "insecure-downloads/pipe-to-shell",
    "high",
    "runs what it downloads",
    "Download, compare a digest, then run.",
    "CWE-494",
)
TLS = rule(
    "insecure-downloads/unchecked",
    "high",
    "downloads while checks of certificates or signatures are off",
    "Keep the checks on.",
    "CWE-295",
)
CLEARTEXT = rule(
    "insecure-downloads/cleartext-command",
    "medium",
    "downloads without TLS",
    "Use https and compare a digest.",
    "CWE-319",
)
SENT = rule(
    "outbound-data/upload-command",
    "high",
    "sends weights or data out by a command",
    "Let only the release step publish, to a named and approved place.",
    "CWE-200",
    review=True,
)
PRINTED = rule(
    "outbound-data/printed-secret",
    "medium",
    "prints a secret where logs keep it",
    "Print nothing of it.",
    "CWE-532",
)
_COMMANDS: dict[str, Rule] = {
    "pipe": PIPED,
    "decoded": PIPED,
    "tls": TLS,
    "cleartext": CLEARTEXT,
    "sent": SENT,
    "printed": PRINTED,
    "index": INDEX,
    "moving": MOVING,
    "archive": ARCHIVE,
    "hooks": SETS_HOOKS,
    "hub": HUB,
}


@dataclass(frozen=True, slots=True)
class Read:
    """What one file gave.

    Attributes:
        owner: The family that tells why the file was not read, which is ``reason``.
        broken: What went wrong in a reader that should have read it.
        singles_out: Whether somebody's identifier may be treated otherwise in it.
    """

    hits: tuple[Hit, ...]
    reason: str = ""
    owner: str = ""
    broken: str = ""
    singles_out: bool = True


_kept: dict[tuple[str, str, Torch], Read] = {}


def read_hits(file: SourceFile, torch: Torch = None) -> Read:
    """The hits of all families in a file."""
    digest = file.digest or hashlib.sha256(file.text.encode("utf-8", "replace")).hexdigest()
    key = (str(digest), file.name, torch)
    if key not in _kept:
        if len(_kept) >= MAX_KEPT:
            _kept.clear()
        _kept[key] = _from_before(file, torch)
    return _kept[key]


def may_single_out(file: SourceFile, torch: Torch = None) -> bool:
    """Whether a file that is no test may treat somebody's identifier otherwise.

    It is found out where a file is parsed for all other rules, so that it is not parsed again.
    """
    return read_hits(file, torch).singles_out


def tree_findings(tree: CodeTree, control: str) -> Iterator[Finding]:
    """The findings of one control, by its id, over a tree.

    Raises:
        InternalError: A reader broke on a file; said once all the others are told.
    """
    family = control.rpartition("/")[2]
    torch = torch_of(tree)
    broken: list[tuple[str, str]] = []
    for file in tree.files():
        read = read_hits(file, torch)
        if read.broken:
            broken.append((file.name, read.broken))
        yield from of_hits(file, control, [hit for hit in read.hits if hit.rule.family == family])
        if read.owner == family:
            yield not_checked(file.name, read.reason)
    if broken:
        name, found = broken[0]
        raise InternalError(
            f"{len(broken)} of the files could not be judged, {name} first",
            subject=name,
            found=found,
            hint="the others were judged; look through this one by hand and report the error",
        )


def torch_of(tree: CodeTree) -> Torch:
    """The lowest torch that the project's files fix, if they fix one."""
    found: list[tuple[int, ...]] = []
    for file in tree.files():
        if is_dependency_file(file.path) and "torch" in file.text:
            found += _torches(file)
    return min(found, default=None)


def _torches(file: SourceFile) -> Iterator[tuple[int, ...]]:
    if file.path.suffix in {".txt", ".in"}:
        pins = {pin.name.lower(): pin.version for pin in pins_of(file.text)}
        versions = [pins.get("torch", "")]
    else:
        form = r"(?:name = \"torch\"\s*\nversion = \"|[\"'\s-](?:py)?torch(?:\[[^\]]*\])?\s*(?:==?|=\s*\"==?)\s*|\"torch\" = \"==?)(\d[\w.+]*)"
        versions = re.findall(form, file.text)
    for version in versions:
        numbers = re.findall(r"\d+", version.partition("+")[0])
        if len(numbers) > 1:
            yield tuple(int(number) for number in numbers[:3])


# Kept from one scan to the next --------------------------------------------------------


def _from_before(file: SourceFile, torch: Torch) -> Read:
    """What an earlier scan read in the same content, or what is read now."""
    kept = kept_results()
    key = kept.key(f"code {torch}", file) if kept is not None else None
    if kept is None or key is None:
        return _read(file, torch)
    found = kept.get(key)
    if found is not None:
        with suppress(ValueError, TypeError, IndexError):
            return _unpacked(found)
    read = _read(file, torch)
    if not read.broken:
        kept.put(key, _packed(read))
    return read


def _packed(read: Read) -> list[object]:
    hits = [
        [[r.name, r.severity, r.says, r.remedy, r.cwe, r.level], hit.line, hit.found]
        for hit in read.hits
        for r in (hit.rule,)
    ]
    return [hits, read.reason, read.owner, read.singles_out]


def _unpacked(found: Any) -> Read:
    hits, reason, owner, singles_out = found
    rules = (
        (Rule(name, Severity(severity), says, remedy, cwe, Level(level)), line, shown)
        for (name, severity, says, remedy, cwe, level), line, shown in hits
    )
    return Read(
        tuple(Hit(*one) for one in rules), reason, owner, singles_out=singles_out is not False
    )


# One file ------------------------------------------------------------------------------


def _read(file: SourceFile, torch: Torch) -> Read:
    hits: list[Hit] = []
    reason = owner = broken = ""
    marks = _Marks()
    for family, reader in _readers(file, torch, marks):
        try:
            hits += _bounded(reader())
        except ArtifactError as error:
            reason, owner = _why(error), family
        except Exception as error:  # noqa: BLE001 - one file may not end a scan; told as failed
            broken = f"{type(error).__name__}: {error}"
    return Read(tuple(hits), reason, owner, broken, marks.singles_out)


def _why(error: ArtifactError) -> str:
    """What is wrong with a file, with what was found where that says more than a number of it."""
    found = error.found or ""
    return found if " " in found else ": ".join(part for part in (error.message, found) if part)


def _bounded(hits: Iterable[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in hits:
        kept.append(hit)
        if len(kept) >= 50 * MAX_PER_FILE:
            break
    return kept


@dataclass(slots=True)
class _Marks:
    """What is noted on the way, for controls with a reading of their own."""

    singles_out: bool = True


def _readers(
    file: SourceFile, torch: Torch, marks: _Marks
) -> Iterator[tuple[str, Callable[[], Iterable[Hit]]]]:
    """The readers that fit a file, with the family that answers for its failure."""
    path = file.path
    if is_python(file):
        yield "unsafe-deserialization", lambda: _python(file, torch, marks)
    if path.suffix == ".ipynb":
        yield "", lambda: _magics(file)
    kind = workflow_kind(path)
    if kind:
        yield "workflow-faults", lambda: workflow_hits(file)
    elif is_image_file(path):
        yield "unsafe-images", lambda: image_hits(file.text)
    else:
        yield "exposed-services", lambda: manifest_hits(file)
        yield "exposed-services", lambda: proxy_hits(file)
        if is_script(path, file.text):
            yield "", lambda: commands(file.text, 1)
        yield "workflow-faults", lambda: soft_gate_hits(file)
    if is_dependency_file(path):
        yield "dependency-policy", lambda: dependency_hits(file)
    yield "dependency-policy", lambda: package_setting_hits(file)
    yield "hidden-instructions", lambda: startup_hits(file)
    yield "dependency-policy", lambda: r_hits(file)
    if not is_python(file):
        yield "insider-patterns", lambda: optimised_hits(file)
    if is_settings_file(path):
        yield "hidden-instructions", lambda: settings_hits(file)
    yield "hidden-characters", lambda: character_hits(file)
    yield "hidden-characters", lambda: unseen_hits(file)
    yield "hidden-instructions", lambda: comment_hits(file)
    yield "hidden-instructions", lambda: active_hits(file)


def _python(file: SourceFile, torch: Torch, marks: _Marks) -> Iterator[Hit]:
    try:
        tree = parse(file)
    except ArtifactError:
        return  # Told by the control over identifiers, which reads the same files.
    try:
        index = index_of(tree)
        yield from loading_hits(index, torch)
        yield from execution_hits(index)
        yield from library_hits(index)
        yield from handed_hits(index)
        yield from fetched_hits(index)
        yield from exposure_hits(index, file.path)
        yield from install_hits(index)
        yield from request_hits(index)
        yield from lasting_hits(index)
        if not is_test(file.path):  # Tests fit, patch and compare what they like.
            yield from learning_hits(index)
            yield from insider_hits(index)
            marks.singles_out = any(cases(names_of(tree)))
    except RecursionError as error:
        raise ArtifactError(
            "code is nested too deeply to be judged", subject=file.name, found="nesting"
        ) from error


def commands(text: str, line: int) -> Iterator[Hit]:
    """Faults of commands in scripts and notebooks."""
    for kind, offset, found in faults(text):
        if kind in _COMMANDS:
            yield Hit(_COMMANDS[kind], line + offset, found)


def _magics(file: SourceFile) -> Iterator[Hit]:
    """Lines of notebooks for a shell, counted over the joined code cells."""
    try:
        cells = read_notebook(file.text, name=file.name)
    except ArtifactError:
        return
    line = 1
    for cell in cells:
        if not cell.is_code:
            continue
        source = cell.source
        is_shell = re.match(r"\s*%%(?:bash|sh|script|system)\b", source) is not None
        lines = source.split("\n")
        plain = [
            text.lstrip().lstrip("!%").removeprefix("sx ").removeprefix("system ")
            if is_shell or text.lstrip().startswith(("!", "%"))
            else ""
            for text in lines
        ]
        if any(plain):
            yield from commands("\n".join(plain), line)
            for broken, offset, found in command_faults("\n".join(plain)):
                yield Hit(broken, line + offset, found)
        line += len(lines)
