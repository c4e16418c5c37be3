"""Container images that are built or named unsafely: see `UnsafeImages`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check
from hauberk.core.finding import Finding
from hauberk.core.threat import ThreatId
from hauberk.methods.code.reading import tree_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeImages(Check[CodeTree]):
    """Container images that are built or named unsafely.

    Container files: bases without a digest or without updates, root as the user, secrets in layers
    and arguments, downloads that are run or not checked, doors for logins; and images in manifests
    that their name does not fix.

    Limits:
        What is inside of a base image; variables that another file fills in. A digest does
        not say that
        the image is good.

    References:
        NIST SP 800-190, section 4.1; the reference of the container file format.
    """

    title: ClassVar[str] = "Container images that are built or named unsafely"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-3"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
