"""Real relying parties against a scratch cluster: `jkeys dev`, ten rotations of each profile, one emergency rotation.

    drive_dev.py JKEYS              both readers must verify every token
    drive_dev.py --expect-failure JKEYS     without rule R1 the strict reader must fail; JKEYS has the feature `mutants`

It serves the JWKS of every node, tokens signed from every node's private file, and opens what is encrypted, round robin.
"""

import argparse
import http.server
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import jwt
from jwcrypto import jwe, jwk

HERE = pathlib.Path(__file__).parent
NODES = 3
INTERVAL_SECONDS = 10
PROFILES = 2
ROTATIONS = PROFILES * 10  # ten of each
RUN_SECONDS = 118
FAILING_RUN_SECONDS = 35
TOKEN_SECONDS = 2
# Below min_prepublish, which is half of the interval; the cool-down of PyJWT is a tenth of it.
LIFESPAN_SECONDS = 4
# Half of the interval too.
DECRYPT_WINDOW_SECONDS = 5
ENCRYPTION_KEYS = 10  # so many at least are encrypted to, of two profiles
START_SECONDS = 60
ISSUER = "https://op.example"


class Node:
    """The files of one node, through its `live` link."""

    def __init__(self, folder):
        self.live = folder / "live"

    def read(self, name):
        """A file of the view that is live. A view that goes away in between is looked for again."""
        for _ in range(100):
            try:
                view = os.open(self.live, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                with open(os.open(name, os.O_RDONLY, dir_fd=view), "rb") as file:
                    return file.read()
            except FileNotFoundError:
                continue
            finally:
                os.close(view)
        raise FileNotFoundError(f"{self.live}/{name}")

    def keys(self, use):
        return [key for key in json.loads(self.read("private.jwks.json"))["keys"] if key["use"] == use]

    def tokens(self):
        """One token of each key that the node signs with."""
        # A token counts from the moment before its key was read: it lived on the node then.
        now = time.time()
        return [token(key, now) for key in self.keys("sig")]

    def open(self, compact):
        """The text of a message that was encrypted to one of the node's keys; raises `StopIteration` where it holds no such key."""
        message = jwe.JWE()
        message.deserialize(compact)
        kid = message.jose_header["kid"]
        message.decrypt(jwk.JWK(**next(key for key in self.keys("enc") if key["kid"] == kid)))
        return message.payload


def token(jwk, now):
    claims = {"sub": "reader", "iat": now, "exp": now + TOKEN_SECONDS}
    key = jwt.PyJWK.from_dict(jwk)
    return jwt.encode(claims, key.key, algorithm=jwk["alg"], headers={"kid": jwk["kid"]})


def serve(nodes):
    """Serves `/jwks.json` and `/tokens`, and opens what is posted, each answer from the next node. Returns the server."""
    lock, sets, signers, openers = threading.Lock(), itertools.cycle(nodes), itertools.cycle(nodes), itertools.cycle(nodes)

    def following(cycle):
        with lock:
            return next(cycle)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                if self.path == "/jwks.json":
                    body = following(sets).read("jwks.json")
                else:
                    body = "\n".join(following(signers).tokens()).encode()
            except FileNotFoundError as why:
                self.send_error(503, str(why))
                return
            self.answer(body)

        def do_POST(self):
            compact = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
            try:
                self.answer(following(openers).open(compact))
            except (FileNotFoundError, StopIteration, jwe.InvalidJWEData) as why:
                self.send_error(422, f"{type(why).__name__}: {why}")

        def answer(self, body):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start_reader(script, url, seconds, *more):
    command = [sys.executable, str(HERE / script), "--jwks-url", f"{url}/jwks.json"]
    command += ["--lifespan", str(LIFESPAN_SECONDS), "--for", str(seconds), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def last_line(process):
    """The last line of a program as JSON, and its exit status, once it has ended."""
    out, _ = process.communicate(timeout=RUN_SECONDS + START_SECONDS)
    return json.loads(out.splitlines()[-1]), process.returncode


def signs_for_all_profiles(node):
    """The first key of a profile signs at once, an exception to rule R1: readers begin when each profile has had its own."""
    try:
        return len(Node(node).keys("sig")) == PROFILES
    except FileNotFoundError:
        return False


def wait_for_nodes(folder, dev):
    """Waits until every node signs for every profile."""
    end = time.monotonic() + START_SECONDS
    nodes = [folder / "agents" / f"node-{number}" for number in range(1, NODES + 1)]
    while not all(signs_for_all_profiles(node) for node in nodes):
        if dev.poll() is not None or time.monotonic() > end:
            raise SystemExit("readers: `jkeys dev` has not come up")
        time.sleep(0.1)
    return [Node(node) for node in nodes]


def rotate_now(jkeys, folder, seconds):
    """As an operator does it who is told that a key is being made, or that a node has yet to confirm one: once more in a moment."""
    command = [jkeys, "rotate", "--now", "--reason", "superseded", "--config", str(folder / "leader.toml")]
    end = time.monotonic() + seconds
    while True:
        status = subprocess.run(command, stdout=sys.stderr, timeout=60, check=False).returncode
        if status != 1 or time.monotonic() > end:
            return status
        time.sleep(1)


def historical_keys(jkeys, folder):
    """How many keys the leader names as those that were (OpenID Federation 1.0, section 8.7); the document is verified."""
    command = [jkeys, "history", "--historical-keys", ISSUER, "--config", str(folder / "leader.toml")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    document = said.stdout.strip()
    key = jwt.PyJWK.from_json(said.stderr.rsplit("signed with it: ", 1)[1])
    header = jwt.get_unverified_header(document)
    if header["typ"] != "jwk-set+jwt" or header["kid"] != key.key_id:
        raise SystemExit(f"readers: the historical keys have the header {header}")
    keys = jwt.decode(document, key.key, algorithms=["EdDSA"], issuer=ISSUER)["keys"]
    for old in keys:
        jwt.PyJWK.from_dict(old)
        if not old["iat"] < old["exp"]:
            raise SystemExit(f"readers: a historical key has the times {old}")
    return len(keys)


def drive(jkeys, folder, run_seconds, *more):
    """One run. Returns the summaries of `dev` and of the readers, each with its exit status, that of the rotation, and how many keys
    were named as those that were."""
    command = [jkeys, "dev", "--enc", "--dir", str(folder), "--interval", f"{INTERVAL_SECONDS}s", "--agents", str(NODES)]
    dev = subprocess.Popen([*command, *more, "--for", f"{run_seconds}s", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        listening = threading.Thread(target=lambda: lines.extend(dev.stdout), daemon=True)
        listening.start()
        server = serve(wait_for_nodes(folder, dev))
        url = f"http://127.0.0.1:{server.server_address[1]}"
        seconds = run_seconds - 5
        tokens = ["--tokens-url", f"{url}/tokens"]
        strict = start_reader("strict_reader.py", url, seconds, *tokens)
        pyjwt = start_reader("pyjwt_reader.py", url, seconds, *tokens, "--cooldown", str(LIFESPAN_SECONDS / 10))
        opening = ["--open-url", f"{url}/open", "--window", str(DECRYPT_WINDOW_SECONDS)]
        encrypting = start_reader("encrypting_reader.py", url, seconds, *opening)
        time.sleep(run_seconds / 2)
        # Not so long that the run ends before all has been asked.
        rotated = rotate_now(jkeys, folder, run_seconds / 6)
        historical = historical_keys(jkeys, folder)
        readers = [last_line(strict), last_line(pyjwt), last_line(encrypting)]
        dev.wait(timeout=START_SECONDS)
        # Its last line is in the list once the listener has come to the end.
        listening.join(timeout=START_SECONDS)
        server.shutdown()
        return (json.loads(lines[-1]), dev.returncode), readers, rotated, historical
    finally:
        dev.terminate()


def breaks_rule_r1(strict, dev_status):
    """Whether the strict reader failed for the one reason that counts: a token signed with a key that its cache did not hold yet.

    `dev` itself sees it too (1), or rotated without a token in between (0); it must not have ended in another way.
    """
    failure = strict["first_failure"]
    unknown = failure is not None and failure["fresh"] and "is not in the JWKS" in failure["error"]
    return unknown and dev_status in (0, 1)


def main():
    parser = argparse.ArgumentParser(description="Real relying parties against `jkeys dev`.")
    parser.add_argument("--expect-failure", action="store_true", help="the strict reader must fail")
    parser.add_argument("jkeys", help="the program")
    given = parser.parse_args()
    seconds, more = (FAILING_RUN_SECONDS, ["--without", "r1"]) if given.expect_failure else (RUN_SECONDS, [])
    with tempfile.TemporaryDirectory(prefix="jkeys-") as above:
        (summary, status), readers, rotated, historical = drive(given.jkeys, pathlib.Path(above) / "dev", seconds, *more)
    print(json.dumps(summary), status, *(json.dumps(reader) for reader, _ in readers), "rotate --now:", rotated, sep="\n")
    print("historical keys, verified:", historical)
    (strict, _), _, (encrypting, _) = readers
    if given.expect_failure:
        return 0 if breaks_rule_r1(strict, status) else 1
    readers_passed = all(status == 0 for _, status in readers) and encrypting["kids"] >= ENCRYPTION_KEYS
    # Halfway through each profile has had keys that sign no more.
    told = historical >= PROFILES
    passed = readers_passed and status == 0 and rotated == 0 and told and summary["rotations"] >= ROTATIONS
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
