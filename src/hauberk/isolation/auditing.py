"""Reading what audited Python processes wrote down, as deeds."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hauberk.isolation import audit_shim
from hauberk.isolation.activity import Deed, Kind

_NEXT = """
def _go_on():
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = __file__.rpartition("/")[0]
    sys.path[:] = [path for path in sys.path if path != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["sitecustomize"])

install()
_go_on()
"""
"""The interpreter's own ``sitecustomize`` still runs, after ours."""


def write_shim(folder: Path) -> None:
    """Put the recorder into a folder that stands first on a command's import path."""
    source = Path(audit_shim.__file__).read_text(encoding="utf-8")
    (folder / "sitecustomize.py").write_text(source + _NEXT, encoding="utf-8")


def deeds_in(lines: Iterable[bytes]) -> Iterator[Deed]:
    """Deeds in a log; lines cut short by a killed process are passed over."""
    for line in lines:
        try:
            process, kind, values = json.loads(line)
            deed = Deed(int(process), Kind(kind), tuple(map(str, values)))
        except (ValueError, TypeError):
            continue
        if deed.kind is not Kind.HOST or not _is_address(deed.values[0]):
            yield deed


def _is_address(host: str) -> bool:
    """Looking up an address reaches nobody; the connection that follows is seen itself."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
