"""The append-only log: durable before it answers, provable afterwards.

    log/
    ├─ <first record>.segment   commits of records, see `segments`
    ├─ nodes                    hashes of complete subtrees; derived, rebuilt where wrong
    ├─ heads                    signed checkpoints, oldest first
    ├─ torn-*                   what a crash left behind the last commit, kept for a look
    └─ lock                     held for one commit at a time

Rules:

1. `Log.append` returns after the records are on disk. Appends that wait at the same time
   share one write and one sync (group commit); processes take turns.
2. A commit that a crash left unfinished was never acknowledged. The next writer sets its
   bytes aside, says so in `Log.recovered`, and goes on at the last whole commit.
3. That never makes the log shorter than its newest head: then it refuses to open.
   Damage with further commits behind it was no crash: it refuses as well.
4. Reading recomputes the root at every commit; `Log.verify` holds all of it against the
   heads and the witness.

Whoever can write to the folder can rewrite what no head covers, and with the signing key
all that no second place holds: `verify` says how far its answer reaches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from hauberk.errors import HauberkError, InternalError, TrustError, UnavailableError, UsageError
from hauberk.trust import merkle
from hauberk.trust.audit import Audit, audit
from hauberk.trust.checkpoint import Check, Head, Note, Sign, check_name, make_note
from hauberk.trust.durable import Before, explained, make_folder, proceed, sweep
from hauberk.trust.examine import examine
from hauberk.trust.gathering import Gathering
from hauberk.trust.heads import HeadsFile
from hauberk.trust.journal import Journal, Recovery
from hauberk.trust.merkle import Frontier, NodeAt, leaf_hash, verify_consistency, verify_inclusion
from hauberk.trust.nodes import NodeFile
from hauberk.trust.segments import (
    MAX_COMMIT_BYTES,
    MAX_COMMIT_RECORDS,
    SEGMENT_BYTES,
    check_batch,
    commit_bytes,
)

__all__ = [
    "Log",
    "MemoryLog",
    "Receipt",
    "Recovery",
    "examine",
    "leaf_hash",
    "verify_consistency",
    "verify_inclusion",
]

ORIGIN: Final = "hauberk"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an append became.

    Attributes:
        first_index: Number of the batch's first record.
        size: Records in the log at the commit that holds the batch.
        root: Root over them.
    """

    first_index: int
    size: int
    root: bytes


class Log:
    """A log in a folder; make one with `Log.open`. Safe to use from many threads.

    Attributes:
        origin: Name of the log in its heads.
    """

    def __init__(
        self, journal: Journal, folder: Path, *, origin: str, tmp: Path, before: Before
    ) -> None:
        self.origin = check_name(origin)
        self._journal = journal
        self._folder = folder
        self._tmp = tmp
        self._heads = HeadsFile(folder / "heads", before=before)
        self._nodes = NodeFile(folder / "nodes")
        self._queue: deque[_Ticket] = deque()
        self._is_led = False
        self._gathering = Gathering()
        self._queueing = Lock()
        self._committing = Lock()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        origin: str = ORIGIN,
        read_only: bool = False,
        tmp: Path | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        before: Before = proceed,
    ) -> Log:
        """Open the log in the folder at ``path``, making it where it is missing.

        Args:
            path: The folder; its parent must be there.
            origin: Name of the log in its heads; a URL without scheme by custom.
            read_only: Change nothing, not even what a crash left.
            tmp: Folder for files in the making, on the same file system; one inside the
                log where none is named.
            segment_bytes: Size at which a file is closed and the next begun.
            before: Hook asked before each step that writes.

        Raises:
            TrustError: The log is damaged, or shorter than its newest head.
            UnavailableError: It cannot be read or written.
        """
        own = path / "tmp"
        with explained(path):
            if not read_only:
                make_folder(path, before)
            if not read_only and tmp is None:
                make_folder(own, before)
                sweep(own)
        journal = Journal(
            path,
            tmp=tmp or own,
            heads=HeadsFile(path / "heads"),
            read_only=read_only,
            segment_bytes=segment_bytes,
            before=before,
        )
        with journal.turn():
            journal.load()
        return cls(journal, path, origin=origin, tmp=tmp or own, before=before)

    @property
    def recovered(self) -> tuple[Recovery, ...]:
        """What this object set aside after crashes, oldest first."""
        return self._journal.recovered

    @property
    def size(self) -> int:
        """Records that this object has seen committed; `refresh` looks for more."""
        return self._journal.tail.size

    @property
    def root(self) -> bytes:
        """Root over the first `size` records."""
        return self._journal.tail.frontier.root

    def refresh(self) -> None:
        """Take in what other processes committed."""
        with self._committing, self._journal.turn():
            self._journal.catch_up()

    def append(self, batch: Sequence[bytes]) -> Receipt:
        """Add records in order, next to each other; on disk when it returns.

        Raises:
            ArtifactError: A record or the batch is too large.
            TrustError: The log is damaged.
            UnavailableError: The disk is full or not writable; nothing was added. Where
                the process is interrupted meanwhile, the batch may have been added.
            UsageError: The log was opened for reading only.
        """
        if self._journal.read_only:
            raise UsageError("the log was opened for reading only", hint="open it for writing")
        ticket = _Ticket(tuple(bytes(record) for record in batch))
        check_batch(ticket.records)
        if self._waits_in_queue(ticket):
            try:
                ticket.gate.acquire()
            except BaseException:
                self._leave_queue(ticket)
                raise
        if not ticket.is_done:
            self._lead(ticket)
        return ticket.result()

    def _waits_in_queue(self, ticket: _Ticket) -> bool:
        """Queue ``ticket``; whoever finds nobody leading leads, the others wait."""
        with self._queueing:
            self._queue.append(ticket)
            self._gathering.arrived(len(self._queue))
            waits, self._is_led = self._is_led, True
        return waits

    def _leave_queue(self, ticket: _Ticket) -> None:
        """Give up waiting; a lead that was just handed over goes to the next."""
        with self._queueing:
            with suppress(ValueError):
                self._queue.remove(ticket)
            handed_over = ticket.leads
        if handed_over:
            self._hand_over()

    def _lead(self, ticket: _Ticket) -> None:
        """Commit everything that waits, own batch first, then let the next one lead."""
        try:
            self._gather()
            self._commit_group()
        finally:
            with self._queueing, suppress(ValueError):
                self._queue.remove(ticket)  # still there only where the wait was interrupted
            self._hand_over()

    def _gather(self) -> None:
        """Give callers that the last commit let go a moment to come back."""
        with self._queueing:
            waits = self._gathering.begin(len(self._queue))
        if waits:
            self._gathering.wait()

    def _hand_over(self) -> None:
        with self._queueing:
            following = self._queue[0] if self._queue else None
            self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.gate.release()

    def _commit_group(self) -> None:
        group = self._take_group()
        started = time.monotonic()
        try:
            with self._committing, self._journal.turn():
                self._journal.catch_up()
                first = self.size
                self._commit([record for ticket in group for record in ticket.records])
            for ticket in group:
                ticket.receipt = Receipt(first_index=first, size=self.size, root=self.root)
                first += len(ticket.records)
        except HauberkError as error:
            for ticket in group:
                ticket.error = error
        finally:
            with self._queueing:
                waiting, taken = len(self._queue), time.monotonic() - started
                self._gathering.committed(len(group), waiting, taken)
            for ticket in group:
                ticket.close()

    def _take_group(self) -> list[_Ticket]:
        n_records = n_bytes = 0
        group: list[_Ticket] = []
        with self._queueing:
            while self._queue:
                following = self._queue[0].records
                n_records, n_bytes = n_records + len(following), n_bytes + commit_bytes(following)
                if group and (n_records > MAX_COMMIT_RECORDS or n_bytes > MAX_COMMIT_BYTES):
                    break
                group.append(self._queue.popleft())
        return group

    def _commit(self, records: Sequence[bytes]) -> None:
        if not records:
            return
        first, done = self.size, list[bytes]()
        self._journal.commit(records, done)
        with suppress(TrustError, UnavailableError):  # derived; made anew when it is needed
            self._nodes.write(merkle.place_of(0, first), done)

    def records(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Records ``start`` to ``end``, each commit checked against its root on the way.

        Raises:
            TrustError: The log is damaged; what was yielded before is sound.
        """
        _check_span(start, end)
        end = self.size if end is None else min(end, self.size)
        if start >= end:
            return
        for commit in self._journal.commits(start, end):
            yield from commit.records[max(start - commit.first, 0) : end - commit.first]

    def root_at(self, size: int) -> bytes:
        """Root over the first ``size`` records, proven to lie under the present one."""
        return self._proven(lambda node: self._old_root(node, size))

    def prove_inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Siblings of record ``index`` under the root at ``size``, by default the present one.

        Raises:
            TrustError: The log is damaged.
            UsageError: There is no such record.
        """
        size = self.size if size is None else size
        _check_known(size, self.size)

        def make(node: NodeAt) -> tuple[bytes, ...]:
            proof = merkle.prove_inclusion(node, index, size)
            root = self._old_root(node, size)
            verify_inclusion(proof, index=index, leaf=node(0, index), size=size, root=root)
            return proof

        return self._proven(make)

    def prove_consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Subtrees that lead from the root at ``old`` to that at ``new``, by default the present.

        Raises:
            TrustError: The log is damaged.
            UsageError: Sizes out of order.
        """
        new = self.size if new is None else new
        _check_known(new, self.size)

        def make(node: NodeAt) -> tuple[bytes, ...]:
            proof = merkle.prove_consistency(node, old, new)
            roots = self._old_root(node, old), self._old_root(node, new)
            verify_consistency(
                proof, old_size=old, old_root=roots[0], new_size=new, new_root=roots[1]
            )
            return proof

        return self._proven(make)

    def _old_root(self, node: NodeAt, size: int) -> bytes:
        _check_known(size, self.size)
        tail = self._journal.tail
        root = merkle.root_of(node, 0, size)
        proof = merkle.prove_consistency(node, size, tail.size)
        verify_consistency(
            proof,
            old_size=size,
            old_root=root,
            new_size=tail.size,
            new_root=tail.frontier.root,
        )
        return root

    def _proven(self, make: Callable[[NodeAt], T]) -> T:
        """What ``make`` gives from the stored subtrees, or from ones made anew."""
        try:
            return make(self._nodes.node)
        except TrustError:
            return make(self._made_anew())

    def _made_anew(self) -> NodeAt:
        hashes: list[bytes] = []
        frontier = Frontier()
        for record in self.records():
            frontier.add(leaf_hash(record), hashes)
        if not self._journal.read_only:
            with self._committing, self._journal.turn():
                self._nodes.replace(hashes, tmp=self._tmp)
        return lambda level, index: hashes[merkle.place_of(level, index)]

    def nodes_hold(self) -> bool:
        """Whether the derived hashes beside the records are those that the records make."""
        return self._nodes.hold(self.records())

    def heads(self) -> Iterator[bytes]:
        """Signed checkpoints, oldest first."""
        return iter(self._heads)

    def checkpoint(self, sign: Sign | None = None) -> bytes:
        """The present head: signed and kept beside the records, or its text alone.

        Args:
            sign: Signs the text of the head; see `checkpoint.signing_with`.

        Raises:
            TrustError: ``sign`` gave no signature, or the log is damaged.
        """
        self.refresh()
        tail = self._journal.tail
        head = Head(origin=self.origin, size=tail.size, root=tail.frontier.root)
        if sign is None:
            return head.to_text()
        note = make_note(head, sign)
        with self._committing, self._journal.turn():
            newest = self._heads.newest()
            if newest is None or newest.head.size <= head.size:
                self._heads.add(note)
        return note

    def witness(self, path: Path, *, mark: Callable[[Note], bytes] | None = None) -> Head:
        """Carry the newest signed head to the file at ``path``, in a second place.

        The second place is one that whoever can write to the log cannot write to, at least
        not unseen: another host, another account, write-once storage.

        Args:
            path: The file.
            mark: Adds the witness's own line; see `cosign`.

        Raises:
            TrustError: The log no longer holds what the witness has seen.
            UnavailableError: The file cannot be written.
            UsageError: Nothing is signed yet.
        """
        self.refresh()
        newest = self._heads.newest()
        if newest is None:
            raise UsageError("there is no signed head yet", hint="sign a checkpoint first")
        place = HeadsFile(path)
        seen = place.newest()
        if seen is not None:
            self._check_extends(seen.head, newest.head)
        place.add(newest.raw if mark is None else mark(newest))
        return newest.head

    def _check_extends(self, seen: Head, new: Head) -> None:
        sizes_fit = seen.origin == new.origin and seen.size <= new.size <= self.size
        if not sizes_fit or self.root_at(seen.size) != seen.root:
            raise TrustError(
                "the log no longer holds what its witness has seen",
                subject=f"log {new.origin} at {new.size}",
                rule="a new head contains every older one",
                expected=f"the head of {seen.origin} at {seen.size}",
                found="another root or a smaller size",
                hint="the log was rewritten or restored: compare it with the witness's copy",
            )

    def verify(self, *, check: Check | None = None, witness: Path | None = None) -> Audit:
        """Read the whole log and hold it against its heads and its witness.

        Args:
            check: Signatures that heads must carry; see `checkpoint.signed_by`. Without it
                heads are taken on their word.
            witness: File of heads in a second place.

        Raises:
            UnavailableError: The log cannot be read.
        """
        return examine(self._folder, check=check, witness=witness, origin=self.origin)


class _Ticket:
    """A batch on its way into a commit.

    Attributes:
        gate: Opens when the batch is done, or its owner is to lead.
        leads: Whether the lead was handed to its owner.
    """

    __slots__ = ("error", "gate", "leads", "receipt", "records")

    def __init__(self, records: tuple[bytes, ...]) -> None:
        self.records = records
        self.gate = Lock()
        self.gate.acquire()
        self.leads = False
        self.receipt: Receipt | None = None
        self.error: HauberkError | None = None

    @property
    def is_done(self) -> bool:
        return self.receipt is not None or self.error is not None

    def close(self) -> None:
        """Leave nobody waiting, whatever ended the commit."""
        # the leader's own gate is either unopened, or opened already when it was handed the lead
        if not self.is_done:
            self.error = UnavailableError(
                "the append was interrupted",
                rule="records are acknowledged or not; these may be in the log or not",
                hint="look for them at the end of the log, then append again",
            )
        if not self.leads:
            self.gate.release()

    def result(self) -> Receipt:
        if self.error is not None:
            raise self.error
        if self.receipt is None:
            raise InternalError("an append ended without a receipt")
        return self.receipt


class MemoryLog:
    """A log in memory, for tests and for worlds.

    Attributes:
        origin: Name of the log in its heads.
        records_held: The records; tests and attacks change them.
        heads_held: Its signed heads, oldest first.
    """

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin = check_name(origin)
        self.records_held: list[bytes] = []
        self.heads_held: list[bytes] = []
        self._frontier = Frontier()
        self._nodes: list[bytes] = []
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Records that were appended."""
        return self._frontier.size

    @property
    def root(self) -> bytes:
        """Root over them, as they were appended."""
        return self._frontier.root

    def append(self, batch: Sequence[bytes]) -> Receipt:
        """Add records in order, next to each other."""
        records = tuple(bytes(record) for record in batch)
        check_batch(records)
        with self._lock:
            first = self.size
            for record in records:
                self._frontier.add(leaf_hash(record), self._nodes)
            self.records_held += records
            return Receipt(first_index=first, size=self.size, root=self.root)

    def records(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Records ``start`` to ``end`` as they are held now."""
        _check_span(start, end)
        return iter(self.records_held[start:end])

    def root_at(self, size: int) -> bytes:
        """Root over the first ``size`` records."""
        _check_known(size, self.size)
        return merkle.root_of(self._node, 0, size)

    def prove_inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Siblings of record ``index`` under the root at ``size``."""
        size = self.size if size is None else size
        _check_known(size, self.size)
        return merkle.prove_inclusion(self._node, index, size)

    def prove_consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Subtrees that lead from the root at ``old`` to that at ``new``."""
        new = self.size if new is None else new
        _check_known(new, self.size)
        return merkle.prove_consistency(self._node, old, new)

    def heads(self) -> Iterator[bytes]:
        """Signed checkpoints, oldest first."""
        return iter(self.heads_held)

    def checkpoint(self, sign: Sign | None = None) -> bytes:
        """The present head: signed and kept, or its text alone."""
        head = Head(origin=self.origin, size=self.size, root=self.root)
        if sign is None:
            return head.to_text()
        self.heads_held.append(make_note(head, sign))
        return self.heads_held[-1]

    def verify(self, *, check: Check | None = None, witness: Path | None = None) -> Audit:
        """Hold the records as they are now against the heads and the witness."""
        return audit(
            lambda: map(leaf_hash, self.records_held),
            heads=self.heads_held,
            witnessed=() if witness is None else HeadsFile(witness),
            check=check,
            origin=self.origin,
            originals=self._originals,
        )

    def _originals(self, head: Head, first: int) -> Sequence[bytes] | None:
        if head.size > self.size or self.root_at(head.size) != head.root:
            return None
        return [self._node(0, index) for index in range(first, head.size)]

    def _node(self, level: int, index: int) -> bytes:
        return self._nodes[merkle.place_of(level, index)]


def _check_span(start: int, end: int | None) -> None:
    if start < 0 or (end is not None and end < 0):
        raise UsageError(
            "not a span of records",
            expected="start and end from 0 on",
            found=f"start {start}, end {end}",
        )


def _check_known(size: int, present: int) -> None:
    if not 0 <= size <= present:
        raise UsageError(
            "the log has no such size",
            expected=f"0 to {present}",
            found=str(size),
            hint="refresh the log, or ask for a smaller size",
        )
