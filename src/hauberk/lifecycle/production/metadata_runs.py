"""The runs of one project, read from the index over its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.lifecycle.production import metadata_index
from hauberk.trust.sealing import unseal

if TYPE_CHECKING:
    from hauberk.trust.store import Store

_RUNS = "select run, project, code, position from runs order by position"
_FIELDS = {
    "metrics": (
        "select name, value, model from metrics where run = ? order by position",
        ("name", "value", "model"),
    ),
    "notes": ("select name, text from notes where run = ? order by position", ("name", "text")),
    "traces": (
        "select name, number, sealed from traces where run = ? order by position",
        ("name", "row", "sealed"),
    ),
}
_STEPS = "select step, envelope from steps where run = ? order by position"
_EDGES = "select step, direction, path, digest from edges where run = ?"


def trace_place(run: str, name: str, row: int) -> str:
    """What a sealed trace is bound to."""
    return f"{run}/{name}/{row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedRuns:
    """`Runs` over a store.

    Attributes:
        secret: Opens sealed traces; without it they are shown as sealed.
    """

    store: Store
    secret: bytes | None = None

    def runs(self) -> Sequence[Mapping[str, Any]]:
        """All of them, oldest first."""
        rows = metadata_index.ask(self.store, _RUNS)
        keys = ("run", "project", "code", "record")
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def field(self, run: str, name: str) -> Sequence[Mapping[str, Any]] | None:
        """The entries of one field of one run, or ``None`` where there is no such run."""
        if not metadata_index.ask(self.store, "select 1 from runs where run = ?", (run,)):
            return None
        if name == "steps":
            return self._steps(run)
        text, keys = _FIELDS[name]
        rows = metadata_index.ask(self.store, text, (run,))
        entries = [dict(zip(keys, row, strict=True)) for row in rows]
        return [self._opened(run, entry) for entry in entries] if name == "traces" else entries

    def _opened(self, run: str, entry: dict[str, Any]) -> dict[str, Any]:
        if self.secret is None:
            return {**entry, "sealed": "sealed"}
        place = trace_place(run, str(entry["name"]), int(entry["row"]))
        text = unseal(self.secret, place, str(entry.pop("sealed"))).decode(errors="replace")
        return {**entry, "text": text}

    def _steps(self, run: str) -> list[dict[str, Any]]:
        edges = metadata_index.ask(self.store, _EDGES, (run,))
        steps = []
        for step, envelope in metadata_index.ask(self.store, _STEPS, (run,)):
            entry: dict[str, Any] = {"step": step, "envelope": envelope}
            for direction in ("materials", "products"):
                entry[direction] = {
                    path: digest
                    for name, way, path, digest in edges
                    if (name, way) == (step, direction)
                }
            steps.append(entry)
        return steps
