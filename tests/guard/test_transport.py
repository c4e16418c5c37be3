"""TLS on the guard's own door, and clients that are known by their certificates."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import socket
import ssl

import pytest

from hauberk.errors import UsageError
from hauberk.guard import server
from hauberk.guard.app import App
from hauberk.guard.desk import Surroundings
from hauberk.guard.identity import Keyring, Register, Ways, keyring_of, new_key, register_of
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.reloading import Reloader
from hauberk.guard.service import open_service
from hauberk.guard.transport import DoorFiles, peer_names
from hauberk.range.worlds import served

x509 = pytest.importorskip("cryptography.x509")
ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
serial = pytest.importorskip("cryptography.hazmat.primitives.serialization")

INFER = "/v2/models/classifier/infer"
BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
FAR_OFF = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


class Authority:
    """Signs certificates for one test."""

    def __init__(self, folder, name):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self._begun(self.name, self.key.public_key(), self.name)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = dict.fromkeys(
            [
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ],
            False,
        )
        made = made.add_extension(x509.KeyUsage(**usage | {"key_cert_sign": True}), critical=True)
        self.file = self._written(f"{name}.pem", made.sign(self.key, hashes.SHA256()))

    def _begun(self, subject, public_key, issuer):
        identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(LONG_AGO)
            .not_valid_after(FAR_OFF)
            .add_extension(identifier, critical=False)
        )

    def _written(self, name, cert, key=None):
        data = cert.public_bytes(serial.Encoding.PEM)
        if key is not None:
            data += key.private_bytes(
                serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.NoEncryption()
            )
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def issue(self, file, *names, common="somebody"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
        made = self._begun(subject, key.public_key(), self.name)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = made.add_extension(issuer, critical=False)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._written(file, made.sign(self.key, hashes.SHA256()), key)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "ca")


@pytest.fixture
def door_cert(authority):
    return authority.issue("door.pem", x509.DNSName("localhost"))


@pytest.fixture
def opened(tmp_path, door_cert):
    """Opens a door that speaks TLS; a stack closes it."""
    policy = GuardPolicy(header_timeout_s=60.0)
    bundle = served.write_classifier(tmp_path / "b", policy)
    with contextlib.ExitStack() as stack:

        def open_door(ways=None, patience_s=60.0, **files):
            policy = GuardPolicy(header_timeout_s=patience_s)
            tls = DoorFiles(cert=door_cert, **files).open()
            app = App(open_service(bundle, Surroundings(keyring=ways or Keyring())))
            return stack.enter_context(server.running(app, policy, tls=tls)).door.port

        yield open_door


def ask(port, authority, cert=None, key=None):
    context = ssl.create_default_context(cafile=authority.file)
    if cert is not None:
        context.load_cert_chain(cert)
    client = http.client.HTTPSConnection("localhost", port, context=context, timeout=60)
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    try:
        client.request("POST", INFER, BODY, headers)
        return client.getresponse().status
    except (ssl.SSLError, ConnectionError):
        return 0
    finally:
        client.close()


def test_a_door_speaks_tls(opened, authority):
    assert ask(opened(), authority) == 200


def test_a_door_with_tls_does_not_speak_without(opened, authority):
    with socket.create_connection(("127.0.0.1", opened()), timeout=60) as raw:
        raw.sendall(b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionError):  # as the system tells it
            said = raw.recv(4096)
        assert b"200" not in said


def test_a_handshake_that_does_not_come_is_given_up(opened):
    port = opened(patience_s=0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        assert raw.recv(10) == b""


def test_old_versions_of_tls_are_refused(door_cert):
    assert DoorFiles(cert=door_cert).open().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_of_the_authority_opens_the_door(opened, authority):
    cert = authority.issue("alice.pem", x509.DNSName("alice.example.org"))
    port = opened(Ways(register=Register()), client_ca=authority.file)
    assert ask(port, authority, cert) == 200


def test_without_a_certificate_the_handshake_ends(opened, authority):
    port = opened(Ways(register=Register()), client_ca=authority.file)
    assert ask(port, authority) == 0


def test_a_certificate_of_another_authority_of_the_same_name_is_refused(
    opened, authority, tmp_path
):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "ca")
    cert = other.issue("alice.pem", x509.DNSName("alice.example.org"))
    port = opened(Ways(register=Register()), client_ca=authority.file)
    assert ask(port, authority, cert) == 0


def test_only_listed_certificates_open_a_door_with_a_list(opened, authority):
    alice = authority.issue("alice.pem", x509.DNSName("alice.example.org"))
    mallory = authority.issue("m.pem", x509.DNSName("m.example.org"), common="alice.example.org")
    register = register_of("alice DNS:alice.example.org partner\nold CN:alice.example.org\n")
    port = opened(Ways(register=register), client_ca=authority.file)
    assert [ask(port, authority, cert) for cert in (alice, mallory)] == [200, 401]


def test_a_key_that_is_not_known_is_not_saved_by_a_certificate(opened, authority):
    key, line = new_key("alice")
    cert = authority.issue("alice.pem", x509.DNSName("alice.example.org"))
    ways = Ways(keys=keyring_of(line), register=Register())
    port = opened(ways, client_ca=authority.file)
    assert [ask(port, authority, cert, k) for k in (key, "wrong", None)] == [200, 401, 200]


def test_another_certificate_is_shown_without_a_new_start(tmp_path, authority, door_cert):
    files = DoorFiles(cert=door_cert)
    tls = files.open()
    policy = GuardPolicy()
    service = open_service(served.write_classifier(tmp_path / "b", policy))
    app = App(service)
    said = []
    reloader = Reloader(app, service, say=said.append)
    reloader.watch_certificate(files, tls)
    with server.running(app, policy, tls=tls) as running:
        before = _shown(running.door.port)
        door_cert.write_text("no certificate")
        reloader.look()
        assert _shown(running.door.port) == before
        authority.issue("door.pem", x509.DNSName("localhost"))
        reloader.look()
        assert _shown(running.door.port) != before
        assert ask(running.door.port, authority) == 200
    assert said[0].startswith("ALARM: the certificate of the door")


def _shown(port):
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=60)


def test_a_key_of_another_certificate_is_refused(authority, door_cert):
    other = authority.issue("other.pem")
    with pytest.raises(UsageError, match="certificates of the door"):
        DoorFiles(cert=door_cert, key=other).open()


@pytest.mark.parametrize(
    "text", ["", "# none\n", "alice", "alice alice.example.org", "a IP:1.2.3.4"]
)
def test_a_broken_list_of_certificates_is_refused(text):
    with pytest.raises(UsageError, match="list of certificates"):
        register_of(text)


def test_a_name_twice_in_a_list_is_refused():
    with pytest.raises(UsageError):
        register_of("a DNS:x\nb DNS:x\n")


def test_the_common_name_counts_only_without_alternative_names():
    subject = ((("commonName", "alice"),),)
    assert peer_names({"subject": subject}) == ("CN:alice",)
    both = {"subject": subject, "subjectAltName": (("DNS", "b"), ("URI", "spiffe://x/y"))}
    assert peer_names(both) == ("URI:spiffe://x/y", "DNS:b")
    assert peer_names({"subject": subject, "subjectAltName": (("IP Address", "::1"),)}) == ()
    assert peer_names(None) == ()


def test_a_certificate_without_a_name_is_nobody():
    assert Ways(register=Register()).who(None, ()) is None
