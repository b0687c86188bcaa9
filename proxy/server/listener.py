"""Closes a listener without losing whoever is on the way in. I/O: one socket, Linux's filter.

Closing a listening socket resets the connections in its queue and those in mid-handshake. So the
kernel is first told to drop requests for new ones: it is asked again a second later, and then
says that nobody listens. Those under way get in meanwhile. Elsewhere than on Linux nothing is
done, and a connection made in the last moment may be reset.
"""

import ctypes
import os
import socket
import struct
import sys
from typing import Final

SETTLE_S: Final = 0.2
"""How long a handshake may take, and we to accept what it brings."""

_SO_ATTACH_FILTER: Final = 26
_SYN: Final = 0x02

# Classic BPF over the TCP header: (code, jump if true, jump if false, constant).
_NO_NEW_ONES: Final = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x45, 0, 1, _SYN),  # is SYN set?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else take all of it
)


def turn_away(fileno: int) -> None:
    """Let no further connection begin on the listening socket *fileno*; the rest gets in."""
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _NO_NEW_ONES)
    kept = ctypes.create_string_buffer(code, len(code))  # the kernel copies it from there
    program = struct.pack("HP", len(_NO_NEW_ONES), ctypes.addressof(kept))
    with socket.socket(fileno=os.dup(fileno)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
