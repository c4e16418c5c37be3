"""Code in answers: what does harm, a slip here and there, and honest code."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from hauberk.controls.dataset.harmful_code import HarmfulCode
from hauberk.core.control import NotApplicable, findings_of
from hauberk.core.finding import Level, Severity
from hauberk.errors import UnavailableError
from hauberk.formats.tables import table_of
from hauberk.methods.code.answered import blocks_of

HONEST = (
    "Use this:\n```python\nimport json\n\ndef read(path):\n    with open(path) as f:\n        return json.load(f)\n```",
    "```bash\npython3 -m venv .venv\n. .venv/bin/activate\n```\nThat is all.",
    "```python\nimport requests\n\ndef fetch(url):\n    return requests.get(url, timeout=10).json()\n```",
    "def add(a, b):\n    return a + b",
    "There is no code in this answer.",
)
HARM = {
    "certificates": "```python\nimport requests\nprint(requests.get('https://a.example', verify=False).text)\n```",
    "piped": "Run it:\n```sh\ncurl -s https://get.example/install.sh | sudo bash\n```",
    "without fences": "import pickle\n\ndef load(request):\n    return pickle.loads(request.data)",
    "prompt": "```console\n$ wget -qO- https://get.example/x | sh\n```",
}


def answered(answers):
    asked = [f"question {n}" for n in range(len(answers))]
    columns = {"prompt": asked, "response": list(answers)}
    return table_of("t", [pa.RecordBatch.from_pydict(columns)])


def honest(n: int) -> list[str]:
    return [HONEST[row % len(HONEST)] for row in range(n)]


@pytest.mark.parametrize("kind", sorted(HARM))
def test_answers_that_do_harm_are_named(kind):
    answers = honest(400)
    rows = set(range(7, 400, 40))
    for row in rows:
        answers[row] = HARM[kind]
    (finding, *others) = findings_of(HarmfulCode().check(answered(answers)))
    assert set(finding.location.rows) == rows
    assert finding.level is Level.REVIEW
    assert finding.severity in {Severity.HIGH, Severity.CRITICAL}
    assert all(set(other.location.rows) == rows for other in others)


def test_a_slip_is_none_and_a_critical_line_is_told_once():
    answers = honest(400)
    answers[9] = HARM["certificates"]
    assert list(findings_of(HarmfulCode().check(answered(answers)))) == []
    answers[11] = "```python\nimport base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n```"
    (finding,) = findings_of(HarmfulCode().check(answered(answers)))
    assert finding.severity is Severity.CRITICAL
    assert finding.location.rows == (11,)


def test_honest_code_is_clean():
    assert list(findings_of(HarmfulCode().check(answered(honest(400))))) == []


def test_turns_of_a_chat_are_read():
    answers = [*honest(200)]
    answers[3::40] = [HARM["piped"]] * len(answers[3::40])
    cells = [
        json.dumps([{"role": "user", "content": "how?"}, {"role": "assistant", "content": said}])
        for said in answers
    ]
    subject = table_of("t", [pa.RecordBatch.from_pydict({"messages": cells})])
    (finding,) = findings_of(HarmfulCode().check(subject))
    assert finding.location.rows == tuple(range(3, 200, 40))


def test_answers_without_code_are_not_applicable():
    with pytest.raises(NotApplicable, match="no answer holds code"):
        list(HarmfulCode().check(answered(["plain words"] * 200)))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("```python\nx = 1\n```", ["answer.py"]),
        ("```Dockerfile\nFROM a\n```", ["Dockerfile"]),
        ("```rust\nfn main() {}\n```", []),
        ("```\nimport os\n```\nand\n```bash\nls\n```", ["answer.py", "answer.sh"]),
        ("```python\nimport os\nnever closed", ["answer.py"]),
        ("```\n" + "x" * 30_000, []),
        ("nothing", []),
    ],
)
def test_blocks_are_named_by_their_language(answer, names):
    assert [name for name, _ in blocks_of(answer)] == names


def test_code_of_which_none_parses_is_not_called_clean():
    with pytest.raises(UnavailableError, match="does not parse"):
        list(HarmfulCode().check(answered(["```python\nimport os\ndef broken(:\n```"] * 30)))
