"""What the README says is true: its examples are run as they are printed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from support.product import SAMPLES, Product

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    """The fenced code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_consumer_example_prints_each_verdict(product: Product, tmp_path: Path) -> None:
    [example] = [block for block in blocks("python") if "AIOKafkaConsumer" in block]
    program = tmp_path / "consumer.py"
    program.write_text(example, encoding="utf-8")
    # A subscriber has what `assay env` prints, and nothing else of Assay.
    lines = product.command("env").stdout.splitlines()
    given = dict(line.split("=", 1) for line in lines)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    consumer = subprocess.Popen(
        [sys.executable, "-u", str(program)],
        env={**plain, **{name: value.strip("'") for name, value in given.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed: Queue[str] = Queue()
    assert consumer.stdout is not None
    Thread(target=lambda: [printed.put(line) for line in consumer.stdout or ()], daemon=True).start()
    try:
        file_id = product.report(SAMPLES / "splice.jpg")["file_id"]
        seen = ""
        while file_id not in seen or "manipulated" not in seen:
            try:
                seen += printed.get(timeout=30)
            except Empty:
                raise AssertionError(f"the example did not print the verdict of {file_id}, but:\n{seen}") from None
    finally:
        consumer.kill()
        consumer.wait()


def test_every_file_that_the_readme_names_is_there() -> None:
    root = README.parent
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README.read_text(encoding="utf-8")):
        assert (root / target).exists(), target
