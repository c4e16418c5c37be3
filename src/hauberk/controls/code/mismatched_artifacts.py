"""Files that are not what a manifest says: see `MismatchedArtifacts`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats.git_history import head_blob
from hauberk.formats.yaml_text import Node, read_yaml
from hauberk.methods.expressions import expression

MAX_BYTES = 8 << 30
"""Larger files are told as not compared."""

MAX_ENTRIES = 20_000

_LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_SUMS = expression(
    r"(?i)^(?:\w*sums?|checksums?|hashes|manifest)(?:\.\w+)?$|\.(?:sha256|sha512|md5|sha1|sha256sum|md5sum)$"
)
_LINE = expression(
    r"^(?:(?:SHA256|SHA512|MD5) \((?P<bsd>[^)]+)\) = )?(?P<hash>[0-9a-fA-F]{32,128})"
    r"(?:[ \t]+\*?(?P<name>\S[^\r\n]*?))?\s*$"
)
_KEYS = ("sha256", "sha512", "md5", "sha1", "digest", "hash", "checksum", "sha-256")
_NAMES = ("path", "file", "filename", "name", "uri", "artifact")
_POINTER = expression(
    r"^version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?"
    r"oid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>\d+)",
    re.MULTILINE,
)
_WEIGHTS = expression(
    r"(?i)\.(?:pt|pth|pkl|joblib|onnx|h5|keras|safetensors|ckpt|bin|npz|npy|gguf|parquet|csv|zip|tar|gz)$"
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a manifest says of one file."""

    path: Path
    algorithm: str
    digest: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchedArtifacts(Check[CodeTree]):
    """Files of the tree that are not what a manifest, a pointer or a data version says.

    Lists of checksums, manifests in JSON and YAML that stand a digest beside a path, DVC files
    and locks, and pointers of git LFS in the last commit are compared with the files that lie in
    the tree. A file that is not there is no mismatch.

    Limits:
        A manifest that was changed together with the file: that needs a signature. Folders of
        DVC are compared by name only where their list lies in the tree. MD5 shows accidents and
        simple swaps, not a collision made on purpose.

    Args:
        max_bytes: Larger files are told as not compared.

    References:
        The git LFS specification, "The Pointer"; the documentation of ``.dvc`` files.
    """

    title: ClassVar[str] = "Files that are not what a manifest says"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-3"), ThreatId("PI-2"))
    subject: ClassVar[type] = CodeTree

    max_bytes: int = MAX_BYTES

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield files whose bytes differ from what is said of them."""
        for file in subject.files():
            for number, claim in enumerate(_claims(file)):
                if number > MAX_ENTRIES:
                    break
                yield from self._judge(subject, file, claim)
        if subject.history is not None:
            yield from self._pointers(subject)

    def _judge(self, subject: CodeTree, file: SourceFile, claim: _Claim) -> Iterator[Finding]:
        for base in (file.path.parent, Path()):
            path = base / claim.path
            if ".." in path.parts or path.is_absolute():
                continue
            target = subject.root / path
            if not target.is_file() or target.is_symlink():
                continue
            found = _digest(target, claim.algorithm, self.max_bytes)
            if found != claim.digest.lower() and found:
                yield _finding(file.name, path.as_posix(), claim.algorithm, claim.line)
            return

    def _pointers(self, subject: CodeTree) -> Iterator[Finding]:
        attributes = subject.root / ".gitattributes"
        if not attributes.is_file() or "filter=lfs" not in attributes.read_text("utf-8", "replace"):
            return
        for target in sorted(subject.root.rglob("*"))[:200_000]:
            path = target.relative_to(subject.root)
            if ".git" in path.parts or not _WEIGHTS.search(path.name) or not target.is_file():
                continue
            pointer = _POINTER.match(
                (head_blob(subject.root, path.as_posix()) or b"").decode("utf-8", "replace")
            )
            own = _POINTER.match(target.read_bytes()[:400].decode("utf-8", "replace"))
            if pointer is None or target.is_symlink():
                continue
            found = own["oid"] if own else _digest(target, "sha256", self.max_bytes)
            if found and found != pointer["oid"]:
                yield _finding("the pointer of the last commit", path.as_posix(), "sha256", None)


def _finding(manifest: str, path: str, algorithm: str, line: int | None) -> Finding:
    where = f", line {line}" if line else ""
    return Finding(
        message=f"{path} is not the file whose {algorithm} {manifest}{where} names",
        path=path,
        severity=Severity.HIGH,
        level=Level.DEFECT,
        remedy="Fetch it again from where it was made; do not load it before its digest fits.",
        location=Location(field=manifest),
        evidence=Evidence(
            statistic="digest", facts={"manifest": manifest, "rule": "mismatched-artifacts/digest"}
        ),
    )


def _digest(path: Path, algorithm: str, limit: int) -> str:
    try:
        if path.stat().st_size > limit:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(
                file, lambda: hashlib.new(algorithm, usedforsecurity=False)
            ).hexdigest()
    except (OSError, ValueError):
        return ""


# Claims --------------------------------------------------------------------------------


def _claims(file: SourceFile) -> Iterator[_Claim]:
    name = file.path.name
    if _SUMS.search(name) and file.path.suffix not in {".json", ".yaml", ".yml", ".toml"}:
        yield from _sums(file)
    elif file.path.suffix == ".dvc" or name == "dvc.lock":
        yield from _tree(file)
    elif file.path.suffix == ".json" and any(key in file.text for key in _KEYS):
        yield from _json(file)
    elif file.path.suffix in {".yaml", ".yml"} and any(f"{key}:" in file.text for key in _KEYS):
        yield from _tree(file)


def _sums(file: SourceFile) -> Iterator[_Claim]:
    for number, line in enumerate(file.text.split("\n"), start=1):
        match = _LINE.match(line)
        if match is None or len(match["hash"]) not in _LENGTHS:
            continue
        name = match["bsd"] or match["name"] or file.path.stem
        yield _Claim(
            Path(name.removeprefix("./")), _LENGTHS[len(match["hash"])], match["hash"], number
        )


def _tree(file: SourceFile) -> Iterator[_Claim]:
    try:
        roots = read_yaml(file.text, name=file.name)
        for root in roots:
            for _, node in root.walk():
                yield from _entry({key: value.text for key, value in node.entries.items()}, node)
    except ArtifactError:
        return  # Told by the control over services, which reads the same file.


def _json(file: SourceFile) -> Iterator[_Claim]:
    try:
        waiting: list[Any] = [json.loads(file.text)]
    except (ValueError, RecursionError):
        return
    count = 0
    while waiting and count < MAX_ENTRIES:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict):
            yield from _entry(value, None, file.text)
            waiting += [item for item in value.values() if isinstance(item, (dict, list))]
        elif isinstance(value, list):
            waiting += [item for item in value if isinstance(item, (dict, list))]


def _entry(entry: dict[str, Any], node: Node | None, text: str = "") -> Iterator[_Claim]:
    """A digest beside a path, or names that map to digests."""
    digest = next((entry[key] for key in _KEYS if isinstance(entry.get(key), str)), "")
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), "")
    pairs = [(name, digest)] if name and digest else []
    pairs += [(key, value) for key, value in entry.items() if isinstance(value, str) and "." in key]
    for path, value in pairs:
        plain = value.removeprefix("sha256:").removeprefix("sha512:").removeprefix("md5:")
        if not re.fullmatch(r"[0-9a-fA-F]{32,128}", plain) or len(plain) not in _LENGTHS:
            continue
        if path.startswith(("/", "http")) or ".." in path or "\0" in path or len(path) > 1000:  # noqa: PLR2004
            continue
        line = node.line if node is not None else text.count("\n", 0, max(text.find(plain), 0)) + 1
        yield _Claim(Path(path), _LENGTHS[len(plain)], plain, line)
