"""Two package indexes and an installer that takes the highest version of all of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hauberk.errors import TrustError
from hauberk.trust.environments import read_wheels, verify

PRIVATE, PUBLIC = "https://pkgs.acme.test/simple", "https://public.test/simple"
_PACKAGES = ("ml-utils", "acme-features", "fraud-common", "rank-core", "churn-io")


@dataclass(slots=True)
class Indexes:
    """What each index offers: a package to its versions and wheels.

    Attributes:
        offers: Index to package to version to the bytes of a wheel.
    """

    offers: dict[str, dict[str, dict[tuple[int, ...], bytes]]] = field(default_factory=dict)

    def put(self, index: str, package: str, version: tuple[int, ...], wheel: bytes) -> None:
        """Publish one wheel."""
        self.offers.setdefault(index, {}).setdefault(package, {})[version] = wheel

    def install(self, indexes: tuple[str, ...], packages: tuple[str, ...], folder: Path) -> None:
        """Download the highest version of each package from any of the indexes, as pip does."""
        folder.mkdir()
        for package in packages:
            offers = [
                item
                for index in indexes
                for item in self.offers.get(index, {}).get(package, {}).items()
            ]
            version, wheel = max(offers, key=lambda item: item[0])
            name = f"{package.replace('-', '_')}-{'.'.join(map(str, version))}-py3-none-any.whl"
            (folder / name).write_bytes(wheel)


@dataclass(slots=True)
class Installed:
    """An install, and whether the lock admits it."""

    wheels: dict[str, bytes]
    admitted: bool


class Team:
    """A team with internal packages, a private index and a lock."""

    def __init__(self, rng: Random) -> None:
        self.indexes = Indexes()
        self.packages = tuple(rng.sample(_PACKAGES, 3))
        for package in self.packages:
            version = (rng.randrange(1, 3), rng.randrange(10))
            self.indexes.put(PRIVATE, package, version, rng.randbytes(100))
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "wheels"
            self.indexes.install((PRIVATE,), self.packages, folder)
            self.lock = read_wheels(folder)

    def installed(self, indexes: tuple[str, ...]) -> Installed:
        """What comes, held against the lock before anything is imported."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "wheels"
            self.indexes.install(indexes, self.packages, folder)
            wheels = {path.name: path.read_bytes() for path in folder.iterdir()}
            try:
                verify(self.lock, read_wheels(folder), subject="wheels")
            except TrustError:
                return Installed(wheels, admitted=False)
            return Installed(wheels, admitted=True)
