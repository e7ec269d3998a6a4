"""What apt installs for package.xml on each ROS 2, by rosdep's own lists; nothing is installed.

usage: .ci/rosdep_keys.py FOLDER, a checkout of https://github.com/ros/rosdistro

Prints a line for each key; the exit status is 1 if one cannot be resolved somewhere.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

import yaml

DISTRIBUTIONS = {"humble": "jammy", "jazzy": "noble", "kilted": "noble", "lyrical": "resolute"}
PACKAGE = Path(__file__).parents[1] / "package.xml"


def main(folder):
    keys = {}
    for name in ("base.yaml", "python.yaml"):
        keys.update(yaml.load((folder / "rosdep" / name).read_bytes(), yaml.CSafeLoader))
    tags = ("build_depend", "exec_depend", "test_depend")
    package = ElementTree.parse(PACKAGE).getroot()
    wanted = [each.text for tag in tags for each in package.iter(tag)]
    released = {name: packages_of(folder, name) for name in DISTRIBUTIONS}
    missing = 0
    for key in wanted:
        found = [
            apt_name(key, distribution, keys, released[distribution])
            for distribution in DISTRIBUTIONS
        ]
        missing += not all(found)
        print(f"{key:22}", *(f"{name or 'MISSING':34}" for name in found))
    print(f"{len(wanted)} keys, {missing} of them not on every distribution", file=sys.stderr)
    return 1 if missing else 0


def packages_of(folder, distribution):
    file = folder / distribution / "distribution.yaml"
    listed = yaml.load(file.read_bytes(), yaml.CSafeLoader)["repositories"]
    packages = set()
    for name, repository in listed.items():
        release = repository.get("release", {})
        if "version" in release:  # else it is listed and not released
            packages |= set(release.get("packages", [name]))
    return packages


def apt_name(key, distribution, keys, packages):
    """The name of a key's package; None if there is none."""
    if key in packages:
        return f"ros-{distribution}-{key.replace('_', '-')}"
    found = keys.get(key, {}).get("ubuntu")
    if isinstance(found, dict) and not found.keys() & {"apt", "pip"}:
        found = found.get(DISTRIBUTIONS[distribution], found.get("*"))
    return " ".join(found) if isinstance(found, list) and found else None


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "rosdep").is_dir():
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
