"""The chain of manifests for people: sentences, `credentials.json`, and a drawing of the tree."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from assay.inference.analyzers.provenance import source_types
from assay.inference.analyzers.provenance.chain import Action, Ingredient, Manifest
from assay.inference.analyzers.provenance.printable import printable

_WIDTH, _LINE, _INDENT, _LETTER = 920, 19, 26, 7.0
_MAX_LINES = 400
_COLOURS = {"trusted": "#1a7f37", "valid": "#9a6700", "invalid": "#b42318", "unknown": "#57606a"}
_RELATIONS = {"parentOf": "what it was made from", "componentOf": "a part of it", "inputTo": "what was given to the AI"}
_STATES = {
    "trusted": "signature holds, signer trusted",
    "valid": "signature holds, signer not known here",
    "invalid": "does not pass validation",
    "unknown": "not validated",
}


def told(manifest: Manifest) -> str:
    """Who signed what and when, in a sentence or two."""
    signer = manifest.signer
    who = printable(signer.organisation or signer.name, 80) or "An unnamed signer"
    if signer.name and signer.organisation and signer.name != signer.organisation:
        who = f"{who} ({printable(signer.name, 60)})"
    when = f" on {signer.signed_at[:10]}" if signer.signed_at else " at a time that nobody vouches for"
    title = f"“{printable(manifest.title, 60)}”" if manifest.title else "a file without a title"
    text = f"{who} signed {'this' if manifest.active else f'the ingredient {title}'}{when}"
    if manifest.generator:
        text += f" with {printable(manifest.generator, 60)}"
    if manifest.state == "invalid":
        text = f"By credentials that do not pass validation, {text}"
    done = list(dict.fromkeys(_done(action) for action in manifest.actions))
    return f"{text}: {', '.join(done[:5])}{' …' if len(done) > 5 else ''}." if done else f"{text}."


def _done(action: Action) -> str:
    text = printable(action.name, 60).removeprefix("c2pa.").replace("_", " ")
    if action.source_type in source_types.MEANING:
        text += f" ({source_types.meaning(action.source_type)})"
    return text + (f" by {printable(action.agent, 60)}" if action.agent else "")


def as_json(chain: tuple[Manifest, ...]) -> bytes:
    """`credentials.json`: every manifest of the chain, as `details` has the first ones."""
    return json.dumps([manifest_details(m) for m in chain], indent=1, ensure_ascii=False).encode()


def manifest_details(manifest: Manifest) -> dict[str, Any]:
    """One manifest as JSON values."""
    signer = manifest.signer
    return {
        "label": manifest.label,
        "active": manifest.active,
        "title": manifest.title,
        "state": manifest.state,
        "claim_generator": manifest.generator,
        "signer": {
            "common_name": signer.name,
            "organisation": signer.organisation,
            "issuer": signer.issuer,
            "serial_number": signer.serial_number,
            "algorithm": signer.algorithm,
            "valid_from": signer.valid_from,
            "valid_until": signer.valid_until,
        },
        "signed_at": signer.signed_at,
        "time_stamp_authority": signer.time_authority,
        "actions": [
            {
                "action": printable(action.name, 100),
                "software_agent": printable(action.agent) or None,
                "digital_source_type": printable(action.source_type, 100) or None,
                "when": action.when,
                "description": printable(action.description, 300) or None,
            }
            for action in manifest.actions
        ],
        "ingredients": [
            {
                "title": ingredient.title,
                "relationship": ingredient.relationship,
                "media_type": ingredient.media_type,
                "manifest": ingredient.manifest,
                "failure_codes": list(ingredient.failure),
            }
            for ingredient in manifest.ingredients
        ],
        "failure_codes": list(manifest.failure),
    }


def as_svg(chain: tuple[Manifest, ...]) -> bytes:
    """A drawing of the tree of manifests and ingredients, from the file itself down to what it was made from."""
    known = {manifest.label: manifest for manifest in chain}
    lines = list(_tree(chain[0], known, 0, set())) if chain else []
    left_out = len(lines) - _MAX_LINES
    if left_out > 0:
        lines = [*lines[:_MAX_LINES], (0, "unknown", False, f"… and {left_out} more lines")]
    height = _LINE * (len(lines) + 2)
    rows = []
    for number, (depth, state, bold, text) in enumerate(lines):
        x, y = 14 + depth * _INDENT, _LINE * (number + 2)
        if bold:
            rows.append(f'<circle cx="{x + 5}" cy="{y - 5}" r="5" fill="{_COLOURS[state]}"/>')
        room = int((_WIDTH - x - 30) / _LETTER)
        weight = ' font-weight="bold"' if bold else ""
        rows.append(f'<text x="{x + 16}" y="{y}"{weight}>{escape(printable(text, room))}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<g font-family="sans-serif" font-size="13" fill="#1f2328">{"".join(rows)}</g></svg>'
    ).encode()


_Line = tuple[int, str, bool, str]


def _tree(manifest: Manifest, known: dict[str, Manifest], depth: int, seen: set[str]) -> Iterator[_Line]:
    """(depth, state, whether it heads a manifest, text) for each line."""
    state = manifest.state
    title = manifest.title or ("this file" if manifest.active else manifest.label)
    yield depth, state, True, f"{title}: {_STATES[state]}"
    signer = manifest.signer
    who = ", ".join(dict.fromkeys(part for part in (signer.organisation, signer.name) if part)) or "nobody named"
    stamped = f" on {signer.signed_at}" if signer.signed_at else ", without a time stamp"
    by = f" (time by {signer.time_authority})" if signer.signed_at and signer.time_authority else ""
    yield depth, state, False, f"signed by {who}{stamped}{by}"
    if signer.issuer or signer.valid_from:
        dates = f", valid {(signer.valid_from or '?')[:10]} to {(signer.valid_until or '?')[:10]}"
        yield depth, state, False, f"certificate by {signer.issuer or 'an unnamed issuer'}{dates}"
    if manifest.generator:
        yield depth, state, False, f"claim made by {manifest.generator}"
    for action in manifest.actions:
        when = f" on {action.when}" if action.when else ""
        yield depth, state, False, f"• {_done(action)}{when}"
    if manifest.failure:
        yield depth, state, False, f"validation: {', '.join(manifest.failure)}"
    seen = {*seen, manifest.label}
    for ingredient in manifest.ingredients:
        yield from _under(ingredient, known, depth + 1, seen)


def _under(ingredient: Ingredient, known: dict[str, Manifest], depth: int, seen: set[str]) -> Iterator[_Line]:
    relation = _RELATIONS.get(ingredient.relationship or "", ingredient.relationship or "ingredient")
    manifest = known.get(ingredient.manifest or "")
    if manifest is not None and manifest.label not in seen and depth < 20:
        yield depth, manifest.state, False, f"{relation}: {ingredient.title or 'without a title'}"
        yield from _tree(manifest, known, depth, seen)
        return
    yield depth, "unknown", True, f"{ingredient.title or 'without a title'}: {relation}, without credentials of its own"
    if ingredient.failure:
        yield depth, "invalid", False, f"validation: {', '.join(ingredient.failure)}"
