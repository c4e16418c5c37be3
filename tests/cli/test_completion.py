"""`hauberk completion`: scripts that real shells read, with the words that exist."""

import shutil
import subprocess

import pytest

from hauberk.cli import VERBS, main


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(text, *words):
    """What bash offers for a line."""
    line = " ".join(f"'{word}'" for word in words)
    place = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}"
    asked = f"{text}\n{place}; _hauberk; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_bash_completes_verbs_deeds_and_options(capsys):
    text = script("bash", capsys)
    assert set(completed(text, "hauberk", "")) == set(VERBS)
    assert completed(text, "hauberk", "thr") == ["threats"]
    assert "verify" in completed(text, "hauberk", "log", "")
    assert completed(text, "hauberk", "log", "verify", "--witness-k") == ["--witness-key"]
    assert "--format" in completed(text, "hauberk", "scan", "some.csv", "--fo")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_verb(shell, capsys):
    text = script(shell, capsys)
    assert all(verb in text for verb in VERBS)
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n", "-c", text], check=True)


def test_an_unknown_shell_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcsh"])
    assert ended.value.code == 2
    assert "bash" in capsys.readouterr().err
