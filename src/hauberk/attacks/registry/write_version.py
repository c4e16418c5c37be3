"""Write a version of a data set without the role for it: see `WriteVersion`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Writer(Protocol):
    """Somebody's account at the store, which takes whatever it is given."""

    @property
    def files(self) -> dict[str, bytes]:
        """The newest version's files."""
        ...

    def write(self, files: Mapping[str, bytes], who: str) -> None:
        """Sign, log and name a next version with the keys of ``who``."""

    def train(self) -> dict[str, bytes] | None:
        """What the next training works with; ``None`` where it refused."""
        ...


PEOPLE = (
    "contractor",
    "releaser",
    "owner of another project",
    "build service",
    "one owner",
    "one owner twice",
    "guest after the end",
)
"""Who signs: a key that nobody pinned, one of another role, one of another project's root, the
signatures of an earlier version again, one of two owners, alone or counted twice, and a key that
was let in until a day that has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteVersion(Play[Writer]):
    """Publish changed rows as the next version with keys that do not suffice for it.

    An insider with an ordinary account can write to the store, and has a key of their own.

    Args:
        who: Which of `PEOPLE`; by default the random generator picks one.

    References:
        CWE-285, "Improper authorization". MITRE ATLAS AML.T0012, "Valid accounts".
    """

    title: ClassVar[str] = "Write a version without the role for it"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-4"),)
    subject: ClassVar[type] = Writer

    who: str | None = None

    def play(self, target: Writer, rng: Random) -> Transcript:
        """Write one version; it succeeds when the training works with it.

        Raises:
            UsageError: There is no such person.
        """
        who = self.who or rng.choice(PEOPLE)
        if who not in PEOPLE:
            raise UsageError(f"nobody is {who!r}", expected=" ".join(PEOPLE))
        files = dict(target.files)
        name = min(files)
        lines = files[name].splitlines(keepends=True)
        place = rng.randrange(1, len(lines))
        lines[place] = b"9" + lines[place]
        files[name] = b"".join(lines)
        target.write(files, who)
        taken = target.train()
        return Transcript(succeeded=taken == files, queries=1, facts={"refused": taken is None})
