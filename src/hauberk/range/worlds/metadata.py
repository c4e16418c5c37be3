"""Two teams' metadata behind the real door, and behind one that believes what it is told."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

from hauberk.lifecycle.production.metadata_access import OK, RUN_FIELDS, Access
from hauberk.trust.grants import DAY_S, Grants
from hauberk.trust.reading import Read

NOW = 1_700_000_000.0
TARGET, HOME = "triage", "loans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Runs in memory, as `metadata_access.Runs`."""

    entries: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]

    def runs(self) -> Sequence[Mapping[str, Any]]:
        """All of them."""
        return [{"run": run} for run in self.entries]

    def field(self, run: str, name: str) -> Sequence[Mapping[str, Any]] | None:
        """The entries of one field of one run."""
        return self.entries[run][name] if run in self.entries else None


def team(rng: Random, n_runs: int = 5) -> Team:
    """A few runs with a number, a step, a note and a trace each."""
    return Team(
        entries={
            f"20260101T{rng.randrange(10**6):06d}Z-{number:06x}": {
                "metrics": [{"name": "roc_auc", "value": rng.random()}],
                "steps": [{"step": "training"}],
                "notes": [{"name": "why", "text": "retrained"}],
                "traces": [{"name": "traces", "row": 0, "text": "patient 7"}],
            }
            for number in range(n_runs)
        }
    )


@dataclass(slots=True, kw_only=True)
class MetadataDoor:
    """The store as `attacks.log.read_foreign_runs` knows it.

    Attributes:
        good: A token for everything of the target.
        noted: What the door noted.
    """

    token: str
    expired: str
    narrow: str
    good: str
    runs: tuple[str, ...]
    answer: Callable[[str | None, str], int]
    noted: list[Read] = field(default_factory=list)
    target: str = TARGET
    home: str = HOME

    def ask(self, token: str | None, path: str) -> int:
        """The status of a call."""
        return self.answer(token, path)


def doors(seed: int) -> tuple[MetadataDoor, MetadataDoor]:
    """The real door and one that checks that there is a token and resolves paths."""
    rng = Random(seed)
    projects = {TARGET: team(rng), HOME: team(rng)}
    grants, token = _granted(Grants(), "mallory", HOME, NOW)
    grants, expired = _granted(grants, "former", TARGET, NOW - 20 * DAY_S)
    kept = grants.grants
    grants, narrow = _granted(grants, "narrow", TARGET, NOW, ("metrics",))
    grants, good = _granted(grants, "good", TARGET, NOW)
    grants = Grants({grant.token: grant for grant in (*kept, *grants.grants)}.values())
    noted: list[Read] = []
    access = Access(projects=projects, grants=grants, note=noted.append, clock=lambda: NOW)

    def door(answer: Callable[[str | None, str], int]) -> MetadataDoor:
        return MetadataDoor(
            token=token,
            expired=expired,
            narrow=narrow,
            good=good,
            runs=tuple(projects[TARGET].entries),
            answer=answer,
            noted=noted,
        )

    lenient = door(lambda _, path: _resolved(projects, path))
    return door(lambda given, path: access.ask(given, path).status), lenient


def _granted(
    grants: Grants,
    reader: str,
    project: str,
    at: float,
    fields: tuple[str, ...] = ("runs", *RUN_FIELDS),
) -> tuple[Grants, str]:
    return grants.with_new(reader, objects=(project,), fields=fields, days=10, at=at)


def _resolved(projects: Mapping[str, Team], path: str) -> int:
    """The store of old: whoever reaches it reads, and paths are made sense of."""
    path = unquote(unquote(path)).replace("\\", "/").replace(";", "").replace("....//", "../")
    path = path.split("?")[0].split("#")[0].split("\0")[0].lower().strip()
    parts = [part for part in posixpath.normpath(path).split("/") if part]
    named = [name for name in parts if name in projects]
    return OK if named and named[-1] == TARGET else 404
