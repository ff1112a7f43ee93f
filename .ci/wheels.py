"""
Check the built wheels and sdists in DIR, and write constraints that name them to FILE.

With ``name @ file:///…`` as a constraint an installer cannot take our packages from an index, where
the name may be an older release or belong to somebody else.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

from packages import Package, discover


def faults(package: Package, inside: list[str]) -> list[str]:
    """What is missing from, or has no business in, the list of files of a package's wheel."""
    module, path = package.module, package.path
    wanted = {f"{module}/py.typed": f"{path}/src", "licenses/LICENSE": path}
    missing = [
        f"lacks {name.rpartition('/')[2]}: put it into {where}"
        for name, where in wanted.items()
        if not any(file.endswith(name) for file in inside)
    ]
    ours = re.compile(rf"{module}(-[^/]*\.dist-info)?/(?!tests?/)")
    strange = [
        f"holds {file}: only {path}/src/{module} ships, see [tool.hatch] in its pyproject.toml"
        for file in inside
        if not ours.match(file)
    ]
    return missing + strange


def check(package: Package, folder: Path) -> Path:
    """The package's one wheel in the folder; fails if its content or its sdist is not right."""
    wheels = list(folder.glob(f"{package.module}-{package.version}-*.whl"))
    sdists = list(folder.glob(f"{package.module}-{package.version}.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        raise SystemExit(f"{folder} has not one wheel and one sdist of {package.name}: build again")
    found = faults(package, zipfile.ZipFile(wheels[0]).namelist())
    with tarfile.open(sdists[0]) as sdist:
        if not any(name.endswith(f"{package.module}/py.typed") for name in sdist.getnames()):
            found.append(f"comes from an sdist without src: see [tool.hatch] in {package.path}")
    if found:
        raise SystemExit("\n".join(f"{wheels[0].name} {fault}" for fault in found))
    return wheels[0].resolve()


def main() -> None:
    """Check every package of the tree."""
    folder, constraints = map(Path, sys.argv[1:])
    lines = [f"{p.name} @ {check(p, folder).as_uri()}\n" for p in discover()]
    constraints.write_text("".join(lines))


if __name__ == "__main__":
    main()
