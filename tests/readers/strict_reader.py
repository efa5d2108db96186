"""The strict relying party: fetches the JWKS again when its own cache has expired and never because of an unknown kid, as Istio does.

Only such a reader shows that a key was published for long enough before it signed.
"""

import json
import sys
import time

import jwt

import reader


class StrictSource:
    """Keys from a JWKS that is kept for `lifespan` seconds, whatever is asked of it meanwhile."""

    def __init__(self, jwks_url, lifespan, monotonic=time.monotonic):
        self.jwks_url = jwks_url
        self.lifespan = lifespan
        self.monotonic = monotonic
        self.keys = {}
        self.fetched_at = None
        self.fetches = 0

    def key(self, token):
        now = self.monotonic()
        if self.fetched_at is None or now - self.fetched_at >= self.lifespan:
            self.fetch(now)
        kid = jwt.get_unverified_header(token).get("kid")
        if kid not in self.keys:
            raise jwt.PyJWKClientError(f"kid {kid!r} is not in the JWKS fetched {now - self.fetched_at:.3f} s ago")
        return self.keys[kid]

    def fetch(self, now):
        self.fetches += 1
        keys = json.loads(reader.get(self.jwks_url))["keys"]
        # Keys to encrypt to are of algorithms that this library does not know.
        self.keys = {key["kid"]: jwt.PyJWK.from_dict(key) for key in keys if key.get("use") != "enc"}
        self.fetched_at = now


if __name__ == "__main__":
    given = reader.token_arguments().parse_args()
    sys.exit(reader.run("strict", StrictSource(given.jwks_url, given.lifespan), given))
