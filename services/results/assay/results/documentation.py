"""The page at `/docs`: operations, events, error codes, settings and metrics, from the code. One file, no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from assay.contracts import EVENTS, Event
from assay.contracts.topics import ALL
from assay.results.openapi import Document, operations

_STYLE = """
:root { color-scheme: light dark; --edge: #8884; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem 1.2rem 4rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.6rem; border-bottom: 1px solid var(--edge); }
h3 { margin: 1.6rem 0 .2rem; font-size: 1rem; } nav a { margin-right: 1rem; }
code { font: .92em ui-monospace, monospace; background: var(--soft); padding: .05em .3em; border-radius: 4px; }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--edge); }
td:first-child { white-space: nowrap; } p { margin: .3rem 0; }
"""

Rows = Iterable[Sequence[str]]


def page(document: Document, services: Mapping[str, Document]) -> str:
    """HTML. document: the merged OpenAPI. services: each one's own, whose `x-assay` has its reference."""
    sections = {
        "API": "".join(_operation(*each) for each in operations(document)),
        "Topics": _table(("topic", "partitions", "what it is for"), _topics()),
        "Events": "".join(_event(name, event) for name, event in EVENTS.items()),
        "Error codes": _table(("code", "status", "meaning"), _errors(services)),
        "Settings": _table(("variable", "type", "default", "read by", "meaning"), _settings(services)),
        "Metrics": _table(("metric", "type", "meaning"), _metrics(services)),
    }
    links = "".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in sections)
    body = "".join(f'<h2 id="{_anchor(name)}">{name}</h2>{content}' for name, content in sections.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Assay: documentation</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Assay</h1>"
        "<p>Every request carries <code>Authorization: Bearer &lt;token&gt;</code> or the page's session cookie. "
        'For programs: <a href="/api/openapi.json">OpenAPI 3.1</a>, <a href="/api/asyncapi.json">AsyncAPI 3</a>.</p>'
        f"<nav>{links}</nav>{body}</body></html>"
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>" if text else ""


def _text(text: str) -> str:
    """Escaped, with `code` as code; empty lines part paragraphs."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _table(heads: Sequence[str], rows: Rows) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _operation(method: str, path: str, operation: Document) -> str:
    rows = [
        (
            _code(each["name"]),
            escape(each["in"]),
            "required" if each.get("required") else "",
            _text(each.get("description") or each.get("schema", {}).get("description", "")),
        )
        for each in operation.get("parameters", [])
    ]
    answers = [
        f"{_code(status)} {_text(answer.get('description', ''))}{_answer_type(answer)}"
        for status, answer in operation.get("responses", {}).items()
        if status != "default"
    ]
    text = operation.get("description") or operation.get("summary", "")
    table = _table(("parameter", "in", "", "meaning"), rows) if rows else ""
    return f"<h3>{_code(f'{method} {path}')}</h3><p>{_text(text)}</p>{table}<p>{'; '.join(answers)}</p>"


def _answer_type(answer: Document) -> str:
    for media_type, content in answer.get("content", {}).items():
        reference = content.get("schema", {}).get("$ref", "")
        name = reference.rsplit("/", 1)[-1] or media_type
        return f": {_code(name)}"
    return ""


def _topics() -> Rows:
    for topic in ALL:
        yield _code(topic.name), str(topic.partitions), _text(topic.title)


def _event(name: str, event: type[Event]) -> str:
    meaning = (event.__doc__ or "").strip()
    rows = [
        (_code(field), _code(_type_of(info.annotation)), _text(info.description or ""))
        for field, info in event.model_fields.items()
    ]
    where = ", ".join(_code(topic) for topic in event.topics)
    return f"<h3>{_code(name)}</h3><p>{_text(meaning)} On {where}.</p>{_table(('field', 'type', 'meaning'), rows)}"


def _type_of(annotation: Any) -> str:
    plain = annotation if isinstance(annotation, type) and not hasattr(annotation, "__args__") else None
    name = plain.__name__ if plain is not None else str(annotation)
    for prefix in ("typing.", "uuid.", "datetime.", "assay.contracts.verdicts.", "assay.contracts.analyzers."):
        name = name.replace(prefix, "")
    return name


def _errors(services: Mapping[str, Document]) -> Rows:
    found = {each["code"]: each for each in _reference(services, "errors")}
    for code in sorted(found):
        yield _code(code), str(found[code]["status"]), _text(found[code]["title"])


def _settings(services: Mapping[str, Document]) -> Rows:
    readers: dict[str, list[str]] = {}
    found = {}
    for service in sorted(services):
        for each in services[service].get("x-assay", {}).get("settings", []):
            readers.setdefault(each["name"], []).append(service)
            found[each["name"]] = each
    for name in sorted(found):
        each = found[name]
        yield (
            _code(name),
            _text(each["type"]),
            _code(each["default"]),
            escape(", ".join(readers[name])),
            _text(each["description"]),
        )


def _metrics(services: Mapping[str, Document]) -> Rows:
    found = {each["name"]: each for each in _reference(services, "metrics")}
    for name in sorted(found):
        yield _code(name), escape(found[name]["type"]), _text(found[name]["meaning"])


def _reference(services: Mapping[str, Document], kind: str) -> Iterable[dict[str, Any]]:
    for service in sorted(services):
        yield from services[service].get("x-assay", {}).get(kind, [])
