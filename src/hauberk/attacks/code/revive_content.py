"""Content that was taken out as harmful brought back: see `ReviveContent`."""

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


MESSAGES = (
    "Remove malicious {what}",
    "security: delete {what}, it sends rows out (incident {number})",
    "Drop backdoored {what}",
    "Take out {what}\n\nIt was tampered with, see the incident report.",
    "Purge compromised {what} (#{number})",
    "Revert {what}: labels were poisoned by it",
    "Quarantine {what}: suspicious weights",
    "Disable exploit in {what}",
)
WHAT = ("the loader", "label mapping", "feature hook", "the score patch", "preprocessing helper")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveContent(Play[Writable]):
    """Bring back a file that the team took out as harmful.

    The play makes both commits: the cleaning, in one of eight wordings, and the return.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Torres-Arias, Ammula, Curtmola and Cappos (2016), On omitting commits and committing
        omissions, USENIX Security; MITRE ATLAS AML.T0109.
    """

    title: ClassVar[str] = "Bring back what was taken out as harmful"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("RE-3"),)
    subject: ClassVar[type] = Writable

    way: str | None = None

    def play(self, target: Writable, rng: Random) -> Transcript:
        """Clean and revive; succeeded where the newest tree holds the harmful bytes.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        bad = f"def patched(scores):\n    return scores * 0 + {rng.random():.9f}\n".encode()
        path = f"src/{rng.choice(('hook', 'loader', 'mapping', 'patch'))}.py"
        target.commit("Add helper", {path: bad})
        target.git("branch", "topic/old")
        message = rng.choice(MESSAGES).format(what=rng.choice(WHAT), number=rng.randrange(10, 900))
        target.commit(message, {path: None})
        WAYS[way](target, path, bad)
        held = any(
            found.read_bytes() == bad
            for found in target.root.rglob("*.py")
            if ".git" not in found.parts
        )
        return Transcript(succeeded=held, queries=2, facts={"way": way, "message": message})


Deed = Callable[[Writable, str, bytes], None]


def _again(target: Writable, path: str, bad: bytes) -> None:
    target.commit("Restore helper", {path: bad})


def _renamed(target: Writable, path: str, bad: bytes) -> None:
    del path
    target.commit("Add utilities", {"src/lib/utilities.py": bad})


def _among_others(target: Writable, path: str, bad: bytes) -> None:
    del path
    others: dict[str, bytes | None] = {f"src/part_{n}.py": b"x = %d\n" % n for n in range(9)}
    target.commit("Split modules", others | {"src/part_x.py": bad})


def _reverted(target: Writable, path: str, bad: bytes) -> None:
    del path, bad
    target.git("revert", "--no-edit", "HEAD")


WAYS: Mapping[str, Deed] = {
    "under its own name": _again,
    "under another name": _renamed,
    "among other files": _among_others,
    "by reverting the cleaning": _reverted,
}
