"""What training left for the monitor: a profile, and what its days looked like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hauberk.errors import ArtifactError, HauberkError, TrustError, UsageError
from hauberk.methods import seasons
from hauberk.methods.days import days_of
from hauberk.monitor.intake import Decisions
from hauberk.sketches.grid import Grid, grid_of
from hauberk.sketches.numbers import Int64s
from hauberk.sketches.profile import MAX_PROFILE_BYTES, Profile
from hauberk.trust.keys import MAX_KEY_BYTES, PublicKey, read_public

if TYPE_CHECKING:
    from hauberk.core.artifact import Dataset
    from hauberk.monitor.settings import WatchedLog

DAYS_ENDING: Final = ".days.json"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingDays:
    """Rows of training by the day, over the bins of its own profile."""

    grid: Grid
    days: Int64s
    rows: Int64s
    counts: Int64s

    def baseline(self, grid: Grid) -> seasons.Baseline | None:
        """What a day looks like in the columns of ``grid``; ``None`` with too few days."""
        if len(self.days) < seasons.MIN_DAYS:
            return None
        places, start = {}, 0
        for axis in self.grid.axes:
            places[axis.label] = slice(start, start + axis.width)
            start += axis.width
        parts = [self.counts[:, places[axis.label]] for axis in grid.axes if axis.label in places]
        if len(parts) != len(grid.axes):
            return None
        counts = np.concatenate(parts, axis=1)
        found = np.array([seasons.shares(grid, row) for row in counts])
        return seasons.fit(self.days.astype(np.float64), found, self.rows.astype(np.float64))

    def to_bytes(self) -> bytes:
        """For a file beside the profile."""
        value = {
            "schema": 1,
            "grid": json.loads(self.grid.to_bytes()),
            "days": self.days.tolist(),
            "rows": self.rows.tolist(),
            "counts": self.counts.tolist(),
        }
        return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainingDays:
        """What `to_bytes` gave.

        Raises:
            ArtifactError: It is something else.
        """
        try:
            value = json.loads(data)
            grid = Grid.from_bytes(json.dumps(value["grid"]).encode())
            days, rows, counts = (np.array(value[k], np.int64) for k in ("days", "rows", "counts"))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise _no_days(type(error).__name__) from None
        if counts.shape != (len(days), grid.width) or rows.shape != days.shape:
            raise _no_days("counts of another shape")
        return cls(grid=grid, days=days, rows=rows, counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """A profile, with the days where training had times.

    Attributes:
        signer: Id of the key that signed both; empty where none was asked for.
    """

    profile: Profile
    days: TrainingDays | None = None
    signer: str = ""


def days_path(profile: Path) -> Path:
    """Where the days of a profile lie: beside it."""
    return profile.with_name(profile.stem + DAYS_ENDING)


def training_days(table: Dataset, profile: Profile, time: str) -> TrainingDays:
    """Count the rows of training by the day."""
    grid = grid_of(profile, without=frozenset({time}))
    found = days_of(table, grid, time)
    return TrainingDays(grid=grid, days=found.days, rows=found.rows, counts=found.counts)


def read_reference(path: Path, *, key: Path | None = None) -> Reference:
    """The profile at ``path``, with the days beside it.

    Args:
        key: Public key of whoever trained; both must be signed with it then (`hauberk sign`).

    Raises:
        ArtifactError: It is no profile.
        TrustError: It is not signed by that key, or changed since.
        UsageError: There is no file.
    """
    trusted = None if key is None else read_public(_read(key, MAX_KEY_BYTES))
    try:
        profile = Profile.from_bytes(_believed(path, trusted))
        beside = days_path(path)
        days = TrainingDays.from_bytes(_believed(beside, trusted)) if beside.is_file() else None
    except ArtifactError as error:
        error.subject = str(path)
        raise
    return Reference(profile=profile, days=days, signer="" if trusted is None else trusted.key_id)


def _believed(path: Path, key: PublicKey | None) -> bytes:
    """The bytes at ``path``, once ``key`` has signed exactly them."""
    data = _read(path)
    if key is None:
        return data
    from hauberk.trust.oms.verification import signature_path, verify_model

    signature = signature_path(path)
    if not signature.is_file():
        raise TrustError(
            "the reference is not signed",
            subject=str(path),
            rule="live rows are held against what whoever trained has signed",
            expected=f"{signature.name} beside it",
            found="none",
            hint=f"hauberk sign {path.name} --key KEY, where the model was trained",
        )
    found = verify_model(path, signature, {key.key_id: key})
    digests = {one.digest.rpartition(":")[2] for one in found.signed.resources}
    if digests != {hashlib.sha256(data).hexdigest()}:
        raise TrustError("the reference changed while it was read", subject=str(path))
    return data


def keys_of(paths: Mapping[str, Path]) -> dict[str, PublicKey]:
    """The public keys of replicas.

    Raises:
        ArtifactError: A file holds no key.
    """
    return {name: read_public(_read(path, MAX_KEY_BYTES)) for name, path in paths.items()}


def logs_of(watched: Mapping[str, WatchedLog]) -> tuple[Decisions, ...]:
    """The logs, opened for reading only; those that do not exist yet are opened later."""
    from hauberk.trust.log import Log

    found = []
    for name, item in watched.items():
        if not item.path.is_dir():
            raise UsageError(
                "a log that is to be watched does not exist",
                subject=f"logs.{name}",
                expected="the folder of a guard's log",
                found=str(item.path),
                hint="start the guard with --log first",
            )
        try:
            log = Log.open(item.path, read_only=True)
        except HauberkError as error:
            error.subject = f"logs.{name}: {item.path}"
            raise
        found.append(Decisions(name=name, watched=item, log=log))
    return tuple(found)


def _read(path: Path, limit: int = MAX_PROFILE_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UsageError(
            "a file that the monitor needs cannot be read",
            subject=str(path),
            expected="a file that `hauberk monitor profile` wrote, or a public key",
            found=error.strerror or str(error),
        ) from error
    if len(data) > limit:
        raise ArtifactError("the file is too large", subject=str(path), found=f"over {limit} bytes")
    return data


def _no_days(found: Any) -> ArtifactError:
    return ArtifactError(
        "the days of training cannot be read",
        subject="days",
        expected="what `hauberk monitor profile --time` wrote",
        found=str(found),
        hint="make the profile again",
    )
