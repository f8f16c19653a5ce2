"""The `assay` command as a user types it."""

import csv
import json
import subprocess
from pathlib import Path

from support.product import SAMPLES, Product


def test_status_shows_the_stack_and_the_newest_files(product: Product) -> None:
    file = product.report(SAMPLES / "landscape.jpg")
    listed = product.command("status").stdout
    assert "ready" in listed.splitlines()[0]
    assert file["file_id"] in listed
    shown = product.command("status", file["file_id"]).stdout
    assert "no_findings" in shown
    assert "jpeg-forensics" in shown


def test_watch_prints_a_finished_file_and_ends(product: Product) -> None:
    file = product.report(SAMPLES / "landscape.jpg")
    printed = product.command("watch", file["file_id"], "--until", "completed").stdout
    assert printed.startswith("snapshot")
    assert "analyzed" in printed


def test_a_file_submitted_again_shows_its_report_and_a_forced_one_is_new(product: Product) -> None:
    def submitted(*words: str) -> tuple[str, str]:
        printed = product.command("submit", *words, str(SAMPLES / "landscape.jpg")).stdout
        (file_id,) = (line.split()[1] for line in printed.splitlines() if line.startswith("file "))
        return file_id, printed

    first, printed = submitted()
    assert "Submitted before" not in printed
    again, printed = submitted()
    assert again == first
    assert "Submitted before" in printed
    assert "no_findings" in printed
    forced, printed = submitted("--force")
    assert forced != first
    assert "no_findings" in printed


def test_analyzers_lists_their_manifests(product: Product) -> None:
    names = {each["name"] for each in json.loads(product.command("analyzers", "--json").stdout)}
    assert {"jpeg-forensics", "provenance"} <= names
    assert "provenance" in product.command("analyzers").stdout


def test_env_can_be_sourced_by_a_shell(product: Product) -> None:
    lines = product.command("env").stdout
    shell = f"set -a; {lines}\nprintenv ASSAY_KAFKA__BOOTSTRAP_SERVERS ASSAY_S3__ENDPOINT_URL ASSAY_DATABASE__URL"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 3
    # The key that signs everybody's tokens is no business of a subscriber.
    assert "ASSAY_AUTH__SECRET" not in lines


def test_errors_are_one_line_and_a_status(product: Product) -> None:
    for words, status, hint in (
        (("submit", "/nowhere/photo.jpg"), 1, "cannot be read"),
        (("status", "01900000-0000-7000-8000-000000000000"), 1, "not_found"),
        (("token", "--owner", "no spaces"), 2, "owner's name"),
        (("logs", "--trace", "0" * 32), 1, "nothing is known"),
    ):
        done = product.command(*words, check=False)
        assert done.returncode == status, done
        assert done.stderr.count("\n") == 1, done.stderr
        assert hint in done.stderr


def test_dead_letters_are_for_operators(product: Product) -> None:
    assert product.command("dead-letters").returncode == 0


def test_reference_tables_come_from_the_code(product: Product) -> None:
    settings = product.command("reference", "settings").stdout
    assert "| ASSAY_KAFKA__BOOTSTRAP_SERVERS |" in settings
    assert "| ASSAY_SCALE__UPLOAD |" in settings
    errors = product.command("reference", "errors").stdout
    for code, status in (("not_found", 404), ("queue_too_old", 429), ("idempotency_key_in_use", 409)):
        assert f"| {code} | {status} |" in errors
    assert "assay_http_request_seconds" in product.command("reference", "metrics").stdout


def test_what_up_prints_is_the_address_and_lines_to_paste(running: Product) -> None:
    printed = running.printed.read_text()
    assert f"{running.url}/#token={running.token}" in printed
    assert f"ASSAY_HOME={running.home}" in printed
    assert "submit" in printed


def test_feedback_is_said_shown_and_taken_back(product: Product) -> None:
    file_id = product.report(SAMPLES / "landscape.jpg")["file_id"]
    said = product.command("feedback", file_id, "authentic", "--note", "I took it.").stdout
    assert said == "recorded: authentic, about the report in run 1\n"
    assert "authentic: I took it." in product.command("status", file_id).stdout
    assert product.command("feedback", file_id, "--withdraw").stdout == "withdrawn\n"
    assert "I took it." not in product.command("status", file_id).stdout
    for words in (("authentic", "--withdraw"), ()):
        assert product.command("feedback", file_id, *words, check=False).returncode == 1


def test_files_are_listed_compared_and_exported(product: Product, tmp_path: Path) -> None:
    file_id = product.report(SAMPLES / "landscape.jpg")["file_id"]
    assert file_id in product.command("files", "--name", "LANDSCAPE", "--media-type", "image/*").stdout
    assert file_id not in product.command("files", "--name", "seascape").stdout
    [line] = product.command("files", "--json", "--limit", "1").stdout.splitlines()
    assert json.loads(line)["file_id"] == file_id
    table = tmp_path / "all.csv"
    product.command("export", str(table), "--label", "no_findings")
    [row] = csv.DictReader(table.open(encoding="utf-8", newline=""))
    assert (row["file_id"], row["label"]) == (file_id, "no_findings")
    [line] = product.command("export").stdout.splitlines()
    assert json.loads(line)["run"]["report"]["label"] == "no_findings"
    assert "has no run 0" in product.command("compare", file_id, check=False).stderr
