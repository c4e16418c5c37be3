"""Hold a project's log against its signed heads, and its index against the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from hauberk.controls.log.broken_log import BrokenLog
from hauberk.controls.log.rewritten_metrics import RewrittenMetrics
from hauberk.core.artifact import Comparison, Digest
from hauberk.core.finding import Assessment, Outcome
from hauberk.engine import assess
from hauberk.errors import TrustError, UnavailableError
from hauberk.lifecycle.production import metadata_index
from hauberk.trust.keys import Role

if TYPE_CHECKING:
    from hauberk.trust.root import Root
    from hauberk.trust.store import Store


def judged_log(store: Store, root: Root | None) -> tuple[Assessment, ...]:
    """The log against its heads, and the index against the log, where there is one."""
    trusted = () if root is None else tuple(root.keys(Role.LIFECYCLE).by_id().values())
    segment = metadata_index.segment(store, tuple(key.spki for key in trusted))
    results = [assess(BrokenLog(), segment)]
    if metadata_index.is_there(store):
        claims = Comparison(old=segment, new=metadata_index.claims(store))
        results.append(assess(RewrittenMetrics(), claims, path="index of the metadata store"))
    return tuple(results)


def refuse_unlogged(logged: Collection[Digest], envelopes: Sequence[Digest]) -> None:
    """Refuse a release with steps that the log does not name under a signed head.

    Raises:
        TrustError: An envelope is not in the log.
    """
    missing = [digest for digest in envelopes if digest not in logged]
    if missing:
        raise TrustError(
            "the project's log does not hold the steps of the release",
            subject="log",
            rule="what is released is in the log, under a signed head",
            expected=f"{len(envelopes)} signed steps",
            found=f"{len(envelopes) - len(missing)}; no {missing[0]}",
            hint="run again if the last run was cut short; else find out who removed the log or "
            "its heads",
        )


def refuse_broken(results: tuple[Assessment, ...]) -> None:
    """Raise for the first thing that is wrong.

    Raises:
        TrustError: The log or its index is not what was signed.
        UnavailableError: One of them cannot be judged.
    """
    for result in results:
        if result.outcome is Outcome.FLAGGED:
            first = result.findings[0]
            raise TrustError(
                "the project's log does not hold",
                subject=result.path,
                rule="events are appended and never changed, and the index follows from them",
                expected="the log as it was signed",
                found=first.message,
                hint=first.remedy,
            )
        if result.outcome is Outcome.FAILED:
            raise UnavailableError(
                "the project's log cannot be judged", subject=result.path, found=result.reason
            )
