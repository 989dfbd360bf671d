"""The network that a command on a machine sees: loopback with the addresses that clients know by heart, and nothing else.

Theory. Sockets belong to the network namespace in which they were made, not to their holder's. So the child that enters a new
namespace makes the listeners there and hands them to its parent, which stays in the machine's own namespace: what is accepted
on them is served from outside, and inside runs nothing but the command. The namespaces have no names and no mounts outside, so
with their last process they are gone. The command is below the first process of a new PID namespace: when that one ends,
however it ends, the kernel ends all that the command has started.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000  # linux/sched.h
MS_REC, MS_BIND, MS_PRIVATE = 0x4000, 0x1000, 0x40000  # linux/mount.h
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C  # linux/sockios.h
IFF_UP, IFF_RUNNING = 0x1, 0x40  # linux/if.h
BACKLOG = 1024
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A file that the command finds at `path` instead of the one that is there; other processes see no change."""

    path: Path
    content: str


class NamespaceError(Exception):
    """The kernel makes no such namespace for this user; the text is its reason."""


def enter() -> None:
    """Moves this process to a network of its own, and its next child to a PID namespace of its own; raises NamespaceError.

    Without root's rights that takes a user namespace. The user stays who it is there too.
    """
    user, group = os.geteuid(), os.getegid()
    wanted = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
    if _LIBC.unshare(wanted) != 0:
        if ctypes.get_errno() != errno.EPERM:
            raise NamespaceError(os.strerror(ctypes.get_errno()))
        if _LIBC.unshare(wanted | CLONE_NEWUSER) != 0:
            raise NamespaceError(os.strerror(ctypes.get_errno()))
        try:
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        except OSError as refused:
            raise NamespaceError(str(refused.strerror)) from refused
    _mount("none", "/", MS_REC | MS_PRIVATE)  # no mount of ours is to be seen outside


def _mount(source: str, target: str, flags: int) -> None:
    if _LIBC.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        raise NamespaceError(f"mount {target}: {os.strerror(ctypes.get_errno())}")


def lay_over(overlays: Sequence[Overlay]) -> None:
    """Puts the files in place of those that there are; a path that does not exist is left out. Raises NamespaceError."""
    for overlay in overlays:
        if not overlay.path.is_file():
            continue
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # the mount keeps it when its name is gone
            file.write(overlay.content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            _mount(file.name, str(overlay.path.resolve()), MS_BIND)


def listen(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Brings loopback up with these addresses and listens on each; raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _set_flags(control, "lo")
        further = sorted({host for host, _ in addresses if not host.startswith("127.")})
        for number, host in enumerate(further):
            for request, address in ((SIOCSIFADDR, host), (SIOCSIFNETMASK, "255.255.255.255")):
                _set(control, request, f"lo:{number}", address)
    return [_listener(address) for address in addresses]


def _listener(address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(BACKLOG)
    return made


def _set_flags(control: socket.socket, interface: str) -> None:
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", interface.encode(), IFF_UP | IFF_RUNNING))


def _set(control: socket.socket, request: int, interface: str, address: str) -> None:
    packed = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    fcntl.ioctl(control, request, struct.pack("16s16s", interface.encode(), packed))
