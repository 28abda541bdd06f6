"""What clients may read of errors: which file, not where it is on this machine."""

from __future__ import annotations

import re

# From where a path begins to its last separator; a component has none of the characters that end a path in a
# sentence. A URL is none: its first slash is followed by another one, that one by its host, and what follows
# the host stands directly behind it. Nor is what is called at a model server: it begins with a version.
_START = r"(?:file://)?(?:[A-Za-z]:[\\/]+|\\\\+|~[\\/]+|/)(?!v\d+/)"
_BARE = re.compile(rf"""(?<![\w.:/~-]){_START}(?:[^\s'"`<>|:;,()\\/]+[\\/]+)+""", re.ASCII)
# In quotation marks a path may hold spaces, as folders of people do.
_QUOTED = re.compile(rf"""(?<=['"`]){_START}(?:[^'"`\n\\/]+[\\/]+)+""")


def without_folders(text: str) -> str:
    """``text`` where of each absolute path only the file's name is left.

    A path that ends in a separator loses all of itself. Addresses stay, and relative paths. What stands
    outside quotation marks is taken to end at a space.
    """
    return _BARE.sub("", _QUOTED.sub("", text))
