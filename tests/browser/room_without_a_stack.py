"""``python -m tests.browser.room_without_a_stack [--read-only]``: the control room alone."""

from __future__ import annotations

import sys
from contextlib import suppress

from dashboard.serving import listen, serve
from tests.fixtures.stopped_room import stopped_room


def main() -> None:
    room = stopped_room(read_only="--read-only" in sys.argv)
    with suppress(KeyboardInterrupt):
        serve(room, listen(None), open_browser=False, notify=lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
