"""Installed packages that make a file when they are started, and a victim that starts them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from random import Random

from hauberk.errors import HauberkError, UnavailableError
from hauberk.isolation import Grants, Limits, spawn

CANARY = "canary"
WAYS = ("import", "start file", "submodule", "entry point", "sitecustomize")
_SYSTEM_FOLDERS = ("/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null")
_LIMITS = Limits(wall_s=180.0, cpu_s=60.0, memory_bytes=2 << 30, processes=16)


def install(site: Path, way: str, rng: Random) -> Path:
    """A package with a payload of one kind; the file that the payload makes."""
    canary = site / CANARY
    name = f"utils_{rng.randrange(10**6)}"
    deed = f"open({str(canary)!r}, 'w').close()\n"
    package = site / name
    package.mkdir()
    (package / "__init__.py").write_text(deed if way == "import" else "x = 1\n", "utf-8")
    if way == "start file":
        (site / f"{name}.pth").write_text(f"import os; {deed}", "utf-8")
    elif way == "submodule":
        (package / "__init__.py").write_text("from . import core\n", "utf-8")
        (package / "core.py").write_text(f"class _Hook:\n    {deed}", "utf-8")
    elif way == "entry point":
        (package / "plugin.py").write_text(f"def register():\n    {deed}", "utf-8")
    elif way == "sitecustomize":
        (site / "sitecustomize.py").write_text(deed, "utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n", "utf-8")
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", "utf-8")
    return canary


def start(site: Path, way: str) -> None:
    """Start a program in this environment as a victim does, in a worker of its own.

    Raises:
        UnavailableError: No worker can be had here.
    """
    here = tuple(Path(folder) for folder in _SYSTEM_FOLDERS if os.path.lexists(folder))
    payload = json.dumps({"site": str(site), "way": way}).encode()
    try:
        spawn(f"{__name__}:run", payload, grants=Grants(read=here, write=(site,)), limits=_LIMITS)
    except UnavailableError:
        raise
    except HauberkError:
        return


def run(payload: bytes) -> bytes:
    """The worker's side: what the interpreter and a program do when they begin."""
    import importlib
    import site

    asked = json.loads(payload)
    folder = Path(asked["site"])
    site.addsitedir(str(folder))
    sys.path.insert(0, str(folder))
    if asked["way"] == "sitecustomize":
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
    name = next(path.name for path in folder.glob("utils_*") if (path / "__init__.py").is_file())
    importlib.import_module(name)
    if asked["way"] == "entry point":
        importlib.import_module(f"{name}.plugin").register()
    return b"{}"
