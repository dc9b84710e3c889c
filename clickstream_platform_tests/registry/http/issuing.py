"""An OpenID Connect issuer that runs here, and its tokens.

Belongs here: what the tests of such tokens share. Does not: tests.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from clickstream_platform_tests.registry.http.serving import Api

AUDIENCE = "clickstream-registry"


class Issuer:
    """An issuer with an RSA and an EC key, that answers until it is told not to.

    While `answers` is not set, it takes requests and says nothing.
    """

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.is_up, self.asked = True, 0
        self.answers = Event()
        self.answers.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                issuer.answers.wait(20)
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200 if issuer.is_up else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def document(self, path: str) -> dict[str, Any]:
        if path.endswith("/openid-configuration"):
            return {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}
        keys = [RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True) | {"kid": "r", "use": "sig"}]
        keys += [ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True) | {"kid": "e", "use": "sig"}]
        return {"keys": keys}

    def token(self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = "r", **claims: Any) -> str:
        now = int(time.time())
        content = {"iss": self.address, "aud": AUDIENCE, "sub": "jane", "iat": now, "exp": now + 300}
        content |= {"clickstream_scope": "operator"} | claims
        given = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(given, key or self.rsa, algorithm, headers={} if kid is None else {"kid": kid})

    def close(self) -> None:
        self.answers.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def ask(api: Api, token: str, path: str = "/v1/customers") -> httpx.Response:
    """Ask with a token of the issuer."""
    return api.client.get(path, headers={"Authorization": f"Bearer {token}"})
