"""Data that only a weak checksum vouches for: see `WeakEvidence`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.control import Check
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.formats import plain_yaml
from hauberk.methods.expressions import expression

_SIDECAR = expression(
    r"(?:\.(?:md5|sha1|crc32?|adler32|sfv|sha224|sha256|sha384|sha512|b2|blake2b?|blake3)(?:sums?)?"
    r"|(?:^|[._-])(?:md5|sha1|sha224|sha256|sha384|sha512|b2|blake2|checksum)s?(?:sums?)?(?:\.txt)?)$",
    re.IGNORECASE,
)
_GNU = expression(r"^\\?([0-9a-fA-F]{8,128})(?:[ \t]+\*?(.+?))?\s*$")
_BSD = expression(r"^([A-Za-z0-9/-]+) ?\((.+)\) ?= ?([0-9a-fA-F]{8,128})\s*$")
_SFV = expression(r"^([^;].*?)\s+([0-9a-fA-F]{8})\s*$")
_NAMES = {8: "CRC-32", 32: "MD5", 40: "SHA-1"}
_STRONG_DIGITS = 56  # SHA-224; anything shorter has at most 80 bits against collisions
_ENDING = expression(r"\.[A-Za-z0-9]+$")


@dataclass(frozen=True, slots=True)
class _Claim:
    """One checksum.

    Attributes:
        path: Of the data, relative to the tree.
        said_by: File that says it.
    """

    path: str
    digits: int
    said_by: Path
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakEvidence(Check[CodeTree]):
    """Data whose only evidence is a checksum that can be made to fit.

    Checksum files in the formats of coreutils, BSD and SFV and the files of DVC are read for
    what they claim of which path. A path of which MD5, SHA-1 or a CRC is claimed, and nothing
    of 224 bits or more by any file of the tree, is told once: whoever can write to it can
    let another file pass as the same, for MD5 even without touching the checksum.

    Limits:
        Claims inside scripts, databases and archives are not read, and no checksum is
        computed here: that what is claimed is true is for `hauberk data verify` and
        ``hauberk init --from-dvc``. An unsigned SHA-256 beside the data is as easy to
        replace as the data; it counts as evidence here because a signed or pinned copy of
        it may lie elsewhere.

    Args:
        max_findings: Paths that are named; the last finding says that there are more.

    Example:
        >>> text = "d41d8cd98f00b204e9800998ecf8427e  rows.csv"
        >>> file = SourceFile(name="MD5SUMS", path=Path("MD5SUMS"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.message for finding in WeakEvidence().check(tree)]
        ['rows.csv is vouched for by MD5 only']

    References:
        RFC 6151, Updated security considerations for the MD5 message-digest, section 2.
        Leurent and Peyrin (2020), SHA-1 is a shambles, USENIX Security. CWE-328.
    """

    title: ClassVar[str] = "Data vouched for by a weak checksum"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-3"),)
    subject: ClassVar[type] = CodeTree

    max_findings: int = 100

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """One finding for each path without strong evidence."""
        best: dict[str, _Claim] = {}
        for file in subject.files():
            for claim in _claims(file):
                if claim.path not in best or claim.digits > best[claim.path].digits:
                    best[claim.path] = claim
        weak = [best[path] for path in sorted(best) if best[path].digits < _STRONG_DIGITS]
        more = len(weak) - self.max_findings
        for place, claim in enumerate(weak[: self.max_findings], start=1):
            yield _finding(claim, more if place == self.max_findings else 0)


def _finding(claim: _Claim, more: int) -> Finding:
    name = _NAMES.get(claim.digits, f"a checksum of {claim.digits * 4} bits")
    rest = f"; so are {more} more" if more > 0 else ""
    return Finding(
        message=f"{claim.path} is vouched for by {name} only{rest}",
        path=claim.said_by.as_posix(),
        level=Level.REVIEW,
        severity=Severity.MEDIUM,
        location=Location(line=claim.line),
        remedy="Sign it: hauberk data add keeps it as a signed version with SHA-256, hauberk init "
        "--from-dvc does so for all outputs of DVC.",
        evidence=Evidence(
            statistic="bits of the strongest checksum", facts={"bits": str(claim.digits * 4)}
        ),
    )


def _claims(file: SourceFile) -> Iterator[_Claim]:
    name = file.path.name
    if name == "dvc.lock" or (file.path.suffix == ".dvc" and file.path.stem):
        yield from _of_dvc(file)
    elif _SIDECAR.search(name):
        yield from _of_sums(file)


def _of_sums(file: SourceFile) -> Iterator[_Claim]:
    folder = file.path.parent
    for number, line in enumerate(file.text.splitlines(), start=1):
        found = _line(line, file.path)
        if found is not None:
            path = (folder / found[0]).as_posix()
            yield _Claim(path.removeprefix("./"), found[1], file.path, number)


def _line(line: str, said_by: Path) -> tuple[str, int] | None:
    """Path and number of digits of one line, in any of the formats."""
    bsd = _BSD.match(line)
    if bsd:
        return bsd[2], len(bsd[3])
    gnu = _GNU.match(line.strip())
    if gnu:
        own = _ENDING.sub("", said_by.name) or said_by.name
        return (PurePosixPath(gnu[2]).as_posix() if gnu[2] else own), len(gnu[1])
    sfv = _SFV.match(line)
    return (sfv[1], len(sfv[2])) if sfv else None


def _of_dvc(file: SourceFile) -> Iterator[_Claim]:
    try:
        document = plain_yaml.parse(file.text.encode(), name=file.path.as_posix())
    except ArtifactError:
        return  # another kind of file with this ending; `init --from-dvc` says what is wrong
    holders = [document]
    if isinstance(document, dict) and isinstance(document.get("stages"), dict):
        holders = list(document["stages"].values())
    for holder in holders:
        outs = holder.get("outs") if isinstance(holder, dict) else None
        for out in outs if isinstance(outs, list) else []:
            if isinstance(out, dict) and isinstance(out.get("path"), str) and out.get("md5"):
                path = (file.path.parent / out["path"]).as_posix()
                yield _Claim(path, 32, file.path, 1)
