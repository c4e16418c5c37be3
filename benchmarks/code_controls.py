"""Speed and false alarms of the controls over code on installed packages.

    python benchmarks/code_controls.py sklearn pandas onnx

Prints, for each package and control, lines read, processor seconds, findings, and findings
for each 10,000 lines; with ``--list`` the findings too, to be judged by hand.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path

from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.controls.code.identifier_overrides import IdentifierOverrides
from hauberk.formats.source import open_tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("places", nargs="+", help="packages, or folders with a slash in them")
    parser.add_argument("--list", action="store_true", help="show the findings")
    parser.add_argument("--history", action="store_true", help="read former versions too")
    asked = parser.parse_args()
    for place in asked.places:
        measure(folder(place), show=asked.list, history=asked.history)


def folder(place: str) -> Path:
    if "/" in place or place == ".":
        return Path(place)
    found = importlib.util.find_spec(place)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"no package {place}")
    return Path(found.submodule_search_locations[0])


def measure(root: Path, *, show: bool, history: bool) -> None:
    tree = open_tree(root, history=history)
    n_lines = sum(file.text.count("\n") for file in tree.files())
    n_python = sum(file.text.count("\n") for file in tree.files() if file.path.suffix == ".py")
    controls = (CommittedSecrets(), IdentifierOverrides(), IdentifierOverrides(with_tests=True))
    for control in controls:
        started = time.process_time()
        findings = list(control.check(tree))
        seconds = time.process_time() - started
        lines = n_lines if isinstance(control, CommittedSecrets) else n_python
        name = control.id + (" with tests" if getattr(control, "with_tests", False) else "")
        rate = len(findings) / max(lines, 1) * 10_000
        print(f"{root.name:<12} {name:<37} {lines:>8} lines {seconds:7.2f} s", end=" ")
        print(f"{len(findings):>4} findings {rate:6.2f} per 10,000 lines")
        for finding in findings if show else ():
            print(f"    {finding.severity} {finding.message}")


if __name__ == "__main__":
    main()
