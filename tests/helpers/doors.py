"""An S3 server that lets nobody in, and everything that a command said and wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SECRET = "PLANTED0SECRET1KEY"
TOKEN = "PLANTED2TOKEN"
CODES = {
    "ExpiredToken": (400, "have expired; get new ones"),
    "InvalidAccessKeyId": (403, "no credentials that the bucket 'clinic' knows"),
    "SignatureDoesNotMatch": (403, "no credentials that the bucket 'clinic' knows"),
    "AccessDenied": (403, "the bucket 'clinic' does not let us read"),
    "InvalidObjectState": (403, "archive class"),
}


class Shut(BaseHTTPRequestHandler):
    """Answers every request with one error of S3, which says what it was sent."""

    code = "AccessDenied"

    def do_GET(self) -> None:
        words = f"{self.headers.get('Authorization', '')} {SECRET} {TOKEN}"
        body = (
            f"<?xml version='1.0'?><Error><Code>{self.code}</Code>"
            f"<Message>{self.code} {words}</Message></Error>"
        ).encode()
        self.send_response(CODES[self.code][0])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


def said(words: list[str | Path], work: Path) -> tuple[int, str]:
    """Run the command and give its status, and everything that it said and wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=work, env=os.environ,
    )  # fmt: skip
    written = [path.read_bytes().decode("latin-1") for path in work.rglob("*") if path.is_file()]
    return done.returncode, "\n".join([done.stdout, done.stderr, *written])
