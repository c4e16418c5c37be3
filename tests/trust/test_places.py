import pytest

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.blobs import MemoryBlobs
from hauberk.trust.digest import digest_bytes
from hauberk.trust.manifest import manifest_of, to_json
from hauberk.trust.places import BlobPlace, FolderPlace, OpenPlace, held

DATA = digest_bytes(b"data")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project"
    (folder / "tree").mkdir(parents=True)
    (folder / "a").write_bytes(b"data")
    (folder / "tree/b").write_bytes(b"data")
    return folder


def test_a_folder_holds_files_and_folders_by_path(folder):
    place = FolderPlace(root=folder)
    assert place.digest("a", DATA) == DATA
    assert place.digest("tree/", DATA) == manifest_of(folder / "tree").root


@pytest.mark.parametrize("name", ["none", "none/", "https://example.org/a", "../a", "/etc/passwd"])
def test_a_folder_holds_nothing_of_other_names(folder, name):
    assert FolderPlace(root=folder).digest(name, DATA) is None


def test_a_link_in_a_folder_is_refused_even_if_it_leads_nowhere(folder):
    (folder / "link").symlink_to("nowhere")
    with pytest.raises(ArtifactError):
        FolderPlace(root=folder).digest("link", DATA)


def test_a_store_holds_files_by_digest():
    blobs = MemoryBlobs()
    blobs.put([b"data"])
    place = BlobPlace(blobs=blobs)
    assert place.digest("anything", DATA) == DATA
    assert place.digest("anything", digest_bytes(b"other")) is None


def test_a_store_holds_a_folder_by_its_manifest(folder):
    blobs = MemoryBlobs()
    blobs.put([b"data"])
    manifest = manifest_of(folder / "tree")
    spelt = blobs.put([to_json(manifest)])
    place = BlobPlace(blobs=blobs, manifests={manifest.root: spelt}.get)
    assert place.digest("tree/", manifest.root) == manifest.root
    assert place.digest("tree/", DATA) is None
    assert BlobPlace(blobs=blobs).digest("tree/", manifest.root) is None
    blobs.delete(spelt)
    assert place.digest("tree/", manifest.root) is None


def test_functions_that_open_files_are_a_place():
    place = OpenPlace(files={"a": lambda: iter([b"da", b"ta"])})
    assert place.digest("a", DATA) == DATA
    assert place.digest("b", DATA) is None


def test_every_place_that_holds_a_name_is_asked(folder):
    places = (FolderPlace(root=folder), OpenPlace(files={"a": lambda: [b"other"]}))
    assert held(places, "a", DATA) == (
        ("project folder", DATA),
        ("release", digest_bytes(b"other")),
    )


class Rotten(MemoryBlobs):
    def open(self, digest, start=0, end=None):
        raise TrustError("rotten", subject=digest)


def test_a_rotten_store_is_refused():
    blobs = Rotten()
    blobs.put([b"data"])
    with pytest.raises(TrustError):
        BlobPlace(blobs=blobs).digest("a", DATA)
