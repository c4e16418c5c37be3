"""States of a repository's references, signed and chained in a project's log."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hauberk.controls.code.rewritten_references import RewrittenReferences
from hauberk.core.finding import Assessment
from hauberk.engine.assess import assess
from hauberk.errors import UsageError
from hauberk.formats.git_references import from_bytes, read_references, to_bytes
from hauberk.formats.source import open_tree
from hauberk.lifecycle.datasets import About, Place, add, names, open_version
from hauberk.trust.store import NAME
from hauberk.trust.versions.recipes import read

DATA_SET = "git-references"
"""Under this name the states are versions of a data set."""

_FILE = "references.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A repository held against the last state.

    Attributes:
        number: Of that state, from 1; 0 where none was recorded.
        assessment: ``None`` where none was recorded.
    """

    number: int
    assessment: Assessment | None


def hold(place: Place, repository: Path) -> Held:
    """Hold a repository against the last state that the project's log has.

    Raises:
        TrustError: The record does not verify.
        ArtifactError: There is no repository.
    """
    read_references(repository)
    if not (place.project / NAME).is_dir() or DATA_SET not in names(place):
        return Held(number=0, assessment=None)
    opened = open_version(place, DATA_SET)
    (file,) = [file for file in opened.files if file.path == _FILE]
    before = from_bytes(b"".join(read(file.recipe, opened.store.blobs)))
    control = RewrittenReferences(recorded=before)
    assessment = assess(control, open_tree(repository, history=False))
    return Held(number=opened.version.number, assessment=assessment)


def record(place: Place, repository: Path, *, reason: str = "") -> int:
    """Keep the present state as the next one; the number of it.

    Args:
        reason: Why references that were moved are accepted; needed where some were.

    Raises:
        UsageError: References were moved and no reason is given.
        TrustError: The record does not verify.
    """
    held = hold(place, repository)
    if held.assessment is not None and held.assessment.findings and not reason:
        raise UsageError(
            "references were moved since the last record",
            subject=str(repository),
            rule="a state that rewrites another is recorded with a reason",
            expected="--accept REASON",
            found=f"{len(held.assessment.findings)} moved references",
            hint="hauberk log references shows them",
        )
    with tempfile.TemporaryDirectory(prefix="hauberk-") as folder:
        path = Path(folder) / _FILE
        path.write_bytes(to_bytes(read_references(repository)))
        about = About(message=reason or "references of the repository")
        return add(place, path, DATA_SET, about, indexed=False).version.number
