"""Names in a repository made to point elsewhere: see `RewriteReferences`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Writable(Protocol):
    """A repository that a committer can write to."""

    @property
    def root(self) -> Path:
        """Its work tree."""
        ...

    def git(self, *words: str) -> str:
        """Run one git command."""
        ...

    def commit(self, message: str, files: Mapping[str, bytes | None] | None = None) -> str:
        """Write files and commit them; the commit's id."""
        ...

    def tree_of(self, name: str) -> str:
        """Id of the tree that a name shows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteReferences(Play[Writable]):
    """Make a tag, a branch, an object or a submodule show other content than before.

    Whoever may push by force does it: clones follow, and nothing in the repository says so.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Torres-Arias, Ammula, Curtmola and Cappos (2016), On omitting commits and committing
        omissions, USENIX Security; the moved tags of tj-actions/changed-files, CVE-2025-30066.
    """

    title: ClassVar[str] = "Rewrite a reference"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-3"),)
    subject: ClassVar[type] = Writable

    way: str | None = None

    def play(self, target: Writable, rng: Random) -> Transcript:
        """Rewrite one; succeeded where who follows the name gets other content.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        name, succeeded = WAYS[way](target, rng)
        return Transcript(succeeded=succeeded, queries=1, facts={"way": way, "name": name})


Deed = Callable[[Writable, Random], tuple[str, bool]]


def _payload(rng: Random) -> dict[str, bytes]:
    return {"src/train.py": f"# quiet change {rng.getrandbits(64):x}\n".encode()}


def _moves_tag(target: Writable, rng: Random) -> tuple[str, bool]:
    name = rng.choice(target.git("tag").split())
    before = target.tree_of(name)
    target.git("checkout", "--quiet", "--detach", name)
    target.commit("Fix build", _payload(rng))
    target.git("tag", "--force", name)
    target.git("checkout", "--quiet", "main")
    return name, target.tree_of(name) != before


def _removes_tag(target: Writable, rng: Random) -> tuple[str, bool]:
    name = rng.choice(target.git("tag").split())
    target.git("tag", "--delete", name)
    return name, target.tree_of(name) == ""


def _amends(target: Writable, rng: Random) -> tuple[str, bool]:
    before = target.tree_of("main")
    target.git("reset", "--quiet", "--hard", "HEAD~1")
    target.commit("Tidy", _payload(rng))
    return "main", target.tree_of("main") != before


def _drops(target: Writable, rng: Random) -> tuple[str, bool]:
    before = target.tree_of("main")
    target.git("reset", "--quiet", "--hard", f"HEAD~{rng.randrange(1, 3)}")
    return "main", target.tree_of("main") != before


def _moves_release(target: Writable, rng: Random) -> tuple[str, bool]:
    before = target.tree_of("release/0")
    target.git("checkout", "--quiet", "--detach", "release/0~1")
    target.commit("Backport", _payload(rng))
    target.git("branch", "--force", "release/0")
    target.git("checkout", "--quiet", "main")
    return "release/0", target.tree_of("release/0") != before


def _replaces(target: Writable, rng: Random) -> tuple[str, bool]:
    old = target.git("rev-parse", "HEAD~1")
    before = target.tree_of(old)
    target.git("checkout", "--quiet", "--detach", "HEAD~2")
    new = target.commit("Work", _payload(rng))
    target.git("checkout", "--quiet", "main")
    target.git("replace", old, new)
    return "refs/replace", target.tree_of(old) != before


def _diverts_submodule(target: Writable, rng: Random) -> tuple[str, bool]:
    path = target.root / ".gitmodules"
    before = path.read_text()
    host = f"git-{rng.getrandbits(24):06x}.example"
    after = before.replace("git.models.example", host)
    target.commit("Update vendored kernels", {".gitmodules": after.encode()})
    return "vendor/kernels", after != before


WAYS: Mapping[str, Deed] = {
    "tag moved": _moves_tag,
    "tag removed": _removes_tag,
    "last commit amended": _amends,
    "commits dropped": _drops,
    "release branch moved": _moves_release,
    "object replaced": _replaces,
    "submodule diverted": _diverts_submodule,
}
