"""A scan for secrets in the files and in the history, with detect-secrets.

Code and configuration are scanned with all detectors, including heuristic ones; tests, pages and
notebooks only for known formats of credentials. False positives (names, hashes) are listed by
digest in ``audit/no_secrets.json``; ``python -m audit.secrets`` rewrites that file, and its
changes are reviewed like code. The history is scanned for known formats (AWS keys, tokens,
private keys), and no such finding is ever accepted but the example key of AWS's documentation.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from audit.check_result import CheckResult

__all__ = ["check_history", "check_tree"]

REVIEWED = Path(__file__).with_name("no_secrets.json")
HEURISTIC = {
    "Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector",
    "EntropyKeywordCombinator", "IPPublicDetector",
}  # fmt: skip
"""Detectors of text that resembles a secret, rather than of a known format."""
EXAMPLE = "AKIAIOSFODNN7EXAMPLE"
"""The access key of AWS's documentation, which opens nothing."""
NAME = re.compile(r"[A-Za-z_./:-]*|arn:.*")
"""Names, which are most texts next to a word like "secret"; a password is more than letters."""
TEST_DATA = re.compile(r"\.ipynb$|^tests/|^docs/")
"""Files with invented passwords, digests and pictures, scanned only for known formats: heuristics
would give so many false positives that no one would review them."""
EXCLUDED = (
    "requirements/", "layers/", "docs/images/", "audit/no_secrets.json",
    "dashboard/editor/package-lock.json", "dashboard/static/vendor/",
    "contracts/examples/families/azure_iot.ndjson",
)  # fmt: skip
"""Lock files consist of hashes, which pip and npm check, SVG pictures and the bundled editor of
random-looking text. The messages of that family are invented, and as long in base64 as a key of
Azure."""


def check_tree() -> CheckResult:
    """Checks that each finding in the files has been reviewed."""
    files = tracked()
    known = json.loads(REVIEWED.read_text(encoding="utf-8"))
    found = scan(files)
    problems = [
        f"{one['file']}:{one['line']}: {one['kind']}. Move a secret to Secrets Manager and revoke "
        "it; for a false positive, run `.audit-venv/bin/python -m audit.secrets` and review "
        f"{REVIEWED.name}."
        for digest, one in found.items()
        if digest not in known
    ]
    return CheckResult(
        "secrets in the files", f"{len(files)} files, {len(known)} reviewed", problems
    )


def check_history() -> CheckResult:
    """Checks that no commit adds a credential."""
    name = "secrets in the history"
    if shutil.which("git") is None or not Path(".git").exists():
        return CheckResult(name, "nothing", [], "this copy has no history")
    count = git("rev-list", "--count", "HEAD").strip()
    left_out = [f":!{path}" for path in EXCLUDED]
    patch = git("log", "-p", "--no-color", "--no-merges", "-U0", "HEAD", "--", ".", *left_out)
    from detect_secrets.core.scan import scan_diff
    from detect_secrets.settings import transient_settings

    with transient_settings({"plugins_used": detectors(heuristic=False)}):
        problems = [
            f"{one.filename}: {one.type}, in some commit. Revoke it first, then rewrite the "
            "history."
            for one in scan_diff(patch)
            if one.secret_value != EXAMPLE
        ]
    return CheckResult(name, f"{count} commits", problems)


def scan(files: list[str]) -> dict[str, dict[str, Any]]:
    """The findings in these files, by the digest of the text."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    found: dict[str, dict[str, Any]] = {}
    test_data = [file for file in files if TEST_DATA.search(file)]
    for heuristic, some in ((False, test_data), (True, sorted(set(files) - set(test_data)))):
        with transient_settings({"plugins_used": detectors(heuristic=heuristic)}):
            for file in some:
                for one in scan_file(file):
                    text = one.secret_value or ""
                    if text == EXAMPLE or (one.type == "Secret Keyword" and NAME.fullmatch(text)):
                        continue
                    where = {"file": file, "line": one.line_number, "kind": one.type}
                    found.setdefault(one.secret_hash, where)
    return found


def detectors(*, heuristic: bool) -> list[dict[str, Any]]:
    """Configuration of the detectors, with or without the heuristic ones."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes = get_mapping_from_secret_type_to_class().values()
    names = sorted({one.__name__ for one in classes})
    limits = {"Base64HighEntropyString": {"limit": 4.5}, "HexHighEntropyString": {"limit": 3.0}}
    return [
        {"name": name, **limits.get(name, {})}
        for name in names
        if heuristic or name not in HEURISTIC
    ]


def tracked() -> list[str]:
    """The files tracked by git, without excluded ones."""
    return [f for f in git("ls-files").splitlines() if not f.startswith(EXCLUDED)]


def git(*arguments: str) -> str:
    """The output of git. Raises ``CalledProcessError`` where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def main() -> None:
    """Rewrite the file of reviewed findings; whoever commits it confirms that none is a secret."""
    found = scan(tracked())
    texts = {digest: f"{one['file']}: {one['kind']}" for digest, one in found.items()}
    ordered = dict(sorted(texts.items(), key=lambda item: (item[1], item[0])))
    REVIEWED.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
