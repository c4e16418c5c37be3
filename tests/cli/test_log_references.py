"""`hauberk log references`: recorded, compared, refused, accepted with a reason."""

from random import Random

import pytest

from hauberk.attacks.code.rewrite_references import WAYS, RewriteReferences
from hauberk.cli import main
from hauberk.errors import ArtifactError
from hauberk.formats.git_references import from_bytes, read_references, to_bytes
from hauberk.range.worlds.histories import grown


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "project").mkdir()
    return grown(tmp_path / "repository", 4)


def ask(repository, *words):
    project = repository.root.parent / "project"
    return main(["log", "references", str(repository.root), "--project", str(project), *words])


def test_without_a_record_nothing_is_judged(repository, capsys):
    assert ask(repository) == 3
    assert "--record" in capsys.readouterr().out


def test_honest_work_passes_and_a_rewritten_branch_is_named(repository, capsys):
    assert ask(repository, "--record") == 0
    repository.commit("More", {"a.py": b"a = 1\n"})
    repository.git("tag", "v9")
    assert ask(repository) == 0
    RewriteReferences(way="commits dropped").play(repository, Random(1))
    RewriteReferences(way="commits dropped").play(repository, Random(2))
    assert ask(repository) == 1
    assert "the branch main was rewritten" in capsys.readouterr().out


def test_a_rewritten_state_is_recorded_only_with_a_reason(repository, capsys):
    assert ask(repository, "--record") == 0
    RewriteReferences(way="tag moved").play(repository, Random(1))
    assert ask(repository, "--record") == 2
    assert "--accept REASON" in capsys.readouterr().err
    assert ask(repository, "--accept", "the tag named a broken build") == 0
    assert ask(repository) == 0


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_rewrite_is_told(repository, way):
    assert ask(repository, "--record") == 0
    assert RewriteReferences(way=way).play(repository, Random(3)).succeeded
    assert ask(repository) == 1


def test_a_state_comes_back_as_it_was_written(repository):
    state = read_references(repository.root)
    assert state.tags
    assert state.submodules == {"vendor/kernels": "https://git.models.example/kernels.git"}
    assert from_bytes(to_bytes(state)) == state


@pytest.mark.parametrize("data", [b"{}", b"[1]", b'{"format": "hauberk git references 1"}'])
def test_what_is_no_state_is_refused(data):
    with pytest.raises(ArtifactError):
        from_bytes(data)


def test_a_folder_without_a_repository_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match="repository"):
        read_references(tmp_path)
