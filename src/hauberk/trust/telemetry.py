"""Batches of measurements that name their sender, their place in a row, and nothing twice.

A batch is a DSSE envelope over canonical JSON, signed with the key of one replica. The rules
by which it is taken in, numbered as below:

1. The envelope is signed by the key that the named replica is known by. A key of another
   replica does not count, however well known it is.
2. The batch is for a model and a reference that are watched; see the caller.
3. Its sequence number was not taken in before. Numbers may come late and out of order, as
   long as they are at most `MAX_BEHIND` behind; what stays away is missing and is said so.
4. Its time lies between ``oldest`` and a little after now, by the receiver's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.dsse import Envelope, SigningKey, sign, verify
from hauberk.trust.keys import PublicKey

PAYLOAD_TYPE: Final = "application/vnd.hauberk.telemetry.v1+json"
MAX_BYTES: Final = 8 << 20
"""An envelope of a hundred columns has some 50 kB."""
MAX_BEHIND: Final = 10_000
"""Sequence numbers that may still come late; at one a minute a week of them."""
MAX_WORKERS: Final = 64
MAX_AHEAD_S: Final = 300.0
"""Clocks differ by less."""
_MAX_SEQUENCE = 1 << 53
_FIELDS = frozenset({"replica", "sequence", "model", "reference", "start", "end", "body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a replica measured between two moments.

    Attributes:
        replica: Its name; the receiver knows its key.
        sequence: 1, 2, 3 ... without a gap, kept over restarts.
        reference: Digest of the bins that the body's counts are over.
        start: Seconds since the epoch, by the replica's clock.
        body: The measurements, of plain JSON values.
    """

    replica: str
    sequence: int
    model: str
    reference: str
    start: float
    end: float
    body: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in sorted(_FIELDS)}


def seal_batch(batch: Batch, key: SigningKey) -> bytes:
    """The signed envelope."""
    return sign(canonical_json(batch.to_json()), PAYLOAD_TYPE, [key]).to_bytes()


def open_batch(data: bytes, keys: Mapping[str, PublicKey]) -> Batch:
    """The batch in an envelope, once its replica's own key has signed it (rule 1).

    Args:
        keys: Name of each known replica to its key.

    Raises:
        ArtifactError: It is no batch.
        TrustError: Nobody signed it who is known by that name.
    """
    if len(data) > MAX_BYTES:
        raise _malformed(f"{len(data)} bytes")
    envelope = Envelope.from_bytes(data)
    batch = _batch(envelope.payload)
    key = keys.get(batch.replica) or keys.get(host_of(batch.replica))
    if key is None:
        raise TrustError(
            "telemetry of an unknown replica",
            subject=f"replica {_shown(batch.replica)}",
            rule="a replica is known by its key",
            expected=", ".join(sorted(keys)) or "none is known",
            found=_shown(batch.replica),
            hint="add its public key under [replicas] of the monitor's file",
        )
    verify(envelope, {key.key_id: key}, payload_type=PAYLOAD_TYPE)
    return batch


def host_of(replica: str) -> str:
    """The server that a worker belongs to; the replica itself where it is no worker."""
    host, _, worker = replica.rpartition("/")
    is_worker = host and worker.isascii() and worker.isdecimal() and not worker.startswith("0")
    return host if is_worker and int(worker[:4]) <= MAX_WORKERS else replica


def claimed_replica(data: bytes) -> str:
    """Whom a batch says it is of; nothing of it is believed yet.

    Raises:
        ArtifactError: It is no batch.
    """
    if len(data) > MAX_BYTES:
        raise _malformed(f"{len(data)} bytes")
    return _batch(Envelope.from_bytes(data).payload).replica


@dataclass(slots=True)
class Ledger:
    """Which numbers of one replica were taken in.

    Attributes:
        highest: The largest number so far.
        missing: Numbers below it that did not come yet.
    """

    highest: int = 0
    missing: set[int] = field(default_factory=set)

    def check(self, batch: Batch, *, now: float, oldest: float) -> None:
        """Rules 3 and 4.

        Raises:
            TrustError: The batch was seen before, or is of another time.
        """
        number = batch.sequence
        if number <= self.highest and number not in self.missing:
            raise _refused(batch, "a number counts once", "one not seen", f"number {number} again")
        if number > self.highest + MAX_BEHIND:
            raise _refused(
                batch, "numbers have no large gap", f"about {self.highest + 1}", f"{number}"
            )
        if batch.end > now + MAX_AHEAD_S:
            raise _refused(
                batch, "a batch is of the past", f"up to {now:.0f}", f"up to {batch.end:.0f}"
            )
        if batch.start < oldest:
            raise _refused(
                batch, "a batch is not older than what is kept", f"{oldest:.0f}", f"{batch.start}"
            )

    def take(self, sequence: int) -> None:
        """Note a number that `check` let pass."""
        if sequence > self.highest:
            self.missing |= set(range(self.highest + 1, sequence))
            self.highest = sequence
        self.missing.discard(sequence)
        self.missing = {n for n in self.missing if n > self.highest - MAX_BEHIND}


def _batch(payload: bytes) -> Batch:
    value = parse_canonical(payload, max_bytes=MAX_BYTES)
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise _malformed("other fields")
    texts = [value[name] for name in ("replica", "model", "reference")]
    times = [value[name] for name in ("start", "end")]
    sequence = value["sequence"]
    is_good = (
        all(isinstance(text, str) and 0 < len(text) <= 200 for text in texts)  # noqa: PLR2004 - names
        and all(isinstance(t, (int, float)) and not isinstance(t, bool) for t in times)
        and isinstance(sequence, int)
        and 1 <= sequence < _MAX_SEQUENCE
        and times[0] <= times[1]
        and isinstance(value["body"], dict)
    )
    if not is_good:
        raise _malformed("a field of another type, or an end before its start")
    return Batch(**value)


def _malformed(found: str) -> ArtifactError:
    return ArtifactError(
        "this is no batch of telemetry",
        subject="telemetry",
        rule="an envelope over the fields of a batch",
        expected=", ".join(sorted(_FIELDS)),
        found=found,
        hint="send what trust.telemetry.seal_batch gives",
    )


def _refused(batch: Batch, rule: str, expected: str, found: str) -> TrustError:
    return TrustError(
        "a batch of telemetry is refused",
        subject=f"replica {_shown(batch.replica)}, batch {batch.sequence}",
        rule=rule,
        expected=expected,
        found=found,
        hint="look at the replica's clock, and whether somebody sends its batches again",
    )


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])
