"""A headless Chromium that tells what a page does: spoken to over its debugging pipe."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PATIENCE_S = 60
_FIRST_FREE = 10


def chromium() -> str | None:
    """Give the program, or None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass
class Seen:
    """What a page did while it was opened at a width, but for reading itself."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)


class Browser:
    """An open browser with one page."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._numbers = itertools.count(1)
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        found = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = found["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    def look(self, page: Path, width: int) -> Seen:
        """Open a file at a width, unfold what is folded, and scroll through it."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", metrics)
        self._events.clear()
        self._ask("Page.navigate", {"url": page.as_uri()})
        self._wait("Page.loadEventFired")
        self._run(
            "document.querySelectorAll('details').forEach(one => one.open = true);"
            "document.querySelectorAll('img').forEach(one => one.loading = 'eager');"
            "Promise.all([...document.images].map(one => one.decode())).then(() => 1)"
        )
        root = "document.documentElement"
        across, down = (self._run(f"{root}.{name}") for name in ("scrollWidth", "scrollHeight"))
        seen = Seen(size=(across, down))
        for one in self._events:
            told = one["params"]
            if one["method"] == "Network.requestWillBeSent":
                url = told["request"]["url"]
                if not url.startswith("data:") and url != page.as_uri():
                    seen.requests.append(url)
            elif one["method"] == "Log.entryAdded":
                seen.complaints.append(told["entry"]["text"])
            elif one["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                seen.complaints.append(json.dumps(told))
        return seen

    def _run(self, script: str) -> Any:
        found = self._ask(
            "Runtime.evaluate",
            {"expression": script, "awaitPromise": True, "returnByValue": True},
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _ask(self, method: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": given or {}}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                found: dict[str, Any] = told["result"]
                return found
            if "method" in told:
                self._events.append(told)

    def _wait(self, event: str) -> None:
        while not any(one["method"] == event for one in self._events):
            told = self._next()
            if "method" in told:
                self._events.append(told)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._back], [], [], max(0.0, end - time.monotonic()))
            content = os.read(self._back, 1 << 20) if ready else b""
            assert content, "the browser says nothing any more"
            self._rest += content
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


@contextlib.contextmanager
def open_browser(program: str, profile: Path) -> Iterator[Browser]:
    """Start one, and end it afterwards."""
    (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
    # Out of the way of 3 and 4, which the browser reads from and writes to.
    high_in, high_out = (
        fcntl.fcntl(one, fcntl.F_DUPFD, _FIRST_FREE) for one in (theirs_in, theirs_out)
    )

    def connect() -> None:
        os.dup2(high_in, 3)
        os.dup2(high_out, 4)

    words = [
        program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
        "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
        "--hide-scrollbars", f"--user-data-dir={profile}",
    ]  # fmt: skip
    process = subprocess.Popen(
        words, preexec_fn=connect, pass_fds=(3, 4), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    for one in (theirs_in, theirs_out, high_in, high_out):
        os.close(one)
    try:
        yield Browser(to, back)
    finally:
        os.close(to)
        os.close(back)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
