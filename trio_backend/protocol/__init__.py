"""The wire format: everything that may cross the WebSocket, and nothing else. No I/O."""

from .codec import decode as decode
from .codec import encode as encode
from .incoming import *
from .outgoing import *
