"""Keys in a token, step by step; runs in an environment with python-pkcs11."""

import json
import os
import sys
from pathlib import Path

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
from securesystemslib.signer import HSMSigner

from hauberk.cli import main as hauberk
from hauberk.trust.keys import generate


def make_key(label, pin):
    token = pkcs11.lib(os.environ["PYKCS11LIB"]).get_token(token_label=label)
    with token.open(rw=True, user_pin=pin) as session:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        params = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        params.generate_keypair(store=True, label="model", id=bytes([2]))
    return HSMSigner.import_(2, label)


def main(folder, label, pin):
    folder = Path(folder)
    uri, key = make_key(label, pin)
    (folder / "token.pub").write_text(key.keyval["public"])
    (folder / "other.pub").write_text(generate().public.pem)
    model = folder / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    secret = folder / "pin"
    secret.write_text(pin + "\n")
    secret.chmod(0o600)
    os.environ["HAUBERK_PIN_FILE"] = str(secret)
    wrong = folder / "wrong"
    wrong.write_text("000000")
    wrong.chmod(0o600)

    def sign(uri, public="token.pub"):
        return hauberk(["sign", str(model), "--signer", uri, "--public-key", str(folder / public)])

    found = {
        "sign": sign(uri),
        "verify": hauberk(["verify", str(model), "--key", str(folder / "token.pub")]),
        "verify with another key": hauberk(
            ["verify", str(model), "--key", str(folder / "other.pub")]
        ),
        "another public key": sign(uri, "other.pub"),
        "no such token": sign("hsm:2?label=nothing"),
        "no such key": sign(f"hsm:9?label={label}"),
        "no number": sign(f"hsm:x?label={label}"),
        "cloud without its library": sign("awskms:alias/x"),
    }
    registry = str(folder / "registry")
    where = ["--registry", registry, "--signer", uri, "--public-key", str(folder / "token.pub")]
    card = str(folder / "token.card")
    found["registry"] = hauberk(["registry", "init", "--name", "acme", "--registry", registry])
    names = ["--custodian", "ada", "--machine", "token"]
    found["card"] = hauberk(
        ["registry", "key", *names, "--public-key", str(folder / "token.pub"), "--out", card]
    )
    found["grant"] = hauberk(["registry", "grant", card, "--registry", registry])
    found["sign roles"] = hauberk(["registry", "sign", "root", "targets", *where])
    os.environ["HAUBERK_PIN_FILE"] = str(wrong)
    found["wrong pin"] = sign(uri)
    wrong.chmod(0o644)
    found["open pin"] = sign(uri)
    os.environ["HAUBERK_PIN_FILE"] = str(secret)
    del os.environ["PYKCS11LIB"]
    found["no library of the token"] = sign(uri)
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
