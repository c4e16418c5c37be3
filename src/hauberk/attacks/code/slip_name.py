"""A package named like a popular one: see `SlipName`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.code.package_names import ranks
from hauberk.methods.code.planted import with_file

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_AFFIXES = ("python-{}", "py{}", "{}-python", "{}2", "{}-dev", "{}s")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipName(Transform[CodeTree]):
    """Ask for a package whose name is one slip away from a popular one.

    A letter lost, doubled, swapped with its neighbour or hit beside the key, an affix that
    sounds official, digits that look like letters.

    Args:
        n_targets: Popular packages that are imitated, most downloaded first.

    References:
        Vu and others (2020), Typosquatting and combosquatting attacks on the Python ecosystem.
    """

    title: ClassVar[str] = "Ask for a package named like a popular one"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-5"),)
    subject: ClassVar[type] = CodeTree

    n_targets: int = 1000

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with a requirements file; ``truth`` holds both names and the file."""
        known = sorted(n for n, place in ranks().items() if place < self.n_targets and len(n) > 5)  # noqa: PLR2004
        target = rng.choice(known)
        name = _slipped(target, rng)
        while name in ranks():
            target = rng.choice(known)
            name = _slipped(target, rng)
        path = "requirements.txt"
        file = SourceFile(name=path, path=Path(path), text=f"{name}==1.0\n")
        truth = {"path": path, "name": name, "target": target}
        return Attacked(subject=with_file(subject, file), truth=truth)


def _slipped(name: str, rng: Random) -> str:
    place = rng.randrange(1, len(name))
    row = next((row for row in _KEYS if name[place] in row), "q")
    beside = row[(row.find(name[place]) + 1) % len(row)]
    look = name.replace("o", "0", 1).replace("l", "1", 1)
    return rng.choice(
        (
            name[:place] + name[place + 1 :],
            name[:place] + name[place] * 2 + name[place + 1 :],
            name[: place - 1] + name[place] + name[place - 1] + name[place + 1 :],
            name[:place] + beside + name[place + 1 :],
            rng.choice(_AFFIXES).format(name),
            look if look != name else f"{name}-lib",
        )
    )
