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


def title(file: Json) -> str:
    """What a person calls a file. One that was found inside another has no name of its own."""
    return file["filename"] or ("(found inside another file)" if file.get("parent_file_id") else "(no name yet)")


def heading(file: Json) -> list[str]:
    """The first lines about a file."""
    plan = file.get("plan") or [each["analyzer"] for each in (file.get("run") or {}).get("analyses", ())]
    return [
        *(["Submitted before: this is the file of then."] if file.get("known") else []),
        f"{title(file)}  {file['media_type']}  {size(file['size'] or 0)}  sha256 {file['sha256']}",
        f"file {file['file_id']}  plan: {', '.join(plan) or 'no analyzer takes it'}",
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


def origin(file: Json, parent: Json) -> str:
    """Where a derived file comes from."""
    by = next((each["derived_by"] for each in parent["derived"] if each["file_id"] == file["file_id"]), None)
    return f"found in {title(parent)}{f' by {by}' if by else ''}  file {parent['file_id']}"


def inside(file: Json) -> list[Text]:
    """The files that were found inside, each with its label."""
    return [Text("found inside:"), *map(_inside, file["derived"])] if file.get("derived") else []


def _inside(derived: Json) -> Text:
    label = derived["label"] or derived["status"]
    line = Text(f"  {derived['file_id']}  ")
    line.append(f"{label:<16}", style=COLOURS.get(label, ""))
    score = f"score {number(derived['score'])}"
    return line.append(f"{score:<12}{derived['media_type']}  {size(derived['size'] or 0)}  by {derived['derived_by']}")


def artifacts(file: Json) -> list[Text]:
    """What there is to look at, a line each; and for which verdicts more follows."""
    lines = []
    for analysis in (file.get("run") or {}).get("analyses", ()):
        verdict = analysis.get("verdict") or {}
        for each in verdict.get("artifacts", ()):
            what = f"  {analysis['analyzer']}/{each['name']}  {size(each['size'])}"
            lines.append(Text(f"{what}  {each['title']}" if each.get("title") else what))
        if verdict.get("artifacts_follow"):
            lines.append(Text(f"  {analysis['analyzer']}: more follows"))
    return [Text("artifacts:"), *lines] if lines else []


def feedback(file: Json) -> list[Text]:
    """What people say that it really is."""
    lines = []
    for each in file.get("feedback", ()):
        about = f" of {each['analyzer']}'s verdict" if each["analyzer"] else ""
        note = f": {each['note']}" if each["note"] else ""
        lines.append(Text(f"  {each['person']} says{about} {each['label']}{note}"))
    return [Text("feedback:"), *lines] if lines else []


def found_inside(file: Json) -> int:
    """How many files the analyses that have ended name."""
    analyses = (file.get("run") or {}).get("analyses", ())
    return sum(len(each.get("derived") or ()) for each in analyses)


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
    count = found_inside(file)
    waiting = [Text(f"{count} found inside, examined before the report")] if count else []
    return Group(table, *waiting)


def report(run: Json) -> list[Text]:
    """The conclusion: label, score, sentences, evidence."""
    told = run.get("report")
    if told is None:
        return [Text(f"No report yet: the run is {run['status']}.")]
    first = Text(told["label"], style=COLOURS.get(told["label"], "bold"))
    claim = f" that it is {told['claim']}" if told.get("claim") else ""
    first.append(f"  score {number(told['score'])}{claim}  confidence {number(told['confidence'])}", style="default")
    lines = [first, Text(told["summary"])]
    if len(claims := told.get("claims") or ()) > 1:
        each_says = (f"{each['claim']} {number(each['score'])} ({each['label'].replace('_', ' ')})" for each in claims)
        lines.append(Text(f"  by claim: {', '.join(each_says)}", style="dim"))
    for evidence in told["evidence"][:EVIDENCE_SHOWN]:
        where = evidence.get("where") or {}
        source = ", in ".join(where[name] for name in ("analyzer", "derived_file_id") if where.get(name))
        lines.append(Text(f"  - {evidence['text']}" + (f" ({source})" if source else "")))
    for each in told["missing"]:
        place = f" in {each['derived_file_id']}" if each.get("derived_file_id") else ""
        lines.append(Text(f"  missing: {each['analyzer']} ({each['code']}){place}"))
    return lines
