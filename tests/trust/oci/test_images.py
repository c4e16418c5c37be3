"""Models as OCI images: written the same each time, and refused for every change."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.cli import main as hauberk
from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.formats.tar_stream import members
from hauberk.integrations.kserve import main as kserve
from hauberk.trust import keys
from hauberk.trust.oci.layout import open_layout
from hauberk.trust.oci.verification import unpack_image, verify_image
from hauberk.trust.oci.writing import write_layout
from hauberk.trust.oms.contents import Method
from hauberk.trust.oms.verification import SIGNATURE_NAME, sign_model, statement_of

KEY = keys.generate()
KNOWN = {KEY.public.key_id: KEY.public}


def npy(count):
    """An array of bytes as numpy writes it."""
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(count)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.npy").write_bytes(npy(2_099_200))
    (folder / "sub" / "config.json").write_text("{}")
    (folder / "sub" / "empty.txt").touch()
    (folder / ("long" * 50 + ".txt")).write_text("a path that ustar cannot hold")
    (folder / SIGNATURE_NAME).write_bytes(sign_model(folder, folder / SIGNATURE_NAME, [KEY]))
    return folder


@pytest.fixture
def image(model, tmp_path):
    write_layout(model, tmp_path / "image", tag="1")
    return tmp_path / "image"


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rebuilt(image, change, *, packed=False):
    """The image after ``change`` of its first layer's members, with digests that fit again."""
    index = json.loads((image / "index.json").read_text())
    blobs = image / "blobs" / "sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    first = manifest["layers"][0]
    with tarfile.open(blobs / first["digest"][7:]) as archive:
        found = [
            (info, archive.extractfile(info).read() if info.isfile() else b"") for info in archive
        ]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in change(found):
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    data = gzip.compress(out.getvalue()) if packed else out.getvalue()
    if packed:
        first["mediaType"] += "+gzip"
    first["digest"], first["size"] = _put(blobs, data), len(data)
    raw = json.dumps(manifest).encode()
    index["manifests"][0] |= {"digest": _put(blobs, raw), "size": len(raw)}
    (image / "index.json").write_text(json.dumps(index))
    return open_layout(image)


def _put(blobs, data):
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return f"sha256:{digest}"


def test_a_model_comes_out_of_its_image_as_it_went_in(model, image, tmp_path):
    found = unpack_image(open_layout(image), KNOWN, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(model)
    assert (found.n_files, found.signers) == (4, (KEY.public.key_id,))


def test_the_same_files_make_the_same_image(model, image, tmp_path):
    write_layout(model, tmp_path / "again", tag="1")
    assert contents(tmp_path / "again") == contents(image)


def test_versions_share_the_layers_that_they_share(model, image, tmp_path):
    (model / "sub" / "config.json").write_text('{"changed": 1}')
    write_layout(model, tmp_path / "second", tag="2")
    first, second = open_layout(image).layers, open_layout(tmp_path / "second").layers
    assert first[1] == second[1]
    assert first[0] != second[0]


def test_a_signature_over_shards_is_read_too(model, tmp_path):
    signature = model / SIGNATURE_NAME
    signature.write_bytes(sign_model(model, signature, [KEY], shard_bytes=100_000))
    assert statement_of(model, signature, shard_bytes=100_000).method == Method(shard_bytes=100_000)
    write_layout(model, tmp_path / "shards", tag="1")
    assert verify_image(open_layout(tmp_path / "shards"), KNOWN).n_files == 4


def named(found, name):
    return next(index for index, (info, _) in enumerate(found) if info.name == name)


def _changed(found):
    at = named(found, "models/sub/config.json")
    found[at] = (found[at][0], b"[]")
    return found


def _added(found):
    return [*found, (tarfile.TarInfo("models/extra.py"), b"import os")]


def _removed(found):
    del found[named(found, "models/sub/config.json")]
    return found


def _covered(found):  # a later layer's file hides an earlier one
    return [*found, found[named(found, "models/sub/config.json")]]


def _unsigned(found):
    del found[named(found, "models/model.sig")]
    return found


def _by_somebody_else(found):
    other = keys.generate()
    at = named(found, "models/model.sig")
    document = json.loads(found[at][1])
    document["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    del other
    found[at] = (found[at][0], json.dumps(document).encode())
    return found


@pytest.mark.parametrize(
    "change", [_changed, _added, _removed, _covered, _unsigned, _by_somebody_else]
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_differs_from_the_signature_is_refused_and_not_unpacked(
    image, tmp_path, change, packed
):
    layout = rebuilt(image, change, packed=packed)
    with pytest.raises(TrustError):
        unpack_image(layout, KNOWN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_honest_image_may_be_packed(image, model, tmp_path):
    layout = rebuilt(image, list, packed=True)
    unpack_image(layout, KNOWN, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(model)


def _with_type(name, kind, target=""):
    def change(found):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return [(info, b""), *found]

    return change


@pytest.mark.parametrize(
    "change",
    [
        _with_type("models/link", tarfile.SYMTYPE, "/etc/passwd"),
        _with_type("models", tarfile.SYMTYPE, "/tmp"),
        _with_type("models/link", tarfile.LNKTYPE, "models/weights.npy"),
        _with_type("models/pipe", tarfile.FIFOTYPE),
        _with_type("models/../../x", tarfile.REGTYPE),
        _with_type("/models/x", tarfile.REGTYPE),
        _with_type(".wh.models", tarfile.REGTYPE),
        _with_type("models/a\\b", tarfile.REGTYPE),
    ],
)
def test_links_and_tricks_of_paths_are_refused(image, tmp_path, change):
    layout = rebuilt(image, change)
    with pytest.raises((ArtifactError, TrustError)):
        unpack_image(layout, KNOWN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_base_with_a_shell_is_neither_covered_nor_unpacked(image, model, tmp_path):
    layout = rebuilt(image, _with_type("bin/sh", tarfile.SYMTYPE, "/bin/busybox"))
    unpack_image(layout, KNOWN, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(model)


def test_a_blob_that_is_not_its_digest_is_refused(image):
    layout = open_layout(image)
    path = image / "blobs" / "sha256" / layout.layers[1].digest[7:]
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-600] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(TrustError):
        verify_image(layout, KNOWN)
    path.write_bytes(bytes(data[:-512]))
    with pytest.raises(TrustError):
        verify_image(layout, KNOWN)


def test_a_bomb_of_gzip_ends_at_its_bound(image, tmp_path):
    def bomb(found):
        info = tarfile.TarInfo("models/sub/config.json")
        return [*found[:1], (info, b"\0" * (96 << 20))]

    with pytest.raises(HauberkError):
        verify_image(rebuilt(image, bomb, packed=True), KNOWN)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: text.replace("sha256:", "sha256:../../", 1),
        lambda text: text.replace('"size":', '"size":-', 1),
        lambda text: text.replace('"manifests"', '"manifests":[],"manifests"', 1),
        lambda text: text.replace(".manifest.", ".index."),
    ],
)
def test_a_damaged_index_is_a_typed_error(image, damage):
    path = image / "index.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(HauberkError):
        open_layout(image)


@given(st.binary(max_size=2_000), st.integers(0, 5_000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_broken_archives_are_typed_errors(noise, at, cut):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("models/a", "models/" + "b" * 150):
            info = tarfile.TarInfo(name)
            info.size = 700
            archive.addfile(info, io.BytesIO(b"x" * 700))
    data = out.getvalue()
    data = data[:at] + noise + (b"" if cut else data[at + len(noise) :])
    try:
        sizes = [len(b"".join(one.chunks)) == one.size for one in members([data])]
    except HauberkError:
        return
    assert all(sizes)


def test_the_command_verifies_an_image(image, tmp_path, capsys):
    pem = tmp_path / "key.pub"
    pem.write_text(KEY.public.pem)
    assert hauberk(["verify", str(image), "--key", str(pem), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 4
    pem.write_text(keys.generate().public.pem)
    assert hauberk(["verify", str(image), "--key", str(pem)]) == 1
    assert hauberk(["verify", str(image), "--key", str(pem), "--tag", "9"]) == 2


def test_the_init_step_fills_an_empty_folder_or_leaves_it_empty(
    image, model, tmp_path, monkeypatch, capsys
):
    pem, target = tmp_path / "key.pub", tmp_path / "mnt"
    target.mkdir()
    monkeypatch.delenv("HAUBERK_MODEL_KEYS", raising=False)
    assert kserve([f"oci-layout://{image}", str(target)]) == 2
    pem.write_text(keys.generate().public.pem)
    monkeypatch.setenv("HAUBERK_MODEL_KEYS", str(pem))
    for source in (f"oci-layout://{image}", f"file://{model}"):
        assert kserve([source, str(target)]) == 1
        assert list(target.iterdir()) == []
    pem.write_text(KEY.public.pem)
    for source in (f"oci-layout://{image}#1", f"file://{model}"):
        assert kserve([source, str(target)]) == 0
        assert contents(target) == contents(model)
        assert kserve([source, str(target)]) == 2
        shutil.rmtree(target)
        target.mkdir()
    assert kserve(["ftp://x", str(target)]) == 2
    assert kserve(["oci-layout://host/x", str(target)]) == 2
    capsys.readouterr()


def test_the_init_step_refuses_a_signed_model_that_runs_code(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    (folder / SIGNATURE_NAME).write_bytes(sign_model(folder, folder / SIGNATURE_NAME, [KEY]))
    write_layout(folder, tmp_path / "image", tag="1")
    (tmp_path / "key.pub").write_text(KEY.public.pem)
    monkeypatch.setenv("HAUBERK_MODEL_KEYS", str(tmp_path / "key.pub"))
    assert kserve([f"oci-layout://{tmp_path / 'image'}", str(tmp_path / "out")]) == 1
    assert "dangerous" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.integration
def test_skopeo_copies_an_image_that_verifies_afterwards(image, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for kind, name in (("oci", "copy:2"), ("dir", "flat")):
        command = [
            "skopeo",
            "copy",
            "--policy",
            policy,
            f"oci:{image}:1",
            f"{kind}:{tmp_path / name}",
        ]
        subprocess.run(command, check=True, capture_output=True)
    assert verify_image(open_layout(tmp_path / "copy", "2"), KNOWN).n_files == 4
    seen = subprocess.run(
        ["skopeo", "inspect", f"oci:{image}:1"], check=True, capture_output=True, text=True
    )
    assert json.loads(seen.stdout)["Digest"] == open_layout(image).digest


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
@pytest.mark.integration
def test_umoci_unpacks_what_was_signed(image, model, tmp_path):
    command = ["umoci", "unpack", "--rootless", "--image", f"{image}:1", str(tmp_path / "bundle")]
    subprocess.run(command, check=True, capture_output=True)
    assert contents(tmp_path / "bundle" / "rootfs" / "models") == contents(model)
    assert Path(tmp_path / "bundle" / "rootfs").is_dir()
