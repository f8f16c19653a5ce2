"""`python -m chaos`, with tests/ on the path; `make chaos`.

Uploads go on while every kind of process is killed, round after round. Then the receipts are held against what can be
read from outside. Prints a table and writes chaos.json into ASSAY_HOME (.assay). Exit status 1 where anything was lost
or counted twice.
"""

import asyncio
import logging
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from bench.rows import Aim, Row, keep, show
from support.product import Product

from chaos import truth
from chaos.killing import KINDS, Killer
from chaos.uploading import Uploaders

TESTS = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("ASSAY_HOME", ".assay")).absolute()
PEOPLE = 4
EVERY_S = 9.0
"""Seven kinds in turn: each lives for a minute in between, as the supervisor expects of what is healthy."""
ENDED_S = 240.0
MOST_SHOWN = 10

ENTRY_POINTS = """\
[assay.analyzers]
chaos-sturdy = chaos.analyzers:Sturdy
chaos-fragile = chaos.analyzers:Fragile
"""


def main() -> int:
    """Run the proof; returns the exit status."""
    files, rounds = int(os.environ.get("CHAOS_FILES", "500")), int(os.environ.get("CHAOS_ROUNDS", "6"))
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    (HOME / "chaos").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=HOME / "chaos"))
    product = Product(
        folder / "home",
        ASSAY_ANALYZERS="chaos-sturdy,chaos-fragile",
        PYTHONPATH=_python_path(folder),
        ASSAY_LOG__FORMAT="json",
    )
    print(f"{files} uploads by {PEOPLE} people, {rounds} rounds of kills over {', '.join(KINDS)}", flush=True)
    product.start()
    try:
        rows = asyncio.run(_prove(product, files, rounds))
    finally:
        product.stop()
    show(rows)
    keep(rows, HOME / "chaos.json")
    print(f"written to {HOME / 'chaos.json'}")
    failed = any(row.aim is not None and row.value is not None and not row.aim.is_met(row.value) for row in rows)
    if failed:
        print(f"what was running is left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


async def _prove(product: Product, files: int, rounds: int) -> list[Row]:
    assert product.process is not None
    killer = Killer(product.process.pid, every_s=EVERY_S)
    uploaders = Uploaders(product.url, product.token, files, seconds=EVERY_S * rounds * len(KINDS))
    await asyncio.gather(uploaders.run(PEOPLE), killer.run(rounds))
    print(f"  {len(uploaders.receipts)} receipts, {uploaders.broken_off} attempts without one", flush=True)
    environment = _environment(product)
    receipts = uploaders.receipts
    late = await truth.ended(environment, receipts, ENDED_S)
    findings = await truth.judge(environment, receipts)
    findings.lost += [f"run {run_id} had no report {ENDED_S:.0f} s after the last kill" for run_id in late]
    for sentences in (findings.lost, findings.duplicates, findings.not_analyzed, findings.poison):
        for sentence in sentences[:MOST_SHOWN]:
            print(f"  {sentence}")
    none, n = Aim("at most", 0), len(receipts)
    fewest = min(killer.kills[kind] for kind in KINDS)
    return [
        Row("lost", len(findings.lost), "files", n, aim=none),
        Row("duplicates", len(findings.duplicates), "reports or rows", n, aim=none),
        Row("innocent_not_analyzed", len(findings.not_analyzed), "files", n, aim=none),
        Row("poison_not_given_up", len(findings.poison), "files", 1, aim=none),
        Row("kills", killer.kills.total(), "processes", killer.kills.total(), aim=Aim("at least", 40)),
        Row("kills_of_the_rarest_kind", fewest, "processes", len(KINDS), aim=Aim("at least", 5)),
        Row("files", n, "files", n, aim=Aim("at least", 500)),
    ]


def _environment(product: Product) -> dict[str, str]:
    """Addresses and credentials of the parts, as an operator gets them."""
    lines = product.command("env").stdout.splitlines()
    return {name: shlex.split(value)[0] if value else "" for name, _, value in (line.partition("=") for line in lines)}


def _python_path(folder: Path) -> str:
    """A PYTHONPATH on which the analyzers are installed, as pip would have done it."""
    info = folder / "site" / "assay_chaos_analyzers-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-chaos-analyzers\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(folder / "site"), str(TESTS)])


if __name__ == "__main__":
    sys.exit(main())
