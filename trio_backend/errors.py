"""Every exception this package raises on purpose.

TrioBackendError
├── ProtocolError      the client sent something that the wire format does not allow
├── ConfigError        a configuration or character file is wrong; says where and what is allowed
├── EngineError        a model or a voice could not do its job; says what to do
├── NoSuchHistory      this character has no conversation of that name
└── WireClosed         the other side is gone
"""

from __future__ import annotations


class TrioBackendError(Exception):
    """Base of all errors below. Its text is fit for a person, and holds no key and no prompt."""


class ProtocolError(TrioBackendError):
    """The client sent something that the wire format does not allow.

    ``code`` is the stable word that goes to the client, ``str(error)`` the explanation.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConfigError(TrioBackendError):
    """A configuration or character file is wrong. Each line of the text names file, line, key, remedy."""


class EngineError(TrioBackendError):
    """A model or a voice could not do its job. The text says what to do about it."""


class NoSuchHistory(TrioBackendError):
    """This character has no conversation of that name."""


class WireClosed(TrioBackendError):
    """The other side is gone, or was sent away; ``code`` is the close code of RFC 6455."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def first_leaf(error: BaseException) -> BaseException:
    """The first real exception inside ``error``, however deep the nurseries nested it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
