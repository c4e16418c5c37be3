"""The Merkle tree of the log: RFC 6962 hashing, a growing root, proofs and their checks.

Rules (RFC 9162 section 2.1; n records, k the largest power of two below n):

* the root of no records is the hash of nothing; of one record, its leaf hash
  ``SHA-256(0x00 || record)``;
* the root of n records is ``SHA-256(0x01 || root of the first k || root of the rest)``;
* an inclusion proof lists the siblings from the leaf up; a consistency proof lists the
  subtrees that both the old and the new root are made of.

Complete subtrees never change once they are complete. They are numbered in the order in
which they become so, which makes an append-only file of them (`place_of`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.trust.digest import leaf_hash, node_hash

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
MAX_PROOF: Final = 64
"""Hashes in a proof; a tree of 2**63 records needs no more."""

NodeAt = Callable[[int, int], bytes]
"""The hash of the complete subtree of ``2**level`` records, the ``index``-th of its level."""

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "NodeAt",
    "frontier_of",
    "leaf_hash",
    "node_hash",
    "place_of",
    "prove_consistency",
    "prove_inclusion",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]


class Frontier:
    """The complete subtrees that a root is made of, largest first; grows by leaf hashes."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ArtifactError(
                "not the frontier of a tree",
                expected=f"{size.bit_count()} hashes for {size} records",
                found=f"{len(peaks)} hashes",
            )
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf: bytes, done: list[bytes] | None = None) -> None:
        """Take in the next leaf hash; ``done`` collects the subtrees that it completes."""
        collect = None if done is None else done.append
        top, ones = leaf, self.size
        if collect:
            collect(top)
        while ones & 1:
            top = node_hash(self.peaks.pop(), top)
            if collect:
                collect(top)
            ones >>= 1
        self.peaks.append(top)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Root over all records taken in."""
        return _fold(self.peaks)

    def copy(self) -> Frontier:
        """An equal frontier that grows by itself."""
        return Frontier(self.size, self.peaks)


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Subtrees from left to right joined from the right."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def place_of(level: int, index: int) -> int:
    """Position of a complete subtree among all, in the order in which they become complete.

    Before leaf ``n`` lie ``2n - (ones in n)`` subtrees.

    >>> [place_of(0, 0), place_of(0, 1), place_of(1, 0), place_of(0, 2)]
    [0, 1, 2, 3]
    """
    last_leaf = ((index + 1) << level) - 1
    return 2 * last_leaf - last_leaf.bit_count() + level


def root_of(node: NodeAt, start: int, end: int) -> bytes:
    """Root over records ``start`` to ``end``; ``start`` as a proof cuts the tree."""
    return _fold(_parts(node, start, end))


def frontier_of(node: NodeAt, size: int) -> tuple[bytes, ...]:
    """The subtrees that the root over the first ``size`` records is made of."""
    return tuple(_parts(node, 0, size))


def _parts(node: NodeAt, start: int, end: int) -> list[bytes]:
    hashes = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(node(level, start >> level))
        start += 1 << level
    return hashes


def _split(size: int) -> int:
    """The largest power of two below ``size``, for ``size`` from 2 on."""
    return 1 << ((size - 1).bit_length() - 1)


def prove_inclusion(node: NodeAt, index: int, size: int) -> tuple[bytes, ...]:
    """Siblings of record ``index`` in the tree of ``size`` records, from the leaf up.

    Raises:
        UsageError: There is no such record.
    """
    if not 0 <= index < size:
        raise _no_such(f"record {index} of {size}", "0 <= index < size")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(node, middle, end))
            end = middle
        else:
            path.append(root_of(node, start, middle))
            start = middle
    return tuple(reversed(path))


def prove_consistency(node: NodeAt, old: int, new: int) -> tuple[bytes, ...]:
    """Subtrees that show the tree of ``old`` records to be a beginning of that of ``new``.

    Raises:
        UsageError: Sizes out of order.
    """
    if not 0 <= old <= new:
        raise _no_such(f"sizes {old} and {new}", "0 <= old <= new")
    if old in (0, new):
        return ()
    path, start, end = [], 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(root_of(node, middle, end))
            end = middle
        else:
            path.append(root_of(node, start, middle))
            start = middle
    if start:
        path.append(root_of(node, start, end))
    return tuple(reversed(path))


def verify_inclusion(
    proof: Sequence[bytes], *, index: int, leaf: bytes, size: int, root: bytes
) -> None:
    """Check that ``leaf`` is the hash of record ``index`` under ``root``.

    RFC 9162 section 2.1.3.2.

    Args:
        proof: From `prove_inclusion`; from anybody.
        index: Position of the record, from 0.
        leaf: `leaf_hash` of the record.
        size: Records under ``root``.
        root: A root that is believed.

    Raises:
        TrustError: The proof does not lead to ``root``.
    """
    _check_hashes(proof)
    if not 0 <= index < size:
        raise _not_proven("inclusion", f"record {index} lies outside a tree of {size}")
    left, last, top = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _not_proven("inclusion", "the proof is too long")
        if left & 1 or left == last:
            top = node_hash(sibling, top)
            left, last = _up_from_edge(left, last)
        else:
            top = node_hash(top, sibling)
        left, last = left >> 1, last >> 1
    if last or top != root:
        raise _not_proven("inclusion", "the proof leads to another root")


def verify_consistency(
    proof: Sequence[bytes], *, old_size: int, old_root: bytes, new_size: int, new_root: bytes
) -> None:
    """Check that the first ``old_size`` records under ``new_root`` are those of ``old_root``.

    RFC 9162 section 2.1.4.2.

    Raises:
        TrustError: The proof does not lead to both roots.
    """
    _check_hashes(proof)
    if not 0 <= old_size <= new_size:
        raise _not_proven("consistency", "the log has become shorter")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected:
            raise _not_proven("consistency", "two roots for one size")
        return
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    found = _climb(hashes, old_size - 1, new_size - 1)
    if found != (old_root, new_root):
        raise _not_proven("consistency", "the proof leads to other roots")


def _climb(hashes: list[bytes], left: int, last: int) -> tuple[bytes, bytes]:
    """Old and new root that the subtrees of a consistency proof make."""
    if not hashes:
        raise _not_proven("consistency", "the proof is empty")
    while left & 1:
        left, last = left >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise _not_proven("consistency", "the proof is too long")
        if left & 1 or left == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            left, last = _up_from_edge(left, last)
        else:
            new = node_hash(new, sibling)
        left, last = left >> 1, last >> 1
    if last:
        raise _not_proven("consistency", "the proof is too short")
    return old, new


def _up_from_edge(left: int, last: int) -> tuple[int, int]:
    """Skip the levels on which the last node has no sibling."""
    while left and not left & 1:
        left, last = left >> 1, last >> 1
    return left, last


def _check_hashes(proof: Sequence[bytes]) -> None:
    if len(proof) > MAX_PROOF or any(len(item) != HASH_BYTES for item in proof):
        raise _not_proven("tree", f"not at most {MAX_PROOF} hashes of {HASH_BYTES} bytes")


def _no_such(found: str, expected: str) -> UsageError:
    return UsageError("the log has no such part", expected=expected, found=found)


def _not_proven(what: str, found: str) -> TrustError:
    return TrustError(
        f"the {what} proof does not hold",
        rule="RFC 9162 section 2.1",
        found=found,
        hint="compare the log with its witness: one of the two was rewritten",
    )
