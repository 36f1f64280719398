"""A real HTTP server on this machine that plays the vendor, faults included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What the server answers once.

    Attributes:
        status: HTTP status.
        body: bytes.
        headers: besides the length.
        cut_bytes: how many bytes of the body are kept back before the connection ends.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_bytes: int = 0


@dataclass
class Asked:
    """A request that came in."""

    path: str
    authorization: str | None


@dataclass
class FeedServer:
    """Replies by path; the last reply of a path is repeated.

    Attributes:
        origin: such as ``http://127.0.0.1:41234``.
        replies: path without query -> replies in order.
        asked: requests in order.
    """

    origin: str
    replies: dict[str, list[Reply]]
    asked: list[Asked] = field(default_factory=list)

    def answer(self, path: str) -> Reply:
        left = self.replies.get(path.partition("?")[0])
        if not left:
            return Reply(404)
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serve(**replies: list[Reply]) -> Iterator[FeedServer]:
    """Run a server; paths are added to ``server.replies``."""
    server = FeedServer("", {f"/{name}": list(one) for name, one in replies.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(Asked(self.path, self.headers.get("Authorization")))
            reply = server.answer(self.path)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) - reply.cut_bytes])
            self.close_connection = True

        log_message: Callable[..., None] = lambda *_: None  # quiet

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.origin = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
