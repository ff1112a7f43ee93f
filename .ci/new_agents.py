"""
Make agents with ``flyte-agent new`` in FOLDER: each kind by itself, and in a copy of this tree.

Those in the tree have names about as long as names may be: lines of code that hold them must fit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from packages import ROOT

KINDS = ("async", "sync", "sensor")
LONG = "as-long-as-names-may-be"


def copy_tree(target: Path) -> None:
    """Copy what git knows of this tree, and what it will once it is added."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def make(kind: str, name: str, where: Path) -> None:
    """Make one agent."""
    command = ["flyte-agent", "new", name, "--kind", kind, "--where", str(where)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Make them all."""
    alone, tree = (Path(sys.argv[1]) / name for name in ("alone", "tree"))
    alone.mkdir()
    copy_tree(tree)
    for kind in KINDS:
        make(kind, f"{kind}-sample", alone)
        make(kind, f"{kind}-{LONG}", tree)


if __name__ == "__main__":
    main()
