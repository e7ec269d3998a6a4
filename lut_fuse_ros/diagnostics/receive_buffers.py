"""Datagrams that the kernel dropped before the middleware of this process could take them."""

from __future__ import annotations

from pathlib import Path

INODE, DROPS = 9, 12
"""Columns of /proc/net/udp."""


def lost_datagrams() -> int:
    """Datagrams lost so far because a receive buffer of this process was full; 0 if unknown.

    One datagram lost costs a whole best effort image.
    """
    mine = {str(link) for link in _links()}
    rows = (row for name in ("udp", "udp6") for row in _rows(Path("/proc/net") / name))
    return sum(int(row[DROPS]) for row in rows if f"socket:[{row[INODE]}]" in mine)


def _links() -> list[Path]:
    links = []
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            links.append(descriptor.readlink())
        except OSError:  # closed meanwhile
            continue
    return links


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:  # not Linux, or without IPv6
        return []
