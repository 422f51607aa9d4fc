"""Records what the supervisor sees of its servers: which run, which died, when and why.

The record is ``<state>/health.json``. The supervisor writes it whenever something changes and
touches it every few seconds, so that its age says when a killed supervisor was last alive.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Health", "ServerHealth", "how_it_ended", "read_health", "write_health"]

FILE = "health.json"
HEARTBEAT_SECONDS = 5.0
TITLES = {
    "postgres": "PostgreSQL",
    "emulator": "the AWS emulator",
    "traces": "the trace store",
    "supervisor": "the supervisor",
}
NO_SPACE = "No space left on device"


@dataclass(frozen=True)
class ServerHealth:
    """One server: whether it runs, and how it last ended by itself."""

    role: str
    """``postgres``, ``emulator`` or ``traces``."""
    running: bool = True
    since: str = ""
    """ISO 8601 time in UTC at which it was started, or at which it died where it does not run."""
    restarts: int = 0
    """Starts after the first one."""
    ended_at: str = ""
    """ISO 8601 time in UTC of its last death; empty where it never died."""
    reason: str = ""
    """The cause of its last death, in words; empty where it never died."""
    log_file: str = ""

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return TITLES[self.role]

    def sentence(self) -> str:
        """Say in one sentence that it is down or was; empty where it runs and never died."""
        subject = self.title[0].upper() + self.title[1:]
        if not self.running:
            return (
                f"{subject} is down since {self.since}: {self.reason}. The supervisor keeps "
                f"trying to start it on the same data. Log: {self.log_file}"
            )
        if self.ended_at:
            return (
                f"{subject} died at {self.ended_at} ({self.reason}) and runs again since "
                f"{self.since}."
            )
        return ""


@dataclass(frozen=True)
class Health:
    """All servers of one state folder."""

    servers: dict[str, ServerHealth] = field(default_factory=dict)
    seen_at: str = ""
    """ISO 8601 time in UTC at which the supervisor was last alive."""

    @property
    def down(self) -> list[ServerHealth]:
        """The servers that don't run."""
        return [one for one in self.servers.values() if not one.running]

    def of(self, role: str, running: bool, reason: str = "") -> Health:
        """The same with one server started, or dead for a reason."""
        before = self.servers[role]
        now = utc_now()
        if running:
            changed = replace(before, running=True, since=now, restarts=before.restarts + 1)
        elif before.running:
            changed = replace(before, running=False, since=now, ended_at=now, reason=reason)
        else:
            changed = replace(before, reason=reason)
        return replace(self, servers={**self.servers, role: changed})


def how_it_ended(status: int, log_file: Path) -> str:
    """Say why a process ended, by its exit status and the end of its log."""
    killed = status == -signal.SIGKILL  # by someone else, whatever the log ends with
    if not killed and NO_SPACE in "\n".join(_last_lines(log_file, 15)):
        return f"the disk is full ({NO_SPACE})"
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return f"it was killed by {name}"
    if status == 0:
        return "it was stopped from outside (exit status 0)"
    last = next((line for line in reversed(_last_lines(log_file, 5)) if line.strip()), "")
    return f"it ended with exit status {status}" + (f": {last.strip()}" if last else "")


def write_health(state: Path, health: Health) -> None:
    """Replace the record, all at once."""
    fresh = state / f"{FILE}.new"
    content = {role: asdict(one) for role, one in health.servers.items()}
    fresh.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(fresh, state / FILE)


def touch_health(state: Path) -> None:
    """Note that the supervisor is alive."""
    os.utime(state / FILE)


def read_health(state: Path) -> Health | None:
    """The record of the last run; ``None`` where there is none."""
    file = state / FILE
    try:
        content: Mapping[str, dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
        seen = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except (OSError, ValueError):
        return None
    servers = {role: ServerHealth(**one) for role, one in content.items()}  # type: ignore[arg-type]
    return Health(servers, seen.isoformat(timespec="seconds"))


def utc_now() -> str:
    """The time as the record has it."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")


def _last_lines(file: Path, count: int) -> list[str]:
    try:
        with file.open("rb") as content:
            content.seek(max(0, file.stat().st_size - 16_384))
            return content.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []
