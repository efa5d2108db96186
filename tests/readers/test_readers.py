"""The readers themselves: what they accept, and above all what they must not let pass."""

import json
import pathlib
import subprocess
import sys
import types
import unittest
from unittest import mock

import jwt
from jwcrypto import jwe, jwk

import drive_dev
import encrypting_reader
import reader
from provider import Key, Provider
from pyjwt_reader import PyJwtSource
from strict_reader import StrictSource

LIFESPAN = 10


class Clock:
    """The readers' cache clock, moved by the test."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


def strict(provider, clock):
    source = StrictSource(provider.url("/jwks.json"), LIFESPAN, clock.monotonic)
    return probe(provider, source)


def pyjwt(provider):
    return probe(provider, PyJwtSource(provider.url("/jwks.json"), LIFESPAN, cooldown=1))


def probe(provider, source):
    return reader.Probe(source, lambda: [reader.get(provider.url("/token")).decode()])


class Strict(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()

    def test_passes_a_key_that_was_published_for_its_cache_time(self):
        old, new = Key("old"), Key("new", "EdDSA")
        with Provider(old) as provider:
            rp = strict(provider, self.clock)
            rp.round()
            provider.published = [old, new]
            self.clock.now += LIFESPAN
            provider.signer = new
            rp.round()
        self.assertEqual((rp.verified, rp.failed, rp.source.fetches), (3, 0, 2), rp.first_failure)

    def test_fails_a_key_that_signs_before_its_cache_time_has_passed(self):
        old, new = Key("old"), Key("new")
        with Provider(old) as provider:
            rp = strict(provider, self.clock)
            rp.round()
            provider.published = [old, new]
            self.clock.now += LIFESPAN - 0.001
            provider.signer = new
            rp.round()
        self.assertEqual((rp.failed, rp.source.fetches), (1, 1))
        self.assertEqual((rp.first_failure["kid"], rp.first_failure["fresh"]), ("new", True))

    def test_fails_a_key_that_is_removed_while_its_tokens_live(self):
        old, new = Key("old"), Key("new")
        with Provider(old, [old, new]) as provider:
            rp = strict(provider, self.clock)
            rp.round()
            provider.signer, provider.published = new, [new]
            rp.round()
            self.assertEqual(rp.failed, 0)
            self.clock.now += LIFESPAN
            rp.round()
        self.assertEqual(rp.failed, 1)
        self.assertEqual((rp.first_failure["kid"], rp.first_failure["fresh"]), ("old", False))


class PyJwt(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        stand_in = types.SimpleNamespace(monotonic=self.clock.monotonic)
        for module in ("jwks_client", "jwk_set_cache", "api_jwk"):
            patch = mock.patch(f"jwt.{module}.time", stand_in)
            patch.start()
            self.addCleanup(patch.stop)

    def naive_rotation(self, after):
        old, new = Key("old"), Key("new")
        with Provider(old) as provider:
            rp = pyjwt(provider)
            rp.round()
            self.clock.now += after
            provider.signer, provider.published = new, [old, new]
            rp.round()
        return rp

    def test_passes_a_naive_rotation_once_its_cool_down_is_over(self):
        rp = self.naive_rotation(after=1)
        self.assertEqual((rp.failed, rp.source.fetches), (0, 2), rp.first_failure)

    def test_fails_a_naive_rotation_within_its_cool_down(self):
        rp = self.naive_rotation(after=0.9)
        self.assertEqual((rp.failed, rp.source.fetches), (1, 1))


class Tokens(unittest.TestCase):
    def test_a_signature_by_another_key_of_the_same_kid_fails(self):
        with Provider(Key("same"), [Key("same")]) as provider:
            rp = strict(provider, Clock())
            rp.round()
        self.assertEqual((rp.verified, rp.failed), (0, 1))
        self.assertIn("InvalidSignatureError", rp.first_failure["error"])

    def test_an_expired_token_fails_when_fresh_and_is_dropped_when_kept(self):
        key = Key("k")
        with Provider(key) as provider:
            rp = strict(provider, Clock())
            past = key.token(lifetime=-1)
            rp.living = [past]
            rp.round()
            self.assertEqual((rp.failed, len(rp.living)), (0, 1))
            rp.fresh_tokens = lambda: [past]
            rp.round()
        self.assertEqual(rp.failed, 1)

    def test_an_expired_token_of_a_removed_key_is_no_failure(self):
        with Provider(Key("k")) as provider:
            rp = strict(provider, Clock())
            rp.living = [Key("gone").token(lifetime=-1)]
            rp.round()
        self.assertEqual((rp.verified, rp.failed, len(rp.living)), (1, 0, 1))

    def test_a_token_without_an_end_fails(self):
        key = Key("k")
        with Provider(key) as provider:
            rp = strict(provider, Clock())
            rp.fresh_tokens = lambda: [jwt.encode({}, key.private, algorithm="ES256", headers={"kid": "k"})]
            rp.round()
        self.assertIn("MissingRequiredClaimError", rp.first_failure["error"])


class Encrypting(unittest.TestCase):
    """Messages to keys that come and go, opened by a provider that holds some of them."""

    def setUp(self):
        self.clock = Clock()
        self.pairs = {
            "ec": jwk.JWK.generate(kty="EC", crv="P-256", kid="ec", alg="ECDH-ES", use="enc"),
            "rsa": jwk.JWK.generate(kty="RSA", size=2048, kid="rsa", alg="RSA-OAEP-256", use="enc"),
        }
        self.published, self.held = list(self.pairs), dict(self.pairs)

    def fetch(self):
        signing = {"kid": "signing", "use": "sig"}
        return [signing] + [self.pairs[kid].export_public(as_dict=True) for kid in self.published]

    def open(self, compact):
        message = jwe.JWE()
        message.deserialize(compact)
        try:
            message.decrypt(self.held[message.jose_header["kid"]])
        except KeyError:
            raise ConnectionError("no such key") from None
        return message.payload.decode()

    def probe(self):
        return encrypting_reader.EncryptingProbe(self.fetch, self.open, LIFESPAN, 3, self.clock.monotonic)

    def test_passes_keys_that_open_for_the_window_after_they_are_unpublished(self):
        probe = self.probe()
        probe.round()
        self.published = ["ec"]
        self.clock.now += 2.4
        probe.round()
        # What was encrypted when the set was fetched is beyond its promise now.
        del self.held["rsa"]
        self.clock.now += 0.2
        probe.keys = []
        probe.round()
        self.assertEqual((probe.opened, probe.failed, probe.fetches, len(probe.living)), (6, 0, 1, 0), probe.first_failure)
        self.assertTrue(probe.passed())

    def test_fails_a_key_that_goes_within_the_window(self):
        probe = self.probe()
        probe.round()
        del self.held["rsa"]
        self.clock.now += 1
        probe.round()
        self.assertEqual((probe.failed, probe.first_failure["kid"], probe.passed()), (2, "rsa", False))

    def test_fails_a_text_that_comes_back_wrong(self):
        probe = self.probe()
        probe.open_message = lambda compact: "another text"
        probe.round()
        self.assertEqual((probe.opened, probe.failed), (0, 2))

    def test_nothing_opened_is_a_failure(self):
        self.published = []
        probe = self.probe()
        probe.round()
        self.assertEqual((probe.failed, probe.passed()), (0, False))

    def test_a_node_opens_what_its_private_file_holds(self):
        keys = {"keys": [pair.export(as_dict=True) for pair in self.pairs.values()]}
        node = drive_dev.Node(pathlib.Path("nowhere"))
        node.read = lambda name: json.dumps(keys).encode()
        for kid, pair in self.pairs.items():
            sealed = encrypting_reader.Sealed(pair.export_public(as_dict=True), "a text", until=0)
            self.assertEqual((kid, node.open(sealed.compact)), (sealed.kid, b"a text"))
        other = jwk.JWK.generate(kty="EC", crv="P-256", kid="ec", alg="ECDH-ES", use="enc")
        with self.assertRaises(jwe.InvalidJWEData):
            node.open(encrypting_reader.Sealed(other.export_public(as_dict=True), "a text", until=0).compact)


class CommandLine(unittest.TestCase):
    """Both programs, against a provider that rotates naively at its third token: the new key signs as soon as it is published."""

    def run_against(self, script, rotate, *more):
        old, new = Key("old"), Key("new")

        def before_token(count):
            if rotate and count == 3:
                provider.signer, provider.published = new, [old, new]

        with Provider(old, before_token=before_token) as provider:
            command = [sys.executable, str(pathlib.Path(__file__).with_name(script))]
            command += ["--jwks-url", provider.url("/jwks.json"), "--tokens-url", provider.url("/token")]
            command += ["--lifespan", "60", "--for", "1.5", *more]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return ended.returncode, json.loads(ended.stdout.splitlines()[-1])

    def test_strict_passes_without_a_rotation(self):
        status, summary = self.run_against("strict_reader.py", False)
        self.assertEqual((status, summary["failed"], summary["fetches"]), (0, 0, 1), summary)
        self.assertEqual((summary["reader"], summary["first_failure"]), ("strict", None))
        self.assertGreater(summary["verified"], 3)

    def test_strict_fails_a_naive_rotation(self):
        status, summary = self.run_against("strict_reader.py", True)
        self.assertEqual((status, summary["fetches"]), (1, 1), summary)
        self.assertEqual(summary["first_failure"]["kid"], "new")

    def test_pyjwt_passes_a_naive_rotation_by_fetching_again(self):
        status, summary = self.run_against("pyjwt_reader.py", True, "--cooldown", "0.1")
        self.assertEqual((status, summary["failed"], summary["fetches"]), (0, 0, 2), summary)
        self.assertEqual(summary["reader"], "pyjwt")

    def test_nothing_verified_is_a_failure(self):
        with Provider(Key("k")) as provider:
            url = provider.url("/none")
        command = [sys.executable, str(pathlib.Path(__file__).with_name("strict_reader.py"))]
        command += ["--jwks-url", url, "--tokens-url", url, "--lifespan", "1", "--for", "0.1"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        summary = json.loads(ended.stdout)
        self.assertEqual((ended.returncode, summary["verified"], summary["failed"]), (1, 0, 0))
        self.assertGreater(summary["unanswered"], 0)


class Verdicts(unittest.TestCase):
    """What the driver and the reader make of a run."""

    @staticmethod
    def failure(error, fresh=True):
        return {"first_failure": {"kid": "new", "fresh": fresh, "error": error}}

    def test_only_a_key_that_was_not_published_breaks_rule_r1(self):
        unknown = "PyJWKClientError: kid 'new' is not in the JWKS fetched 1.000 s ago"
        self.assertTrue(drive_dev.breaks_rule_r1(self.failure(unknown), 1))
        for other in [self.failure("TimeoutError: timed out"), self.failure(unknown, fresh=False), {"first_failure": None}]:
            self.assertFalse(drive_dev.breaks_rule_r1(other, 1))
        self.assertFalse(drive_dev.breaks_rule_r1(self.failure(unknown), 101))

    def test_a_reader_that_saw_too_little_does_not_pass(self):
        def passed(rounds, unanswered, verified, failed=0):
            rp = reader.Probe(None, None)
            rp.rounds, rp.unanswered, rp.verified, rp.failed = rounds, unanswered, verified, failed
            return rp.passed()

        self.assertTrue(passed(rounds=100, unanswered=10, verified=90))
        self.assertFalse(passed(rounds=100, unanswered=11, verified=500))
        self.assertFalse(passed(rounds=100, unanswered=0, verified=1))
        self.assertFalse(passed(rounds=0, unanswered=0, verified=0))
        self.assertFalse(passed(rounds=100, unanswered=0, verified=500, failed=1))


if __name__ == "__main__":
    unittest.main()
