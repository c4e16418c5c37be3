"""Hold the records of a log against the heads that are believed.

The steps, numbered as below:

1. Read every head, the log's own and the witness's; those that are malformed, of another
   log, or not signed as demanded are defects and prove nothing.
2. Two heads of one size with two roots: the log was forked.
3. Walk over the records once and compare the root at the size of every head.
4. A head larger than the log: the tail is gone.
5. Where roots differ, the records between the last head that fits and the first that does
   not were changed. Where the original leaf hashes are at hand (a log keeps them beside the
   records, and a head proves them), the records are named with what was done to them.

What no head covers yet cannot be judged: whoever can write to the log can rewrite what came
after the newest head, and with the signing key everything that no witness holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from hauberk.errors import ArtifactError
from hauberk.trust.checkpoint import Check, Head, parse_note
from hauberk.trust.merkle import Frontier

MAX_DEFECTS: Final = 100
"""More are counted by nobody; the log must be restored anyway."""

Leaves = Callable[[], Iterable[bytes]]
"""Opens a pass over leaf hashes in order."""

MAX_NAMED: Final = 1 << 17
"""Records that are compared one by one; naming needs some 500 bytes of memory for each."""

Originals = Callable[[Head, int], Sequence[bytes] | None]
"""Leaf hashes that a head proves, from a record on, where somebody kept them."""


class Fault(StrEnum):
    """What is wrong with a log."""

    EDITED = "edited"
    DELETED = "deleted"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    INSERTED = "inserted"
    REWRITTEN = "rewritten"
    TRUNCATED = "truncated"
    FORKED = "forked"
    UNREADABLE = "unreadable"
    UNTRUSTED_HEAD = "untrusted head"


class Standing(StrEnum):
    """How far the answer of an audit can be believed."""

    UNSIGNED = "no signed head"
    NOT_WITNESSED = "log not witnessed"
    WITNESSED = "witnessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing that is wrong.

    Attributes:
        first: First record concerned, numbered as they were signed.
        last: Last record concerned.
    """

    fault: Fault
    message: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        size: Records that are there.
        root: Root over them.
        signed_size: Records that a good head of the log covers.
        witnessed_size: Records that a good head in the second place covers.
    """

    size: int
    root: bytes
    defects: tuple[Defect, ...]
    signed_size: int
    witnessed_size: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong; see `standing` for what that is worth."""
        return not self.defects

    @property
    def standing(self) -> Standing:
        """How far ``is_clean`` can be believed."""
        if self.witnessed_size:
            return Standing.WITNESSED
        return Standing.NOT_WITNESSED if self.signed_size else Standing.UNSIGNED


@dataclass(frozen=True, slots=True)
class _Claim:
    """A head with who says so."""

    head: Head
    holder: str


_OWN = "the log's own head"
_WITNESS = "the witness's head"


def audit(
    leaves: Leaves,
    *,
    heads: Iterable[bytes],
    witnessed: Iterable[bytes] = (),
    check: Check | None = None,
    origin: str | None = None,
    originals: Originals | None = None,
) -> Audit:
    """Hold records against heads.

    Args:
        leaves: Leaf hashes of the records as they are now.
        heads: Signed checkpoints beside the log.
        witnessed: Signed checkpoints from the second place.
        check: Signatures that a head must carry; without it heads are taken on their word.
        origin: Name that heads must bear.
        originals: Finds what a head that does not fit was made over.
    """
    defects: list[Defect] = []
    claims = [  # 1
        *_read(heads, _OWN, check, origin, defects),
        *_read(witnessed, _WITNESS, check, origin, defects),
    ]
    defects += _forks(claims)  # 2
    size, root, wrong, right = _walk(leaves(), claims)  # 3
    short = [claim for claim in claims if claim.head.size > size]  # 4
    named = _named(leaves, [*wrong, *short], right, originals)  # 5
    defects += named or [*_cut_off(short, size), *_windows(wrong, right)]
    return Audit(
        size=size,
        root=root,
        defects=tuple(defects[:MAX_DEFECTS]),
        signed_size=_largest(claims, _OWN),
        witnessed_size=_largest(claims, _WITNESS),
    )


def _read(
    notes: Iterable[bytes],
    holder: str,
    check: Check | None,
    origin: str | None,
    defects: list[Defect],
) -> Iterator[_Claim]:
    try:
        for data in notes:
            note = parse_note(data)
            if origin not in (None, note.head.origin):
                defects.append(_untrusted(holder, note.head, f"of the log {note.head.origin}"))
            elif check is not None and not check(note):
                defects.append(_untrusted(holder, note.head, "not signed as demanded"))
            else:
                yield _Claim(note.head, holder)
    except ArtifactError as error:
        message = f"{holder} cannot be read: {error.found or error.message}"
        defects.append(Defect(fault=Fault.UNREADABLE, message=message))


def _untrusted(holder: str, head: Head, why: str) -> Defect:
    message = f"{holder} at {head.size} is {why}"
    return Defect(fault=Fault.UNTRUSTED_HEAD, message=message)


def _largest(claims: Iterable[_Claim], holder: str) -> int:
    return max((claim.head.size for claim in claims if claim.holder == holder), default=0)


def _forks(claims: Iterable[_Claim]) -> Iterator[Defect]:
    seen: dict[int, _Claim] = {}
    for claim in claims:
        first = seen.setdefault(claim.head.size, claim)
        if first.head.root != claim.head.root:
            message = f"{first.holder} and {claim.holder} differ at size {claim.head.size}"
            yield Defect(fault=Fault.FORKED, message=message, last=claim.head.size - 1)


def _walk(
    leaves: Iterable[bytes], claims: Sequence[_Claim]
) -> tuple[int, bytes, list[_Claim], int]:
    """Size, root, the claims that do not fit, and the largest size at which all fit."""
    waiting: dict[int, list[_Claim]] = {}
    for claim in claims:
        waiting.setdefault(claim.head.size, []).append(claim)
    frontier, wrong, right = Frontier(), list[_Claim](), 0
    add = frontier.add
    pending = iter(leaves)
    for size in sorted(waiting):
        for leaf in islice(pending, size - frontier.size):
            add(leaf)
        if frontier.size < size:
            break
        misfits = [claim for claim in waiting[size] if claim.head.root != frontier.root]
        wrong += misfits
        right = right if wrong else size
    for leaf in pending:
        add(leaf)
    return frontier.size, frontier.root, wrong, right


def _cut_off(short: Sequence[_Claim], size: int) -> Iterator[Defect]:
    for holder in (_OWN, _WITNESS):
        claimed = _largest(short, holder)
        if claimed:
            message = f"{holder} covers {claimed} records, the log has {size}"
            yield Defect(fault=Fault.TRUNCATED, message=message, first=size, last=claimed - 1)


def _windows(wrong: Sequence[_Claim], right: int) -> Iterator[Defect]:
    for holder in (_OWN, _WITNESS):
        sizes = [claim.head.size for claim in wrong if claim.holder == holder]
        if sizes:
            bad = min(sizes)
            message = f"records {right} to {bad - 1} are not those that {holder} at {bad} covers"
            yield Defect(fault=Fault.REWRITTEN, message=message, first=right, last=bad - 1)


def _named(
    leaves: Leaves, broken: Sequence[_Claim], right: int, originals: Originals | None
) -> list[Defect]:
    """Exact defects under the largest broken head whose leaf hashes somebody kept."""
    for claim in sorted(broken, key=lambda claim: -claim.head.size):
        if originals is None or claim.head.size - right > MAX_NAMED:
            continue
        original = originals(claim.head, right)
        if original is not None:
            found = islice(leaves(), right, right + 2 * MAX_NAMED)
            return list(islice(compare(original, found, first=right), MAX_DEFECTS))
    return []


def compare(
    original: Sequence[bytes], found: Iterable[bytes], *, first: int = 0
) -> Iterator[Defect]:
    """Name what was done to records, by their leaf hashes before and after.

    Records behind the end of ``original`` are no defect. What several changes at once are
    called is a guess; that there are some is not.

    Args:
        original: Leaf hashes as they were.
        found: Leaf hashes as they are; memory is needed for all of them.
        first: Number of the record that ``original`` begins with.
    """
    walk = _Walk(original, list(found), first)
    while walk.goes_on():
        if not (walk.agrees() or walk.settles()):
            yield walk.step()
    missing = walk.missing()
    if missing:
        message = f"records {missing[0]} to {missing[-1]} are gone from the end"
        yield Defect(fault=Fault.TRUNCATED, message=message, first=missing[0], last=missing[-1])


class _Walk:
    """Two sequences walked side by side; records that changed places are named once."""

    def __init__(self, original: Sequence[bytes], after: Sequence[bytes], first: int) -> None:
        self._old = self._new = 0
        self._first = first
        self._original = original
        self._after = after
        self._place = {leaf: at for at, leaf in reversed(list(enumerate(original)))}
        self._last = {leaf: at for at, leaf in enumerate(after)}
        self._surplus = Counter(after) - Counter(original)
        self._early: Counter[bytes] = Counter()
        self._late: Counter[bytes] = Counter()

    def goes_on(self) -> bool:
        return self._old < len(self._original) and self._new < len(self._after)

    def missing(self) -> list[int]:
        """Records behind the end of what is left."""
        rest = range(self._old, len(self._original))
        return [self._first + at for at in rest if not _take(self._early, self._original[at])]

    def agrees(self) -> bool:
        """Step over a record that is where it was."""
        agrees = self._original[self._old] == self._after[self._new]
        self._move(old=agrees, new=agrees)
        return agrees

    def settles(self) -> bool:
        """Step over what was named already: seen too early, or expected earlier."""
        early = _take(self._early, self._original[self._old])
        late = _take(self._late, self._after[self._new])
        self._move(old=early, new=late)
        return early or late

    def step(self) -> Defect:
        """The defect where the two part; moves on behind it."""
        expected, found = self._original[self._old], self._after[self._new]
        record, place = self._first + self._old, self._first + self._place.get(found, 0)
        comes = self._last.get(expected, -1) > self._new
        if found not in self._place:
            self._move(old=not comes, new=True)
            what = (Fault.INSERTED, "has a foreign record before it") if comes else _EDIT
            return _at(what[0], record, what[1])
        if _take(self._surplus, found):
            self._move(new=True)
            return _at(Fault.DUPLICATED, place, "occurs again")
        if not comes:
            self._move(old=True)
            return _at(Fault.DELETED, record, "is missing")
        self._early[found] += 1
        self._late[expected] += 1
        self._move(old=True, new=True)
        return _at(Fault.REORDERED, place, f"stands where record {record} was")

    def _move(self, *, old: bool = False, new: bool = False) -> None:
        self._old += old
        self._new += new


_EDIT = (Fault.EDITED, "was edited")


def _take(counts: Counter[bytes], leaf: bytes) -> bool:
    """Use up one of what is counted under ``leaf``, if there is one."""
    if counts[leaf] <= 0:
        return False
    counts[leaf] -= 1
    return True


def _at(fault: Fault, record: int, what: str) -> Defect:
    return Defect(fault=fault, message=f"record {record} {what}", first=record, last=record)
