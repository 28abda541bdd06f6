"""What a server says at its start: where its page is, and what is wrong with its configuration."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import attrs
import trio
from loguru import logger

from .addresses import MICROPHONE, network_addresses_of, phone_address
from .backend import Backend
from .check import examine
from .config.diagnostics import FindingLog
from .config.folder import Config
from .config.references import HOST
from .observe.log import show_on_terminal, terminal_has_colours
from .qr_code import qr_lines


@attrs.frozen
class StartOptions:
    """What is said besides addresses and ``Config.warnings``; programs that embed a server say no more.

    ``check``: all that `trio-backend check` finds in ``Config.path`` (notes aside). ``qr_code``: the address
    for phones, with the access token, if the log goes to a terminal. ``authority``: the file of the authority
    that has signed the certificate, if it is one that browsers do not know.
    """

    check: bool = False
    qr_code: bool = False
    authority: Path | None = None


@attrs.frozen
class StartReport:
    """Logs what a server says at its start, once ``backend`` has loaded its first character, or cannot.

    Findings go to ``findings``, so that none is told again.
    """

    config: Config
    backend: Backend
    findings: FindingLog
    options: StartOptions

    async def tell(self, address: str, port: int) -> None:
        """Tell where the server is, and then what is wrong, which may take a second. A cancel stops it."""
        await self.backend.preloaded.wait()
        name = self.backend.services.catalog.base.character_name
        if self.backend.not_ready:
            # Its page says what is wrong, too, and offers the other characters.
            logger.warning("{} cannot come, but the page is at {}", name, address)
        else:
            logger.info("{} is at {}", name, address)
        await self._tell_network(port)
        if self.options.check:
            await self._tell_findings()

    async def _tell_network(self, port: int) -> None:
        addresses = await trio.to_thread.run_sync(network_addresses_of, self.config, port)
        for address in addresses:
            logger.info("for other machines of the network: {}", address)
        token = self.config.system.access_token
        find = partial(phone_address, self.config, port, token=token)
        phone = await trio.to_thread.run_sync(find)
        if phone and not self.config.tls:
            logger.info("{}", MICROPHONE)
        if self.options.authority:
            logger.info(
                "browsers do not know its certificate, and warn once on each device that the connection is "
                "not private: choose Advanced, then Continue. A device that trusts {} does not warn",
                self.options.authority,
            )
        if phone and self.options.qr_code:
            await self._show_code(phone, holds_token=token != "")

    async def _show_code(self, address: str, *, holds_token: bool) -> None:
        draw = partial(qr_lines, address, colours=terminal_has_colours())
        code = await trio.to_thread.run_sync(draw)
        # Not by the logger: the token must not reach the log, nor what keeps its lines.
        if show_on_terminal(code):
            logger.info(
                "the code opens the page on a phone{}", ", and holds the access token" if holds_token else ""
            )

    async def _tell_findings(self) -> None:
        system = self.config.system
        checked = await examine(self.config.path, os.environ, is_open=self.backend.leases.is_open)
        written = checked.config.system if checked.config else None
        for finding in checked.findings:
            # Where the command line names another address, that of the file is not used.
            if finding.key != HOST or (written is not None and written.host == system.host):
                self.findings.tell(finding)
