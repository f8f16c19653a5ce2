"""Pages name only files that exist, and the contract's page names every topic and type."""

import re
from pathlib import Path

import pytest
from support.deployment import ROOT

from assay.contracts import EVENTS
from assay.contracts.topics import ALL

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_to_files(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in folder.glob("0*.md"))


def test_the_contracts_page_is_complete() -> None:
    rows = {
        row.split("|")[1].strip(" `"): row for row in (ROOT / "docs/contract.md").read_text().splitlines() if "|" in row
    }
    for topic in ALL:
        row = rows[topic.name]
        assert row.split("|")[2].strip() == str(topic.partitions)
        assert ("compacted" in row) == (topic.config["cleanup.policy"] == "compact")
        for event in EVENTS.values():
            if topic.name in event.topics and topic.name != "assay.files.bulk":
                assert event.type in row or "…." + event.type.removeprefix("assay.analysis.") in row, event.type
