"""`keep_certificate`: HTTPS for the machines of a local network, where no public authority signs anything.

An authority of this user alone signs the server's certificate. A device that trusts the authority, or has
accepted the certificate once, need not be asked again; so both are kept.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import attrs

from .errors import ConfigError
from .installation import extra_remedy

if TYPE_CHECKING:
    from .certificates import CertifiedNames, SignedKey

# A certificate with less time left is replaced at a start, since a server may run for weeks.
RENEWED_BEFORE = timedelta(days=30)
# Addresses in a certificate: of a laptop that is carried from network to network, those of the last ones.
MAX_ADDRESSES = 20

_HERE = ("localhost", "127.0.0.1", "::1")


@attrs.frozen
class LocalCertificate:
    """A PEM ``file`` with certificate and key, and the file of the ``authority``, which devices may trust.

    ``news`` says why one of them was made just now; it is empty where both were there.
    """

    file: Path
    authority: Path
    news: str = ""


def state_folder(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where programs of this user keep what they have made for themselves; each system has its custom."""
    if platform == "win32":
        base = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "trio-backend"


def keep_certificate(folder: Path, hosts: Iterable[str]) -> LocalCertificate:
    """The certificate in ``folder``, for this machine's names and ``hosts`` (addresses too); blocking.

    It is made anew if it is not there, is damaged, ends within `RENEWED_BEFORE`, or lacks something; the new
    one is also for what the last one was for, up to `MAX_ADDRESSES`. Keys can be read by their owner alone.
    Raises `ConfigError`, which says what to do, if a library is missing, or if the authority or ``folder``
    cannot be used.
    """
    if find_spec("cryptography") is None:
        raise ConfigError(f"--https makes a certificate with cryptography: {extra_remedy('https')}")
    # 30 ms, and not always installed.
    from .certificates import CertifiedNames

    named = dict.fromkeys((*_HERE, *_machine_names(), *hosts))
    addresses = {name: address for name in named if (address := _as_address(name)) is not None}
    names = tuple(name for name in named if name not in addresses)
    wanted = CertifiedNames(names, tuple(addresses.values()))
    kept = LocalCertificate(folder / "server.pem", folder / "authority.crt")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, news = _authority(folder / "authority-key.pem", wanted)
        # For people to copy; if they have moved it, it is there again.
        _write(kept.authority, authority.public_pem(), mode=0o644)
        covered, reason = _covered(kept.file, authority, wanted)
        if reason:
            signed = authority.sign(_joined(wanted, covered), socket.gethostname())
            _write(kept.file, signed.pem(), mode=0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot keep a certificate in {folder}: {error.strerror or error}; to use another one, set "
            "tls_certificate and tls_key in system_config"
        ) from error
    return attrs.evolve(kept, news=news or reason)


def _as_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _machine_names() -> list[str]:
    """By which others may find this machine; the second by multicast DNS."""
    name = socket.gethostname().lower()
    # Of what may stand in a certificate and in a URL; other names are nobody's loss.
    plain = name.isascii() and name.replace("-", "").replace(".", "").isalnum() and len(name) <= 63
    return [name, *([] if "." in name else [f"{name}.local"])] if plain and name != "localhost" else []


def _authority(path: Path, wanted: CertifiedNames) -> tuple[SignedKey, str]:
    """The one in ``path``; else a new one, and why."""
    from .certificates import SignedKey, new_authority

    reason = "there was none"
    with suppress(FileNotFoundError):
        try:
            kept = SignedKey.parse(path.read_bytes())
            permits = kept.permits(wanted)
        except ValueError as error:
            # Not replaced: people may have told their devices to trust it, and there may be a copy.
            raise ConfigError(
                f"{path}: cannot be used ({error}); remove it, and a new one is made, which devices that "
                "trusted this one have to be told to trust"
            ) from error
        path.chmod(0o600)
        if permits and kept.time_left > RENEWED_BEFORE:
            return kept, ""
        reason = (
            "the last one was about to end" if permits else "the last one cannot sign for these addresses"
        )
    made = new_authority(wanted, socket.gethostname())
    _write(path, made.pem(), mode=0o600)
    return made, f"a new authority, since {reason}"


def _covered(path: Path, authority: SignedKey, wanted: CertifiedNames) -> tuple[CertifiedNames, str]:
    """What the certificate in ``path`` is for, and why it will not do; empty if it will."""
    from .certificates import CertifiedNames, SignedKey

    try:
        kept = SignedKey.parse(path.read_bytes())
        covered = kept.is_for()
    except FileNotFoundError:
        return CertifiedNames(), "a new certificate, since there was none"
    except ValueError:
        # Nobody has trusted it for good: a new one is as good.
        return CertifiedNames(), "a new certificate, since the last one was damaged"
    path.chmod(0o600)
    if not kept.is_signed_by(authority):
        return CertifiedNames(), "a new certificate, since the last one was of another authority"
    if kept.time_left < RENEWED_BEFORE:
        return covered, "a new certificate, since the last one was about to end"
    if not {*wanted.names, *wanted.addresses} <= {*covered.names, *covered.addresses}:
        return covered, "a new certificate, since this machine has other addresses now"
    return covered, ""


def _joined(wanted: CertifiedNames, covered: CertifiedNames) -> CertifiedNames:
    from .certificates import CertifiedNames

    addresses = dict.fromkeys((*wanted.addresses, *covered.addresses))
    return CertifiedNames(wanted.names, tuple(addresses)[: max(MAX_ADDRESSES, len(wanted.addresses))])


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace ``path`` as a whole: a second server that starts just now must not read half of it.

    If two write at once, a certificate may stay whose authority is lost; it is replaced at the next start.
    """
    # The file is made with 0600.
    with NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, mode)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
