"""A pin of a version that is known to be vulnerable: see `PinVulnerable`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.methods.code.planted import with_file

_FORMS = (
    "Some.Package=={}",
    "some_package[extra]=={} ; python_version > '3.9'",
    "some-package=={}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinVulnerable(Transform[CodeTree]):
    """Pin a package below the version that fixes a known vulnerability.

    References:
        MITRE ATLAS, AML.T0010.001; spellings follow PEP 503 and PEP 508.
    """

    title: ClassVar[str] = "Pin a version that is known to be vulnerable"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-3"),)
    subject: ClassVar[type] = CodeTree

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with the pin; ``truth`` holds the fixing version and the twin's line."""
        fixed = (rng.randint(1, 9), rng.randint(1, 20), rng.randint(0, 9))
        older = f"{fixed[0]}.{rng.randint(0, fixed[1] - 1)}.{rng.randint(0, 30)}"
        newer = f"{fixed[0]}.{fixed[1] + rng.randint(0, 5)}.{fixed[2]}"
        form = rng.choice(_FORMS)
        path = "requirements.txt"
        file = SourceFile(name=path, path=Path(path), text=form.format(older) + "\n")
        truth = {
            "path": path,
            "package": "some-package",
            "fixed": ".".join(map(str, fixed)),
            "twin": form.format(newer) + "\n",
        }
        return Attacked(subject=with_file(subject, file), truth=truth)
