from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hauberk.cli import VERBS, _print_error, main
from hauberk.errors import TrustError
from hauberk.trust.keys import generate


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in VERBS)


def test_nothing_to_do_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().out


def test_a_typo_suggests_the_verb(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERBS, "verify", "check")
    assert main(["verfy"]) == 2
    assert "did you mean 'verify'?" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from hauberk.cli import main; main(['--help']);"
        "heavy = {'numpy', 'scipy', 'sklearn', 'pyarrow', 'onnx', 'onnxruntime', 'torch',"
        " 'cryptography', 'argparse'} & set(sys.modules); print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_shows_help_with_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert "example:" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("numpy", 3), ("hauberk.nothing", 4), (None, 4)])
def test_a_missing_library_of_an_extra_is_named_and_is_no_internal_error(
    name: str | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys
):
    import hauberk.cli.threats as verb

    def fail(args):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(verb, "run", fail)
    assert main(["threats"]) == code
    assert ("pip install" in capsys.readouterr().err) == (code == 3)


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["scan", "--formt", "json", "."], "--format"),
        (["scan", "--format", "jsn", "."], "json"),
        (["registry", "publsh"], "publish"),
        (["data", "add", "--labl", "y", "x.csv"], ""),
    ],
)
def test_a_typo_suggests_the_option_the_choice_or_the_deed(
    words: list[str], guess: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    shown = capsys.readouterr().err
    assert stop.value.code == 2
    assert f"did you mean {guess!r}?" in shown if guess else "unrecognized" in shown
    assert "--help shows the arguments" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_and_each_deed_can_be_quiet_and_verbose(verb: str) -> None:
    from hauberk.cli import module_of
    from hauberk.cli._arguments import Parser, add_common, deeds_of, own_options

    parser = Parser(prog=verb, allow_abbrev=False)
    module_of(verb).configure(parser)
    add_common(parser)
    for each in (parser, *deeds_of(parser).values()):
        assert {"--quiet", "--verbose"} <= own_options(each)


def test_quiet_prints_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["threats", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["run", "--quiet", "nowhere-at-all"]) == 2
    assert "no such project folder" in capsys.readouterr().err


def test_verbose_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["threats", "--verbose"]) == 0
    assert capsys.readouterr().err.endswith(" s\n")


@pytest.mark.parametrize("content", ["", "{", "[" * 10_000, '{"a":1,"a":2}', '{"a": "\\ud800"}'])
def test_every_refusal_names_object_rule_expected_found_and_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.bin").write_bytes(b"x")
    (tmp_path / "m/model.sig").write_text(content)
    key = generate()
    (tmp_path / "key.pub").write_text(key.public.pem)
    assert main(["verify", str(tmp_path / "m"), "--key", str(tmp_path / "key.pub")]) == 1
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("object:", "rule:", "expected:", "found:", "next:"))


def test_foreign_text_in_a_refusal_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _print_error(TrustError("a\x1b[31mb", subject="c\u202ed\x07", hint="e\nf"), "verify x")
    assert not set(capsys.readouterr().err) & set("\x1b\u202e\x07")


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["registry", "pull", "a@1", "b", "--output", "x"], "hauberk registry pull --help"),
        (["data", "verify", "--rot", "x"], "did you mean '--root'"),
        (["scan", "x", "--frmat", "json"], "did you mean '--format'"),
        (["serve", "--prot", "1"], "did you mean '--port'"),
    ],
)
def test_a_left_over_word_is_told_by_the_deed_it_was_said_to(words, verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert verb in capsys.readouterr().err
