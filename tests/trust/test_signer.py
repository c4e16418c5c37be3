import base64
import os
import signal
import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trust.chains import LABEL, World

from hauberk.errors import (
    ArtifactError,
    InternalError,
    TrustError,
    UnavailableError,
    UsageError,
)
from hauberk.trust import dsse, signer
from hauberk.trust.checkpoint import Head, parse_note, signed_by
from hauberk.trust.keys import STATEMENT_ROLES, Role, generate, save
from hauberk.trust.predicates import model_test_statement, release_statement, step_statement
from hauberk.trust.signer import (
    Signer,
    load_keys,
    receive_frame,
    send_frame,
    serve,
    sign_checked,
)
from hauberk.trust.statement import PAYLOAD_TYPE, statement


@pytest.fixture
def world(tmp_path):
    return World.honest(tmp_path / "project")


@pytest.fixture
def folder(tmp_path, world):
    save(world.lifecycle, tmp_path / "keys", Role.LIFECYCLE, LABEL)
    save(world.release_key, tmp_path / "keys", Role.RELEASE, LABEL)
    return tmp_path / "keys"


@pytest.fixture
def started(folder):
    with Signer.start(folder, STATEMENT_ROLES) as handle:
        yield handle


def paths(world, names):
    return {name: world.folder / name for name in names}


def sign_training(handle, world):
    step = world.steps[2]
    return handle.sign(Role.LIFECYCLE, step_statement(step), paths(world, step.products))


# The process --------------------------------------------------------------------------


def test_the_signer_signs_what_it_has_hashed_itself(started, world):
    envelope = sign_training(started, world)
    key = world.lifecycle.public
    payload = dsse.verify(envelope, {key.key_id: key}, strict=True)
    assert payload == step_statement(world.steps[2])
    assert started.public == {
        Role.LIFECYCLE: key,
        Role.RELEASE: world.release_key.public,
    }


def test_a_whole_chain_signed_by_it_verifies(started, world):
    statements = [
        started.sign(Role.LIFECYCLE, step_statement(step), paths(world, step.products))
        for step in world.steps
    ]
    statements += [
        started.sign(Role.LIFECYCLE, model_test_statement(test), paths(world, [test.model]))
        for test in world.tests
    ]
    release = started.sign(
        Role.RELEASE, release_statement(world.release()), paths(world, ["model.onnx"])
    )
    assert world.verify(
        release=release.to_bytes(), statements=[one.to_bytes() for one in statements]
    )


def test_bytes_changed_after_the_runner_looked_are_refused_and_it_goes_on(started, world):
    (world.folder / "model.onnx").write_bytes(b"trojan")
    with pytest.raises(TrustError, match=r"model\.onnx is not what was recorded") as caught:
        sign_training(started, world)
    assert caught.value.found != caught.value.expected
    (world.folder / "model.onnx").write_bytes(b"weights")
    assert sign_training(started, world)


def test_missing_bytes_are_unavailable(started, world):
    (world.folder / "model.onnx").unlink()
    with pytest.raises(UnavailableError, match="cannot read"):
        sign_training(started, world)


def test_the_lifecycle_key_signs_no_release(started, world):
    with pytest.raises(TrustError, match="may not sign"):
        started.sign(
            Role.LIFECYCLE, release_statement(world.release()), paths(world, ["model.onnx"])
        )


def test_a_role_that_was_not_loaded_cannot_sign(folder, world):
    with (
        Signer.start(folder, (Role.LIFECYCLE,)) as handle,
        pytest.raises(UsageError, match="may not sign as release"),
    ):
        handle.sign(Role.RELEASE, b"", {})


def test_without_roles_no_process_starts_and_nothing_is_signed(tmp_path, world):
    with Signer.start(tmp_path / "nowhere", ()) as handle:
        assert handle.public == {}
        with pytest.raises(UsageError, match="unsigned"):
            sign_training(handle, world)


def test_a_missing_key_ends_the_start(tmp_path):
    with pytest.raises(UnavailableError, match="no key"):
        Signer.start(tmp_path / "nowhere", (Role.LIFECYCLE,))


def test_an_open_key_ends_the_start(folder):
    (folder / "release.pem").chmod(0o644)
    with pytest.raises(TrustError, match="open to others"):
        Signer.start(folder, (Role.RELEASE,))


def test_the_process_ends_with_the_handle(folder):
    with Signer.start(folder, (Role.LIFECYCLE,)) as handle:
        process = handle._process
        assert process.poll() is None
    assert process.returncode is not None
    handle.close()


def test_a_closed_signer_refuses(started, world):
    public = started.public
    started.close()
    with pytest.raises(UsageError):
        sign_training(started, world)
    started.public = public
    with pytest.raises(UnavailableError, match="does not answer"):
        sign_training(started, world)


def test_a_killed_signer_is_unavailable(started, world):
    started._process.send_signal(signal.SIGKILL)
    started._process.wait()
    with pytest.raises(UnavailableError, match="does not answer"):
        sign_training(started, world)
    assert not started.public


def test_the_process_ends_when_the_runner_is_gone(folder):
    handle = Signer.start(folder, (Role.LIFECYCLE,))
    handle._socket.close()
    assert handle._process.wait(timeout=30) == 0
    handle.close()


def test_a_signer_that_takes_too_long_is_not_asked_again(folder, world):
    with Signer.start(folder, (Role.LIFECYCLE,), timeout_s=0.2) as handle:
        handle._process.send_signal(signal.SIGSTOP)
        with pytest.raises(UnavailableError, match="does not answer"):
            sign_training(handle, world)
        assert handle._socket is None


def test_other_processes_of_the_user_cannot_look_into_it(started):
    process = Path(f"/proc/{started._process.pid}")
    assert process.joinpath("environ").stat().st_uid == 0  # not dumpable: proc(5)
    status = process.joinpath("status").read_text()
    assert "NoNewPrivs:\t1" in status
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            process.joinpath("mem").open("rb")


def test_it_holds_no_descriptor_of_the_runner_but_the_socket(folder, tmp_path):
    with (tmp_path / "secret").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        with Signer.start(folder, (Role.LIFECYCLE,)) as handle:
            if os.geteuid() == 0:
                links = Path(f"/proc/{handle._process.pid}/fd").iterdir()
                assert not any("secret" in str(link.readlink()) for link in links)


def test_the_runner_never_holds_private_bytes(started, folder):
    secrets = [
        base64.b64decode("".join(pem.read_text().splitlines()[1:-1]))
        for pem in folder.glob("*.pem")
    ]
    assert secrets
    held = repr([started.public, started._socket, started._process.args])
    assert not any(repr(secret) in held for secret in secrets)


# Heads of logs ------------------------------------------------------------------------

HEAD = Head(origin="loans/log", size=3, root=bytes(32))


def test_the_lifecycle_key_signs_heads_of_logs(started, world):
    note = HEAD.to_text() + b"\n" + started.sign_head(Role.LIFECYCLE, HEAD.to_text())
    check = signed_by(signer.HEAD_SIGNER, [world.lifecycle.public])
    check(parse_note(note))
    assert parse_note(note).head == HEAD


def test_the_release_key_signs_no_heads(started):
    with pytest.raises(TrustError, match="may not sign heads"):
        started.sign_head(Role.RELEASE, HEAD.to_text())


def test_a_head_needs_a_role_that_was_loaded(folder):
    with (
        Signer.start(folder, (Role.RELEASE,)) as handle,
        pytest.raises(UsageError, match="may not sign as lifecycle"),
    ):
        handle.sign_head(Role.LIFECYCLE, HEAD.to_text())


def test_what_envelopes_sign_is_never_taken_for_a_head(started, world):
    # the same key signs both, so that neither text may pass for the other
    text = dsse.pae(PAYLOAD_TYPE, step_statement(world.steps[0]))
    for odd in (text, text + b"\n1\nAAAA\n", b"", b"x"):
        with pytest.raises(ArtifactError):
            started.sign_head(Role.LIFECYCLE, odd)


# What it signs ------------------------------------------------------------------------


@pytest.fixture
def pairs(folder):
    return load_keys(folder, STATEMENT_ROLES)


def test_every_subject_needs_its_path_and_no_other(world, pairs):
    step = world.steps[2]
    payload = step_statement(step)
    given_paths = paths(world, step.products)
    for odd in (
        {name: path for name, path in given_paths.items() if name != "model.onnx"},
        given_paths | {"more": world.folder},
        {},
    ):
        with pytest.raises(TrustError, match="do not match"):
            sign_checked(payload, odd, Role.LIFECYCLE, pairs)


def test_a_changed_folder_is_refused(world, pairs):
    step = world.steps[2]
    (world.folder / "plots/new.svg").write_bytes(b"")
    with pytest.raises(TrustError, match="plots/"):
        sign_checked(step_statement(step), paths(world, step.products), Role.LIFECYCLE, pairs)


def test_links_are_refused(world, pairs):
    step = world.steps[2]
    given_paths = paths(world, step.products)
    (world.folder / "link.onnx").symlink_to("model.onnx")
    (world.folder / "link").symlink_to("plots")
    for name, link in (("model.onnx", "link.onnx"), ("plots/", "link")):
        with pytest.raises(ArtifactError, match=r"regular|symbolic"):
            sign_checked(
                step_statement(step),
                given_paths | {name: world.folder / link},
                Role.LIFECYCLE,
                pairs,
            )


def test_a_role_without_a_key_signs_nothing(world, pairs):
    with pytest.raises(TrustError, match="may not sign"):
        sign_checked(release_statement(world.release()), {}, Role.RELEASE, {})


def test_an_unknown_predicate_is_refused(world, pairs):
    payload = statement({"model.onnx": world.tests[0].digest}, "urn:other", {})
    for role in STATEMENT_ROLES:
        with pytest.raises(TrustError, match="may not sign"):
            sign_checked(payload, paths(world, ["model.onnx"]), role, pairs)


@given(data=st.binary(max_size=60))
def test_bytes_that_are_no_statement_are_refused(data):
    with pytest.raises(ArtifactError):
        sign_checked(data, {}, Role.LIFECYCLE, {Role.LIFECYCLE: generate()})


# The wire -----------------------------------------------------------------------------


def conversation(pairs, *requests):
    """What `serve` answers to each request, with its greeting first."""
    ours, theirs = socket.socketpair()
    worker = threading.Thread(target=serve, args=(theirs, pairs))
    with ours, theirs:
        worker.start()
        answers = [receive_frame(ours).values]
        for request in requests:
            send_frame(ours, request)
            answers.append(receive_frame(ours).values)
        ours.shutdown(socket.SHUT_WR)
        worker.join()
    return answers


def test_errors_are_answers_and_the_conversation_goes_on(pairs, world):
    step = world.steps[0]
    good = {
        "role": "lifecycle",
        "paths": {name: str(world.folder / name) for name in step.products},
        "statement": base64.b64encode(step_statement(step)).decode(),
    }
    greeting, *answers = conversation(
        pairs, {}, good | {"role": "boss"}, good | {"statement": "=="}, good | {"x": 1}, good
    )
    assert set(greeting["public"]) == {"lifecycle", "release"}
    assert [set(answer) for answer in answers] == [{"error"}] * 4 + [{"envelope"}]
    assert {answer["error"]["class"] for answer in answers[:4]} == {"ArtifactError"}


def test_heads_are_signed_over_the_same_wire(pairs):
    head = {"head": base64.b64encode(HEAD.to_text()).decode(), "role": "lifecycle"}
    _, *answers = conversation(
        pairs, head, head | {"role": "release"}, head | {"head": "eA=="}, head | {"paths": {}}
    )
    assert [set(answer) for answer in answers] == [{"line"}] + [{"error"}] * 3


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", signer.MAX_FRAME_BYTES + 1),
        b"\x00\x00",
        struct.pack(">I", 10) + b"{}",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"{{",
    ],
)
def test_broken_frames_are_refused(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ArtifactError):
            receive_frame(ours)


def test_a_frame_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(signer, "MAX_FRAME_BYTES", 10)
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ArtifactError, match="too much"):
        send_frame(ours, {"text": "x" * 20})


def answered(answer, pair):
    """A handle on a signer that gives this one answer."""
    ours, theirs = socket.socketpair()
    send_frame(theirs, answer)
    return Signer(public={Role.LIFECYCLE: pair.public}, _socket=ours, _process=None), theirs


def test_an_answer_that_is_not_the_asked_statement_is_refused(world):
    other = dsse.sign(b"{}", "t", [world.lifecycle]).to_bytes()
    handle, theirs = answered({"envelope": base64.b64encode(other).decode()}, world.lifecycle)
    with theirs, handle, pytest.raises(TrustError, match="answer"):
        sign_training(handle, world)


def test_a_signer_that_hangs_up_is_not_asked_again(world):
    ours, theirs = socket.socketpair()
    theirs.shutdown(socket.SHUT_WR)
    handle = Signer(public={Role.LIFECYCLE: world.lifecycle.public}, _socket=ours, _process=None)
    with theirs, handle:
        with pytest.raises(UnavailableError, match="closed the connection"):
            sign_training(handle, world)
        assert handle._socket is None


def test_an_unknown_error_becomes_an_internal_one(world):
    handle, theirs = answered({"error": {"class": "SystemExit", "message": "m"}}, world.lifecycle)
    with theirs, handle, pytest.raises(InternalError, match="m"):
        sign_training(handle, world)


# The entry point, in this process -----------------------------------------------------


def test_the_entry_point_reports_a_missing_key_and_gives_the_exit_code(tmp_path, monkeypatch):
    monkeypatch.setattr(signer, "harden", lambda: None)  # it would close the tests, too
    ours, theirs = socket.socketpair()
    with ours:
        code = signer.main([str(theirs.detach()), str(tmp_path), "lifecycle"])
        assert code == UnavailableError.exit_code
        assert receive_frame(ours).object("error").text("class") == "UnavailableError"


def test_the_entry_point_serves_until_the_other_side_closes(folder, monkeypatch):
    monkeypatch.setattr(signer, "harden", lambda: None)
    ours, theirs = socket.socketpair()
    with ours:
        ours.shutdown(socket.SHUT_WR)
        assert signer.main([str(theirs.detach()), str(folder), "lifecycle"]) == 0
        assert receive_frame(ours).object("public").text("lifecycle")


class Kernel:
    """What `ctypes` gives for the C library: records and answers calls to prctl."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def prctl(self, option, *arguments):
        self.asked.append((option, arguments[0].value))
        return self.answer


def test_the_process_is_closed_before_it_holds_a_key(monkeypatch):
    kernel = Kernel(0)
    monkeypatch.setattr(signer.ctypes, "CDLL", lambda *_, **__: kernel)
    signer.harden()
    assert kernel.asked == [(4, 0), (38, 1)]


@pytest.mark.parametrize("kernel", [Kernel(-1), object()])
def test_without_the_kernels_help_no_key_is_loaded(monkeypatch, kernel):
    monkeypatch.setattr(signer.ctypes, "CDLL", lambda *_, **__: kernel)
    with pytest.raises(TrustError, match="cannot close itself"):
        signer.harden()
