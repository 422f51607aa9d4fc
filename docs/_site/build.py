"""``make docs``: build the site, check each link of it, and list those that lead elsewhere.

A warning of Sphinx is an error, and so are a link or an anchor that leads nowhere, and whatever a
page would load from elsewhere. Links to elsewhere are not fetched: a build must not fail because
another server does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SITE = ROOT / ".build" / "site"
PAGES = "**/*.html"
# Mermaid's styles speak of gradients that only another of its looks draws.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|object)\b[^>]*?\b(?:src|data)=["'](?:https?:)?//[^"']+"""
    r"""|<link\b(?=[^>]*rel=["']?(?:stylesheet|icon|pre))[^>]*?href=["'](?:https?:)?//[^"']+"""
    r"""|(?:@import\s*|url\(\s*)["']?(?:https?:)?//[^"')]+"""
)
"""Matches what a browser would fetch from another place by itself."""
NOT_LINKS = r"#d[0-9a-f]{12}-gradient$"


def build() -> None:
    """The site, from nothing: what is left of an earlier build would hide a warning."""
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E"]
    command += ["-b", "html", "-c", str(HERE), "-d", str(ROOT / ".build/doctrees")]
    # Its root as seen from here: no path of this machine comes into a page.
    subprocess.run([*command, ".", str(SITE)], check=True, cwd=ROOT)


def lychee(*options: str) -> subprocess.CompletedProcess[str]:
    """The link checker over all pages."""
    program = Path(sys.executable).with_name("lychee")
    every = [program, "--no-progress", "--root-dir", SITE, *options, SITE / PAGES]
    return subprocess.run(every, text=True, capture_output=True, check=False)


def check() -> None:
    """Every link and anchor within the site. Ends the program where one leads nowhere."""
    done = lychee("--offline", "--include-fragments", "--exclude", NOT_LINKS)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    elsewhere = SITE.with_name("links-elsewhere.txt")
    found = {each for each in lychee("--dump").stdout.split() if each.startswith("http")}
    elsewhere.write_text("\n".join(sorted(found)) + "\n", encoding="utf-8")
    pages = len(list(SITE.rglob("*.html")))
    sys.stdout.write(
        f"{pages} pages, each link within them leads somewhere; {len(found)} lead elsewhere "
        f"({elsewhere.relative_to(ROOT)})\nopen {(SITE / 'index.html').relative_to(ROOT)}\n"
    )


def nothing_from_elsewhere() -> None:
    """Ends the program where a page or a style would load something from another place."""
    found = [
        f"{file.relative_to(SITE)}: {loaded[0]}"
        for file in sorted(SITE.rglob("*"))
        if file.suffix in {".html", ".css", ".svg"}
        for loaded in LOADED.finditer(file.read_text(encoding="utf-8"))
    ]
    if found:
        sys.exit("\n".join(["What pages load must be part of the site:", *found]))


if __name__ == "__main__":
    try:
        build()
        nothing_from_elsewhere()
        check()
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
