"""`hauberk log prove|publish|check|witness`: files that a second party checks without the log."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from hauberk.cli import main
from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.trust.checkpoint import parse_note, signing_with
from hauberk.trust.cosign import cosigned, cosigned_by
from hauberk.trust.keys import Algorithm, generate
from hauberk.trust.log import Log
from hauberk.trust.proof_files import parse_proof
from hauberk.trust.signer import HEAD_SIGNER
from hauberk.trust.store import Store
from hauberk.trust.tiles import check, publish

KEY, WITNESS = generate(Algorithm.ED25519), generate(Algorithm.ED25519)
SIGN = signing_with(HEAD_SIGNER, [KEY])
TILES = Path(__file__).parents[2] / ".venv-integrations/tlog-scales/bin"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "hauberk.toml").write_text('[project]\nname = "loans"\n')
    grow(folder, 300)
    return folder


def grow(folder, n_records):
    log = Store.open(folder).log
    log.append([f"record {number}".encode() for number in range(log.size, log.size + n_records)])
    log.checkpoint(SIGN)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text(KEY.public.pem)
    return path


def private(path, pair=WITNESS):
    found = serialization.load_der_private_key(pair.pkcs8, None)
    data = found.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(0o600)
    path.write_bytes(data)
    return path


def said(capsys, *words):
    code = main(["log", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def root_of(hashes):
    """An oracle: RFC 6962, section 2.1, read aloud."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + root_of(hashes[:k]) + root_of(hashes[k:])).digest()


def climb(index, size, leaf, proof):
    """An oracle: the root that an inclusion proof leads to, by recursion from the top."""
    if size == 1:
        assert not proof
        return leaf
    k = 1
    while 2 * k < size:
        k *= 2
    if index < k:
        below = climb(index, k, leaf, proof[:-1]), proof[-1]
    else:
        below = proof[-1], climb(index - k, size - k, leaf, proof[:-1])
    return hashlib.sha256(b"\x01" + b"".join(below)).digest()


def test_a_proof_of_a_record_holds_for_a_party_that_has_only_key_and_record(
    project, key, tmp_path, capsys
):
    proof, record = tmp_path / "p.tlog-proof", tmp_path / "r"
    assert (
        said(
            capsys, "prove", 17, "--output", proof, "--record-output", record, "--project", project
        )[0]
        == 0
    )
    assert record.read_bytes() == b"record 17"
    code, out = said(capsys, "check", proof, "--record", record, "--key", key)
    assert (code, out) == (0, "the record is number 17 of 300\n")


def test_a_proof_leads_to_the_root_that_an_oracle_finds(project, tmp_path, capsys):
    proof = tmp_path / "p"
    said(capsys, "prove", 299, "--output", proof, "--project", project)
    head, note = proof.read_bytes().split(b"\n\n", 1)
    name, index, *hashes = head.decode().split("\n")
    assert (name, index) == ("c2sp.org/tlog-proof@v1", "index 299")
    origin, size, root = note.decode().split("\n")[:3]
    leaves = [hashlib.sha256(b"\0" + f"record {n}".encode()).digest() for n in range(300)]
    assert (origin, size, base64.b64decode(root)) == ("hauberk", "300", root_of(leaves))
    assert climb(299, 300, leaves[299], [base64.b64decode(h) for h in hashes]) == root_of(leaves)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"index 17", b"index 18"),
        lambda data: data.replace(b"\n300\n", b"\n301\n"),
        lambda data: data.replace(b"hauberk\n300", b"someone\n300"),
        lambda data: b"\n".join(data.split(b"\n")[:3] + data.split(b"\n")[4:]),
    ],
)
def test_a_changed_proof_is_refused(project, key, tmp_path, capsys, change):
    proof, record = tmp_path / "p", tmp_path / "r"
    said(capsys, "prove", 17, "--output", proof, "--record-output", record, "--project", project)
    changed = change(proof.read_bytes())
    assert changed != proof.read_bytes()
    proof.write_bytes(changed)
    assert said(capsys, "check", proof, "--record", record, "--key", key)[0] == 1


def test_a_proof_for_another_record_or_under_another_key_is_refused(project, key, tmp_path, capsys):
    proof, record, other = tmp_path / "p", tmp_path / "r", tmp_path / "other.pem"
    said(capsys, "prove", 17, "--output", proof, "--record-output", record, "--project", project)
    other.write_text(WITNESS.public.pem)
    assert said(capsys, "check", proof, "--record", record, "--key", other)[0] == 1
    record.write_bytes(b"record 18")
    assert said(capsys, "check", proof, "--record", record, "--key", key)[0] == 1


def test_a_proof_of_consistency_joins_what_a_witness_holds_with_a_longer_log(
    project, key, tmp_path, capsys
):
    heads, proof = tmp_path / "heads", tmp_path / "p"
    said(capsys, "witness", heads, "--project", project)
    grow(project, 57)
    assert said(capsys, "prove", "--since", heads, "--output", proof, "--project", project)[0] == 0
    assert said(capsys, "check", proof, "--key", key) == (
        0,
        "the head at 357 contains that at 300\n",
    )
    proof.write_bytes(proof.read_bytes().replace(b"\n357\n", b"\n356\n"))
    assert said(capsys, "check", proof, "--key", key)[0] == 1


def test_a_log_that_was_written_anew_cannot_prove_what_the_witness_saw(project, tmp_path, capsys):
    heads = tmp_path / "heads"
    said(capsys, "witness", heads, "--project", project)
    other = tmp_path / "other"
    other.mkdir()
    (other / "hauberk.toml").write_text('[project]\nname = "loans"\n')
    log = Store.open(other).log
    log.append([b"forged"] * 400)
    log.checkpoint(SIGN)
    code, out = said(
        capsys, "prove", "--since", heads, "--output", tmp_path / "p", "--project", other
    )
    assert code == 1
    assert "does not hold what that head covers" in out


@given(data=st.binary(max_size=300))
def test_no_bytes_crash_the_reader_of_proofs(data):
    with pytest.raises(ArtifactError):
        parse_proof(data)


# Tiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_records", [0, 1, 255, 256, 257, 513, 70_000])
def test_published_tiles_hold_the_whole_log(tmp_path, n_records):
    log = Log.open(tmp_path / "log")
    log.append([b"r%d" % number for number in range(n_records)])
    note = parse_note(log.checkpoint(SIGN))
    publish(log, note, tmp_path / "tiles")
    assert check(tmp_path / "tiles").head == note.head
    if n_records == 70_000:
        assert (tmp_path / "tiles/tile/1/001.p/17").exists()
        assert (tmp_path / "tiles/tile/entries/273.p/112").exists()
        assert (tmp_path / "tiles/tile/2/000.p/1").read_bytes()


def test_publishing_again_extends_what_lies_there(project, tmp_path, key, capsys):
    tiles = tmp_path / "tiles"
    said(capsys, "publish", tiles, "--project", project)
    grow(project, 300)
    assert said(capsys, "publish", tiles, "--project", project)[0] == 0
    code, out = said(capsys, "check", tiles, "--key", key)
    assert (code, out) == (0, "600 records of hauberk are what was published\n")


@pytest.mark.parametrize(
    "name", ["tile/0/000", "tile/entries/000", "checkpoint", "tile/entries/001.p/44"]
)
def test_a_changed_tile_is_found(project, tmp_path, capsys, name):
    tiles = tmp_path / "tiles"
    said(capsys, "publish", tiles, "--project", project)
    path = tiles / name
    data = bytearray(path.read_bytes())
    data[9] ^= 1
    path.write_bytes(data)
    with pytest.raises(HauberkError):
        check(tiles)


def test_tiles_that_would_change_are_not_overwritten(project, tmp_path, capsys):
    tiles = tmp_path / "tiles"
    said(capsys, "publish", tiles, "--project", project)
    other = Log.open(tmp_path / "log")
    other.append([b"forged"] * 400)
    with pytest.raises(TrustError):
        publish(other, parse_note(other.checkpoint(SIGN)), tiles)
    assert check(tiles).head.size == 300


def test_a_record_too_long_for_tiles_is_a_clear_error(tmp_path):
    log = Log.open(tmp_path / "log")
    log.append([bytes(70_000)])
    with pytest.raises(ArtifactError, match="longer than tiles hold"):
        publish(log, parse_note(log.checkpoint(SIGN)), tmp_path / "tiles")


@pytest.mark.integration
def test_an_independent_tool_reads_the_tiles_and_makes_the_same_proof(project, tmp_path, capsys):
    tiles, proof = tmp_path / "tiles", tmp_path / "p"
    said(capsys, "publish", tiles, "--project", project)
    said(capsys, "prove", 255, "--output", proof, "--project", project)

    def tool(*words):
        return subprocess.run(
            [TILES / "tlog-tiles", *map(str, words)], capture_output=True, check=True, timeout=60
        ).stdout

    assert tool("get-leaf", "--check", tiles, 255) == b"record 255"
    assert tool("get-leaf", "--check", tiles, -1) == b"record 299"
    assert tool("gen-proof", tiles, 255) == proof.read_bytes()


@pytest.mark.integration
def test_an_independent_library_takes_the_signatures_of_log_and_witness(project, tmp_path, capsys):
    heads = tmp_path / "heads"
    cosign = private(tmp_path / "keys/witness.pem")
    said(capsys, "witness", heads, "--cosign", cosign, "--name", "w.example", "--project", project)
    script = (
        "import sys\n"
        "from tlog_scales import signing, tlog\n"
        "cp = tlog.Checkpoint.from_text(sys.stdin.read())\n"
        "for name, kind, key in (('hauberk', 1, sys.argv[1]), ('w.example', 4, sys.argv[2])):\n"
        "    cp.verify(signing.Vkey(name, None, kind, bytes.fromhex(key)))\n"
    )
    keys = [pair.public.spki[-32:].hex() for pair in (KEY, WITNESS)]
    note = heads.read_bytes().rstrip(b"\n") + b"\n"
    for given_keys, expected in ((keys, True), (keys[::-1], False)):
        done = subprocess.run(
            [TILES / "python", "-c", script, *given_keys],
            check=False,
            input=note,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode == 0) is expected, done.stderr


# Witnesses ---------------------------------------------------------------------------------


def test_a_witness_signs_what_it_holds_and_verify_demands_its_line(project, tmp_path, capsys):
    heads, public = tmp_path / "heads", tmp_path / "witness.pem"
    public.write_text(WITNESS.public.pem)
    cosign = private(tmp_path / "keys/witness.pem")
    assert said(capsys, "witness", heads, "--cosign", cosign, "--project", project)[0] == 0
    words = ("verify", "--witness", heads, "--witness-key", public, "--project", project)
    assert said(capsys, *words)[0] == 0
    said(capsys, "witness", tmp_path / "unsigned", "--project", project)
    code, out = said(
        capsys,
        "verify",
        "--witness",
        tmp_path / "unsigned",
        "--witness-key",
        public,
        "--project",
        project,
    )
    assert code == 1
    assert "does not carry the signatures" in out


def test_a_witness_refuses_a_log_whose_tail_was_cut(project, tmp_path, capsys):
    heads = tmp_path / "heads"
    grow(project, 1)
    said(capsys, "witness", heads, "--project", project)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "hauberk.toml").write_text('[project]\nname = "loans"\n')
    grow(cut, 300)
    code, out = said(capsys, "witness", heads, "--project", cut)
    assert code == 1
    assert "no longer holds" in out


def test_a_witness_line_that_is_old_or_changed_does_not_count():
    note = parse_note(SIGN and _note())
    line = parse_note(cosigned(note, "w", WITNESS, 1000))
    assert cosigned_by("w", [WITNESS.public])(line)
    assert not cosigned_by("w", [WITNESS.public], not_before=1001)(line)
    assert not cosigned_by("w", [KEY.public])(line)
    other = parse_note(line.raw.replace(b"\n3\n", b"\n4\n"))
    assert not cosigned_by("w", [WITNESS.public])(other)


def _note():
    from hauberk.trust.checkpoint import Head, make_note

    return make_note(Head(origin="hauberk", size=3, root=bytes(32)), SIGN)


def test_a_private_key_that_others_can_read_is_refused(project, tmp_path, capsys):
    cosign = private(tmp_path / "keys/witness.pem")
    cosign.chmod(0o644)
    assert said(capsys, "witness", tmp_path / "h", "--cosign", cosign, "--project", project)[0] == 1
