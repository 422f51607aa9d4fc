"""Child processes that die with their parent, even where it is ended by ``kill -9``.

A parent that is killed can't clean up, so the kernel has to. Linux sends a chosen signal to a
child whose parent ends (``PR_SET_PDEATHSIG``). The call has to be made in the child, and a
``preexec_fn`` is unsafe in a program with threads, so this file is also a tiny program: it changes
to another user where asked, sets the signal and becomes the command it was given.

The kernel watches the *thread* that started the child: start such children from a thread that
lives as long as the program, such as the main one. On macOS there is no such call; there the
supervisor's clean shutdown, and the check at the next start, take its place.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(
    command: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    user: tuple[int, int] | None = None,
) -> list[str]:
    """The command line that runs ``command`` as a child that ends with this process.

    ``user`` is a (user id, group id) to change to first; that needs root.
    """
    uid, gid = user if user is not None else (-1, -1)
    ids = [str(number) for number in (os.getpid(), int(death_signal), uid, gid)]
    # -I and -S: neither the environment nor site-packages can change what this program does.
    return [sys.executable, "-I", "-S", __file__, *ids, *command]


def _become(parent: int, death_signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process by the command; returns only by raising ``OSError``."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)  # before prctl: a change of user clears the signal
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:  # the parent ended before the signal was set
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  # becoming the command is the point


if __name__ == "__main__":
    _parent, _signal, _uid, _gid = (int(text) for text in sys.argv[1:5])
    _become(_parent, _signal, _uid, _gid, sys.argv[5:])
