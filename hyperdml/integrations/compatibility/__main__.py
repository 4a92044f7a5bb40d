"""Print the tables, or write them into a page."""

from __future__ import annotations

import sys
from pathlib import Path

from hyperdml.integrations.compatibility.page import replace_tables, tables


def main(arguments: list[str]) -> None:
    """Print the tables of the installed version, or write them into the file that is named."""
    if not arguments:
        print(tables())
        return
    for name in arguments:
        path = Path(name)
        path.write_text(replace_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
