"""Downloads against a real server: what comes is whole or nothing, the key stays where it belongs."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stamina
from pydantic import SecretStr

from trading_platform.errors import SourceError
from trading_platform.gexfeed.fetch import (
    Fetched,
    FetchStatus,
    fetch_all,
    fetch_history,
    history_request,
    requests_of_urls,
    vendor_ticker,
)
from trading_platform.gexfeed.transport import FetchPolicy, Transport, without_query
from trading_platform.instruments import load_registry

from .feed_files import DAY, NAME, snapshot
from .feed_server import FeedServer, Reply, serve

TEXT = json.dumps([snapshot(0), snapshot(1)]).encode()
PACKED = gzip.compress(TEXT, mtime=0)
KEY = SecretStr("a-key-that-nobody-must-see")
NOW = datetime(2025, 3, 12, 12, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serve() as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the pauses that would be made, instead of making them."""
    import tenacity.nap

    made: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", made.append)
    return made


def policy(server: FeedServer, attempts: int = 3, others: tuple[str, ...] = ()) -> FetchPolicy:
    origins = frozenset({server.origin, *others})
    return FetchPolicy(origins, f"{server.origin}/v2", f"{server.origin}/files", attempts, timeout_s=5.0)


def fetch(server: FeedServer, out: Path, *, key: SecretStr | None = None, others: tuple[str, ...] = ()) -> Fetched:
    chosen = policy(server, others=others)
    transport = Transport(chosen, now=lambda: NOW)
    try:
        request = history_request(DAY, "NQ_NDX", with_key=key is not None, policy=chosen)
        return fetch_history(request, out, transport, key=key)
    finally:
        transport.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("body", "name"), [(PACKED, f"{NAME}.gz"), (TEXT, NAME)])
def test_g1_file_gets_the_ending_that_its_bytes_have(
    server: FeedServer, tmp_path: Path, body: bytes, name: str
) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=body)]
    found = fetch(server, tmp_path / "feed")
    assert names(tmp_path / "feed") == [name]
    assert found.path is not None
    assert found.path.read_bytes() == body
    assert (found.status, found.size_bytes, found.sha256) == (
        FetchStatus.FETCHED,
        len(body),
        hashlib.sha256(body).hexdigest(),
    )


def test_g1_plain_name_is_tried_where_the_packed_one_does_not_exist(server: FeedServer, tmp_path: Path) -> None:
    server.replies[f"/files/{NAME}"] = [Reply(body=TEXT)]
    assert fetch(server, tmp_path).url == f"{server.origin}/files/{NAME}"
    assert [one.path for one in server.asked] == [f"/files/{NAME}.gz", f"/files/{NAME}"]


def test_g1_key_goes_to_the_api_and_never_to_where_it_redirects(
    server: FeedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(signed=[Reply(body=PACKED)]) as storage:
        target = f"{storage.origin}/signed?sig=secret-signature"
        server.replies["/v2/hist/NQ_NDX/classic/gex_full/2025-03-10"] = [Reply(302, headers={"Location": target})]
        found = fetch(server, tmp_path, key=KEY, others=(storage.origin,))
        assert [one.authorization for one in server.asked] == [f"Bearer {KEY.get_secret_value()}"]
        assert [(one.path, one.authorization) for one in storage.asked] == [("/signed?sig=secret-signature", None)]
    assert found.url.endswith("/v2/hist/NQ_NDX/classic/gex_full/2025-03-10")
    assert KEY.get_secret_value() not in caplog.text + repr(found)
    assert "secret-signature" not in caplog.text + repr(found)


def test_g1_the_log_levels_of_the_process_are_its_own_again_after_a_download(
    server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    for logger in loggers:
        monkeypatch.setattr(logger, "level", logging.DEBUG)
    server.replies[f"/files/{NAME}"] = [Reply(body=TEXT)]
    fetch(server, tmp_path)
    assert [logger.level for logger in loggers] == [logging.DEBUG] * 2


def test_g1_redirect_to_another_host_is_not_followed(server: FeedServer, tmp_path: Path) -> None:
    with serve(anywhere=[Reply(body=PACKED)]) as other:
        target = f"{other.origin}/anywhere?token=x"
        server.replies[f"/files/{NAME}.gz"] = [Reply(302, headers={"Location": target})]
        with pytest.raises(SourceError, match="E273") as refused:
            fetch(server, tmp_path)
        assert other.asked == []
    assert "token" not in str(refused.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://example.org/{NAME}",
        f"http://hist.gex.bot/{NAME}",
        f"https://hist.gex.bot@example.org/{NAME}",
        f"https://hist.gex.bot.example.org/{NAME}",
        f"https://hist.gex.bot:8443/{NAME}",
        f"file:///tmp/{NAME}",
        f"https://[foo/{NAME}",
        f"https://user:word@[foo/{NAME}?sig=word",
    ],
)
def test_g1_only_listed_hosts_and_schemes_are_asked(url: str, tmp_path: Path) -> None:
    transport = Transport()
    (result,) = fetch_all(requests_of_urls([url]), tmp_path, transport)
    transport.close()
    assert result.error is not None
    assert (result.status, result.error.code) == (FetchStatus.FAILED, "E273")
    assert "word" not in str(result.error)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_g1_busy_vendor_is_asked_again(server: FeedServer, tmp_path: Path, waits: list[float], status: int) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(status), Reply(status), Reply(body=PACKED)]
    assert fetch(server, tmp_path).status is FetchStatus.FETCHED
    assert len(server.asked) == 3
    assert len(waits) == 2
    assert all(0.0 < wait <= 31.0 for wait in waits)


@pytest.mark.parametrize("wanted", ["²", "-1", "soon", "Wed, 12 Mar 99999999999 12:00:07 GMT", "9" * 400])
def test_g1_pause_that_cannot_be_read_is_no_traceback(
    server: FeedServer, tmp_path: Path, waits: list[float], wanted: str
) -> None:
    (number,) = (wanted.encode("latin-1", "replace"),)
    header = {"Retry-After": number.decode("latin-1")}
    server.replies[f"/files/{NAME}.gz"] = [Reply(429, headers=header), Reply(body=PACKED)]
    if wanted.isascii() and wanted.isdigit():
        with pytest.raises(SourceError, match="E274"):
            fetch(server, tmp_path)
    else:
        assert fetch(server, tmp_path).status is FetchStatus.FETCHED
        assert len(waits) == 1


@pytest.mark.parametrize("wanted", ["7", "Wed, 12 Mar 2025 12:00:07 GMT"])
def test_g1_pause_that_the_vendor_asks_for_is_kept(
    server: FeedServer, tmp_path: Path, waits: list[float], wanted: str
) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(429, headers={"Retry-After": wanted}), Reply(body=PACKED)]
    fetch(server, tmp_path)
    assert waits == [7.0]


def test_g1_pause_that_is_too_long_is_not_waited_for(server: FeedServer, tmp_path: Path, waits: list[float]) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(429, headers={"Retry-After": "3600"})]
    with pytest.raises(SourceError, match=r"E274.*3600"):
        fetch(server, tmp_path)
    assert (len(server.asked), waits) == (1, [])


def test_g1_transfer_that_breaks_off_is_begun_anew(server: FeedServer, tmp_path: Path, waits: list[float]) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=PACKED, cut_bytes=40), Reply(body=PACKED)]
    assert fetch(server, tmp_path).sha256 == hashlib.sha256(PACKED).hexdigest()
    assert len(waits) == 1


def test_g1_transfer_that_always_breaks_off_leaves_the_older_file(
    server: FeedServer, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / f"{NAME}.gz").write_bytes(PACKED)
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=PACKED, cut_bytes=1)]
    with pytest.raises(SourceError, match="E274"):
        fetch(server, tmp_path)
    assert len(waits) == 2
    assert names(tmp_path) == [f"{NAME}.gz"]
    assert (tmp_path / f"{NAME}.gz").read_bytes() == PACKED


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(404), "E275"),
        (Reply(410), "E275"),
        (Reply(401), "E276"),
        (Reply(403), "E276"),
        (Reply(204), "E277"),
        (Reply(body=TEXT, headers={"Content-Encoding": "br"}), "E277"),
        (Reply(body=b"<html>please log in</html>"), "E277"),
        (Reply(body=b""), "E277"),
        (Reply(body=TEXT[:-300]), "E277"),
        (Reply(body=PACKED[:-20]), "E277"),
        (Reply(body=TEXT.replace(b"NQ_NDX", b"ES_SPX")), "E277"),
        (Reply(302, headers={"Location": f"/files/{NAME}.gz"}), "E274"),
    ],
)
def test_g1_answer_that_is_no_history_file_stores_nothing(
    server: FeedServer, tmp_path: Path, reply: Reply, code: str
) -> None:
    server.replies[f"/files/{NAME}.gz"] = [reply]
    with pytest.raises(SourceError, match=code):
        fetch(server, tmp_path)
    assert names(tmp_path) == []
    assert len(server.asked) <= 6


LADDER = json.dumps(snapshot(2)["strikes"]).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'["rate limited"]',
        b"[1, 2]",
        json.dumps([snapshot(0), snapshot(1), snapshot(2)]).encode().partition(LADDER[-40:])[0] + b"]",
        json.dumps([snapshot(86_400), snapshot(86_401)]).encode(),
        json.dumps([{"ticker": "NQ_NDX", "error": "try later"}]).encode(),
        json.dumps([snapshot(0), *({"error": second} for second in range(9))]).encode(),
        gzip.compress(b"[]"),
    ],
)
def test_g1_what_holds_no_day_of_the_series_never_replaces_a_good_file(
    server: FeedServer, tmp_path: Path, body: bytes
) -> None:
    (tmp_path / f"{NAME}.gz").write_bytes(PACKED)
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=body)]
    with pytest.raises(SourceError, match="E277"):
        fetch(server, tmp_path)
    assert names(tmp_path) == [f"{NAME}.gz"]
    assert (tmp_path / f"{NAME}.gz").read_bytes() == PACKED


def test_g1_redirect_that_is_no_address_is_e273(server: FeedServer, tmp_path: Path) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(302, headers={"Location": "https://[foo/x?sig=secret"})]
    with pytest.raises(SourceError, match="E273") as refused:
        fetch(server, tmp_path)
    assert "secret" not in str(refused.value)


def test_g1_vendor_that_is_not_there_is_e274(tmp_path: Path) -> None:
    with serve() as gone:
        pass
    with stamina.set_testing(True, attempts=2), pytest.raises(SourceError, match=r"E274.*ConnectError"):
        fetch(gone, tmp_path)


def test_g1_folder_that_takes_no_file_is_e279(server: FeedServer, tmp_path: Path) -> None:
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=PACKED)]
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(SourceError, match="E279"):
        fetch(server, tmp_path / "file")


def test_g1_real_file_never_joins_synthetic_ones(server: FeedServer, tmp_path: Path) -> None:
    (tmp_path / "SYNTHETIC.txt").write_text("generated", encoding="utf-8")
    with pytest.raises(SourceError, match="E279"):
        fetch(server, tmp_path)
    assert server.asked == []


def test_g1_queue_asks_once_per_url_keeps_what_is_there_and_goes_on_after_a_failure(
    server: FeedServer, tmp_path: Path
) -> None:
    other = NAME.replace("03-10", "03-11")
    third = NAME.replace("03-10", "03-12")
    later = json.dumps([snapshot(2 * 86_400)]).encode()
    server.replies |= {f"/a/{NAME}": [Reply(body=TEXT)], f"/a/{third}": [Reply(body=later)]}
    queue = requests_of_urls(f"{server.origin}/a/{name}" for name in (f"{NAME}?sig=1", other, f"{NAME}?sig=2", third))
    transport = Transport(policy(server))
    seen: list[Fetched] = []
    (tmp_path / third).write_bytes(b"[]")
    results = fetch_all(queue, tmp_path, transport, progress=seen.append)
    assert [one.status for one in results] == [FetchStatus.FETCHED, FetchStatus.FAILED, FetchStatus.KEPT]
    assert seen == results
    assert [one.path for one in server.asked] == [f"/a/{NAME}?sig=1", f"/a/{other}"]
    assert (tmp_path / third).read_bytes() == b"[]"
    forced = fetch_all(queue[3:], tmp_path, transport, force=True)
    assert forced[0].status is FetchStatus.FETCHED
    transport.close()


def test_g1_dry_run_asks_nobody(server: FeedServer, tmp_path: Path) -> None:
    transport = Transport(policy(server))
    (result,) = fetch_all(
        [history_request(DAY, "nq_ndx", policy=policy(server))], tmp_path / "x", transport, dry_run=True
    )
    transport.close()
    assert (result.status, result.url) == (FetchStatus.PLANNED, f"{server.origin}/files/{NAME}.gz")
    assert server.asked == []
    assert not (tmp_path / "x").exists()


def test_g1_file_in_the_other_packing_is_replaced_and_not_doubled(server: FeedServer, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"[]")
    server.replies[f"/files/{NAME}.gz"] = [Reply(body=PACKED)]
    fetch(server, tmp_path)
    assert names(tmp_path) == [f"{NAME}.gz"]


def test_g1_names_of_futures_stand_for_their_series_and_indices_for_themselves() -> None:
    names = ("mnq", "NQ", "ES", "MES", "NDX", "SPX", "NQ_NDX", "CL", "QQQ", "new")
    expected = ["NQ_NDX", "NQ_NDX", "ES_SPX", "ES_SPX", "NDX", "SPX", "NQ_NDX", "CL", "QQQ", "NEW"]
    assert [vendor_ticker(name, load_registry()) for name in names] == expected


def test_g1_the_registry_of_the_user_says_which_series_a_future_stands_for(tmp_path: Path) -> None:
    file = tmp_path / "instruments.toml"
    file.write_text('[instruments.ES]\ngex_underlying = "SPX"\n', encoding="utf-8")
    assert vendor_ticker("ES", load_registry(file)) == "SPX"


@pytest.mark.parametrize(("ticker", "category"), [("NQ/../X", "gex_full"), ("", "gex_full"), ("NQ_NDX", "gex_week")])
def test_g1_what_cannot_be_the_vendors_is_not_asked_for(ticker: str, category: str) -> None:
    with pytest.raises(SourceError, match="E278"):
        history_request(DAY, ticker, category)
    with pytest.raises(SourceError, match="E278"):
        requests_of_urls(["https://hist.gex.bot/latest.json"])


def test_g1_shown_url_has_neither_query_nor_user() -> None:
    assert without_query("https://user:word@host/path/x.json?sig=1#part") == "https://host/path/x.json"
