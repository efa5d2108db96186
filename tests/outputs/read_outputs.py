"""Reads every output of a real agent with the programs that servers and relying parties use.

    read_outputs.py JKEYS

A leader and an agent run in a scratch folder. Their files are read by openssl, keytool, Java, npm jose and PyJWT; what one of them signs
with a private half, the others verify with the published one.
"""

import json
import os
import pathlib
import sys
import tempfile

import jwt

from fleet import Fleet, run

HERE = pathlib.Path(__file__).parent
PROFILES = {
    "rsa": 'alg = "RS256"\nbits = 2048',
    "pss": 'alg = "PS256"\nbits = 2048',
    "p256": 'alg = "ES256"',
    "p384": 'alg = "ES384"',
    "edwards": 'alg = "Ed25519"',
    "encrypted": 'use = "enc"\nalg = "ECDH-ES"',
}


def fleet_with_outputs(jkeys, folder):
    """Every output, each with a copy."""
    password = folder / "password"
    password.write_text("a password of the tests\n")
    (folder / "place").mkdir(mode=0o755)
    (folder / "place" / "pem").mkdir(mode=0o755)

    def output(form, path, more=""):
        return f'[[output]]\nformat = "{form}"\npath = "{path}"\ncopy_to = "{folder}/place/{path}"\n{more}\n'

    outputs = (
        output("jwks", "certified.json", "x5c = true"),
        output("private-jwks", "private.json"),
        output("pem", "pem"),
        output("pkcs12", "keys.p12", f'password_file = "{password}"'),
    )
    return Fleet(jkeys, folder, PROFILES, "".join(outputs)), password


def read_pem(view, kid):
    """OpenSSL takes the private key and the certificate, and they belong together."""
    pem = view / "pem" / f"{kid}.pem"
    run("openssl", "pkey", "-in", pem, "-check", "-noout")
    ours = run("openssl", "pkey", "-in", pem, "-pubout")
    assert ours == run("openssl", "x509", "-in", pem, "-pubkey", "-noout"), f"{pem}: the certificate is another key's"
    assert run("openssl", "x509", "-in", pem, "-noout", "-subject").strip() == f"subject=CN = {kid}", kid


def read_pkcs12(store, password, kids):
    """OpenSSL and keytool find every key, by its kid, and nothing else."""
    opened = run("openssl", "pkcs12", "-in", store, "-passin", f"file:{password}", "-nodes")
    assert opened.count("BEGIN PRIVATE KEY") == opened.count("BEGIN CERTIFICATE") == len(kids), "openssl pkcs12"
    assert all(f"friendlyName: {kid}" in opened for kid in kids), "openssl pkcs12: a key is not named by its kid"
    listed = run("keytool", "-list", "-keystore", store, "-storepass:file", password)
    assert listed.count("PrivateKeyEntry") == len(kids) and f"contains {len(kids)} entries" in listed, listed
    assert all(kid.lower() in listed for kid in kids), listed


def verify(published, tokens, signed_by):
    """PyJWT, as a relying party with the published set."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys}
    for token in tokens:
        header = jwt.get_unverified_header(token)
        key = keys[header["kid"]]
        assert jwt.decode(token, key, algorithms=[header["alg"]])["sub"] == signed_by


def main():
    jkeys = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        fleet, password = fleet_with_outputs(jkeys, pathlib.Path(scratch))
        try:
            fleet.join()
            view = fleet.folder / "agent" / "live"
            private = fleet.private_keys("private.json")
            kids = [key["kid"] for key in private]
            for kid in kids:
                read_pem(view, kid)
            copy = fleet.folder / "place" / "keys.p12"
            read_pkcs12(copy, password, kids)
            signing = [f'{key["kid"]}={key["alg"]}' for key in private if key["use"] == "sig"]
            by_java = run("java", HERE / "Sign.java", copy, password, *signing).split()
            by_node = run("node", HERE / "sign.mjs", view, *by_java).split()
            assert len(by_java) == len(signing) == 5 and len(by_node) == 10
            published = json.loads((view / "certified.json").read_text())
            verify(published, by_java, "java")
            verify(published, by_node, "node")
            for token in by_java:
                explained = run(jkeys, "--config", fleet.folder / "leader.toml", "explain", "-", input=token)
                assert "signature       verifies" in explained, explained
        finally:
            fleet.stop()
    print(f"outputs: ok: {len(kids)} keys read by openssl, keytool, Java, jose and PyJWT; {len(by_java) + len(by_node)} tokens verified")


main()
