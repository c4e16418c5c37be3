"""A fault in words that no rule was written from: see `RewordFault`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.code.planted import Fault, with_file
from hauberk.methods.code.reworded_method import automated, bent, mistaken
from hauberk.methods.code.reworded_settings import installed, started
from hauberk.methods.code.rewordings import reworded

_NAMES = (
    "atlas", "birch", "comet", "drift", "echo", "falcon", "garnet", "heron", "iris", "jade",
    "krill", "lumen", "mango", "nova", "opal", "prism", "quill", "ridge", "sage", "tulip",
)  # fmt: skip


def _call(rng: Random) -> Fault:
    drawn = reworded(rng, ("@a@", "@b@"))
    return Fault(drawn.kind, "src/@a@_@b@.py", drawn.bad, drawn.good)


GROUPS = {
    "call": _call,
    "service": started,
    "supply": installed,
    "method": mistaken,
    "insider": bent,
    "automation": automated,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RewordFault(Transform[CodeTree]):
    """Add one file with a fault that a grammar words; its honest twin stands in the truth.

    What is done, how it is named and where it stands are drawn apart from each other: an unsafe
    call under ten ways of naming it in thirteen places, a service or an install command in any
    file that starts programs.

    Args:
        group: ``call``, ``service``, ``supply``, ``method`` (mistakes in training and
            evaluation), ``insider`` (bent figures, gates, answers, rows) or ``automation``
            (workflows and files of git).

    References:
        Each kind is a documented weakness (CWE-502, CWE-78, CWE-94, CWE-295, CWE-306, CWE-494).
    """

    title: ClassVar[str] = "Commit a fault in other words"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("PP-3"),
        ThreatId("RE-1"),
        ThreatId("RE-4"),
        ThreatId("PI-1"),
        ThreatId("PI-6"),
    )
    subject: ClassVar[type] = CodeTree

    group: str = "call"

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with one more file; ``truth`` names the file, the kind and the twin."""
        fault = GROUPS[self.group](rng)
        first, second = rng.sample(_NAMES, 2)
        marks = {"@sha@": f"{rng.getrandbits(256):064x}", "@hex@": f"{rng.getrandbits(160):040x}"}
        marks |= {"@a@": first, "@A@": first.title(), "@b@": second}

        def written(text: str) -> str:
            for mark, word in marks.items():
                text = text.replace(mark, word)
            return text

        path = written(fault.path)
        planted = SourceFile(name=path, path=Path(path), text=written(fault.bad))
        truth = {"path": path, "kind": fault.kind, "twin": written(fault.good)}
        return Attacked(subject=with_file(subject, planted), truth=truth)
