"""A monitor's signed requests to scale, answered by a door with more workers.

Every request that stands, by the rules of `hauberk.trust.requests`, is one worker more until it
ends, up to ``--max-workers``. Nothing is remembered: what counts is what lies in the folder and is
in force, so that a door that starts again has the workers that are asked for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hauberk.errors import HauberkError, UsageError

if TYPE_CHECKING:
    from hauberk.trust.keys import PublicKey

SCALE: Final = "scale"
MAX_FILES: Final = 1000
EVERY_S: Final = 5.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--max-workers", type=int, default=0, metavar="N", help="as a monitor asks for more"
    )
    parser.add_argument(
        "--requests", type=Path, metavar="FOLDER", help="where the monitor puts its requests"
    )
    parser.add_argument("--monitor-key", type=Path, metavar="FILE", help="its public key")
    parser.add_argument("--monitored", metavar="NAME", help="how the monitor calls the model")


def scaling_of(args: argparse.Namespace, clock: Callable[[], float]) -> Scaling | None:
    """What answers requests; ``None`` where nobody may ask.

    Raises:
        UsageError: Only some of the arguments are there, or they cannot be.
    """
    given = (args.requests, args.monitor_key, args.monitored)
    if not args.max_workers and not any(given):
        return None
    if not all(given) or args.max_workers < args.workers:
        raise UsageError(
            "a monitor can only ask for workers where all of it is said",
            subject="--max-workers",
            expected="--max-workers N from --workers on, --requests, --monitor-key, --monitored",
            found=f"--max-workers {args.max_workers}",
        )
    from hauberk.trust.durable import read_small
    from hauberk.trust.keys import MAX_KEY_BYTES, read_public

    try:
        key = read_public(read_small(args.monitor_key, max_bytes=MAX_KEY_BYTES))
    except OSError as error:
        raise UsageError(
            "the monitor's key cannot be read",
            subject=str(args.monitor_key),
            found=error.strerror or str(error),
        ) from error
    return Scaling(
        folder=args.requests,
        key=key,
        model=args.monitored,
        least=args.workers,
        most=args.max_workers,
        clock=clock,
    )


@dataclass(slots=True, kw_only=True)
class Scaling:
    """How many workers are wanted.

    Attributes:
        least: Workers that are there anyway.
        most: Workers that are there at most.
    """

    folder: Path
    key: PublicKey
    model: str
    least: int
    most: int
    clock: Callable[[], float]
    _told: set[str] = field(default_factory=set)
    _next: float = 0.0
    _wanted: int = 0

    def wanted(self) -> int:
        """Workers that should be there now."""
        now = self.clock()
        if not self._wanted or not 0 <= self._next - now <= EVERY_S:
            self._next = now + EVERY_S
            self._wanted = min(self.least + len(self._standing(now)), self.most)
        return self._wanted

    def _standing(self, now: float) -> set[int]:
        from hauberk.trust.durable import read_small
        from hauberk.trust.requests import MAX_BYTES, Rules, open_request

        rules = Rules(action=SCALE, model=self.model, now=now, last=0, budget=1.0)
        found: set[int] = set()
        for path in sorted(self.folder.glob(f"{SCALE}-*.json"), reverse=True)[:MAX_FILES]:
            try:
                request = open_request(read_small(path, max_bytes=MAX_BYTES), self.key)
                if request.until >= now:  # one that has ended is no alarm
                    rules.check(request)
                    found.add(request.number)
            except (HauberkError, OSError) as error:
                self._tell(path.name, error)
        return found

    def _tell(self, name: str, error: Exception) -> None:
        if name in self._told or len(self._told) >= MAX_FILES:
            return
        self._told.add(name)
        shown = "".join(sign if sign.isprintable() else "?" for sign in f"{name[:80]}: {error}")
        print(f"ALARM: a request to scale is refused: {shown[:300]}", file=sys.stderr, flush=True)
