"""``make reference``: write the generated pages anew."""

from __future__ import annotations

import sys

from etl.reference.pages import pages

for path, text in pages().items():
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote docs/{path.name}\n")
