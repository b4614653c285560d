"""The page on loopback, for reading only: a name is looked up among what there is, and nothing else is answered."""

from __future__ import annotations

import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from domainlm.dashboard import page
from domainlm.dashboard.content import Content
from domainlm.errors import DataError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Server(ThreadingHTTPServer):
    """Answers `/`, `/data.js`, `/records/*.js` and `/items/*.js` from a store, on one address of this machine."""

    daemon_threads = True

    def __init__(self, content: Content, host: str, port: int):
        self.content = content
        self.page = page.build()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else host
        return f"http://{shown}:{port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "domainlm"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        # A page elsewhere whose name was made to point here would come with that name: its requests end here.
        server = cast(Server, self.server)
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (*LOOPBACK, str(server.server_address[0])):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"", "text/plain", body)
            return
        name = self.path.partition("?")[0]
        if name in ("/", "/index.html"):
            self._send(HTTPStatus.OK, server.page, "text/html; charset=utf-8", body)
            return
        try:
            found = server.content.get(name.removeprefix("/"))
        except DataError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain; charset=utf-8", body)
            return
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, b"there is no such page\n", "text/plain", body)
        else:
            self._send(HTTPStatus.OK, found, "text/javascript; charset=utf-8", body)

    def _send(self, status: HTTPStatus, content: bytes, kind: str, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a page that is looked at is no news."""
