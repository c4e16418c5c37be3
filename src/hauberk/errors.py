"""Every error Hauberk raises, by who must act.

    HauberkError
    ├─ UsageError          the caller: bad argument, configuration or policy file
    ├─ ArtifactError       the artifact: malformed, too large, hostile
    ├─ TrustError          a promise broken: signature, threshold, expiry, rollback, digest
    ├─ UnavailableError    the environment: missing extra, network, disk, time limit
    │  └─ LimitError       a wall-clock, processor or memory limit ended the work
    └─ InternalError       us: an invariant failed; asks for a report

An error says which object broke which rule, what was expected, what was found and
what to do next; the command line prints those five and maps the class to its exit
code. Secrets, raw rows and payloads never go into one: refer to them by digest and
position.
"""

from __future__ import annotations

from typing import ClassVar


class HauberkError(Exception):
    """Root of all errors.

    Args:
        message: What happened, one sentence.
        subject: The object it happened to: a path, a name, a digest, a key of a file.
        rule: The rule that was broken, in the words of the documentation.
        expected: What would have been accepted.
        found: What was there instead.
        hint: What to do next.
    """

    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        message: str,
        *,
        subject: str | None = None,
        rule: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.rule = rule
        self.expected = expected
        self.found = found
        self.hint = hint

    def details(self) -> tuple[tuple[str, str], ...]:
        """The named parts that are known, in reading order."""
        parts = (
            ("object", self.subject),
            ("rule", self.rule),
            ("expected", self.expected),
            ("found", self.found),
            ("next", self.hint),
        )
        return tuple((name, value) for name, value in parts if value is not None)

    def __str__(self) -> str:
        return "; ".join([self.message, *(f"{name}: {value}" for name, value in self.details())])


class UsageError(HauberkError, ValueError):
    """The caller asked for something that cannot be: bad argument, configuration or policy."""

    exit_code = 2


class ArtifactError(HauberkError, ValueError):
    """The artifact is malformed, too large or hostile."""

    exit_code = 1


class TrustError(HauberkError):
    """A promise is broken: signature, threshold, expiry, rollback or digest."""

    exit_code = 1


class UnavailableError(HauberkError, OSError):
    """The environment lacks something: an extra, the network, disk space, a server."""

    exit_code = 3


class LimitError(UnavailableError):
    """A wall-clock, processor or memory limit ended the work before it was done."""


class InternalError(HauberkError):
    """An invariant of ours failed; please report it."""

    exit_code = 4
