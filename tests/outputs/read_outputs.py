"""Reads every output of a real agent with the programs that servers and relying parties use.

    read_outputs.py JKEYS

A leader and an agent run in a scratch folder. Their files are read by openssl, keytool, Java, npm jose and PyJWT; what one of them signs
with a private half, the others verify with the published one.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import jwt

HERE = pathlib.Path(__file__).parent
PROFILES = {
    "rsa": 'alg = "RS256"\nbits = 2048',
    "pss": 'alg = "PS256"\nbits = 2048',
    "p256": 'alg = "ES256"',
    "p384": 'alg = "ES384"',
    "edwards": 'alg = "Ed25519"',
    "encrypted": 'use = "enc"\nalg = "ECDH-ES"',
}
WAITS_FOR = 60


def run(*words, **options):
    """What a command says; it must succeed."""
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if ended.returncode != 0:
        sys.exit(f"outputs: {words[0]} failed: {' '.join(map(str, words))}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def until(what, is_so):
    """Waits until something is so, and returns it."""
    end = time.monotonic() + WAITS_FOR
    while time.monotonic() < end:
        try:
            found = is_so()
        except (OSError, ValueError):
            found = None
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"outputs: {what} did not come within {WAITS_FOR} s")


class Fleet:
    """A leader and one agent with every output, in a scratch folder."""

    def __init__(self, jkeys, folder):
        self.jkeys, self.folder, self.processes = jkeys, folder, []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.password = folder / "password"
        self.password.write_text("a password of the tests\n")
        (folder / "place").mkdir(mode=0o755)
        (folder / "place" / "pem").mkdir(mode=0o755)
        profiles = "".join(f'[[profile]]\nname = "{name}"\n{rest}\n' for name, rest in PROFILES.items())
        (folder / "leader.toml").write_text(
            f'listen = "127.0.0.1:{self.port}"\nadvertise = ["127.0.0.1:{self.port}"]\nstate_dir = "{folder}/leader"\n'
            f'master_key_file = "{folder}/master.key"\nadmin_socket = "{folder}/leader.sock"\nadmin_group = ""\n{profiles}'
        )
        (folder / "agent.toml").write_text(
            f'state_dir = "{folder}/agent"\n'
            + self.output("jwks", "certified.json", "x5c = true")
            + self.output("private-jwks", "private.json")
            + self.output("pem", "pem")
            + self.output("pkcs12", "keys.p12", f'password_file = "{self.password}"')
        )

    def output(self, form, path, more=""):
        return f'[[output]]\nformat = "{form}"\npath = "{path}"\ncopy_to = "{self.folder}/place/{path}"\n{more}\n'

    def leader(self, *words):
        return run(self.jkeys, "--config", self.folder / "leader.toml", *words)

    def start(self, role):
        log = open(self.folder / f"{role}.log", "w", encoding="utf-8")
        command = [self.jkeys, "--config", str(self.folder / f"{role}.toml"), role]
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def join(self):
        self.leader("init", "leader", "--dir", self.folder)
        self.start("leader")
        until("the leader's socket", (self.folder / "leader.sock").exists)
        token = json.loads(self.leader("node", "token", "node", "--json"))["token"]
        run(self.jkeys, "--config", self.folder / "agent.toml", "enroll", "-", input=token)
        self.start("agent")
        until("the confirmation of the node", self.has_confirmed)

    def has_confirmed(self):
        status = json.loads(self.leader("status", "--json"))
        confirmed = [node["confirmed"] == status["generation"] for node in status["nodes"]]
        return confirmed == [True] and len(self.private_keys("private.jwks.json")) == len(PROFILES)

    def private_keys(self, name):
        return json.loads((self.folder / "agent" / "live" / name).read_text())["keys"]


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
        fleet = Fleet(jkeys, pathlib.Path(scratch))
        try:
            fleet.join()
            view = fleet.folder / "agent" / "live"
            private = fleet.private_keys("private.json")
            kids = [key["kid"] for key in private]
            for kid in kids:
                read_pem(view, kid)
            copy = fleet.folder / "place" / "keys.p12"
            read_pkcs12(copy, fleet.password, kids)
            signing = [f'{key["kid"]}={key["alg"]}' for key in private if key["use"] == "sig"]
            by_java = run("java", HERE / "Sign.java", copy, fleet.password, *signing).split()
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
