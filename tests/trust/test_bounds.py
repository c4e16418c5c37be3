"""Hostile documents of every format end in a typed error, within 256 MB."""

import json
import subprocess
import sys

import pytest

PROGRAM = r"""
import json, sys, tempfile
from pathlib import Path
from hauberk.errors import HauberkError
from hauberk.trust import keys, manifest, root
from hauberk.trust.dsse import Envelope
from hauberk.trust.oci.layout import open_layout
from hauberk.trust.oms import bundle
from hauberk.trust.oms import statement as oms
from hauberk.trust.registry import documents, metadata
from hauberk.trust.registry.requests import read_requests
from hauberk.trust.statement import parse
from hauberk.trust.versions import versions

folder = Path(tempfile.mkdtemp(dir=sys.argv[1]))

def image(data):
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(data)
    return open_layout(folder)

def root_file(data):
    path = folder / "root.json"
    path.write_bytes(data)
    path.chmod(0o600)
    return root.load(path)

READERS = {
    "root": root_file,
    "card": keys.read_card,
    "key": keys.read_public,
    "manifest": manifest.from_json,
    "envelope": Envelope.from_bytes,
    "statement": parse,
    "model signature": lambda data: bundle.parse(data, Path("model.sig")),
    "model statement": oms.parse,
    "registry metadata": lambda data: metadata.parse(data, "root"),
    "registry manifest": documents.read_manifest,
    "channel": documents.read_pointing,
    "retired": documents.read_retired,
    "requests": read_requests,
    "version": versions.read_version,
    "image": image,
}
M = 1 << 20
NOISE = {
    "empty": b"",
    "a byte": b"\xff",
    "nul": b"\x00" * M,
    "deep list": b"[" * M,
    "deep object": b'{"a":' * 200_000,
    "closed depth": b"[" * 100000 + b"]" * 100000,
    "key twice": b'{"format":"x","format":"y"}',
    "many keys": ("{" + ",".join(f'"{n}":0' for n in range(50000)) + "}").encode(),
    "many numbers": b"[" + b"1," * 300_000 + b"1]",
    "large number": b'{"version":' + b"9" * M + b"}",
    "large exponent": b'{"version":1e999999999}',
    "not a number": b'{"version":NaN}',
    "long text": b'{"format":"' + b"a" * (17 * M) + b'"}',
    "utf-16": '{"format":"x"}'.encode("utf-16"),
    "latin-1": '{"format":"\u00e9"}'.encode("latin-1"),
    "byte order mark": b'\xef\xbb\xbf{"format":"x"}',
    "surrogate": b'{"format":"\\ud800"}',
    "cut short": b'{"format":"x","roles":{"a":',
    "comment": b'{"format":"x"} // nothing',
    "a list": b"[]",
    "null": b"null",
}
# one that refers to itself by every name that a document may give
NOISE["cyclic"] = json.dumps({
    "format": "urn:hauberk:root:v1", "signed": {"_type": "root", "roles": {"root": {"keyids": ["root"]}}},
    "parent": "sha256:" + "0" * 64, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
    "digest": "sha256:" + "0" * 64, "size": 2}],
}).encode()
found = {}
for reader, read in READERS.items():
    for name, data in NOISE.items():
        try:
            read(data)
            found[f"{reader}: {name}"] = "taken"
        except HauberkError:
            pass
        except BaseException as error:
            found[f"{reader}: {name}"] = repr(error)[:200]
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps({"wrong": found, "peak_mb": peak / 1024, "cases": len(READERS) * len(NOISE)}))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("bounds"))],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_hostile_document_is_a_typed_error(result):
    assert result["wrong"] == {}
    assert result["cases"] > 300


def test_all_of_them_together_stay_within_256_mb(result):
    assert result["peak_mb"] < 256
