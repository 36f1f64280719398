"""``tp ui``: two children that start, live and die together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from trading_platform.cli.commands.ui import _url
from trading_platform.cli.supervisor import Command, Supervisor, free_port, is_free
from trading_platform.errors import ExecutionError

from .conftest import Demo, call

_SLEEPER = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
_SUPERVISE = """
import sys
from pathlib import Path
from trading_platform.cli.supervisor import Command, Supervisor
commands = [Command("one", [sys.executable, "-c", sys.argv[1]]), Command("two", [sys.executable, "-c", sys.argv[1]])]
with Supervisor(commands, Path(sys.argv[2]), {}, Path(sys.argv[2])) as supervisor:
    print("up", flush=True)
    supervisor.wait()
"""


def _eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Return a supervising process and all its descendants: two children with a child each, and the watchdog."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISE, _SLEEPER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    root = psutil.Process(process.pid)
    assert _eventually(lambda: len(root.children(recursive=True)) == 5)
    family = root.children(recursive=True)
    yield process, family
    for member in [root, *family]:
        if member.is_running():
            member.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_u1_a_stop_signal_ends_everything(
    supervised: tuple[subprocess.Popen[str], list[psutil.Process]], number: signal.Signals
) -> None:
    process, family = supervised
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert _eventually(lambda: _living(family) == [])


def test_u1_kill_9_leaves_no_orphan(supervised: tuple[subprocess.Popen[str], list[psutil.Process]]) -> None:
    process, family = supervised
    process.kill()
    process.wait()
    assert _eventually(lambda: _living(family) == [])


def test_u5_a_child_that_dies_takes_the_other_with_it_and_is_e604_with_its_log(tmp_path: Path) -> None:
    dying = Command("daemon", [sys.executable, "-c", "print('no database', flush=True); raise SystemExit(7)"])
    living = Command("webserver", [sys.executable, "-c", "import time; time.sleep(600)"])
    (tmp_path / "daemon.log").write_text("of the run before")
    with Supervisor([living, dying], tmp_path, dict(os.environ), tmp_path) as supervisor:
        children = psutil.Process().children()
        with pytest.raises(ExecutionError) as raised:
            supervisor.wait()
    assert raised.value.code == "E604"
    assert "exit code 7" in raised.value.what
    assert str(tmp_path / "daemon.log") in raised.value.what
    assert "no database" in raised.value.why
    assert (tmp_path / "daemon.previous.log").read_text() == "of the run before"
    assert _living(children) == []


def test_u5_a_server_that_never_answers_is_e604(tmp_path: Path) -> None:
    silent = Command("webserver", [sys.executable, "-c", "import time; time.sleep(600)"])
    with (
        pytest.raises(ExecutionError, match=r"did not answer within 0\.5 s"),
        Supervisor([silent], tmp_path, dict(os.environ), tmp_path) as supervisor,
    ):
        supervisor.wait(lambda: False, timeout_s=0.5)


def test_u1_a_child_that_ignores_the_request_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading_platform.cli.supervisor.GRACE_S", 0.3)
    stubborn = Command("stubborn", [sys.executable, "-c", _STUBBORN])
    with Supervisor([stubborn], tmp_path, dict(os.environ), tmp_path) as supervisor:
        log = tmp_path / "stubborn.log"
        assert supervisor.wait(lambda: log.read_text() == "up\n", timeout_s=20)
        children = psutil.Process().children()
    assert _living(children) == []


def test_u5_a_port_in_use_is_e169(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        called = call("ui", "--port", str(taken.getsockname()[1]), home=demo.home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E169")


@pytest.mark.parametrize("options", [(), ("--port", "3000")])
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "a..b"])
def test_u5_an_address_that_is_not_of_this_machine_is_e169(
    real_home: Path, host: str, options: tuple[str, ...]
) -> None:
    called = call("ui", "--host", host, *options, home=real_home)
    assert called.error is not None
    assert (called.code, called.error.code) == (2, "E169")
    assert host in called.error.what


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80")],
)
def test_u1_the_web_ui_is_reached_by_ipv4_and_ipv6(host: str, url: str) -> None:
    if ":" in host and not is_free(host, 0):
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.bind((host, free_port(host)))
        server.listen()
        assert not is_free(host, server.getsockname()[1])
    assert _url(host, 80) == url


@pytest.mark.slow
def test_u1_ui_serves_our_assets_from_another_folder_and_stops_without_orphans(demo: Demo, elsewhere: Path) -> None:
    (elsewhere / "definitions.py").write_text("raise SystemExit('namesake')\n")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "trading_platform.cli", "ui", "--json"],
        env={**os.environ, "TP_HOME": str(demo.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    family: list[psutil.Process] = []
    try:
        assert process.stdout is not None
        announced = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert announced["pid"] == process.pid
        query = "{repositoriesOrError{... on RepositoryConnection{nodes{assetNodes{assetKey{path}}}}}}"
        nodes = _graphql(announced["url"], query)["repositoriesOrError"]["nodes"]
        keys = {"/".join(node["assetKey"]["path"]) for one in nodes for node in one["assetNodes"]}
        assert {"MNQ/ticks", "ES/bars_1m", "lake/sql_views"} <= keys
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0, process.communicate()
    finally:
        for member in family or psutil.Process(process.pid).children(recursive=True):
            if process.poll() is None and member.is_running():
                member.kill()
        if process.poll() is None:
            process.kill()
        process.communicate()
    assert len(family) >= 3
    assert _eventually(lambda: _living(family) == [])
    assert (demo.home / "logs" / "webserver.log").stat().st_size > 0


def _graphql(url: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["data"]
