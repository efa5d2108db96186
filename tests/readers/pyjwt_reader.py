"""The usual relying party: PyJWT's own `PyJWKClient`, which fetches again on an unknown kid unless it has just fetched.

By default it keeps a JWKS for 300 s, and fetches for an unknown kid at most every 30 s (`cooldown_duration`). On a fast
schedule both must be scaled alike, so the cool-down is a tenth of the lifespan unless it is given.
"""

import sys

import jwt

import reader


class PyJwtSource(jwt.PyJWKClient):
    """`PyJWKClient` as it is, with a count of its requests."""

    def __init__(self, jwks_url, lifespan, cooldown):
        super().__init__(jwks_url, lifespan=lifespan, cooldown_duration=cooldown, timeout=reader.TIMEOUT_SECONDS)
        self.fetches = 0

    def fetch_data(self):
        self.fetches += 1
        return super().fetch_data()

    def key(self, token):
        return self.get_signing_key_from_jwt(token)


if __name__ == "__main__":
    parser = reader.token_arguments()
    parser.add_argument("--cooldown", type=float, help="the least time between two fetches for unknown kids, in seconds")
    given = parser.parse_args()
    cooldown = given.lifespan / 10 if given.cooldown is None else given.cooldown
    sys.exit(reader.run("pyjwt", PyJwtSource(given.jwks_url, given.lifespan, cooldown), given))
