"""What a server says of where it is found."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path
from socket import AF_INET, AF_INET6

import attrs
import psutil
import pytest

from tests.serving.servers import configured
from trio_backend import addresses
from trio_backend.addresses import (
    MICROPHONE,
    address_of,
    addresses_as_json,
    certified_hosts,
    network_addresses_of,
    phone_address,
)
from trio_backend.config.character import EngineChoice
from trio_backend.qr_code import qr_image

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


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of `INTERFACES`."""
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: INTERFACES)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {name: State(name != "old") for name in INTERFACES})
    monkeypatch.setattr(addresses, "_main_address", lambda: "192.168.1.5")


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
    tmp_path: Path, host: str, here: str, elsewhere: list[str]
) -> None:
    """Where it listens to all: of interfaces that are up, without this machine's own and the cable's."""
    config = configured(tmp_path, llm=ECHO, tts=TONE, host=host)
    assert address_of(config, 80) == here
    assert network_addresses_of(config, 80) == elsewhere


def test_this_machines_own_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they are here."""
    monkeypatch.undo()
    for address in network_addresses_of(configured(tmp_path, llm=ECHO, tts=TONE, host="::"), 80):
        assert address.startswith("http://")
        assert "127.0.0.1" not in address


def test_the_address_that_leads_out_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with containers has addresses that no phone can reach."""
    bridge = {"docker0": [Address(AF_INET, "172.17.0.1")], "wlan0": [Address(AF_INET, "10.0.0.3")]}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: INTERFACES | bridge)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: dict.fromkeys(INTERFACES | bridge, State(True)))
    config = configured(tmp_path, llm=ECHO, tts=TONE, host="0.0.0.0")
    assert network_addresses_of(config, 80)[0] == "http://192.168.1.5:80"
    assert phone_address(config, 80) == "http://192.168.1.5:80/"
    assert len(network_addresses_of(config, 80)) == 4


@pytest.mark.parametrize(
    ("host", "token", "frontend", "expected"),
    [
        ("127.0.0.1", "", False, ""),
        ("localhost", "x", False, ""),
        ("0.0.0.0", "", False, "http://192.168.1.5:80/"),
        ("0.0.0.0", "a&b c/d", False, "http://192.168.1.5:80/?token=a%26b%20c%2Fd"),
        ("fd00::5", "", False, "http://[fd00::5]:80/"),
        # The official page would look for the server on the phone.
        ("0.0.0.0", "x", True, "http://192.168.1.5:80/page/?token=x"),
    ],
)
def test_a_phone_gets_the_page_that_works_there(
    tmp_path: Path, host: str, token: str, frontend: bool, expected: str
) -> None:
    """With what it needs to be let in; nothing where it cannot come."""
    config = configured(
        tmp_path, llm=ECHO, tts=TONE, host=host, frontend_dir=str(tmp_path) if frontend else ""
    )
    assert phone_address(config, 80, token=token) == expected


@pytest.mark.parametrize(
    ("token", "known", "told"), [("", False, ""), ("x", False, "missing"), ("x", True, "held")]
)
async def test_an_operator_sees_all_of_them(tmp_path: Path, token: str, known: bool, told: str) -> None:
    """With the code for phones, which has the token for those only who know it; and a word on microphones."""
    config = configured(tmp_path, llm=ECHO, tts=TONE, host="0.0.0.0", access_token=token)
    shown = json.loads(await addresses_as_json(config, 80, known))
    code = shown.pop("code")
    assert code == qr_image("http://192.168.1.5:80/" + ("?token=x" if known else ""))
    assert shown == {
        "here": "http://localhost:80",
        "network": ["http://192.168.1.5:80"],
        "token": told,
        "microphone": MICROPHONE,
    }
    secured = attrs.evolve(config.system, tls_certificate="a", tls_key="b", host="127.0.0.1")
    shown = json.loads(await addresses_as_json(attrs.evolve(config, system=secured), 80, known))
    assert (shown["here"], shown["code"], shown["microphone"]) == ("https://127.0.0.1:80", "", "")


def test_a_certificate_is_for_what_is_served() -> None:
    """Addresses of IPv6 change every day; who does not serve them need not renew it for that."""
    assert certified_hosts("0.0.0.0") == ["192.168.1.5"]
    assert "fd00::5" in certified_hosts("::")
    assert certified_hosts("talk.lan") == ["talk.lan"]
