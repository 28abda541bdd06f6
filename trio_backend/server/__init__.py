"""WebSockets as `Wire`, and HTTP, on one port. Nothing here knows of sessions."""

from .handshake import UpgradeRequest as UpgradeRequest
from .listener import Server as Server
from .listener import ShutdownReport as ShutdownReport
from .listener import WebSocketHandler as WebSocketHandler
from .options import ServerOptions as ServerOptions
from .sockets import open_listeners as open_listeners
from .sockets import port_of as port_of
