"""Stores that let in whom they should not: see `OpenStore`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import StoreSettings
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.bucket_policies import Deed
from hauberk.formats.store_settings import exposures

_SEVERITY = {
    Deed.READ: Severity.HIGH,
    Deed.LIST: Severity.HIGH,
    Deed.WRITE: Severity.CRITICAL,
    Deed.SETTINGS: Severity.CRITICAL,
}
_OTHERS_WRITE = 0o002
_GROUP_WRITES = 0o020
_STICKY = 0o1000
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStore(Check[StoreSettings]):
    """Policies, access lists, exports and modes that let strangers read, list or write.

    Documents are judged as the server would judge them: denials and blocks of public access
    are counted, conditions only where a stranger cannot meet them (an organisation, a network,
    a VPC; not a Referer, not ``IfExists``). Folders and files are judged by who may write. What
    a stranger got when it was tried weighs more than any document. A store that says that it
    does not encrypt is for review.

    Limits:
        Leave given to other accounts by name is not judged: whether a partner is one, the owner
        knows. Policies of identities, keys and networks outside the store are not seen, nor are
        signed links that were handed out. Reading by everybody on the same machine passes: files
        of an ordinary umask are not called open.

    References:
        AWS, "IAM JSON policy evaluation logic" and "The meaning of public"; CIS benchmarks of
        AWS, Azure and Google Cloud; MITRE ATLAS AML.T0036.
    """

    title: ClassVar[str] = "Store that is open to strangers"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-12"), ThreatId("AQ-5"))
    subject: ClassVar[type] = StoreSettings

    def check(self, subject: StoreSettings) -> Iterator[Finding]:
        """One finding for each deed that strangers may do, and for each open folder or file.

        Raises:
            ArtifactError: A document is malformed or of no known kind.
            NotApplicable: The store says nothing of itself.
        """
        modes = tuple(subject.modes())
        if not subject.documents and not modes and not subject.strangers:
            raise NotApplicable("the store says nothing of how it is set up")
        for deed, can in subject.strangers.items():
            if can:
                yield _finding(subject, Deed(deed), "a stranger, when it was tried,", "the server")
        for found in exposures(subject.documents, subject.prefix):
            yield _finding(subject, found.deed, found.who, found.where)
        yield from _open_modes(modes)
        if subject.is_encrypted is False:
            yield _unencrypted(subject)


def _finding(subject: StoreSettings, deed: Deed, who: str, where: str) -> Finding:
    return Finding(
        message=f"{subject.name}: {who} may {deed.value} it ({where})",
        path=subject.name,
        severity=_SEVERITY[deed],
        remedy="Name the principals that need it, block public access of the account, and look "
        "at the access log for who came meanwhile; hash again what lies there.",
        evidence=Evidence(statistic="who is let in", facts={"deed": deed.value, "where": where}),
    )


def _open_modes(modes: tuple[tuple[str, int], ...]) -> Iterator[Finding]:
    """Folders and files that others, or a whole group, may write to."""
    listed = [(path, mode) for path, mode in modes if mode & (_OTHERS_WRITE | _GROUP_WRITES)]
    for path, mode in listed[:_MAX_LISTED]:
        who = "everybody on the machine" if mode & _OTHERS_WRITE else "the group"
        sticky = " (sticky, so files of others stay)" if mode & _STICKY else ""
        yield Finding(
            message=f"{path}: {who} may write to it{sticky}: mode {mode & 0o7777:04o}",
            path=path,
            severity=Severity.CRITICAL if mode & _OTHERS_WRITE else Severity.MEDIUM,
            level=Level.DEFECT if mode & _OTHERS_WRITE else Level.REVIEW,
            remedy="Look at what was left or changed there, then chmod go-w; models and data "
            "belong to the one who publishes them.",
            evidence=Evidence(statistic="mode", value=float(mode & 0o7777)),
        )


def _unencrypted(subject: StoreSettings) -> Finding:
    return Finding(
        message=f"{subject.name}: nothing says that what is stored is encrypted",
        path=subject.name,
        severity=Severity.LOW,
        level=Level.REVIEW,
        remedy="Switch on encryption at rest with a key of your own, or write down why not.",
        evidence=Evidence(statistic="encryption at rest", value=0.0),
    )
