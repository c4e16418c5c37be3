"""What a rule over code or settings says, and a place where it was broken."""

from __future__ import annotations

from dataclasses import dataclass

from hauberk.core.finding import Level, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: ``family/rule``; the family is the control that tells of it.
        severity: How much harm it can do where it is broken.
        says: What is wrong, as the end of "in this place ...".
        remedy: What to do next.
        cwe: The weakness it is an instance of; empty where none fits.
        level: A defect, or a pattern that a second person should look at.
    """

    name: str
    severity: Severity
    says: str
    remedy: str
    cwe: str = ""
    level: Level = Level.DEFECT

    @property
    def family(self) -> str:
        """The control that tells of it."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule broken in one place.

    Attributes:
        line: From 1, in the text that was read.
        found: What stands there, short and without secrets.
    """

    rule: Rule
    line: int
    found: str = ""


def rule(
    name: str,
    severity: str,
    says: str,
    remedy: str,
    cwe: str = "",
    *,
    review: bool = False,
) -> Rule:
    """A rule as one entry of a table."""
    level = Level.REVIEW if review else Level.DEFECT
    return Rule(name, Severity(severity), says, remedy, cwe, level)
