"""Read a log's folder as it is, damaged or not, and hold it against heads and witness.

Opening a log refuses damage; this names it. Commits whose roots do not follow, segments
that are missing or do not parse are defects, and reading goes on behind them as far as it
can, so that the audit sees every record that is left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.trust.audit import Audit, Defect, Fault, audit
from hauberk.trust.checkpoint import Check, Head
from hauberk.trust.durable import explained
from hauberk.trust.heads import HeadsFile
from hauberk.trust.journal import continues
from hauberk.trust.lock import turn
from hauberk.trust.merkle import Frontier, frontier_of, leaf_hash
from hauberk.trust.nodes import NodeFile
from hauberk.trust.segments import Segment, Unreadable, read_commits, read_header, segment_paths


def examine(
    folder: Path,
    *,
    check: Check | None = None,
    witness: Path | None = None,
    origin: str | None = None,
) -> Audit:
    """Verify the log in ``folder`` as it was committed when this begins.

    Args:
        folder: Of a log that may be damaged, shortened or in use.
        check: Signatures that heads must carry; see `checkpoint.signed_by`. Without it
            heads are taken on their word.
        witness: File of heads in a second place.
        origin: Name that heads must bear.

    Raises:
        UnavailableError: It cannot be read at all.
    """
    with _no_commit_meanwhile(folder), explained(folder):
        ends = {path: path.lstat().st_size for path in segment_paths(folder)}
    structure: list[Defect] = []
    result = audit(
        lambda: _leaves(ends, structure),
        heads=HeadsFile(folder / "heads"),
        witnessed=() if witness is None else HeadsFile(witness),
        check=check,
        origin=origin,
        originals=lambda head, first: originals(NodeFile(folder / "nodes"), head, first),
    )
    return replace(result, defects=(*dict.fromkeys(structure), *result.defects))


def originals(nodes: NodeFile, head: Head, first: int) -> Sequence[bytes] | None:
    """Leaf hashes from record ``first`` on that ``head`` proves, from the stored subtrees."""
    leaves = nodes.leaves(first, head.size)
    frontier = Frontier(first, frontier_of(nodes.node, first))
    for leaf in leaves:
        frontier.add(leaf)
    return leaves if (frontier.size, frontier.root) == (head.size, head.root) else None


def _no_commit_meanwhile(folder: Path) -> AbstractContextManager[None]:
    path = folder / "lock"
    return turn(path, shared=True) if os.path.lexists(path) else nullcontext()


def _leaves(ends: dict[Path, int], defects: list[Defect]) -> Iterator[bytes]:
    """Leaf hashes of all records that can be read; ``defects`` takes what stood in the way."""
    frontier = Frontier()
    for path, end in ends.items():
        try:
            segment = read_header(path)
            if not continues(segment, frontier):
                defects.append(_structural(frontier.size, f"before {path.name}"))
            yield from _salvaged(segment, end, frontier, defects)
        except HauberkError as error:
            defects.append(_unreadable(frontier.size, path, error.found or error.message))
        except Unreadable as stop:
            defects.append(_unreadable(frontier.size, path, stop.reason))


def _salvaged(
    segment: Segment, end: int, frontier: Frontier, defects: list[Defect]
) -> Iterator[bytes]:
    for commit in read_commits(segment, end=end):
        first = frontier.size
        for record in commit.records:
            leaf = leaf_hash(record)
            frontier.add(leaf)
            yield leaf
        if frontier.root != commit.root and not defects:
            defects.append(_structural(first, f"in the commit that ends at {frontier.size - 1}"))


def _structural(first: int, where: str) -> Defect:
    message = f"from record {first} on the stored roots do not follow, {where}"
    return Defect(fault=Fault.REWRITTEN, message=message, first=first)


def _unreadable(first: int, path: Path, found: str) -> Defect:
    message = f"{path.name} cannot be read from record {first} on: {found}"
    return Defect(fault=Fault.UNREADABLE, message=message, first=first)
