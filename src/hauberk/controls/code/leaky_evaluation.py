"""Training and evaluation that see what they must not: see `LeakyEvaluation`."""

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
class LeakyEvaluation(Check[CodeTree]):
    r"""Training and evaluation that see what they must not.

    Order inside one function: transformations, statistics and samplers fitted before the split,
    fits on test rows, stopping or choosing by the test set, rows dropped by what the model says
    before measuring, features made of the target or of later rows, time shuffled.

    Limits:
        Data that another function or module prepared; splits that nothing calls a split; leaks that
        lie in the data itself, which the controls over data sets look for.

    Example:
        >>> from pathlib import Path
        >>> from hauberk.core.artifact import SourceFile
        >>> text = "s = StandardScaler()\nX = s.fit_transform(X)\na, b = train_test_split(X)\n"
        >>> file = SourceFile(name="a.py", path=Path("a.py"), text=text)
        >>> tree = CodeTree(name="t", root=Path("/"), files=lambda: iter([file]))
        >>> [finding.location.line for finding in LeakyEvaluation().check(tree)]
        [2]

    References:
        Kapoor and Narayanan (2023), Leakage and the reproducibility crisis in machine-
        learning-based
        science, Patterns 4(9).
    """

    title: ClassVar[str] = "Training and evaluation that see what they must not"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("VA-4"), ThreatId("RE-1"))
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
