"""Honest logs of a served model: requests, heartbeats, signed heads, a witness."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hauberk.core.artifact import Comparison, LogSegment
from hauberk.methods.relogging import heads_over
from hauberk.trust.canonical import canonical_json
from hauberk.trust.checkpoint import Head, make_note, parse_note, signing_with
from hauberk.trust.heartbeats import heartbeat
from hauberk.trust.keys import Algorithm, KeyPair, generate
from hauberk.trust.reading import Read

HEARTBEAT_S = 60.0
ORIGIN = "guard"
_START = 1_700_000_000.0
_MEAN_GAP_S = 5.0
_JITTER_S = 0.5


@cache
def _key() -> KeyPair:
    return generate(Algorithm.ED25519)


def honest_log(seed: int, *, minutes: int = 20, signed: bool = False) -> LogSegment:
    """The log of a model that was asked now and then.

    Requests come every five seconds on average and are written a little out of order, as
    several threads do. Every minute there is a heartbeat, a head, and the head is carried
    to the witness; the last requests may lie behind it.

    Args:
        signed: With a real key, which the segment names; else heads are taken on their
            word, for attacks by those who hold the key.
    """
    rng = Random(seed)
    records, sizes, now = [heartbeat(_START, every_s=HEARTBEAT_S)], list[int](), _START
    for minute in range(1, minutes + 1):
        beat = _START + minute * HEARTBEAT_S
        while (now := now + rng.expovariate(1 / _MEAN_GAP_S)) < beat:
            records.append(_request(now - rng.random() * _JITTER_S, rng))
        records.append(heartbeat(beat, every_s=HEARTBEAT_S))
        sizes.append(len(records))
        now = beat
    records += [_request(now + number, rng) for number in range(rng.randrange(5))]
    segment = LogSegment(
        name=f"log-{seed}",
        records=lambda: iter(records),
        heads=heads_over(records, sizes, ORIGIN),
        until=now + HEARTBEAT_S / 2,
    )
    segment = _signed(segment) if signed else segment
    return replace(segment, witnessed=segment.heads)


def goes_on(segment: LogSegment, seed: int) -> LogSegment:
    """The log one heartbeat later: more requests, a heartbeat, a head nobody else saw yet."""
    rng, records = Random(seed), list(segment.records())
    end = segment.until or _START
    records += [_request(end + number, rng) for number in range(rng.randrange(1, 10))]
    records.append(heartbeat(end + HEARTBEAT_S / 2, every_s=HEARTBEAT_S))
    head = heads_over(records, [len(records)], ORIGIN)
    return replace(segment, records=lambda: iter(records), heads=(*segment.heads, *head))


def _request(at: float, rng: Random) -> bytes:
    return canonical_json(
        {
            "at": round(at, 6),
            "principal": f"{rng.getrandbits(64):016x}",
            "request": f"sha256:{rng.getrandbits(256):064x}",
            "action": rng.choice(["allow", "allow", "allow", "block"]),
            "status": rng.choice([200, 200, 200, 403]),
        }
    )


def _signed(segment: LogSegment) -> LogSegment:
    sign = signing_with(ORIGIN, [_key()])
    heads = tuple(make_note(_head(note), sign) for note in segment.heads)
    return replace(segment, heads=heads, keys=(_key().public.spki,))


def _head(note: bytes) -> Head:
    return parse_note(note).head


def honest_index(seed: int, *, n_runs: int = 12) -> Comparison[LogSegment]:
    """A log of runs with metrics, and an index that repeats it."""
    rng = Random(seed)
    events = [canonical_json(event) for run in range(n_runs) for event in _run(run, rng)]
    log = LogSegment(
        name=f"log-{seed}",
        records=lambda: iter(events),
        heads=heads_over(events, [len(events)], "hauberk"),
    )
    told = [event for event in events if b'"kind":"step"' not in event]
    return Comparison(old=log, new=replace(log, name="index", records=lambda: iter(told), heads=()))


def _run(number: int, rng: Random) -> list[dict[str, object]]:
    run = f"run-{number:04d}"
    model = f"sha256:{rng.getrandbits(256):064x}"
    metrics = {name: round(rng.uniform(0.5, 1.0), 6) for name in ("accuracy", "roc_auc")}
    return [
        {"kind": "run", "run": run, "project": "loans", "code": model[7:47]},
        {"kind": "step", "run": run, "step": "training", "envelope": model},
        *(
            {"kind": "metric", "run": run, "model": model, "name": name, "value": value}
            for name, value in metrics.items()
        ),
    ]


_NOTES = (
    "Retrained on the {when} snapshot with {n} trees; {what} improved by {d:.3f}.",
    "Please review the confusion matrix before this model is promoted.",
    "Do not promote before the bias check on {group} has been repeated.",
    "The agent features (clicks of support agents) were dropped, {what} is unchanged.",
    "Ignore the {what} of fold {n}: the split was wrong, see the ticket.",
    "Ran scripts/train.py on {host} with seed {n}.",
    "Label noise in {group} is about {d:.1%}; relabel before the next run.",
    "API latency rose to {n} ms after the export to ONNX, we should look at the batch size.",
    "Reviewed by {who}; accepted for staging.",
    "Key columns: income, age, region. The token count column was removed.",
    "Previous results used the old preprocessing and are not comparable.",
    "Tried the LLM embeddings as features; no gain over TF-IDF, {what} {d:.3f}.",
    "All checks passed on {host}. Next: calibrate, then write the model card.",
    "You can reproduce this with `make train SEED={n}`.",
    "System memory ran out at depth {n}; limited to 8.",
    "Upload of the evaluation files to the bucket took {n} minutes.",
    "Note: class weights are balanced; threshold moved to {d:.2f}.",
    "Early stopping at round {n}. Call it a baseline.",
    "Data from {group} was excluded on request of the data protection officer.",
    "Mark as best if {what} holds on the holdout, otherwise keep the old one.",
    "The assistant dialog data set has {n} new rows, labels by {who}.",
    "Rules for missing values changed: median instead of zero.",
    "Report the numbers in the weekly meeting, {who} asked for them.",
    "Instructions for annotators are in docs/labelling.md, version {n}.",
)
_WORDS = {
    "when": ("March", "Q2", "2025-11", "weekly"),
    "what": ("roc_auc", "accuracy", "recall", "log loss", "F1"),
    "group": ("region north", "customers under 25", "clinic B", "the pilot group"),
    "host": ("gpu-2", "the build server", "node 7"),
    "who": ("Ada", "the data team", "two annotators", "Lin"),
}


def noted_log(seed: int, *, n_runs: int = 6) -> LogSegment:
    """A log of runs with metrics, one of which has a note as people write them."""
    rng = Random(seed)
    events = [canonical_json(event) for run in range(n_runs) for event in _run(run, rng)]
    said = {name: rng.choice(words) for name, words in _WORDS.items()}
    text = rng.choice(_NOTES).format(n=rng.randrange(2, 400), d=rng.random() / 10, **said)
    note = {"kind": "note", "run": "run-0000", "name": "notes", "text": text}
    return LogSegment(
        name=f"log-{seed}",
        records=lambda: iter((*events, canonical_json(note))),
        heads=heads_over([*events], [len(events)], "hauberk"),
    )


N_PARTS = 2000
_READERS = ("ada", "lin", "noor", "sam", "kim")
_SPREAD = 0.6


def read_log(seed: int, *, days: int = 10, readers: tuple[str, ...] = _READERS) -> LogSegment:
    """Who read what of a data set: some parts on most days, more on a few.

    Every reader has a usual day of 2 to 12 of the 2,000 parts; days differ from it as log-normal
    numbers do.
    """
    rng = Random(seed)
    usual = {reader: rng.uniform(2, 12) for reader in readers}
    found: list[Read] = []
    for day in range(days):
        for reader in readers:
            n_parts = round(usual[reader] * rng.lognormvariate(0, _SPREAD))
            start = _START + day * 86_400 + rng.uniform(0, 40_000)
            for number, part in enumerate(rng.sample(range(N_PARTS), min(n_parts, N_PARTS))):
                name = f"part-{part:05d}"
                read = Read(
                    at=start + 30 * number, reader=reader, name="claims", part=name, of=N_PARTS
                )
                found.append(read)
    found.sort(key=lambda read: read.at)
    records = [read.to_record() for read in found]
    return LogSegment(name=f"reads-{seed}", records=lambda: iter(records), heads=())
