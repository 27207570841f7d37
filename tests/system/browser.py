"""Debian's Chromium, controlled by its DevTools protocol: signs in, opens pages, takes screenshots."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

from tests.system.services import MissingServiceError

READY_WITHIN_SECONDS = 600
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it does not run as root otherwise, and visits nothing but this machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class Page:
    """A tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self._ask("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """Evaluate a JavaScript expression and return its value, which must be JSON. Promises are awaited."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"])[:1000])
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = READY_WITHIN_SECONDS) -> Any:
        """Wait until an expression is truthy, and return its value. An error in it counts as false."""
        ends, last = time.monotonic() + seconds, ""
        while time.monotonic() < ends:
            try:
                if found := self.evaluate(condition):
                    return found
            except RuntimeError as error:  # the element may be missing, or the page is loading
                last = str(error)
            time.sleep(0.1)
        shown = self.evaluate("`${location.href}: ${document.body?.innerText}`")
        raise TimeoutError(f"{condition} {last}\n{str(shown)[:2000]}")

    def type_into(self, selector: str, text: str) -> None:
        """Type into a field as a person does."""
        self.wait_for(f"document.querySelector({json.dumps(selector)}) !== null")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._ask("Input.insertText", text=text)

    def replace_text(self, selector: str, text: str) -> None:
        """Select what a field contains, and type."""
        self.wait_for(f"document.querySelector({json.dumps(selector)}) !== null")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.type_into(selector, text)

    def press_enter(self) -> None:
        """Press Enter in the field that has the focus."""
        for kind in ("keyDown", "keyUp"):
            self._ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                windowsVirtualKeyCode=13,
                text="\r",
            )

    def click(self, text: str, within: str = "body", selector: str = "button, a, [role=option]") -> None:
        """Click what has this text or label with the mouse, once it is there and enabled."""
        self.click_element(
            f"[...document.querySelectorAll({json.dumps(within)} + ' :is({selector})')].find(one =>"
            f" !one.disabled && [one.innerText?.trim(), one.ariaLabel].includes({json.dumps(text)}))"
        )

    def click_element(self, expression: str) -> None:
        """Click the middle of an element, which a JavaScript expression finds, with the mouse."""
        place = f"""(() => {{
            const element = {expression};
            element.scrollIntoView({{block: 'nearest'}});
            const {{x, y, width, height}} = element.getBoundingClientRect();
            return width && {{x: x + width / 2, y: y + height / 2}};
        }})()"""
        where = self.wait_for(place)
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)

    def forget_cookies(self) -> None:
        """Delete the session while a page is open."""
        self._ask("Network.clearBrowserCookies")

    def set_window(self, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window and whether the system is dark."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """Write a screenshot as PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(READY_WITHIN_SECONDS))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def browser(home: Path) -> Iterator[Page]:
    """Run a browser with a new profile in a folder; yield its only tab."""
    program = shutil.which("chromium")
    if program is None:
        raise MissingServiceError("chromium is not installed")
    home.mkdir(parents=True, exist_ok=True)
    command = [program, *_FLAGS, f"--user-data-dir={home / 'profile'}", "about:blank"]
    with (home / "out").open("w") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(home)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        port = _port_of(home, process)
        with urlopen(
            Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT"),
            timeout=READY_WITHIN_SECONDS,
        ) as answer:
            address = json.load(answer)["webSocketDebuggerUrl"]
        with connect(address, max_size=None, proxy=None) as socket:
            page = Page(socket)
            page.set_window()
            yield page
    finally:
        _end(process)


def _port_of(home: Path, process: subprocess.Popen[bytes]) -> int:
    """Return the port that the browser has chosen, once it has written it down."""
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with suppress(FileNotFoundError, IndexError, ValueError):
            return int((home / "profile" / "DevToolsActivePort").read_text().splitlines()[0])
        time.sleep(0.1)
    raise TimeoutError((home / "out").read_text()[-3000:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser and its own process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)
