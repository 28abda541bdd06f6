"""The certificate of `serve --https`: what it is for, who trusts it, how long it is kept."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID, uuid4

import attrs
import pytest

from trio_backend import identity
from trio_backend.certificates import LIFETIME, CertifiedNames, SignedKey, new_authority
from trio_backend.errors import ConfigError
from trio_backend.local_certificate import (
    MAX_ADDRESSES,
    RENEWED_BEFORE,
    LocalCertificate,
    keep_certificate,
    state_folder,
)

HOSTS = ("192.168.1.5",)


@attrs.frozen
class Later:
    """Another day."""

    days: float

    def id(self) -> UUID:
        return uuid4()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)


@pytest.fixture(autouse=True)
def hostname(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is called."""
    monkeypatch.setattr(socket, "gethostname", lambda: "kiosk")


def read(made: LocalCertificate) -> SignedKey:
    return SignedKey.parse(made.file.read_bytes())


def shake_hands(file: Path, authority: Path | None, name: str) -> None:
    """A TLS handshake in memory with a server called ``name``; `ssl.SSLError` where it is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=authority)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for end in {client, server} - done:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                continue
    assert done == {client, server}


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "kiosk", "kiosk.local", "192.168.1.5"])
def test_who_trusts_the_authority_trusts_the_server(tmp_path: Path, name: str) -> None:
    """By each name and address of the machine, by the strict rules; nobody else does."""
    made = keep_certificate(tmp_path, HOSTS)
    shake_hands(made.file, made.authority, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(made.file, None, name)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        shake_hands(made.file, made.authority, "192.168.1.6")


def test_the_authority_cannot_vouch_for_the_rest_of_the_world(tmp_path: Path) -> None:
    """Who steals its key can pretend to be no bank, and no address of somebody else."""
    made = keep_certificate(tmp_path, HOSTS)
    authority = SignedKey.parse((tmp_path / "authority-key.pem").read_bytes())
    for names in (
        CertifiedNames(names=("bank.example",)),
        CertifiedNames(addresses=(ip_address("203.0.113.7"),)),
        CertifiedNames(names=("localhost.example",)),
    ):
        (tmp_path / "forged.pem").write_bytes(authority.sign(names, "kiosk").pem())
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            shake_hands(tmp_path / "forged.pem", made.authority, str((*names.names, *names.addresses)[0]))
    for name in ("localhost.example", "mylocalhost"):
        assert not authority.permits(CertifiedNames(names=(name,)))
    assert authority.permits(CertifiedNames(names=("some.local",)))


def test_it_is_kept(tmp_path: Path) -> None:
    """A device that has accepted it need not accept another; of fewer addresses none is missing."""
    first = keep_certificate(tmp_path, HOSTS)
    data = first.file.read_bytes()
    again = keep_certificate(tmp_path, HOSTS)
    assert keep_certificate(tmp_path, ()).file.read_bytes() == again.file.read_bytes() == data
    assert (first.news, again.news) == ("a new authority, since there was none", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there, the folder decides who may read")
def test_only_its_owner_can_read_the_keys(tmp_path: Path) -> None:
    """Also where somebody has copied the files and lost their modes."""
    folder = tmp_path / "state" / "https"
    made = keep_certificate(folder, HOSTS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (made.file, folder / "authority-key.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
    assert stat.S_IMODE(made.authority.stat().st_mode) == 0o644
    keep_certificate(folder, HOSTS)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "authority-key.pem").stat().st_mode) == 0o600
    # Nothing was left behind.
    assert sorted(path.name for path in folder.iterdir()) == [
        "authority-key.pem",
        "authority.crt",
        "server.pem",
    ]


def test_it_is_renewed_before_it_ends(tmp_path: Path) -> None:
    """By the same authority, so that devices that trust that do not notice."""
    made = keep_certificate(tmp_path, HOSTS)
    data, trusted = made.file.read_bytes(), made.authority.read_bytes()
    for days, news in (
        (LIFETIME.days - RENEWED_BEFORE.days - 2, ""),
        (LIFETIME.days - RENEWED_BEFORE.days, "a new certificate, since the last one was about to end"),
        (LIFETIME.days + 1, ""),
    ):
        with identity.source(Later(days)):
            assert keep_certificate(tmp_path, ()).news == news
            assert (made.file.read_bytes() == data) is (days < LIFETIME.days - RENEWED_BEFORE.days)
            assert read(made).is_for().addresses[-1] == ip_address("192.168.1.5")
    assert made.authority.read_bytes() == trusted


def test_no_device_refuses_it_for_its_length(tmp_path: Path) -> None:
    """Apple's allow 825 days; and clocks that are some hours slow see a certificate that has begun."""
    certificate = read(keep_certificate(tmp_path, HOSTS)).certificate
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < timedelta(days=825)
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=12)


def test_an_authority_that_ends_is_replaced(tmp_path: Path) -> None:
    """And with it what it has signed."""
    keep_certificate(tmp_path, HOSTS)
    with identity.source(Later(3_630)):
        made = keep_certificate(tmp_path, HOSTS)
        assert made.news == "a new authority, since the last one was about to end"
        assert read(made).is_signed_by(SignedKey.parse((tmp_path / "authority-key.pem").read_bytes()))


def test_another_address_makes_another_certificate(tmp_path: Path) -> None:
    """Which is for those before, too: back in the first network it is not made again."""
    first = keep_certificate(tmp_path, HOSTS)
    trusted = first.authority.read_bytes()
    moved = keep_certificate(tmp_path, ["10.0.0.7"])
    assert moved.news == "a new certificate, since this machine has other addresses now"
    shake_hands(moved.file, moved.authority, "10.0.0.7")
    shake_hands(moved.file, moved.authority, "192.168.1.5")
    assert keep_certificate(tmp_path, HOSTS).news == ""
    assert moved.authority.read_bytes() == trusted
    for number in range(50):
        keep_certificate(tmp_path, [f"10.1.0.{number}"])
    addresses = read(moved).is_for().addresses
    assert len(addresses) == MAX_ADDRESSES
    assert ip_address("10.1.0.49") in addresses


def test_a_public_address_needs_an_authority_of_its_own(tmp_path: Path) -> None:
    """The one before was limited to local networks; devices have to trust the new one, so this is said."""
    keep_certificate(tmp_path, HOSTS)
    made = keep_certificate(tmp_path, ["203.0.113.7", "talk.example"])
    assert made.news == "a new authority, since the last one cannot sign for these addresses"
    shake_hands(made.file, made.authority, "203.0.113.7")
    shake_hands(made.file, made.authority, "talk.example")


@pytest.mark.parametrize(
    "data", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff"]
)
def test_a_damaged_certificate_is_replaced_and_a_damaged_authority_named(tmp_path: Path, data: bytes) -> None:
    """Nobody has trusted the first for good; the second may be on devices, and in a backup."""
    made = keep_certificate(tmp_path, HOSTS)
    made.file.write_bytes(data)
    assert keep_certificate(tmp_path, HOSTS).news == "a new certificate, since the last one was damaged"
    shake_hands(made.file, made.authority, "localhost")
    path = tmp_path / "authority-key.pem"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"authority-key\.pem: cannot be used .*; remove it, and a new one"):
        keep_certificate(tmp_path, HOSTS)
    assert path.read_bytes() == data


def test_the_key_of_another_certificate_is_not_used(tmp_path: Path) -> None:
    """As after a copy of half the files; neither that, nor what another authority has signed."""
    made = keep_certificate(tmp_path, HOSTS)
    own, other = read(made), new_authority(CertifiedNames(), "other")
    made.file.write_bytes(own.public_pem() + other.pem()[len(other.public_pem()) :])
    assert keep_certificate(tmp_path, HOSTS).news.endswith("was damaged")
    made.file.write_bytes(other.sign(read(made).is_for(), "kiosk").pem())
    assert keep_certificate(tmp_path, HOSTS).news.endswith("was of another authority")
    shake_hands(made.file, made.authority, "kiosk")


def test_names_that_no_certificate_may_have_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may be called anything."""
    for name in ("Ann's Laptop", "ΑΒΓ", "x" * 64, "localhost"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert read(keep_certificate(tmp_path / name, HOSTS)).is_for().names == ("localhost",)
    monkeypatch.setattr(socket, "gethostname", lambda: "Kiosk.lan")
    assert read(keep_certificate(tmp_path, HOSTS)).is_for().names == ("localhost", "kiosk.lan")


def test_what_is_missing_is_said_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library, by its extra; a folder that cannot be written, with what else can be done."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot keep a certificate in .*set tls_certificate and tls_key"):
        keep_certificate(tmp_path / "file" / "https", HOSTS)
    monkeypatch.setattr("trio_backend.local_certificate.find_spec", lambda _name: None)
    with pytest.raises(
        ConfigError, match=r"--https .* cryptography: install the extra `https`: `.*\[https\]"
    ):
        keep_certificate(tmp_path, HOSTS)


def test_each_system_has_a_folder_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the user, and not the one that the server was started in."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert state_folder({}, "linux") == tmp_path / ".local" / "state" / "trio-backend"
    assert state_folder({"XDG_STATE_HOME": str(tmp_path / "x")}, "linux") == tmp_path / "x" / "trio-backend"
    assert state_folder({}, "darwin") == tmp_path / "Library" / "Application Support" / "trio-backend"
    assert state_folder({"LOCALAPPDATA": os.fspath(tmp_path)}, "win32") == tmp_path / "trio-backend"
