"""Pictures that are something else as well, and what cameras honestly append."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hauberk.formats.images import open_images
from hauberk.formats.picture_tails import carried
from hauberk.scanner import scan

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")


def picture(kind: str, seed: int = 0, **more) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **more)
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("run.sh", "echo hello\n")
    return file.getvalue()


TAILS = {
    "zip": archive(),
    "padded zip": b"\n\0\0" + archive(),
    "program": b"\x7fELF\x02\x01\x01" + bytes(60),
    "script": b"\n#!/bin/sh\necho hello\n",
    "page": b"<?PHP system($_GET['c']); ?>",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.",
}


@pytest.mark.parametrize("tail", sorted(TAILS))
@pytest.mark.parametrize("kind", FORMATS)
def test_what_stands_behind_the_end_is_told(kind, tail):
    assert carried(picture(kind) + TAILS[tail])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seed", range(20))
def test_a_picture_alone_is_told_of_nothing(kind, seed):
    assert not carried(picture(kind, seed))


@pytest.mark.parametrize("kind", FORMATS)
def test_previews_films_and_blanks_are_what_cameras_append(kind):
    film = b"\x00\x00\x00\x18ftypmp42" + bytes(400)
    for tail in (picture("JPEG", 3), film, bytes(64), b"SEFT" + bytes(20), b"\n"):
        assert not carried(picture(kind) + tail)


@pytest.mark.parametrize("more", [{"progressive": True}, {"comment": b"PK\x03\x04 is a mark"}])
def test_words_inside_of_a_picture_are_no_tail(more):
    data = picture("JPEG", 1, **more)
    assert not carried(data)
    assert carried(data + TAILS["zip"])


def test_an_archive_inside_of_a_chunk_is_found_by_its_directory():
    """The directory may end a file whose chunks seem whole to decoders of another kind."""
    data = picture("PNG")
    assert "directory" in carried(data[:-12] + archive())


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(tail):
    for magic in (b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"BM"):
        assert isinstance(carried(magic + tail), str)


def test_a_scan_of_pictures_names_the_file(tmp_path):
    for n in range(6):
        (tmp_path / f"{n}.png").write_bytes(picture("PNG", n) + (archive() if n == 3 else b""))
    assert [name for name, _ in open_images(tmp_path).carried] == ["3.png"]
    (finding,) = [
        f
        for f in scan([tmp_path], today=date(2026, 1, 1)).findings
        if "something else" in f.message
    ]
    assert finding.path.endswith("3.png")
