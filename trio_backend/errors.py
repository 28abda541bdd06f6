"""Every exception this package raises on purpose.

TrioBackendError
├── ProtocolError      the client sent something that the wire format does not allow
├── ConfigError        a configuration or character file is wrong; says where and what is allowed
│   ├── UnknownEngine  an engine of that name is not built in; says which one stands in for it
│   └── SettingsError  a setting of an engine is wrong; says which, and what is allowed
├── SetupRefused       no configuration can be written from these answers, or to this folder; says why
├── FileTooLarge       a file of a configuration is larger than its reader allows
├── EngineError        an engine could not do its job; says what to do
│   ├── UnfitSetting   a setting names something that the engine does not have; says which setting
│   ├── NoVoice        this machine has nothing that speaks; says how to install it
│   ├── EngineReplaced an engine failed amid its work, and another one does what comes next
│   └── NotBegun       a child process ended before it began with a request
├── HttpFailed         a request over HTTP brought no whole answer; says at which stage it failed
├── UpgradeRefused     a server answered the request for a WebSocket with something else; has its answer
├── AnswerTooLong      a model server sends more than it may
├── PatternError       a pattern of the companion's rules is wrong
├── HistoryError       conversations cannot be stored or read; says which file, and what to do
│   └── NotStoredYet   they cannot be stored now; they are kept, and stored later
├── NoSuchHistory      this character has no conversation of that name
├── UnfitFile          a file of the old backend cannot be imported; says why
├── QuotaExceeded      what a client sent, or what all have sent, takes more memory than it may
├── QueueFull          the queue for a scarce piece of work, or one address's share of it, is full
├── CacheFull          a sound does not fit into the cache, or the disk does not take it
├── BodyRefused        the body of an HTTP request is too large, or does not come in time
├── NoConnection       no server can be reached at an address; says why, and what to do
├── RequestFailed      a server answered a request of the terminal client with an error
├── DownloadFailed     a model could not be downloaded, or what came is not the model; says what to do
├── PlayerFailed       a program cannot play sound on this machine; says why
├── Interrupted        a Ctrl-C or another signal came, and what the command had begun has ended
└── WireClosed         the other side is gone
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

HttpStage: TypeAlias = Literal["connect", "proxy", "timeout", "silent", "broken", "malformed"]


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


class UnknownEngine(ConfigError):
    """No engine of that ``kind`` is called ``name``; ``instead`` is the embedded one that stands in.

    ``message`` says so, in the words "X is used instead".
    """

    def __init__(self, message: str, *, kind: str, name: str, instead: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name
        self.instead = instead

    def with_instead(self, instead: str) -> str:
        """The message where ``instead`` stands in, or where nothing needs to, if that is empty."""
        then = f"{instead} is used instead" if instead else "it is left out"
        return str(self).replace(f"{self.instead} is used instead", then)


class SettingsError(ConfigError):
    """The setting ``key`` of an engine is wrong; ``message`` says what is allowed.

    ``others`` are the further wrong settings of the same engine, so that all can be told at once.
    """

    def __init__(self, key: str, message: str, *, others: Sequence[SettingsError] = ()) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message
        self.others = tuple(others)


class SetupRefused(TrioBackendError):
    """No configuration can be written from these answers, or to this folder. The text says what to do."""


class FileTooLarge(TrioBackendError):
    """A file of a configuration is larger than its reader allows."""


class EngineError(TrioBackendError):
    """An engine could not do its job. The text says what to do about it."""


class UnfitSetting(EngineError):
    """The setting ``key`` of an engine names something that it does not have, or cannot read."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class NoVoice(EngineError):
    """This machine has nothing that speaks. The text says how to install something."""


class RequestRefused(EngineError):
    """An engine works, but does not take this one request because of what is in it. Another one may."""


class EngineReplaced(EngineError):
    """An engine of a list failed amid its work. Another one has taken its place, and is asked from now on."""


class NotBegun(EngineError):
    """A child process ended, and not because of the request: it had not begun with that."""


class HttpFailed(TrioBackendError):
    """A request over HTTP brought no whole answer. Its text names no address.

    ``stage``: ``connect`` (no server, or no trusted one), ``proxy``, ``timeout`` (of connecting or sending),
    ``silent`` (nothing came in time), ``broken`` (the connection ended), ``malformed`` (what came is no
    answer).
    """

    def __init__(self, stage: HttpStage, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class UpgradeRefused(TrioBackendError):
    """A server answered the request for a WebSocket with an HTTP ``status``, ``headers`` and ``body``.

    The names of headers are in small letters. The text of the error repeats nothing of them.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"the server answered with status {status} instead of a WebSocket")
        self.status = status
        self.headers = headers
        self.body = body


class AnswerTooLong(TrioBackendError):
    """The answer of a model server, or an event in it, is longer than its reader takes."""


class PatternError(TrioBackendError):
    """A pattern of the companion's rules is wrong; the text says how."""


class HistoryError(TrioBackendError):
    """Conversations cannot be stored or read. The text names the file and says what to do about it."""


class NotStoredYet(HistoryError):
    """Conversations cannot be stored now. What was said is kept, and stored as soon as that is possible."""


class NoSuchHistory(TrioBackendError):
    """This character has no conversation of that name."""


class UnfitFile(TrioBackendError):
    """A file of the old backend cannot be imported; the text says why, and not its path."""


class QuotaExceeded(TrioBackendError):
    """What one client sent takes more memory than ``limit`` bytes; ``of_all``: what all clients sent does."""

    def __init__(self, limit: int, *, of_all: bool) -> None:
        mib = limit / 2**20
        super().__init__(
            f"all clients together hold more than {mib:.0f} MiB (max_memory_share)"
            if of_all
            else f"what this client sent takes more than {mib:.0f} MiB (max_memory_per_client)"
        )
        self.limit = limit
        self.of_all = of_all


class QueueFull(TrioBackendError):
    """A `FairQueue` has no place left; ``own_share``: because the address has used up its own share."""

    def __init__(self, *, own_share: bool) -> None:
        super().__init__("the share of this address is used up" if own_share else "the queue is full")
        self.own_share = own_share


class CacheFull(TrioBackendError):
    """A sound is larger than the share that one address has of the cache, or the disk does not take it."""


class BodyRefused(TrioBackendError):
    """The body of an HTTP request is too large, or did not come in time; ``status`` is that of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NoConnection(TrioBackendError):
    """No server can be reached at an address, or it does not let us in. The text says what to do about it.

    ``lasting`` says that trying again will not help.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class RequestFailed(TrioBackendError):
    """A server answered a request of the terminal client with an error, whose text this is."""


class DownloadFailed(TrioBackendError):
    """A model could not be downloaded, or what came is not the model. The message says what to do."""


class PlayerFailed(TrioBackendError):
    """A program that plays sound cannot play on this machine; the text says why."""


class Interrupted(TrioBackendError):
    """The ``signal`` of that number came, as by Ctrl-C, and what the command had begun has ended."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"ended by signal {signal}")
        self.signal = signal


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


def without(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """What is left of ``error`` besides exceptions of that ``kind``; a group of one is that one."""
    if isinstance(error, kind):
        return None
    while isinstance(error, BaseExceptionGroup):
        _, rest = error.split(kind)
        if rest is None:
            return None
        if len(rest.exceptions) > 1:
            return rest
        error = rest.exceptions[0]
    return error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and all that led to it, groups taken apart."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from causes(member)
        error = error.__cause__ or error.__context__
