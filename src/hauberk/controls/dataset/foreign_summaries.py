"""Answers of workers that no honest worker gives; see `ForeignSummaries`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import Summaries
from hauberk.core.control import Check
from hauberk.core.finding import Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError
from hauberk.sketches.parts import accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSummaries(Check[Summaries]):
    """Answers of workers that no honest worker gives.

    Whoever reaches the ports of a cluster runs code on it, and what its workers hand back is
    then theirs. So an answer is bytes and stays bytes: it is parsed as JSON within bounds and
    never unpickled, has to describe the columns that were asked for, its counts have to add
    up, and written again it has to give the same bytes. Some parts, drawn by a seed that all
    answers together give and no worker knows, are worked out again here and compared.

    Limits:
        A summary with plausible lies about rows that are not worked out again passes:
        with ``redone`` of n parts so does a single liar in all but ``redone`` of n cases.
        What a worker does on its own machine is not seen.

    Args:
        redone: Parts worked out again; each costs what a worker's part costs.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> from hauberk.sketches.parts import part_of
        >>> table = table_of("t", [pa.RecordBatch.from_pydict({"x": [1.0, 2.0]})])
        >>> honest = part_of(table, 0, 1)
        >>> def found(part):
        ...     told = Summaries(name="t", table=table, parts=(part,), again=lambda _: honest)
        ...     return [finding.message for finding in ForeignSummaries().check(told)]
        >>> found(honest), found(b"[]")
        ([], ['the answer of worker 0 on t is no summary of its rows: TypeError'])

    References:
        Ray, security advisory on exposed job interfaces (CVE-2023-48022), for who reaches the
        workers. Du, Jia, Mangla and Chuang (2004), Uncheatable grid computing, for working
        a sample out again.
    """

    title: ClassVar[str] = "A worker's answer is not what it was asked for"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-6"),)
    subject: ClassVar[Any] = Summaries

    redone: int = 1

    def check(self, subject: Summaries) -> Iterator[Finding]:
        """A finding for each answer that cannot be believed."""
        state = hashlib.sha256()
        refused = False
        for place, part in enumerate(subject.parts):
            state.update(hashlib.sha256(bytes(part)).digest())
            try:
                accepted(part, subject.table)
            except ArtifactError as error:
                refused = True
                yield _finding(subject, place, f"no summary of its rows: {error.found}")
        if refused or not subject.parts:
            return
        draw = Random(state.digest())  # noqa: S311 - a draw of parts, not a secret
        n_redone = min(self.redone, len(subject.parts))
        for place in sorted(draw.sample(range(len(subject.parts)), n_redone)):
            if subject.again(place) != subject.parts[place]:
                yield _finding(subject, place, "not what its rows give when they are read here")


def _finding(subject: Summaries, place: int, what: str) -> Finding:
    return Finding(
        message=f"the answer of worker {place} on {subject.name} is {what}",
        path=subject.name,
        severity=Severity.CRITICAL,
        threats=ForeignSummaries.threats,
        location=Location(inner=(f"part {place}",)),
        remedy="Use none of the answers. Find out who can reach the workers, start the cluster "
        "anew with a token, and ask again.",
    )
