"""A data set behind a URL: in memory, and on an S3 server on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from far import BUCKET, Server, forget_stores


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("s3fs")
    moto_server = pytest.importorskip("moto.server")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    asked: Server | None = None
    before = DomainDispatcherApplication.__call__

    def counted(self: Any, environ: dict[str, Any], start: Any) -> Any:
        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if asked is not None:
                kind = "list" if "list-type" in environ.get("QUERY_STRING", "") else ""
                asked.requests[kind or environ["REQUEST_METHOD"]] += 1
                if environ["REQUEST_METHOD"] == "GET" and not kind:
                    asked.bytes_sent.append(int(dict(headers).get("Content-Length", 0)))
            return start(status, headers, *rest)

        return before(self, environ, begin)

    DomainDispatcherApplication.__call__ = counted  # type: ignore[method-assign]
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
    asked = Server(url, client)
    yield asked
    server.stop()
    DomainDispatcherApplication.__call__ = before  # type: ignore[method-assign]


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, and an environment that opens it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    forget_stores()
    s3_server.forget()
    return s3_server
