"""Folders of pictures: what becomes rows, what is refused, and within what bounds."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hauberk.core.artifact import ColumnKind
from hauberk.errors import ArtifactError, UsageError
from hauberk.formats.images import image_splits, is_image_folder, open_images


def draw(path: Path, value: int = 100, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    Image.fromarray(np.full(shape, value, np.uint8), mode=None).save(path)
    return path


def bomb(path: Path) -> Path:
    """A PNG that declares 60,000 x 60,000 pixels and holds hardly any."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
            for chunk in chunks
        )
    )
    return path


def pixels(folder) -> np.ndarray:
    parts = [batch.column("image").to_numpy_ndarray() for batch in folder.dataset.read()]
    return np.concatenate(parts)


def test_the_folder_of_a_picture_is_its_label(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        draw(tmp_path / name)
    found = open_images(tmp_path)
    assert found.files == ("cat/1.png", "cat/2.png", "dog/1.png")
    assert found.dataset.label == "label"
    assert next(found.dataset.read()).column("label").to_pylist() == ["cat", "cat", "dog"]


def test_a_table_beside_the_pictures_gives_labels_and_roles(tmp_path):
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    rows = "file_name,digit,who\nb.png,2,eve\na.png,1,ann\n"
    (tmp_path / "metadata.csv").write_text(rows, "utf-8")
    found = open_images(tmp_path, label="digit", annotator="who").dataset
    batch = next(found.read())
    assert batch.column("digit").to_pylist() == [1, 2]
    assert batch.column("who").to_pylist() == ["ann", "eve"]


def test_a_role_that_no_table_gives_is_refused_by_name(tmp_path):
    draw(tmp_path / "a/1.png")
    draw(tmp_path / "b/1.png")
    with pytest.raises(UsageError, match="annotator_id"):
        open_images(tmp_path, annotator="annotator_id")


def test_pictures_of_other_sizes_are_brought_to_one(tmp_path):
    draw(tmp_path / "a/1.png", size=(40, 20))
    draw(tmp_path / "b/1.png", size=(30, 30), mode="RGB")
    column = open_images(tmp_path).dataset.columns[0]
    assert column.kind is ColumnKind.IMAGE
    assert column.shape == (30, 30, 3)


def test_large_pictures_are_made_small(tmp_path):
    draw(tmp_path / "a/1.png", size=(1000, 500))
    draw(tmp_path / "a/2.png", size=(1000, 500))
    assert open_images(tmp_path).dataset.columns[0].shape == (48, 96)


def test_sixteen_bits_keep_their_shades(tmp_path):
    wide = np.array([[0, 65_535], [32_768, 0]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(wide).save(tmp_path / "b.png")
    assert pixels(open_images(tmp_path))[0].tolist() == [[0, 255], [127, 0]]


def test_rows_in_are_rows_out_and_refused(tmp_path):
    good = [draw(tmp_path / f"{name}/1.png") for name in "ab"]
    bomb(tmp_path / "a/bomb.png")
    (tmp_path / "a/vector.svg").write_text("<svg onload='x()'/>", "utf-8")
    (tmp_path / "b/cut.png").write_bytes(good[0].read_bytes()[:-30])
    found = open_images(tmp_path)
    assert len(pixels(found)) == len(good)
    assert [name for name, _ in found.refused] == ["a/bomb.png", "a/vector.svg", "b/cut.png"]
    assert "pixels" in dict(found.refused)["a/bomb.png"]


def test_several_frames_and_print_colours_are_noted(tmp_path):
    frames = [Image.new("L", (8, 8), value) for value in (0, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (8, 8)).save(tmp_path / "b.jpg")
    notes = dict(open_images(tmp_path).notes)
    assert "several frames" in notes["a.gif"]
    assert "CMYK" in notes["b.jpg"]


def test_a_folder_without_a_readable_picture_is_refused(tmp_path):
    for name in ("a.png", "b.png"):
        bomb(tmp_path / name)
    with pytest.raises(ArtifactError, match=r"no picture"):
        open_images(tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    outside = draw(tmp_path / "outside.png")
    draw(tmp_path / "set/a/1.png")
    draw(tmp_path / "set/b/1.png")
    (tmp_path / "set/a/2.png").symlink_to(outside)
    assert open_images(tmp_path / "set").files == ("a/1.png", "b/1.png")


def test_code_beside_a_few_pictures_is_no_folder_of_pictures(tmp_path):
    draw(tmp_path / "logo.png")
    draw(tmp_path / "figure.png")
    (tmp_path / "train.py").write_text("pass\n", "utf-8")
    assert not is_image_folder(tmp_path)


def test_a_layout_of_train_and_test_is_seen(tmp_path):
    draw(tmp_path / "train/a/1.png")
    draw(tmp_path / "test/a/1.png")
    assert sorted(image_splits(tmp_path)) == ["test", "train"]
