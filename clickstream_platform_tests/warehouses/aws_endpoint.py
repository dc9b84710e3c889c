"""A small stand-in for the AWS services that a login asks: STS, Redshift, Redshift Serverless, Secrets Manager.

A test tool. Real boto3 talks to it over HTTP; it answers with what a test gives it and remembers who asked for what.
Belongs here: the answers' wire form. Does not: Redshift itself (`redshift_stand_in`), expectations.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SERVICES = ("REDSHIFT", "REDSHIFT_SERVERLESS", "STS", "SECRETS_MANAGER")


@dataclass
class AwsEndpoint:
    """What is answered, and (action, access key id, parameters) of each request so far."""

    user: str
    password: str
    host: str
    port: int
    secret: str = ""
    refused: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    expiration: str = "2099-01-01T00:00:00Z"

    def answer(self, action: str) -> str:
        """Return the body of an answer, XML for the older services, JSON for the newer."""
        login = f"<DbUser>{self.user}</DbUser><DbPassword>{self.password}</DbPassword>"
        endpoint = f"<Endpoint><Address>{self.host}</Address><Port>{self.port}</Port></Endpoint>"
        keys = (
            "<AccessKeyId>ASIAASSUMED000000000</AccessKeyId><SecretAccessKey>assumed</SecretAccessKey>"
            f"<SessionToken>token</SessionToken><Expiration>{self.expiration}</Expiration>"
        )
        own = {"dbUser": self.user, "dbPassword": self.password, "expiration": 4070908800}
        workgroup = {"workgroup": {"endpoint": {"address": self.host, "port": self.port}}}
        return {
            "GetClusterCredentials": _xml(
                "GetClusterCredentials", f"{login}<Expiration>{self.expiration}</Expiration>"
            ),
            "GetClusterCredentialsWithIAM": _xml(
                "GetClusterCredentialsWithIAM", f"{login}<Expiration>{self.expiration}</Expiration>"
            ),
            "DescribeClusters": _xml("DescribeClusters", f"<Clusters><Cluster>{endpoint}</Cluster></Clusters>"),
            "AssumeRole": _xml("AssumeRole", f"<Credentials>{keys}</Credentials>"),
            "GetCredentials": json.dumps(own),
            "GetWorkgroup": json.dumps(workgroup),
            "GetSecretValue": json.dumps({"SecretString": self.secret, "Name": "s", "ARN": "arn"}),
        }[action]


@contextmanager
def running_aws_endpoint(endpoint: AwsEndpoint) -> Iterator[AwsEndpoint]:
    """Serve it on a free port of the loopback address; `url` says which."""

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target")
            if target:
                action, parameters = target.rpartition(".")[2], json.loads(body)
            else:
                parameters = {name: values[0] for name, values in parse_qs(body).items()}
                action = parameters["Action"]
            key = re.search(r"Credential=(\w+)/", self.headers.get("Authorization", ""))
            endpoint.asked.append((action, key[1] if key else "", parameters))
            refused = action in endpoint.refused
            code = "AccessDeniedException" if target else "AccessDenied"
            error = (
                json.dumps({"__type": code})
                if target
                else f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"
            )
            text = (error if refused else endpoint.answer(action)).encode()
            self.send_response(400 if refused else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield endpoint
        finally:
            server.shutdown()


def _xml(action: str, content: str) -> str:
    return f"<{action}Response><{action}Result>{content}</{action}Result></{action}Response>"
