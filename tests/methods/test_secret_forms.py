"""Known secrets in the forms in which programs write them, and what only looks like one."""

from __future__ import annotations

import base64
import hashlib
import json
import quopri
import textwrap
from random import Random
from urllib.parse import quote

import pytest

from hauberk.methods.secret_forms import REMOVED, Handed, forms_of

VALUE = "kQ7/w+Zr2&vX=9sé-Lm4TbY8"
RAW = VALUE.encode()
KEY = "\n".join(
    (
        "-----BEGIN PRIVATE KEY-----",
        *textwrap.wrap(base64.b64encode(Random(3).randbytes(300)).decode(), 64),
        "-----END PRIVATE KEY-----",
        "",
    )
)
WRITTEN = {
    "plain": VALUE,
    "reversed": VALUE[::-1],
    "base64": base64.b64encode(RAW).decode(),
    "base64 behind one byte": base64.b64encode(b":" + RAW + b"x").decode(),
    "base64 behind two bytes": base64.b64encode(b"u:" + RAW + b"x").decode(),
    "base64 in lines": base64.encodebytes(b"name:" * 20 + RAW * 5).decode(),
    "base64 in lines of a json text": json.dumps(
        "\n".join(textwrap.wrap(base64.b64encode(RAW).decode(), 10))
    ),
    "base64 in lines of Windows": "\r\n".join(textwrap.wrap(base64.b64encode(RAW).decode(), 8)),
    "URL-safe base64": base64.urlsafe_b64encode(b":" + RAW).decode(),
    "base32": base64.b32encode(b"abc" + RAW).decode(),
    "hexadecimal": RAW.hex(),
    "capital hexadecimal": RAW.hex().upper(),
    "hexadecimal with colons": RAW.hex(":"),
    "hexadecimal with blanks": RAW.hex(" ", 2),
    "address": quote(VALUE, safe=""),
    "json": json.dumps(VALUE),
    "json in json": json.dumps(json.dumps(VALUE)),
    "lines": "\n".join(textwrap.wrap(VALUE, 5)),
    "indented lines": "\n    ".join(textwrap.wrap(VALUE, 5)),
    "quoted-printable": quopri.encodestring(RAW).decode(),
    "quoted-printable in lines": quopri.encodestring(b"a" * 70 + RAW).decode(),
}
handed = Handed((("TOKEN", VALUE), ("KEY", KEY)))


def searched(data: bytes, step: int) -> str:
    search = handed.search()
    pieces = (data[start : start + step] for start in range(0, len(data), step))
    return next(filter(None, map(search.feed, pieces)), "") or search.end()


@pytest.mark.parametrize("form", WRITTEN)
def test_a_secret_is_masked_in_each_form(form):
    text = f"before {WRITTEN[form]} behind"
    masked = handed.mask(text)
    assert REMOVED in masked
    assert masked.startswith("before ")
    assert masked.endswith(" behind")
    assert handed.first_in(masked) == ""
    if "in lines" not in form:  # the others are hardly longer than the secret
        assert len(masked.replace(REMOVED, "")) < len("before  behind") + 12


@pytest.mark.parametrize("step", [1, 7, 64, 4096])
@pytest.mark.parametrize("form", WRITTEN)
def test_a_secret_is_found_in_data_however_it_is_cut(form, step):
    data = Random(1).randbytes(300) + WRITTEN[form].encode() + Random(2).randbytes(300)
    assert searched(data, step).startswith("TOKEN, ")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-le", "utf-16-be"])
def test_a_secret_is_found_in_wide_letters(encoding):
    assert searched(b"\x93NUMPY" + VALUE.encode(encoding), 50) == f"TOKEN, {encoding.upper()}"


def test_one_line_of_a_key_is_found_and_its_frame_is_not():
    lines = KEY.splitlines()
    assert searched(lines[2].encode(), 30) == "KEY, one line"
    assert searched(f"{lines[0]}\nanother one\n{lines[-2]}".encode(), 30) == ""
    assert lines[3] not in handed.mask(KEY)


@pytest.mark.parametrize("seed", range(20))
def test_digests_and_other_values_of_its_length_are_left_alone(seed):
    rng = Random(seed)
    raw = rng.randbytes(len(RAW))
    text = "\n".join(
        (
            hashlib.sha256(RAW).hexdigest(),
            base64.b64encode(hashlib.sha256(RAW).digest()).decode(),
            raw.hex(),
            base64.b64encode(raw).decode(),
            "".join(rng.sample(VALUE, len(VALUE))),
        )
    )
    assert handed.mask(text) == text
    assert searched(text.encode() + rng.randbytes(100_000), 4096) == ""


def test_letters_that_hold_bits_of_the_secret_go_with_it():
    text = base64.b64encode(b":" + RAW).decode()
    assert handed.mask(f"<{text}>") == f"<{text[0]}{REMOVED}>"


def test_short_values_are_masked_plainly_and_not_searched_for():
    short = Handed((("PIN", "4711"), ("NONE", "")))
    assert short.mask("pin 4711, base64 NDcxMQ==") == f"pin {REMOVED}, base64 NDcxMQ=="
    assert short.first_in("pin 4711") == ""
    assert all(len(text) >= 8 for _, text in forms_of("4711"))
