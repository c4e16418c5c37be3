"""Whether the guard answers as its OpenAPI document says, asked by schemathesis.

Run ``python benchmarks/guard_schemathesis.py --python VENV [--examples 200] [--seed 1]``, where a
virtual environment holds ``schemathesis``. A real server is asked three times: open on loopback,
with keys by somebody who has one, and by somebody who has none. All checks of schemathesis are on
(no 5xx, documented statuses, content types and bodies only, hostile requests refused, no answer
without identity) but the one that wants every request that fits the document to be accepted:
JSON Schema cannot say that there are as many values as a shape asks for, nor are the ranges of
training told. A hook puts the number of values right in requests that are right otherwise, so
that answers are judged too, and not refusals alone. Ends with 1 where a check failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from hauberk.formats.http import Call
from hauberk.guard import server
from hauberk.guard.app import App
from hauberk.guard.identity import Keyring, keyring_of, new_key
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.service import Surroundings, further_watches, open_service
from hauberk.range.worlds import served

OPEN = GuardPolicy(rate_per_s=1e9, burst=1e9, compute_share=1e9, compute_burst_s=1e9)
SERVER_ERROR = 500
UNTOLD = "positive_data_acceptance"

HOOKS = '''
import schemathesis


@schemathesis.hook
def map_body(context, body):
    """Put the number of values right where the shape asks for another."""
    try:
        (tensor,) = body["inputs"]
        rows, columns = tensor["shape"]
        right = tensor["name"] == "x" and columns == 2 and type(rows) is int and rows > 0
        plain = type(tensor["data"]) is list and {type(v) for v in tensor["data"]} <= {int, float}
    except (KeyError, TypeError, ValueError):
        return body
    if right and plain:
        rows = min(rows, 5)
        tensor["shape"] = [rows, columns]
        tensor["data"] = [0.5] * (rows * columns)
    return body
'''


def _asked(
    url: str, document: bytes, key: str | None, args: argparse.Namespace, folder: Path
) -> bool:
    """Ask one door; whether every check passed."""
    words = ["--checks", "all", "--exclude-checks", UNTOLD, "--seed", str(args.seed)]
    words += ["--max-examples", str(args.examples), "--no-color"]
    if key is not None:
        words += ["--header", f"Authorization: Bearer {key}"]
    (folder / "hooks.py").write_text(HOOKS)
    (folder / "openapi.json").write_bytes(document)  # a stranger is not shown it
    found = subprocess.run(
        [
            args.python.absolute() / "bin" / "schemathesis",
            "run",
            "openapi.json",
            "--url",
            url,
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(folder)},
    )
    told = re.search(r"Test cases:\n *(.*)", found.stdout)
    print("  " + (told[1] if told else "schemathesis did not run"))
    if found.returncode:
        print(found.stdout[-6000:] + found.stderr[-2000:])
    return found.returncode == 0


def _headers(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),) if key else ()


def _hold(
    name: str, ring: Keyring, told: str, args: argparse.Namespace, *, stranger: bool = False
) -> bool:
    key = None if stranger or not told else told
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bundle = served.write_classifier(folder / "bundle", OPEN)
        service = open_service(bundle, Surroundings(keyring=ring, watches=further_watches()))
        with server.running(App(service), OPEN) as found:
            print(name)
            call = Call(method="GET", path="/openapi.json", headers=_headers(told))
            document = found.door.call(call).body
            is_held = _asked(found.url, document, key, args, folder)
        statuses = sorted(service.desk.metrics.by_status.items())
        print("  answers: " + ", ".join(f"{status}: {n}" for status, n in statuses))
    return is_held and not any(status >= SERVER_ERROR for status, _ in statuses)


def main() -> int:
    """Ask three doors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", type=Path, help="virtual environment with schemathesis")
    parser.add_argument("--examples", type=int, default=200, help="of each operation")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.python is None:
        print("not run: name a virtual environment that holds schemathesis with --python")
        return 0
    key, line = new_key("client")
    ring = keyring_of(line)
    held = [
        _hold("open on loopback", Keyring(), "", args),
        _hold("with keys, by a client", ring, key, args),
        _hold("with keys, by a stranger", ring, key, args, stranger=True),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
