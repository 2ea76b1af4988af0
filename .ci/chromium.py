"""A headless Chromium, spoken to in the DevTools protocol over two pipes: neither a driver nor a package of Python."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

HELP = "install it with `apt-get install chromium`, or name one: CHROMIUM=/path/to/chromium .ci/pages"


def _moved(end):
    """A descriptor at 10 or above."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved


class Chromium:
    """A browser with a fresh profile and one blank page."""

    def __init__(self):
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        if not program:
            sys.exit(f"no Chromium on this machine: {HELP}")
        self._ends = contextlib.ExitStack()
        # Some of the browser's processes still write into it while it is being removed.
        profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._said = self._ends.enter_context(tempfile.TemporaryFile())
        # The browser reads from its descriptor 3 and writes to its 4: bash puts the pipes there.
        reads, self._to, self._from, writes = map(_moved, os.pipe() + os.pipe())
        arguments = [
            *("--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._ends.enter_context(profile)}"),
            # A container's root can't use the sandbox, and its /dev/shm is small; all pages are our own.
            *("--no-sandbox", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
        ]
        placed = f'exec "$@" 3<&{reads} 4>&{writes}'
        self._process = subprocess.Popen(
            ["bash", "-c", placed, "bash", program, *arguments],
            pass_fds=(reads, writes),
            stdout=self._said,
            stderr=self._said,
        )
        os.close(reads)
        os.close(writes)
        self._buffer, self._number, self._session = b"", 0, None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            os.write(self._to, b'{"id":0,"method":"Browser.close"}\0')
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ends.close()

    def send(self, method, **params):
        """A command's result; what happens meanwhile is added to `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            self._gone()
        answer = self._until(lambda m: m.get("id") == self._number, f"no answer to {method}")
        if "error" in answer:
            sys.exit(f"Chromium refused {method}: {answer['error'].get('message')}")
        return answer["result"]

    def open(self, url):
        """Loads a page, and waits until it has been loaded and no request is on its way."""
        self.events.clear()
        error = self.send("Page.navigate", url=url).get("errorText")
        if error:
            sys.exit(f"{url} can't be opened: {error}")
        loaded = lambda m: m.get("method") == "Page.loadEventFired"
        if not any(map(loaded, self.events)):
            self._until(loaded, f"{url} was not loaded")
        # A favicon, or what a late script does, comes after that.
        self.evaluate("new Promise(done => setTimeout(done, 150))")

    def evaluate(self, expression):
        """The value of a JavaScript expression, of a promise what it promises."""
        done = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            sys.exit(f"a check failed in the page: {done['exceptionDetails']}")
        return done["result"].get("value")

    def resize(self, width):
        """Gives the page a width; a window would be no narrower than 500 px."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def picture(self, width):
        """The whole page as PNG, as far as 8,000 px down."""
        height = min(self.evaluate("document.documentElement.scrollHeight"), 8000)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def _until(self, wanted, otherwise, seconds=30):
        end = time.monotonic() + seconds
        while True:
            while b"\0" not in self._buffer:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self._from], [], [], left)[0]:
                    sys.exit(f"{otherwise} within {seconds} s")
                read = os.read(self._from, 1 << 16)
                if not read:
                    self._gone()
                self._buffer += read
            text, self._buffer = self._buffer.split(b"\0", 1)
            message = json.loads(text)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return message

    def _gone(self):
        self._process.wait(10)
        self._said.seek(0)
        told = self._said.read().decode(errors="replace")[-2000:]
        sys.exit(f"Chromium ended with {self._process.returncode}; {HELP}; it said:\n{told}")
