"""Weaken what judges a project from inside the project: see `SwitchOffControl`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError

Document = dict[str, Any]


class Gate(Protocol):
    """What stands between a project's run and its release."""

    def accepts(self, policy: Mapping[str, Any], *, tool: str = "", forged: bool = False) -> bool:
        """Whether a flawed model is released under the project's own policy.

        Args:
            tool: Version of Hauberk that the run uses; the current one where it is empty.
            forged: The policy is written into statements that were signed under another.
        """
        ...


def _waiver(rng: Random, **changes: Any) -> Document:
    waiver: Document = {
        "threat": "TR-7",
        "subject": "model.onnx",
        "reason": "known",
        "owner": f"dev{rng.randrange(9)}",
        "expires": "2099-12-31",
    }
    waiver |= changes
    return {"waivers": [{key: value for key, value in waiver.items() if value is not None}]}


EDITS: Mapping[str, Callable[[Random], Document]] = {
    "later denial": lambda _: {"fail_on": "critical"},
    "weaker isolation": lambda _: {"min_isolation": "observe"},
    "fewer controls": lambda rng: {
        "required": rng.sample(["model/unsafe-opcodes", "dataset/label-flips"], rng.randrange(2))
    },
    "own waiver": _waiver,
    "waiver without end": lambda rng: _waiver(rng, expires=None),
    "waiver of nobody": lambda rng: _waiver(rng, owner=None),
    "unsigned policy": lambda _: {"fail_on": "critical"},
    "older tool": lambda _: {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOffControl(Play[Gate]):
    """Edit the policy, waive a finding, write over a signed policy, or run an older tool.

    Args:
        edit: Which of `EDITS`; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0107, AML.T0081. MITRE ATT&CK T1562, "Impair defenses".
    """

    title: ClassVar[str] = "Switch a control off"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("XC-2"),)
    subject: ClassVar[type] = Gate

    edit: str | None = None

    def play(self, target: Gate, rng: Random) -> Transcript:
        """Make one edit; it succeeds when the flawed model is released.

        Raises:
            UsageError: There is no such edit.
        """
        edit = self.edit or rng.choice(tuple(EDITS))
        if edit not in EDITS:
            raise UsageError(f"there is no edit {edit!r}", expected=" ".join(EDITS))
        accepted = target.accepts(
            EDITS[edit](rng),
            tool=f"0.0.{rng.randrange(9)}" if edit == "older tool" else "",
            forged=edit == "unsigned policy",
        )
        return Transcript(succeeded=accepted, queries=1, facts={"edit": edit})
