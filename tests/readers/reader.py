"""A relying party: takes fresh tokens, verifies each at once and again and again until it expires.

A reader brings only its way from a token to a key. The rest, and the protocol, is the same for all:

    reader.py --jwks-url URL --tokens-url URL --lifespan SECONDS --for SECONDS

GET on the tokens URL answers with fresh tokens, one a line (JWS compact form, with `kid` and `exp`). The last line on
standard output is one JSON object; the exit status is 0 when enough tokens were verified and none failed, and 1 otherwise.
Meant for schedules on which a token lives for seconds: every living token is verified in every round.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request

import jwt

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
ROUND_SECONDS = 0.2
TIMEOUT_SECONDS = 5
# A reader that was answered seldom has shown nothing: of a hundred rounds at most ten may stay without tokens, and each round that was
# answered brings at least one token that verifies.
MOST_UNANSWERED = 0.1


def get(url):
    """The body of a successful answer."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        return answer.read()


class Probe:
    """Verifies tokens with the keys that `source` finds, and counts.

    `source.key(token)` returns the `jwt.PyJWK` of a token or raises; `source.fetches` counts its requests for the JWKS.
    """

    def __init__(self, source, fresh_tokens):
        self.source = source
        self.fresh_tokens = fresh_tokens
        self.living = []
        self.verified = 0
        self.failed = 0
        self.rounds = 0
        self.unanswered = 0
        self.first_failure = None

    def round(self):
        """Verifies every token that still lives, then those that are handed out now."""
        self.rounds += 1
        self.living = [token for token in self.living if self.verify(token, fresh=False)]
        try:
            tokens = self.fresh_tokens()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            self.unanswered += 1
            return
        self.living += [token for token in tokens if self.verify(token, fresh=True)]

    def verify(self, token, fresh):
        """Verifies one token. False once it needs no more verifying: it expired, or failed."""
        try:
            key = self.source.key(token)
            jwt.decode(
                token,
                key=key,
                algorithms=ALGORITHMS,
                options={"require": ["exp"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as why:
            if fresh:
                self.note_failure(token, fresh, why)
            return False
        except (jwt.PyJWTError, urllib.error.URLError, TimeoutError, ConnectionError) as why:
            if not fresh and expired(token):
                return False
            self.note_failure(token, fresh, why)
            return False
        self.verified += 1
        return True

    def note_failure(self, token, fresh, why):
        self.failed += 1
        if self.first_failure is None:
            self.first_failure = {
                "unix_seconds": round(time.time(), 3),
                "kid": kid_of(token),
                "fresh": fresh,
                "error": f"{type(why).__name__}: {why}",
            }

    def passed(self):
        """Whether enough was seen, and nothing of it failed."""
        answered = self.rounds - self.unanswered
        seen = self.unanswered <= self.rounds * MOST_UNANSWERED and self.verified >= max(answered, 1)
        return seen and not self.failed

    def summary(self, name):
        return {
            "reader": name,
            "verified": self.verified,
            "failed": self.failed,
            "rounds": self.rounds,
            "unanswered": self.unanswered,
            "fetches": self.source.fetches,
            "first_failure": self.first_failure,
        }


def kid_of(token):
    try:
        return jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        return None


def expired(token):
    """Whether a token is past its end: from then on nobody promises its key."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return claims["exp"] <= time.time()
    except (jwt.PyJWTError, KeyError, TypeError):
        return False


def arguments(url, says):
    """What every reader is told; `url` names the one of its own."""
    parser = argparse.ArgumentParser(description="A relying party that does what it does all the time.")
    parser.add_argument("--jwks-url", required=True)
    parser.add_argument(url, required=True, help=says)
    parser.add_argument("--lifespan", type=float, required=True, help="how long a fetched JWKS is kept, in seconds")
    parser.add_argument("--for", type=float, required=True, dest="duration", help="how long to run, in seconds")
    return parser


def token_arguments():
    return arguments("--tokens-url", "answers with fresh tokens, one a line")


def run(name, source, given):
    """Rounds until the time is over, then the summary. Returns the exit status."""
    probe = Probe(source, lambda: get(given.tokens_url).decode("ascii").split())
    end = time.monotonic() + given.duration
    while time.monotonic() < end:
        probe.round()
        time.sleep(ROUND_SECONDS)
    print(json.dumps(probe.summary(name)))
    sys.stdout.flush()
    return 0 if probe.passed() else 1
