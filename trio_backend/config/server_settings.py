"""`ServerSettings`: the server without its bounds: where it listens, who may connect, and its folders."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .bounds import OneOf, Within, check_folder, check_origins, check_proxies, check_upstream, option

OUR_PAGE = "ours"
"""Instead of a folder with a front end."""

CHOOSE_ENGINES = ("off", "operator", "everyone")
AUDIO_PIECES = ("auto", "always", "never")
LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")


@attrs.frozen
class ServerSettings:
    """What of ``system_config`` is no bound; see `SystemConfig`.

    Folders are relative to the folder of ``conf.yaml`` unless said otherwise.

    ``allowed_origins`` says which web pages may connect; each entry is a word or one origin as
    browsers send it. ``same-host``: the page came from the host (port aside) that it now connects
    to, and that is an IP address or a name of the local network (one word, or ending in ``.local``,
    ``.lan``, ``.home.arpa``, ``.internal``): public names must be listed. ``localhost``: web pages of any
    port of ``localhost``, ``127.0.0.1`` or ``[::1]``; applications such as ``capacitor://localhost`` and
    ``https://localhost`` (without a port) must be listed. ``file``: pages that are files, sent as
    ``file://`` (the desktop pet). ``null``: pages that conceal where they come from, as any website can.
    ``*``: every page. Origins that are listed may also show our page in a frame. A client that sends no
    ``Origin`` is no browser, and is not asked.
    """

    conf_version: str = option("", "version of the file's format; for people, not read")
    host: str = option("127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: int = attrs.field(
        default=12393,
        validator=Within(0, 65_535, ""),
        metadata={"help": "port to listen on; 0 lets the system choose"},
    )
    config_alts_dir: str = option("characters", "folder of the other characters' files")
    first_character: str = option(
        "", "file in that folder whose character is the first; empty: the one of conf.yaml"
    )
    tool_prompts: Mapping[str, str] = option(
        attrs.Factory(dict), "files under prompts/ that follow the persona in the system prompt", repr=False
    )
    audio_pieces: str = option(
        "auto",
        "whether clients that send no `hello` get a sentence in several pieces: auto (at most two, cut where "
        "the voice pauses), always, never",
        validator=OneOf(AUDIO_PIECES),
    )
    enable_proxy: bool = option(False, "whether /proxy-ws serves rooms")
    upstream_url: str = option(
        "",
        "WebSocket of another server where the rooms' sessions are; empty: in this process",
        validator=check_upstream,
        repr=False,
    )

    frontend_dir: str = option(
        "",
        "folder with a build of a front end to serve at /; empty: frontend/, if there is one; "
        f"{OUR_PAGE}: our page, which is always at /page/",
    )
    allowed_origins: tuple[str, ...] = option(
        ("same-host", "localhost", "file"), "which web pages may connect", validator=check_origins
    )
    trusted_proxies: tuple[str, ...] = option(
        (),
        "proxies whose X-Forwarded-For is believed: addresses, or networks such as 10.0.0.0/8",
        validator=check_proxies,
    )
    access_token: str = option("", "what clients must present to connect; empty: nothing", repr=False)
    tls_certificate: str = option("", "PEM file with the certificate chain; with tls_key: serve TLS")
    tls_key: str = option("", "PEM file with the certificate's key")
    speculation: str = option(
        "cautious",
        "whether to begin turns before the user has certainly finished; see docs/voice.md",
        validator=OneOf(("off", "cautious", "eager")),
    )
    choose_engines: str = option(
        "off",
        "who may try and choose engines on the page, for their own session: off, operator (a page of this "
        "machine, or with the access_token), everyone; see docs/choosing-engines.md",
        validator=OneOf(CHOOSE_ENGINES),
    )
    history_file: str = option("history.sqlite3", "conversations; relative to the working directory")
    cache_dir: str = option(
        "cache", "files served under /cache; relative to the working directory", validator=check_folder
    )
    preload: bool = option(True, "open the base character's engines at start, not with the first client")
    metrics: bool = option(True, "serve /metrics, for Prometheus: to this machine, or with the token")
    metrics_for_all: bool = option(False, "show /metrics to all who may connect")
    debug: bool = option(False, "show /debug/tasks and /metrics to all who may connect, and time every step")
    log_level: str = option("INFO", "least severe message that is logged", validator=OneOf(LOG_LEVELS))
