"""Services and clusters that answer anyone: see `ExposedServices`."""

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
class ExposedServices(Check[CodeTree]):
    """Services and clusters that answer anyone.

    A table of command-line flags and settings of what ML teams run (Jupyter, MLflow, Ray,
    TorchServe,
    Triton, TensorBoard, Redis, MinIO, Airflow, Kubeflow, databases) applied to scripts, container
    and compose files, manifests, environment and INI files; privileged containers, host mounts,
    published inner ports, public storage, roles with every right.

    Limits:
        Settings that a program has by default and nobody wrote, firewalls and proxies in front, and
        values filled in by templates.

    References:
        The products' own security pages; NSA and CISA (2022), Kubernetes Hardening Guide.
    """

    title: ClassVar[str] = "Services and clusters that answer anyone"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-6"),)
    subject: ClassVar[type] = CodeTree

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what the rules of this family find, file by file."""
        return tree_findings(subject, self.id)
