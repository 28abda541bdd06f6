"""Certificates for local networks: an authority, what it signs, and how both are read again. No I/O.

Needs the package cryptography: `local_certificate` imports this where it is installed.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .identity import now

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Apple's systems refuse certificates of servers that are valid for more than 825 days.
LIFETIME, AUTHORITY_LIFETIME = timedelta(days=800), timedelta(days=3650)
# The clocks of other devices may be slow.
BACKDATED = timedelta(days=1)

# What only this network gives to its machines: RFC 6762, 6761, 8375, and what routers use.
_LOCAL_NAMES = ("localhost", "local", "lan", "home.arpa", "internal")
# Addresses that belong to nobody in particular; 100.64.0.0/10 are those of carriers, and of Tailscale.
_LOCAL_NETWORKS: tuple[Network, ...] = (
    *map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")),
    *map(ip_network, ("100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10")),
)


@attrs.frozen
class CertifiedNames:
    """What a certificate is for: names of a machine, and its addresses."""

    names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()


@attrs.frozen
class SignedKey:
    """A key, and the certificate that somebody signed for it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    @classmethod
    def parse(cls, pem: bytes) -> SignedKey:
        """What `pem` returned. Raises `ValueError` where it is something else."""
        certificate, key = x509.load_pem_x509_certificate(pem), to.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(certificate, key)

    def pem(self) -> bytes:
        """Certificate and key."""
        encoding, form = to.Encoding.PEM, to.PrivateFormat.PKCS8
        return self.public_pem() + self.key.private_bytes(encoding, form, to.NoEncryption())

    def public_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(to.Encoding.PEM)

    @property
    def time_left(self) -> timedelta:
        """For how long it is still valid; negative once it is not."""
        return self.certificate.not_valid_after_utc - now()

    def is_for(self) -> CertifiedNames:
        """The names and addresses of a server's certificate. Raises `ValueError` if it says none."""
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound as error:
            raise ValueError("it is not the certificate of a server") from error
        addresses = found.get_values_for_type(x509.IPAddress)
        return CertifiedNames(
            tuple(found.get_values_for_type(x509.DNSName)), tuple(ip_address(str(one)) for one in addresses)
        )

    def is_signed_by(self, authority: SignedKey) -> bool:
        """Whether ``authority`` vouches for it."""
        try:
            self.certificate.verify_directly_issued_by(authority.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def permits(self, wanted: CertifiedNames) -> bool:
        """Whether it is an authority that may vouch for all of this. Raises `ValueError` if it is none."""
        try:
            limits = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound as error:
            raise ValueError("it is not the certificate of an authority") from error
        permitted = limits.permitted_subtrees or []
        names = [one.value for one in permitted if isinstance(one, x509.DNSName)]
        networks = [ip_network(str(one.value)) for one in permitted if isinstance(one, x509.IPAddress)]
        return all(any(f".{name}".endswith(f".{one}") for one in names) for name in wanted.names) and all(
            any(each in one for one in networks) for each in wanted.addresses
        )

    def sign(self, names: CertifiedNames, machine: str) -> SignedKey:
        """A new key for a server on ``machine``, which is for ``names``."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [*map(x509.DNSName, names.names), *map(x509.IPAddress, names.addresses)]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _begun(key, f"trio-backend on {machine}", lifetime=LIFETIME)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
        )
        return SignedKey(builder.sign(self.key, SHA256()), key)


def new_authority(wanted: CertifiedNames, machine: str) -> SignedKey:
    """An authority of ``machine`` that may vouch for local networks, and for what is ``wanted``.

    Whoever gets hold of its key must not be able to pretend to be a bank: that is what its name constraints
    are for (RFC 5280, section 4.2.1.10).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    others = [ip_network(one) for one in wanted.addresses if not any(one in each for each in _LOCAL_NETWORKS)]
    names = dict.fromkeys((*_LOCAL_NAMES, *wanted.names))
    limits = [*map(x509.DNSName, names), *map(x509.IPAddress, (*_LOCAL_NETWORKS, *others))]
    # With the date: a device's list may hold an older one of this machine.
    subject = f"trio-backend of {machine}, {now():%Y-%m-%d}"
    builder = (
        _begun(key, subject, lifetime=AUTHORITY_LIFETIME)
        .issuer_name(_named(subject))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(limits, None), critical=True)
    )
    return SignedKey(builder.sign(key, SHA256()), key)


def _begun(key: ec.EllipticCurvePrivateKey, subject: str, *, lifetime: timedelta) -> x509.CertificateBuilder:
    """What all certificates say of themselves."""
    begin = now() - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    # 64 characters are allowed (RFC 5280, appendix A).
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    """``signs``: certificates, and not the handshakes of TLS."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
