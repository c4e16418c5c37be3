"""Tokens of an identity provider: what is believed, and every way around that is known."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
from typing import ClassVar

import pytest

from hauberk.errors import HauberkError, UnavailableError, UsageError
from hauberk.formats.http import json_call
from hauberk.guard import token_keys
from hauberk.guard.app import App
from hauberk.guard.desk import Surroundings
from hauberk.guard.identity import DEFAULT_ROLE, Keyring, Ways, keyring_of, new_key
from hauberk.guard.loopback import InProcess
from hauberk.guard.service import open_service
from hauberk.guard.token_keys import KeyCache, Source, fetched, key_set_of
from hauberk.guard.tokens import Tokens, open_tokens, settings_of

jwt = pytest.importorskip("jwt")
ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")

ISSUER = "https://id.example.org/realm"
NOW = 1_800_000_000
INFER = "/v2/models/classifier/infer"
BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
CLAIMS = {
    "iss": ISSUER,
    "aud": "loans",
    "sub": "u-17",
    "iat": NOW - 10,
    "exp": NOW + 300,
    "realm_access": {"roles": ["offline", "analyst"]},
}
SETTINGS = {
    "schema": 1,
    "issuer": ISSUER,
    "audience": "loans",
    "jwks": "keys.json",
    "role_claim": "realm_access.roles",
    "roles": {"chief": "partner", "analyst": "reader"},
}


@pytest.fixture(scope="module")
def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def other_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def public(key, name, **more):
    kind = jwt.algorithms.RSAAlgorithm if hasattr(key, "decrypt") else jwt.algorithms.ECAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": name} | more


def write(folder, *keys, **changes):
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    (folder / "tokens.json").write_text(json.dumps(SETTINGS | changes))
    return folder / "tokens.json"


def sign(key, claims=CLAIMS, algorithm="RS256", kid="r1", **header):
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, **header})


@pytest.fixture
def believer(tmp_path, rsa_key, ec_key):
    return opened(write(tmp_path, public(rsa_key, "r1"), public(ec_key, "e1")))


def opened(file, clock=lambda: NOW):
    settings = settings_of(file.read_bytes())
    source = settings.source(file.parent)
    cache = KeyCache(source=source, algorithms=settings.algorithms, say=lambda _: None)
    cache.load()
    return Tokens(settings, cache, clock=clock)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_of_the_issuer_names_its_subject_and_its_role(believer, rsa_key, ec_key):
    first = believer.who(sign(rsa_key))
    second = believer.who(sign(ec_key, algorithm="ES256", kid="e1"))
    assert first == second
    assert (first.principal[:6], first.role) == ("token:", "reader")


def test_the_first_line_of_the_table_wins(believer, rsa_key):
    claims = CLAIMS | {"realm_access": {"roles": ["analyst", "chief"]}}
    assert believer.who(sign(rsa_key, claims)).role == "partner"


@pytest.mark.parametrize("held", [None, 7, {"roles": 7}, {"roles": {"analyst": 1}}, {"roles": []}])
def test_a_token_without_a_role_of_the_table_has_the_default_one(believer, rsa_key, held):
    assert believer.who(sign(rsa_key, CLAIMS | {"realm_access": held})).role == DEFAULT_ROLE


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.example.org/other"},
        {"iss": ISSUER + "/"},
        {"aud": "others"},
        {"aud": []},
        {"aud": None},
        {"sub": ""},
        {"sub": None},
        {"exp": NOW - 61},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e300},
        {"nbf": NOW + 120},
        {"nbf": "now"},
        {"iat": NOW + 120},
        {"iat": NOW - 10, "exp": NOW + 10 * 86_400},
        {"iat": None, "exp": NOW + 10 * 86_400},
    ],
)
def test_claims_that_are_not_for_this_door_now_are_not_believed(believer, rsa_key, changes):
    claims = {name: item for name, item in (CLAIMS | changes).items() if item is not None}
    text = ".".join((part({"alg": "RS256", "kid": "r1"}), part(claims)))
    padding = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.padding")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    signature = rsa_key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    token = f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert believer.who(token) is None


def test_clocks_may_be_a_little_apart(believer, rsa_key):
    assert believer.who(sign(rsa_key, CLAIMS | {"exp": NOW - 30}))
    assert believer.who(sign(rsa_key, CLAIMS | {"iat": NOW + 30, "nbf": NOW + 30}))


def test_a_token_that_was_believed_ends_all_the_same(tmp_path, rsa_key):
    now = [NOW]
    tokens = opened(write(tmp_path, public(rsa_key, "r1")), clock=lambda: now[0])
    token = sign(rsa_key)
    assert tokens.who(token)
    now[0] = NOW + 361
    assert tokens.who(token) is None


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_a_token_that_nobody_signed_is_not_believed(believer, name, signature):
    head = part({"alg": name, "typ": "JWT", "kid": "r1"})
    assert believer.who(f"{head}.{part(CLAIMS)}.{signature}") is None


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "modulus"])
@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(believer, rsa_key, name, form):
    serial = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    encoding = serial.Encoding.PEM if form == "pem" else serial.Encoding.DER
    secret = rsa_key.public_key().public_bytes(encoding, serial.PublicFormat.SubjectPublicKeyInfo)
    if form in ("jwk", "modulus"):
        jwk = public(rsa_key, "r1")
        secret = json.dumps(jwk).encode() if form == "jwk" else jwk["n"].encode()
    text = f"{part({'alg': name, 'kid': 'r1'})}.{part(CLAIMS)}"
    mac = hmac.new(secret, text.encode(), getattr(hashlib, "sha" + name[2:])).digest()
    token = f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert believer.who(token) is None


def test_a_key_is_for_its_own_algorithm_only(tmp_path, rsa_key):
    file = write(tmp_path, public(rsa_key, "r1", alg="RS256"), algorithms=["RS256", "PS256"])
    tokens = opened(file)
    assert tokens.who(sign(rsa_key))
    assert tokens.who(sign(rsa_key, algorithm="PS256")) is None


def test_an_algorithm_that_is_not_pinned_is_not_believed(believer, rsa_key):
    assert believer.who(sign(rsa_key, algorithm="RS512")) is None


def test_a_key_inside_a_token_is_never_used(believer, other_key):
    own = public(other_key, "r1")
    assert believer.who(sign(other_key, jwk=own)) is None
    assert believer.who(sign(other_key, jku="https://thief.example.org/keys", kid="t")) is None
    assert believer.who(sign(other_key, x5u="file:///etc/passwd", kid="../../keys")) is None


def test_critical_extensions_and_other_kinds_of_token_are_not_believed(believer, rsa_key):
    assert believer.who(sign(rsa_key, crit=["exp"])) is None
    assert believer.who(sign(rsa_key, typ="secevent+jwt")) is None


def test_a_changed_claim_breaks_the_signature(believer, rsa_key):
    head, _, signature = sign(rsa_key).split(".")
    claims = CLAIMS | {"realm_access": {"roles": ["chief"]}}
    assert believer.who(f"{head}.{part(claims)}.{signature}") is None


@pytest.mark.parametrize(
    "token",
    ["..", "a.b.c", "é.é.é", "." * 9000, "e30.e30.e30", "bnVsbA.bnVsbA.", "W10.W10.W10", "a.b.c.d"],
)
def test_garbage_is_nobody(believer, token):
    assert believer.who(token) is None


def test_deep_nesting_in_a_header_is_nobody(believer):
    deep = base64.urlsafe_b64encode(b"[" * 4000).decode()
    assert believer.who(f"{deep}.e30.e30") is None


def test_two_keys_of_one_kind_need_a_name_in_the_token(tmp_path, rsa_key, other_key):
    tokens = opened(write(tmp_path, public(rsa_key, "r1"), public(other_key, "r2")))
    assert tokens.who(sign(rsa_key))
    assert tokens.who(jwt.encode(CLAIMS, rsa_key, algorithm="RS256")) is None


# Keys of the issuer ---------------------------------------------------------------------


def test_keys_change_without_a_new_start(tmp_path, rsa_key, other_key):
    file = write(tmp_path, public(rsa_key, "r1"))
    tokens = opened(file)
    assert tokens.who(sign(other_key, kid="r2")) is None
    write(tmp_path, public(other_key, "r2"))
    assert tokens.cache.look()
    assert tokens.who(sign(other_key, kid="r2"))
    assert tokens.who(sign(rsa_key)) is None


def test_an_unknown_name_asks_for_an_early_look(tmp_path, rsa_key, other_key):
    file = write(tmp_path, public(rsa_key, "r1"))
    settings = settings_of(file.read_bytes())
    looked = threading.Event()
    cache = KeyCache(
        source=settings.source(tmp_path),
        algorithms=settings.algorithms,
        refresh_s=3600,
        early_s=0.01,
        say=lambda line: "changed" in line and looked.set(),
    )
    cache.load()
    write(tmp_path, public(other_key, "r2"))
    cache.start()
    tokens = Tokens(settings, cache, clock=lambda: NOW)
    try:
        assert tokens.who(sign(other_key, kid="r2")) is None
        assert looked.wait(60)
    finally:
        cache.end()
    assert tokens.who(sign(other_key, kid="r2"))


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": 1}', "[]", "\x00"])
def test_a_broken_set_of_keys_changes_nothing_and_is_said(tmp_path, rsa_key, text):
    file = write(tmp_path, public(rsa_key, "r1"))
    tokens = opened(file)
    said = []
    tokens.cache.say = said.append
    (tmp_path / "keys.json").write_text(text)
    assert not tokens.cache.look()
    assert tokens.who(sign(rsa_key))
    assert said[0].startswith("ALARM: the keys") or said[0].startswith("ALARM:")


def test_keys_that_cannot_be_had_for_too_long_are_believed_no_more(tmp_path, rsa_key):
    tokens = opened(write(tmp_path, public(rsa_key, "r1")))
    token = sign(rsa_key)
    assert tokens.who(token)
    at = tokens.cache.clock()
    tokens.cache.clock = lambda: at + tokens.cache.stale_s + 1
    assert tokens.who(token) is None


def test_secrets_in_a_published_set_refuse_it(rsa_key):
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key)) | {"kid": "r1"}
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}
    for item in (private, shared):
        data = json.dumps({"keys": [public(rsa_key, "r0"), item]}).encode()
        with pytest.raises(UsageError, match="keys of the issuer"):
            key_set_of(data, frozenset({"RS256"}))


def test_a_weak_key_refuses_the_set():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(UsageError):
        key_set_of(json.dumps({"keys": [public(weak, "w")]}).encode(), frozenset({"RS256"}))


def test_keys_for_encryption_are_passed_over(rsa_key, ec_key):
    data = json.dumps({"keys": [public(rsa_key, "r", use="enc"), public(ec_key, "e")]}).encode()
    assert [key.name for key in key_set_of(data, frozenset({"RS256", "ES256"}))] == ["e"]


def test_one_name_for_two_keys_is_refused(rsa_key, ec_key):
    data = json.dumps({"keys": [public(rsa_key, "x"), public(ec_key, "x")]}).encode()
    with pytest.raises(UsageError):
        key_set_of(data, frozenset({"RS256", "ES256"}))


class _Issuer(http.server.BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_GET(self):
        status, body = self.pages.get(self.path, (404, b""))
        self.send_response(status)
        if status == 302:
            self.send_header("location", body.decode())
            body = b""
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def issuer():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Issuer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Issuer.pages = {}
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_issuer_is_asked_where_its_keys_are(issuer, rsa_key):
    keys = json.dumps({"keys": [public(rsa_key, "r1")]}).encode()
    about = json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode()
    _Issuer.pages = {"/.well-known/openid-configuration": (200, about), "/keys": (200, keys)}
    assert Source(issuer=issuer).read() == keys


def test_an_issuer_that_speaks_for_another_is_refused(issuer):
    about = json.dumps({"issuer": "https://other", "jwks_uri": f"{issuer}/keys"}).encode()
    _Issuer.pages = {"/.well-known/openid-configuration": (200, about)}
    with pytest.raises(UsageError):
        Source(issuer=issuer).read()


def test_a_redirect_or_a_flood_is_no_set_of_keys(issuer):
    _Issuer.pages = {"/a": (302, b"/b"), "/b": (200, b"{}"), "/c": (200, b" " * (1 << 20))}
    for path in ("/a", "/c", "/none"):
        with pytest.raises(UnavailableError):
            fetched(issuer + path)


@pytest.mark.parametrize(
    "url", ["http://id.example.org/keys", "file:///etc/passwd", "ftp://x", "https://u:p@h/"]
)
def test_keys_are_asked_for_over_tls_only(url):
    with pytest.raises(UsageError, match="keys of the issuer"):
        token_keys.check_address(url)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"issuer": ""},
        {"audience": None},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"algorithms": "RS256"},
        {"leeway_s": -1},
        {"leeway_s": "1"},
        {"roles": ["analyst"]},
        {"roles": {"analyst": ""}},
        {"verify": False},
    ],
)
def test_settings_that_would_weaken_the_door_are_refused(changes):
    with pytest.raises(HauberkError):
        settings_of(json.dumps(SETTINGS | changes).encode())


def test_a_door_without_the_issuers_keys_does_not_open(tmp_path):
    (tmp_path / "tokens.json").write_text(json.dumps(SETTINGS))
    with pytest.raises(UnavailableError):
        open_tokens(tmp_path / "tokens.json", lambda _: None)


# At the door ----------------------------------------------------------------------------


def test_keys_and_tokens_open_one_door(classifier, believer, rsa_key):
    key, line = new_key("alice")
    ways = Ways(keys=keyring_of(line), tokens=believer)
    door = InProcess(app=App(open_service(classifier, Surroundings(keyring=ways)), None))

    def status(credential):
        headers = {} if credential is None else {"authorization": credential}
        return door.call(json_call(INFER, BODY, headers)).status

    assert status(f"Bearer {key}") == 200
    assert status(f"Bearer {sign(rsa_key)}") == 200
    for wrong in (None, "", f"Bearer {key}x", "Bearer a.b.c", f"Basic {key}", sign(rsa_key)):
        assert status(wrong) == 401


def test_without_keys_a_door_with_tokens_is_closed(believer):
    ways = Ways(keys=Keyring(), tokens=believer)
    assert ways.who(None) is None
    assert ways.who("Bearer whatever") is None
