"""Pipeline: the environment that steps run in, recorded before they run.

The packages of the project's interpreter are part of every step's recipe, so another
version of a library means another run. Requirement and lock files are recorded by digest.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk import __version__
from hauberk.core.lifecycle import Component
from hauberk.core.record import PACKAGES, Section, StepReport, StepState
from hauberk.errors import UsageError
from hauberk.isolation import Grants, Limits, interpreter_grants, run
from hauberk.trust.canonical import canonical_json
from hauberk.trust.digest import digest_bytes, digest_file

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

LOCK_FILES = (
    "requirements.txt",
    "requirements.lock",
    "pyproject.toml",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "conda-lock.yml",
    "environment.yml",
)

_LIST = (
    "import json, platform; from importlib.metadata import distributions;"
    "print(json.dumps({'python': platform.python_version(), 'packages': sorted("
    "{(d.metadata['Name'] or '').lower() + '==' + (d.version or '') for d in distributions()})}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[pipeline]``.

    Attributes:
        require_lock: Refuse a run without a file that pins the environment.
    """

    require_lock: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the project's interpreter is and has.

    Attributes:
        packages: ``name==version``, sorted.
    """

    python: str
    packages: tuple[str, ...]


def work(shop: Workshop) -> StepReport:
    """Record interpreter, packages and lock files."""
    found = _environment(shop)
    locks = {name: digest_file(path) for name, path in _locks(shop.settings.root)}
    shop.shared.lock = digest_bytes(canonical_json({"environment": asdict(found), "locks": locks}))
    shop.shared.environment |= {
        "hauberk": __version__,
        "python of the project": found.python,
        "packages": str(len(found.packages)),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
    }
    rows = (
        ("interpreter", shop.python.name),
        ("version", found.python),
        ("packages", str(len(found.packages))),
        ("environment", shop.shared.lock),
        *((name, digest) for name, digest in locks.items()),
    )
    report = StepReport(
        component=Component.PIPELINE,
        state=StepState.DONE,
        summary=f"Python {found.python} with {len(found.packages)} packages"
        + (f", {', '.join(locks)}" if locks else ", no lock file"),
        outputs={"environment": shop.shared.lock, **locks},
        sections=(Section(title="Environment", rows=rows), _packages(found)),
    )
    if shop.settings.table(Component.PIPELINE).require_lock and not locks:
        reason = "no requirement or lock file: " + ", ".join(LOCK_FILES)
        return replace(report, state=StepState.REFUSED, reason=reason)
    return report


def _packages(found: Environment) -> Section:
    """Name and version of each package; the bill of materials is made from it."""
    parts = (item.partition("==") for item in found.packages)
    return Section(title=PACKAGES, rows=tuple((name, version) for name, _, version in parts))


def _environment(shop: Workshop) -> Environment:
    """Version and packages of the project's interpreter, asked in isolation."""
    shop.work.mkdir(parents=True, exist_ok=True)
    done = run(
        (str(shop.python), "-I", "-c", _LIST),
        cwd=shop.work,
        grants=Grants(read=(shop.work, *interpreter_grants(shop.python))),
        limits=Limits(wall_s=60.0, cpu_s=30.0),
        level=shop.context.isolation,
    )
    if done.exit_code != 0:
        raise UsageError(
            "the project's interpreter does not run",
            subject=str(shop.python),
            expected="a Python that starts",
            found=done.stderr.decode("utf-8", "replace").strip()[-200:] or done.killed_by,
            hint='set python = "..." in [project]',
        )
    found = json.loads(done.stdout)
    packages = tuple(str(item) for item in found["packages"])
    return Environment(python=str(found["python"]), packages=packages)


def _locks(root: Path) -> list[tuple[str, Path]]:
    return [(name, root / name) for name in LOCK_FILES if (root / name).is_file()]
