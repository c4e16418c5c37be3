"""A verified chain as lines for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.trust.chain import VerifiedChain
from hauberk.trust.predicates import ModelTest, Step
from hauberk.trust.root import Pin

_SHORT = 12
_MAX_CODE = 3
_PINS = {
    Pin.PINNED: "pinned outside the project",
    Pin.FIRST_USE: "trust on first use; not enough for production",
}


def verified_lines(chain: VerifiedChain) -> Iterator[str]:
    """What was verified, one fact a line."""
    release = chain.release
    yield f"verified: {release.project} version {release.version} ({release.channel})"
    yield f"  model         {release.model} {_short(release.files[release.model])}"
    yield f"  steps         {len(chain.links)}, each signed, linked by digest"
    for test in chain.tests:
        yield f"  test          {test.name}: {_metrics(test)}"
    yield f"  bytes         {len(chain.rehashed)} files hashed again"
    yield f"  isolation     {chain.isolation} (weakest step), evidence {chain.evidence}"
    yield f"  keys          {chain.custody}"
    yield f"  root          {_PINS[chain.trust]}"
    yield "  log           " + ("witnessed" if chain.witnessed else "not witnessed")
    if chain.unfinished:
        yield f"  unfinished    {chain.unfinished}"
    if chain.not_held:
        yield f"  not held      {', '.join(chain.not_held)}: digests compared only"


def tree_lines(chain: VerifiedChain) -> Iterator[str]:
    """From the release back to the sources, as a tree."""
    release = chain.release
    when = datetime.fromtimestamp(release.created, tz=UTC)
    name = f"{release.project} version {release.version}"
    yield f"{name}, {release.channel}, {when:%Y-%m-%d %H:%M} UTC"
    for test in chain.tests:
        yield f"├─ tested: {test.name} ({test.result.value.lower()}) {_metrics(test)}"
    steps = [link.step for link in reversed(chain.links)]
    earlier = {link.step.name for link in chain.links if link.from_earlier_run}
    for number, step in enumerate(steps, start=1):
        last = number == len(steps)
        yield from _step_lines(step, last=last, skipped=step.name in earlier)


def as_json(chain: VerifiedChain) -> dict[str, Any]:
    """The same as JSON values."""
    release = chain.release
    return {
        "schema": 1,
        "project": release.project,
        "version": release.version,
        "channel": release.channel,
        "model": release.model,
        "files": dict(release.files),
        "release": chain.digest,
        "signed_by": list(chain.signed_by),
        "custody": chain.custody,
        "isolation": chain.isolation.value,
        "evidence": chain.evidence.value,
        "root": chain.trust.value,
        "witnessed": chain.witnessed,
        "unfinished": chain.unfinished,
        "rehashed": {name: list(places) for name, places in chain.rehashed.items()},
        "not_held": list(chain.not_held),
        "tests": [
            {"name": test.name, "result": test.result.value, "metrics": dict(test.metrics)}
            for test in chain.tests
        ],
        "steps": [
            {
                "name": link.step.name,
                "command": list(link.step.command),
                "materials": dict(link.step.materials),
                "products": dict(link.step.products),
                "isolation": link.step.isolation.value,
                "evidence": link.step.evidence.value,
                "run": link.step.circumstances.run,
                "from_earlier_run": link.from_earlier_run,
            }
            for link in chain.links
        ],
    }


def _step_lines(step: Step, *, last: bool, skipped: bool) -> Iterator[str]:
    branch, trunk = ("└─", "  ") if last else ("├─", "│ ")
    words = [word for word in step.command if not word.endswith("=None")]  # what was not asked for
    command = f": {' '.join(words)}" if words else ""
    note = ", from an earlier run" if skipped else ""
    yield f"{branch} {step.name}{command} ({step.isolation}{note})"
    for verb, items in (("made", step.products), ("took", step.materials)):
        yield from (f"{trunk}   {verb} {line}" for line in _named(items))


def _named(items: Mapping[str, Digest]) -> list[str]:
    shown = [f"{path} {_short(digest)}" for path, digest in sorted(items.items())]
    if len(shown) > 2 * _MAX_CODE:
        return [*shown[:_MAX_CODE], f"and {len(shown) - _MAX_CODE} more"]
    return shown


def _metrics(test: ModelTest) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in test.metrics.items())


def _short(digest: Digest) -> str:
    return digest.removeprefix("sha256:")[:_SHORT]
