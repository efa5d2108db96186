"""A small provider for the readers' own tests: keys, a JWKS and tokens over loopback HTTP, rotated as a test says."""

import http.server
import json
import threading
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm


class Key:
    """A key pair with its kid."""

    def __init__(self, kid, alg="ES256"):
        self.kid, self.alg = kid, alg
        if alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            public = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.jwk = {**public, "kid": kid, "alg": alg, "use": "sig"}

    def token(self, lifetime=60):
        claims = {"sub": "someone", "exp": int(time.time()) + lifetime}
        return jwt.encode(claims, self.private, algorithm=self.alg, headers={"kid": self.kid})


class Provider:
    """Serves `/jwks.json` (the keys in `published`) and `/token` (a token by `signer`).

    `before_token(count)` runs before each token is made, so that a rotation can happen at a certain token.
    """

    def __init__(self, signer, published=None, before_token=lambda count: None):
        self.signer = signer
        self.published = [signer] if published is None else published
        self.before_token = before_token
        self.tokens = 0
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = provider.answer(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def answer(self, path):
        if path == "/jwks.json":
            return json.dumps({"keys": [key.jwk for key in self.published]}).encode()
        if path == "/token":
            self.before_token(self.tokens)
            self.tokens += 1
            return self.signer.token().encode()
        return None

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
