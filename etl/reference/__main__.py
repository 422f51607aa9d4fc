"""``make reference``: writes all generated pages again."""

from __future__ import annotations

import sys

from etl.reference.pages import DOCS, PAGES

for name, page in PAGES.items():
    (DOCS / name).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote docs/{name}\n")
