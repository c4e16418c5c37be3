"""Batches of telemetry that no replica sent: see `ForgeTelemetry`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeTelemetry(Transform[LogSegment]):
    """Push a batch that makes a model look bad, in the name of a replica.

    The sender reaches the door and has seen batches go by, but holds no key. ``unsigned``
    writes a batch with terrible figures, the next number and no signature, one copied from
    another batch, or random bytes; ``replayed`` sends a true batch of a bad hour once more, as
    it was, with its fields in another order, or with a second signature beside the first.

    Args:
        kind: ``unsigned`` or ``replayed``.

    References:
        MITRE ATLAS AML.T0031 (erode model integrity); MITRE ATT&CK T1565.002 (transmitted data
        manipulation).
    """

    title: ClassVar[str] = "Forge telemetry"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-6"),)
    subject: ClassVar[type] = LogSegment

    kind: str = "unsigned"

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with one more batch at its end."""
        records = list(subject.records())
        batches = [record for record in records if b'"payloadType"' in record]
        if not batches:
            return Attacked(subject=subject)
        forged = self._forged(batches, rng)
        twin = replace(subject, records=lambda: iter([*records, forged]), heads=(), witnessed=())
        return Attacked(subject=twin, rows=(len(records),))

    def _forged(self, batches: list[bytes], rng: Random) -> bytes:
        envelope = json.loads(rng.choice(batches))
        if self.kind == "replayed":
            return rng.choice(_REPLAYS)(envelope, rng)
        payload = json.loads(base64.b64decode(envelope["payload"]))
        numbers = [json.loads(base64.b64decode(json.loads(b)["payload"])) for b in batches]
        same = [value["sequence"] for value in numbers if value["replica"] == payload["replica"]]
        payload["sequence"] = max(same) + 1
        body = payload["body"]
        body["errors"] = body["requests"] = max(int(body["requests"]), 1) * 1000
        text = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
        envelope["payload"] = base64.b64encode(text).decode()
        rng.choice(_SIGNATURES)(envelope, rng)
        return json.dumps(envelope).encode()


def _none(envelope: dict[str, Any], rng: Random) -> None:
    del rng
    envelope["signatures"] = []


def _random(envelope: dict[str, Any], rng: Random) -> None:
    for item in envelope["signatures"]:
        item["sig"] = base64.b64encode(rng.randbytes(64)).decode()


def _kept(envelope: dict[str, Any], rng: Random) -> None:
    """The signature of the batch that it was made from stays."""
    del envelope, rng


def _as_it_was(envelope: dict[str, Any], rng: Random) -> bytes:
    del rng
    return json.dumps(envelope).encode()


def _reordered(envelope: dict[str, Any], rng: Random) -> bytes:
    del rng
    return json.dumps(dict(reversed(envelope.items())), indent=1).encode()


def _twice_signed(envelope: dict[str, Any], rng: Random) -> bytes:
    signature = base64.b64encode(rng.randbytes(64)).decode()
    extra = {"keyid": f"{rng.getrandbits(256):064x}", "sig": signature}
    return json.dumps({**envelope, "signatures": [*envelope["signatures"], extra]}).encode()


_SIGNATURES: tuple[Callable[[dict[str, Any], Random], None], ...] = (_none, _random, _kept)
_REPLAYS: tuple[Callable[[dict[str, Any], Random], bytes], ...] = (
    _as_it_was,
    _reordered,
    _twice_signed,
)
