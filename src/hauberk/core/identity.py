"""Types of the texts that identify things; apart, because everything needs them at once."""

from __future__ import annotations

from typing import NewType

Digest = NewType("Digest", str)
"""``sha256:`` followed by 64 lower-case hexadecimal digits."""

ThreatId = NewType("ThreatId", str)
"""``AQ-1``, ``TR-7``, ``XC-3``: two capital letters, a hyphen, a number."""
