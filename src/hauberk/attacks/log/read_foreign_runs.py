"""Read metadata of a project that one was not let into: see `ReadForeignRuns`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

OK = 200


class Door(Protocol):
    """A metadata store as callers know it.

    Attributes:
        token: The attacker's own, for another project.
        expired: One that was good for the target until it ended.
        narrow: One for the target's metrics alone.
        target: Name of the project that the attacker wants to read.
        home: The attacker's own project.
        runs: Ids of the target's runs; they are no secret.
    """

    token: str
    expired: str
    narrow: str
    target: str
    home: str
    runs: tuple[str, ...]

    def ask(self, token: str | None, path: str) -> int:
        """The status of a call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadForeignRuns(Play[Door]):
    """Ask for runs, metrics, steps and traces of another team in every way that has worked.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.

    References:
        OWASP API1:2023 (broken object level authorisation), API2:2023, API3:2023; CWE-22 and
        CVE-2023-1177, path traversal in a metadata store's artifact interface; MITRE ATLAS
        AML.T0036.
    """

    title: ClassVar[str] = "Read another team's runs and traces"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MS-3"),)
    subject: ClassVar[type] = object

    way: str | None = None

    def play(self, target: Door, rng: Random) -> Transcript:
        """One call; it has succeeded when it is answered.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        token, path = WAYS[way](target, rng)
        status = target.ask(token, path)
        return Transcript(succeeded=status == OK, queries=1, facts={"way": way, "status": status})


def _field(rng: Random) -> str:
    return rng.choice(("metrics", "steps", "notes", "traces"))


def _paths(target: Door, rng: Random) -> Iterator[str]:
    run = rng.choice(target.runs)
    yield f"/projects/{target.target}/runs/{run}/{_field(rng)}"
    yield f"/projects/{target.target}/runs"


def _at(
    token: Callable[[Door, Random], str | None],
) -> Callable[[Door, Random], tuple[str | None, str]]:
    def call(target: Door, rng: Random) -> tuple[str | None, str]:
        return token(target, rng), rng.choice(tuple(_paths(target, rng)))

    return call


def _guessed_run(target: Door, rng: Random) -> tuple[str | None, str]:
    """Ids are tried one after another."""
    run = rng.choice(target.runs)
    guessed = f"{run[:-3]}{rng.randrange(1000):03d}" if rng.random() < 0.5 else run  # noqa: PLR2004 - evenly
    return target.token, f"/projects/{target.target}/runs/{guessed}/{_field(rng)}"


def _traversal(target: Door, rng: Random) -> tuple[str | None, str]:
    up = rng.choice(
        ("../", "..%2f", "%2e%2e/", "..\\", "....//", "..;/", "%252e%252e%252f", ".././", "/../")
    )
    run = rng.choice(target.runs)
    return target.token, f"/projects/{target.home}/runs/{up}{up}{target.target}/runs/{run}/traces"


def _spelling(target: Door, rng: Random) -> tuple[str | None, str]:
    run = rng.choice(target.runs)
    path = f"/projects/{target.target}/runs/{run}/traces"
    changes: tuple[Callable[[str], str], ...] = (
        lambda text: text.replace("/", "//"),
        lambda text: text + "/",
        lambda text: text + "\n",
        lambda text: text + "?token=x",
        lambda text: text + "#",
        lambda text: text + "\0",
        lambda text: text.upper(),
        lambda text: text.replace(target.target, f"{target.home}/../{target.target}"),
        lambda text: text.replace(target.target, f"{target.target}%00"),
        lambda text: text.replace("traces", "traces' or '1'='1"),
    )
    return target.token, rng.choice(changes)(path)


def _beyond(target: Door, rng: Random) -> tuple[str | None, str]:
    """With leave for metrics, the traces are asked for."""
    run = rng.choice(target.runs)
    field = rng.choice(("traces", "steps", "notes"))
    return target.narrow, f"/projects/{target.target}/runs/{run}/{field}"


def _mutated(target: Door, rng: Random) -> str:
    place = rng.randrange(5, len(target.narrow))
    return target.narrow[:place] + rng.choice("abcXYZ019_-") + target.narrow[place + 1 :] + "A"


WAYS: Mapping[str, Callable[[Door, Random], tuple[str | None, str]]] = {
    "other-team": _at(lambda target, _: target.token),
    "anonymous": _at(lambda _, rng: rng.choice((None, "", "null", "Bearer", "hkr_"))),
    "expired": _at(lambda target, _: target.expired),
    "guessed-token": _at(lambda _, rng: f"hkr_{rng.randbytes(24).hex()[:43]}"),
    "mutated-token": _at(_mutated),
    "hashed-token": _at(lambda _, rng: f"sha256:{rng.randbytes(32).hex()}"),
    "guessed-run": _guessed_run,
    "traversal": _traversal,
    "spelling": _spelling,
    "beyond-field": _beyond,
}
"""Ways to ask; each is refused by a store that lets in by grant alone."""
