"""The HTTPS server of the stand-in: TLS, keys, framing, and the log of requests that tests look at.

Belongs here: everything between the socket and an answer. Does not belong here: what is answered (``service.py``).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import socket
import ssl
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from ...errors import RefusedError
from .certificate import write_certificate
from .faults import Fault
from .market import StandInMarket
from .service import Answer, Subject, VendorService, error_answer

SIMULATED_KEY: Final = "db-simulated"
DEFAULT_USD_PER_GB: Final[Mapping[str, float]] = {"mbp-10": 2.0}

_FILE_ADDRESS: Final = "batch/download/"
_CHUNK: Final = 16_384
_DISCONNECTED = (BrokenPipeError, ConnectionResetError, ssl.SSLError, TimeoutError)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as it was answered; the key is never in it.

    Attributes:
        number: counts from 1.
        call: such as ``timeseries.get_range``; ``batch.file`` for the download of a file.
        parameters: of the query or the form.
        symbol: what it was about; None if nothing in particular.
        day: its trade date, ISO; None if it was about none.
        attempt: how many calls of this kind there were for the symbol and day, this one included.
        status: of the answer; 0 if the connection was closed without one.
        billed_usd: None for a call that costs nothing.
        sent_bytes: of the body.
        request_id: as sent.
        at: UTC, ISO 8601.
    """

    number: int
    call: str
    parameters: dict[str, str]
    symbol: str | None
    day: str | None
    attempt: int
    status: int
    billed_usd: float | None
    sent_bytes: int
    request_id: str
    at: str


class DataBentoStandIn:
    """The stand-in as a context manager.

    Args:
        market: what is sold.
        faults: what goes wrong; the attribute of that name may be changed while the server runs.
        keys: valid keys.
        usd_per_gb: price of uncompressed bytes by schema.
        available_until: end of the datasets; default: now.
        job_polls: how often a batch job is asked about before it is done.
        port: 0 takes a free one.
        folder: for certificate and request log; default: a temporary one, removed at the end.
        prefix: path in front of every address, such as ``/x``.

    Attributes:
        faults: the script; a list that tests may change.
    """

    def __init__(
        self,
        market: StandInMarket,
        faults: Iterable[Fault] = (),
        *,
        keys: Iterable[str] = (SIMULATED_KEY,),
        usd_per_gb: Mapping[str, float] = DEFAULT_USD_PER_GB,
        available_until: datetime | None = None,
        job_polls: int = 1,
        port: int = 0,
        folder: Path | None = None,
        prefix: str = "",
    ) -> None:
        self.faults = list(faults)
        self._keys = frozenset(keys)
        until = datetime.now(UTC).replace(microsecond=0) if available_until is None else available_until
        self._service = VendorService(
            market, self.faults, usd_per_gb=usd_per_gb, available_until=until, job_polls=job_polls
        )
        self._port = port
        self._temporary = tempfile.TemporaryDirectory(prefix="databento-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary is not None else Path(folder or ".")
        self._prefix = prefix.rstrip("/")
        self._requests: list[LoggedRequest] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def gateway(self) -> str:
        """Return the address for the client."""
        if self._server is None:
            raise RuntimeError("The stand-in is not running")
        return f"https://127.0.0.1:{self._server.server_address[1]}{self._prefix}"

    @property
    def cert_path(self) -> Path:
        """Return the certificate that clients must trust."""
        return self.folder / "cert.pem"

    @property
    def log_path(self) -> Path:
        """Return the request log, one JSON object per line."""
        return self.folder / "requests.jsonl"

    @property
    def requests(self) -> list[LoggedRequest]:
        """Return all requests so far."""
        with self._lock:
            return list(self._requests)

    @property
    def paid_calls(self) -> list[LoggedRequest]:
        """Return the requests that were billed."""
        return [request for request in self.requests if request.billed_usd is not None]

    @property
    def billing(self) -> Counter[tuple[str, str]]:
        """Return how often each symbol and day was billed."""
        return Counter((request.symbol or "", request.day or "") for request in self.paid_calls)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that sends the client library and the platform here."""
        return {
            "DATABENTO_API_KEY": min(self._keys),
            "TP_DATABENTO_GATEWAY": self.gateway,
            "REQUESTS_CA_BUNDLE": str(self.cert_path),
            "SSL_CERT_FILE": str(self.cert_path),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",  # where both are set, this one counts
        }

    def calls(self, call: str) -> list[LoggedRequest]:
        """Return the requests of one kind."""
        return [request for request in self.requests if request.call == call]

    def start(self) -> None:
        """Bind the port and answer in the background.

        Raises:
            RefusedError: E371 if the port cannot be taken.
        """
        certificate, key = write_certificate(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        try:
            self._server = _Server(("127.0.0.1", self._port), context, self)
        except (OSError, OverflowError) as error:
            raise RefusedError(
                "E371",
                f"port {self._port} cannot be taken: {error}",
                "another program, or another stand-in, listens there; nothing was started",
                "tp simulate databento --port 0",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._temporary is not None:
            self._temporary.cleanup()

    def respond(self, call: str, parameters: dict[str, str], key: str | None) -> tuple[Answer, Subject]:
        """Return the answer to a request."""
        if key not in self._keys:
            return Answer(401, json.dumps({"detail": "Authentication failed."}).encode()), Subject()
        subject = self._service.subject(call, parameters)
        try:
            return self._service.answer(call, {**parameters, "gateway": self.gateway}, subject), subject
        except Exception as error:
            return error_answer(500, "stand_in_defect", f"{type(error).__name__}: {error}"), subject

    def call_of(self, path: str) -> tuple[str, dict[str, str]]:
        """Return the call that an address stands for, and the parameters in the path itself."""
        rest = path.removeprefix(f"{self._prefix}/v0/")
        if rest == path:
            return "unknown", {}
        if rest.startswith(_FILE_ADDRESS):
            job_id, _, filename = rest.removeprefix(_FILE_ADDRESS).partition("/")
            return "batch.file", {"job_id": unquote(job_id), "filename": unquote(filename)}
        return rest, {}

    def log(
        self, call: str, parameters: dict[str, str], subject: Subject, answer: Answer, sent_bytes: int, request_id: str
    ) -> None:
        """Remember a request before its answer is complete, so that a killed client leaves its line too."""
        with self._lock:
            entry = LoggedRequest(
                len(self._requests) + 1,
                call,
                parameters,
                subject.symbol,
                None if subject.day is None else subject.day.isoformat(),
                subject.attempt,
                0 if answer.dropped else answer.status,
                answer.billed_usd,
                sent_bytes,
                request_id,
                datetime.now(UTC).isoformat(),
            )
            self._requests.append(entry)
            with self.log_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, stand_in: DataBentoStandIn) -> None:
        self.stand_in = stand_in
        super().__init__(address, _Handler)
        # The handshake happens in the thread of the connection, so that a slow client holds up nobody.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away: tests kill them on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        self._handle(dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        query = dict(parse_qsl(urlsplit(self.path).query))
        self._handle({**query, **dict(parse_qsl(self.rfile.read(length).decode()))})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        """Write nothing: the request log is the log."""

    def _handle(self, parameters: dict[str, str]) -> None:
        stand_in = self.server.stand_in
        call, in_path = stand_in.call_of(urlsplit(self.path).path)
        parameters = {**parameters, **in_path}
        if self.headers.get("Range"):
            parameters["range"] = self.headers["Range"]
        answer, subject = stand_in.respond(call, parameters, self._key())
        request_id = uuid.uuid4().hex
        size = (
            0 if answer.dropped else len(answer.body if answer.send_bytes is None else answer.body[: answer.send_bytes])
        )
        stand_in.log(call, parameters, subject, answer, size, request_id)
        self.close_connection = True  # the client opens a new connection for every call
        if answer.dropped:
            self.connection.close()
            return
        with contextlib.suppress(*_DISCONNECTED):
            self._send(answer, request_id)

    def _key(self) -> str | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return None
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None

    def _send(self, answer: Answer, request_id: str) -> None:
        self.send_response(answer.status)
        self.send_header("request-id", request_id)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.framing == "length":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        stop = len(answer.body) if answer.send_bytes is None else answer.send_bytes
        half = stop // 2
        if answer.pause_s:
            self._write(answer.body[:half], answer.framing)
            self.wfile.flush()
            time.sleep(answer.pause_s)
            self._write(answer.body[half:stop], answer.framing)
        else:
            self._write(answer.body[:stop], answer.framing)
        if answer.framing == "chunked" and answer.send_bytes is None:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        if answer.framing == "close":
            self._close_properly()

    def _write(self, data: bytes, framing: str) -> None:
        for at in range(0, len(data), _CHUNK):
            part = data[at : at + _CHUNK]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if framing == "chunked" else part)

    def _close_properly(self) -> None:
        """End TLS by its rules, so that a body without a length looks complete."""
        connection = self.connection
        if isinstance(connection, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                connection.settimeout(2)
                connection.unwrap().shutdown(socket.SHUT_RDWR)
