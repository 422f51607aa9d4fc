"""A system user for a server that refuses to run as root, and its access to the files.

Only used when root starts the local stack, as in most containers. The user is ``pgserver``, created
where it does not exist, or ``nobody`` where users can't be created. The folders above the data get
search permission for others and nothing more: names in them stay hidden.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["let_reach", "let_run", "ordinary_user"]

_SYSTEM_USER = "pgserver"


def ordinary_user() -> tuple[int, int]:
    """User and group id that the server runs as when root starts it."""
    import pwd

    for make in (True, False):
        try:
            entry = pwd.getpwnam(_SYSTEM_USER)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            if make and shutil.which("useradd"):
                command = ["useradd", "--system", "--no-create-home", _SYSTEM_USER]
                subprocess.run(command, check=False, capture_output=True)
    nobody = pwd.getpwnam("nobody")  # no useradd here (Alpine): any user but root will do
    return nobody.pw_uid, nobody.pw_gid


def let_reach(folder: Path) -> None:
    """Give other users search permission on a folder and those above it, where they lack it."""
    for path in (folder, *folder.parents):
        mode = path.stat().st_mode
        if not mode & 0o001:
            path.chmod(mode | 0o001)


def let_run(program: Path) -> None:
    """Let other users run a program and read what is installed with it; umask 077 hides both."""
    install = program.parent.parent
    let_reach(install)
    if program.stat().st_mode & 0o005 == 0o005:
        return
    for path in (install, *install.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o005 if path.is_dir() or mode & 0o100 else 0o004))
