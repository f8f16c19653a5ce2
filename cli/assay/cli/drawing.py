"""How files, analyses and reports look on a terminal, and in a pipe."""

from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]

COLOURS = {
    "manipulated": "bold red",
    "synthetic": "bold magenta",
    "authentic": "bold green",
    "no_findings": "bold cyan",
    "inconclusive": "bold yellow",
    "failed": "bold red",
}
EVIDENCE_SHOWN = 5


def size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def number(value: float | None) -> str:
    """A score with two digits; never rounded to a certainty that it is not."""
    if value is None:
        return "–"
    return f"{min(max(value, 0.01), 0.99):.2f}" if 0 < value < 1 else f"{value:.0f}"


def kinds(media_types: list[str]) -> str:
    """Media types by what they are: `audio (3), image (12), application/pdf`."""
    counts: dict[str, int] = {}
    for media_type in media_types:
        main = media_type.partition("/")[0]
        name = media_type if main == "application" else main
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(counts.items()))


def heading(file: Json) -> list[str]:
    """The first lines about a file."""
    plan = file.get("plan") or [each["analyzer"] for each in (file.get("run") or {}).get("analyses", ())]
    return [
        f"{file['filename']}  {file['media_type']}  {size(file['size'])}  sha256 {file['sha256']}",
        f"file {file['file_id']}  plan: {', '.join(plan)}",
        f"{file['links']['web']}",
    ]


def analysis_line(analysis: Json) -> str:
    """One analysis in one line."""
    name = f"{analysis['analyzer']:<18}"
    if analysis["status"] == "completed":
        verdict = analysis["verdict"]
        took = f"{analysis['duration_ms']} ms" if analysis.get("duration_ms") is not None else ""
        return f"{name}{verdict['label']:<16}score {number(verdict['score']):<6}{took}"
    if analysis["status"] == "failed":
        return f"{name}failed          {analysis['error']['code']}: {analysis['error']['message']}"
    return f"{name}{analysis['status']:<16}{analysis.get('stage') or ''}"


def live(file: Json) -> RenderableType:
    """The analyses of a run, drawn with bars while they run."""
    table = Table.grid(padding=(0, 2))
    for analysis in (file.get("run") or {}).get("analyses", ()):
        verdict = analysis.get("verdict")
        label = verdict["label"] if verdict else analysis["status"]
        table.add_row(
            Text(analysis["analyzer"]),
            ProgressBar(total=1.0, completed=analysis.get("fraction") or 0.0, width=24),
            Text(label, style=COLOURS.get(label, "")),
            Text(analysis.get("stage") or "" if verdict is None else f"score {number(verdict['score'])}"),
        )
    return Group(table)


def report(run: Json) -> list[Text]:
    """The conclusion: label, score, sentences, evidence."""
    told = run.get("report")
    if told is None:
        return [Text(f"No report yet: the run is {run['status']}.")]
    first = Text(told["label"], style=COLOURS.get(told["label"], "bold"))
    claim = f" that it is {told['claim']}" if told.get("claim") else ""
    first.append(f"  score {number(told['score'])}{claim}  confidence {number(told['confidence'])}", style="default")
    lines = [first, Text(told["summary"])]
    for evidence in told["evidence"][:EVIDENCE_SHOWN]:
        source = (evidence.get("where") or {}).get("analyzer")
        lines.append(Text(f"  - {evidence['text']}" + (f" ({source})" if source else "")))
    lines.extend(Text(f"  missing: {each['analyzer']} ({each['code']})") for each in told["missing"])
    return lines
