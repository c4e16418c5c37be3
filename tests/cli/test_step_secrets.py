"""`hauberk step` with a secret, told in many forms."""

from __future__ import annotations

import json
import sys

import pytest

from hauberk.cli import main

SECRET = "kQ7/w+Zr2&vX=9s-Lm4TbY8"
READ = "import base64, os\ns = open(os.environ['TOKEN_FILE']).read()\n"
WRITE = "open('out.txt', 'wb').write({})\n"


@pytest.fixture
def step(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TOKEN", SECRET)

    def go(code, *words, outputs=("out.txt",)):
        (tmp_path / "job.py").write_text(READ + code, "utf-8")
        place = ["--project", str(tmp_path), "--input", "job.py", "--secret", "TOKEN"]
        command = [sys.executable, "job.py", *words]
        name = "job"
        code = main(["step", name, *place, "--output", *outputs, "--", *command])
        return code, *capsys.readouterr()

    return go


def test_what_is_printed_is_masked_in_base64_too(step):
    code, out, err = step(
        "import sys\nprint(base64.b64encode(b'u:' + s.encode()).decode())\n"
        "print(s.encode().hex(), file=sys.stderr)\n" + WRITE.format("b'done'")
    )
    assert code == 0
    assert "[secret removed]" in out
    assert "[secret removed]" in err
    assert len(out) < len(SECRET)
    assert SECRET.encode().hex()[8:24] not in err


def test_the_statement_holds_no_secret_of_the_command_line(step, tmp_path):
    code, *_ = step(WRITE.format("b'done'"), "--token", SECRET)
    statement = (tmp_path / ".hauberk/steps/job.json").read_text("utf-8")
    assert code == 0
    assert SECRET not in statement
    assert json.dumps(SECRET)[1:-1] not in statement
    assert "[secret removed]" in statement


def test_an_output_with_the_secret_is_refused_and_nothing_is_kept(step, tmp_path):
    code, _, err = step(
        "open('first.txt', 'w').write('honest')\n"
        + WRITE.format("b'x' * 3_000_000 + base64.b64encode(s.encode())"),
        outputs=("first.txt", "out.txt"),
    )
    assert code == 1
    assert "out.txt" in err
    assert "TOKEN" in err
    assert "base64" in err
    assert SECRET not in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["job.py"]
    assert not (tmp_path / ".hauberk").exists()


def test_an_output_with_its_digest_is_kept(step, tmp_path):
    code, *_ = step(
        "import hashlib\n" + WRITE.format("hashlib.sha256(s.encode()).hexdigest().encode()")
    )
    assert code == 0
    assert len((tmp_path / "out.txt").read_bytes()) == 64


def test_a_name_that_holds_the_secret_is_refused(step):
    code, _, err = step(WRITE.format("b'done'"), outputs=(SECRET.encode().hex(),))
    assert code == 2
    assert "TOKEN" in err
    assert SECRET.encode().hex() not in err


def test_the_rest_of_a_secret_at_the_beginning_of_a_cut_text_goes_too(step):
    code, out, _ = step("print(s + 'x' * ((1 << 20) - 12))\n" + WRITE.format("b'done'"))
    assert code == 0
    assert set(out.strip()) == {"x"}
