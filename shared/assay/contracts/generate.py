"""Writes the contract's documents: a JSON Schema for each event type, and the AsyncAPI document.

python -m assay.contracts.generate            write them to `schemas/`; refuses what would break a subscriber
python -m assay.contracts.generate --check    fail where the files differ from the models
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from assay.contracts.compatibility import breaking_changes
from assay.contracts.documents import SCHEMAS, Documents, checked_in, documents, text_of


def stale(wanted: Documents, folder: Path = SCHEMAS) -> list[str]:
    """Names of files that are missing, left over or not what they should be."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    texts = {name: text_of(document) for name, document in wanted.items()}
    return sorted(name for name in found.keys() | texts.keys() if found.get(name) != texts.get(name))


def write(wanted: Documents, folder: Path = SCHEMAS) -> list[str]:
    """Write what is stale, and return its names."""
    changed = stale(wanted, folder)
    folder.mkdir(exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(text_of(wanted[name]), encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None, folder: Path = SCHEMAS) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m assay.contracts.generate", description="The contract's documents")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files differ")
    parser.add_argument(
        "--accept-breaking",
        action="store_true",
        help="write a change that breaks subscribers all the same; only before a type was ever released",
    )
    options = parser.parse_args(arguments)
    wanted = documents()
    if options.check:
        changed = stale(wanted, folder)
        if changed:
            print(
                f"the contract's documents differ from the models: {', '.join(changed)}; "
                "run: python -m assay.contracts.generate",
                file=sys.stderr,
            )
        return 1 if changed else 0
    breaking = breaking_changes(checked_in(folder), wanted)
    if breaking and not options.accept_breaking:
        print("\n".join(["not written, these changes would break subscribers:", *breaking]), file=sys.stderr)
        return 1
    for name in write(wanted, folder):
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
