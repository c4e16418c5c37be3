"""The one door to metadata: default deny, one answer for all that is refused, calls noted.

Paths name what is asked for; nothing else of a path means anything:

    /projects/NAME/runs                 runs of a project
    /projects/NAME/runs/RUN             one run: its project, code and metrics
    /projects/NAME/runs/RUN/FIELD       metrics, steps, notes or traces of it

Whoever may not read a thing gets the same answer as for one that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hauberk.trust.grants import Grants
from hauberk.trust.reading import Read

RUN_FIELDS: Final = ("metrics", "steps", "notes", "traces")
NOT_FOUND: Final = 404
OK: Final = 200

_PATH = re.compile(
    r"/projects/(?P<project>[A-Za-z0-9][A-Za-z0-9._@-]{0,79})/runs"
    r"(?:/(?P<run>[A-Za-z0-9][A-Za-z0-9._:@-]{0,127})(?:/(?P<field>[a-z]{1,16}))?)?\Z"
)


class Runs(Protocol):
    """The runs of one project."""

    def runs(self) -> Sequence[Mapping[str, Any]]:
        """All of them, oldest first."""
        ...

    def field(self, run: str, name: str) -> Sequence[Mapping[str, Any]] | None:
        """The entries of one field of one run, or ``None`` where there is no such run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the caller gets."""

    status: int
    entries: tuple[Mapping[str, Any], ...] = ()


_NOTHING: Final = Reply(status=NOT_FOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Answers calls.

    Attributes:
        projects: Name to its runs.
        grants: Who may read what.
        note: Takes the record of every call before it is answered; an error in it is the
            caller's answer, so that nothing is read unnoted.
        clock: Seconds since the epoch.
    """

    projects: Mapping[str, Runs]
    grants: Grants
    note: Callable[[Read], None]
    clock: Callable[[], float]
    _pattern: re.Pattern[str] = field(default=_PATH, repr=False)

    def ask(self, token: str | None, path: str) -> Reply:
        """The entries at ``path``, if the holder of ``token`` may read them."""
        at = self.clock()
        grant = self.grants.find(token)
        match = self._pattern.match(path)
        reply = _NOTHING
        if grant is not None and match is not None:
            wanted = match["field"] or ("metrics" if match["run"] else "runs")
            if grant.allows(match["project"], wanted, at):
                reply = self._answer(match["project"], match["run"], wanted)
        self.note(
            Read(
                at=at,
                reader=grant.reader if grant else "-",
                name=match["project"] if match else "-",
                part=path,
                n=len(reply.entries),
                allowed=reply.status == OK,
            )
        )
        return reply

    def _answer(self, project: str, run: str | None, wanted: str) -> Reply:
        runs = self.projects.get(project)
        if runs is None:
            return _NOTHING
        if run is None:
            return Reply(status=OK, entries=tuple(runs.runs()))
        if wanted not in RUN_FIELDS:
            return _NOTHING
        entries = runs.field(run, wanted)
        return _NOTHING if entries is None else Reply(status=OK, entries=tuple(entries))
