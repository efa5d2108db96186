"""The encrypting relying party: encrypts to every encryption key of a JWKS that it keeps for its lifespan, as another library (jwcrypto)
writes a JWE, and has each message opened by one node after the other.

A key that stood in a set must open what was encrypted to it until `decrypt_window` after it was unpublished, so at least for so long after
that set was asked for. Until then every message is posted to the open URL in every round; its text must come back.
"""

import json
import sys
import time
import urllib.error
import urllib.request

from jwcrypto import jwe, jwk

import reader

# A node may need so long to answer that the promise ends in between: what is posted later than this before its end is not counted.
MARGIN_SECONDS = 0.5


class Sealed:
    """A message on its way."""

    def __init__(self, key, text, until):
        header = {"alg": key["alg"], "enc": "A256GCM", "kid": key["kid"]}
        sealed = jwe.JWE(text.encode(), protected=json.dumps(header), recipient=jwk.JWK(**key))
        self.kid, self.text, self.until = key["kid"], text, until
        self.compact = sealed.serialize(compact=True)


class EncryptingProbe:
    """Encrypts, has it opened, and counts. `fetch()` returns the keys of the JWKS, `open_message(compact)` a text."""

    def __init__(self, fetch, open_message, lifespan, window, monotonic=time.monotonic):
        self.fetch, self.open_message, self.monotonic = fetch, open_message, monotonic
        self.lifespan, self.window = lifespan, window
        self.keys, self.fetched_at, self.fetches = [], None, 0
        self.living, self.kids, self.made = [], set(), 0
        self.opened = self.failed = self.rounds = self.unanswered = 0
        self.first_failure = None

    def round(self):
        """Opens every message that must still open, and one more for each key in the set at hand."""
        self.rounds += 1
        now = self.monotonic()
        try:
            if self.fetched_at is None or now - self.fetched_at >= self.lifespan:
                self.keys = [key for key in self.fetch() if key.get("use") == "enc"]
                self.fetched_at, self.fetches = now, self.fetches + 1
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            self.unanswered += 1
        for key in self.keys:
            self.made += 1
            self.kids.add(key["kid"])
            self.living.append(Sealed(key, f"message {self.made}", self.fetched_at + self.window - MARGIN_SECONDS))
        self.living = [message for message in self.living if self.monotonic() < message.until and self.opens(message)]

    def opens(self, message):
        try:
            text = self.open_message(message.compact)
        except (urllib.error.URLError, TimeoutError, ConnectionError) as why:
            text, error = None, f"{type(why).__name__}: {why}"
        else:
            error = f"it opens as {text!r}"
        if text == message.text:
            self.opened += 1
            return True
        self.failed += 1
        self.first_failure = self.first_failure or {"unix_seconds": round(time.time(), 3), "kid": message.kid, "error": error}
        return False

    def passed(self):
        seen = self.unanswered <= self.rounds * reader.MOST_UNANSWERED and self.opened >= max(self.rounds - self.unanswered, 1)
        return seen and not self.failed

    def summary(self):
        return {
            "reader": "encrypting",
            "opened": self.opened,
            "failed": self.failed,
            "kids": len(self.kids),
            "rounds": self.rounds,
            "unanswered": self.unanswered,
            "fetches": self.fetches,
            "first_failure": self.first_failure,
        }


def main():
    parser = reader.arguments("--open-url", "opens a message in compact form that is posted to it")
    parser.add_argument("--window", type=float, required=True, help="the fleet's decrypt_window, in seconds")
    given = parser.parse_args()

    def open_message(compact):
        with urllib.request.urlopen(given.open_url, compact.encode("ascii"), timeout=reader.TIMEOUT_SECONDS) as answer:
            return answer.read().decode()

    def fetch():
        return json.loads(reader.get(given.jwks_url))["keys"]

    probe = EncryptingProbe(fetch, open_message, given.lifespan, given.window)
    end = time.monotonic() + given.duration
    while time.monotonic() < end:
        probe.round()
        time.sleep(reader.ROUND_SECONDS)
    print(json.dumps(probe.summary()))
    return 0 if probe.passed() else 1


if __name__ == "__main__":
    sys.exit(main())
