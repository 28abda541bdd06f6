"""What a server says of where it is found."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from socket import AF_INET, AF_INET6

import psutil
import pytest

from tests.serving.servers import configured
from trio_backend.addresses import address_of, network_addresses_of
from trio_backend.config.character import EngineChoice

Address = namedtuple("Address", ["family", "address"])
State = namedtuple("State", ["isup"])
INTERFACES = {
    "lo": [Address(AF_INET, "127.0.0.1"), Address(AF_INET6, "::1")],
    "eth0": [
        Address(AF_INET6, "fe80::1%eth0"),
        Address(AF_INET6, "fd00::5"),
        Address(AF_INET, "192.168.1.5"),
        Address(-1, "00:11:22:33:44:55"),
    ],
    "old": [Address(AF_INET, "10.0.0.9")],
}
ECHO = EngineChoice("llm", "echo_llm", {})
TONE = EngineChoice("tts", "tone_tts", {})


@pytest.mark.parametrize(
    ("host", "here", "elsewhere"),
    [
        ("localhost", "http://localhost:80", []),
        ("127.0.0.1", "http://127.0.0.1:80", []),
        ("192.168.1.5", "http://192.168.1.5:80", []),
        ("::1", "http://[::1]:80", []),
        ("0.0.0.0", "http://localhost:80", ["http://192.168.1.5:80"]),
        ("::", "http://localhost:80", ["http://192.168.1.5:80", "http://[fd00::5]:80"]),
        ("", "http://localhost:80", ["http://192.168.1.5:80", "http://[fd00::5]:80"]),
    ],
)
def test_addresses_are_those_that_others_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, here: str, elsewhere: list[str]
) -> None:
    """Where it listens to all: of interfaces that are up, without this machine's own and the cable's."""
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: INTERFACES)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {name: State(name != "old") for name in INTERFACES})
    config = configured(tmp_path, llm=ECHO, tts=TONE, host=host)
    assert address_of(config, 80) == here
    assert network_addresses_of(config, 80) == elsewhere


def test_this_machines_own_can_be_read(tmp_path: Path) -> None:
    """Whatever they are here."""
    for address in network_addresses_of(configured(tmp_path, llm=ECHO, tts=TONE, host="::"), 80):
        assert address.startswith("http://")
        assert "127.0.0.1" not in address
