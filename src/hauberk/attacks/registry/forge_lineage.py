"""Let poisoned data pass as a trusted version: see `ForgeLineage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Provenance(Protocol):
    """A training that asks where its data come from, with the attacker at its store.

    The store is in the attacker's hands; of the keys it holds one, not the threshold.
    """

    def provenance(self) -> object | None:
        """What the training believes of its data; ``None`` where it refused."""
        ...

    def honest(self) -> object:
        """What it should believe."""
        ...

    def move_tag(self) -> None:
        """Let the tag point at poisoned data, as a tag that is a plain name would."""

    def edit_origin(self) -> None:
        """Write another origin into the document, and its digest wherever it is named."""

    def attach_foreign(self) -> None:
        """Put the valid statement of another data set in place of this one's."""

    def attach_older(self) -> None:
        """Put the valid statement of an older version in place of the newest one's."""

    def drop_link(self) -> None:
        """Take a version out of the middle of the lineage."""

    def forge_parent(self) -> None:
        """Name another parent, signed with the one key that is held."""

    def sign_alone(self) -> None:
        """Add a version of poisoned data, signed with the one key that is held."""

    def reorder(self) -> None:
        """Exchange two versions in the log and number them anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeLineage(Play[Provenance]):
    """Change what is believed of data's origin, version or ancestry; eight ways.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        Torres-Arias et al. (2019), in-toto, section 3.2 (threats to the chain). SLSA 1.2,
        "Threats": (H), use of a compromised artifact's provenance.
    """

    title: ClassVar[str] = "Forge the lineage of data"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VD-5"),)
    subject: ClassVar[type] = Provenance

    way: str | None = None

    def play(self, target: Provenance, rng: Random) -> Transcript:
        """Attack one client; it succeeds when the client believes something that is not so.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        WAYS[way](target)
        believed = target.provenance()
        succeeded = believed is not None and believed != target.honest()
        return Transcript(succeeded=succeeded, queries=1, facts={"refused": believed is None})


WAYS: Mapping[str, Callable[[Any], None]] = {
    "move tag": lambda target: target.move_tag(),
    "edit origin": lambda target: target.edit_origin(),
    "foreign statement": lambda target: target.attach_foreign(),
    "older statement": lambda target: target.attach_older(),
    "dropped link": lambda target: target.drop_link(),
    "forged parent": lambda target: target.forge_parent(),
    "one key": lambda target: target.sign_alone(),
    "reordered": lambda target: target.reorder(),
}
"""Ways to forge a lineage; see the class and the methods of the target."""
