"""From what was read to a finding.

A score is the logistic function of the sum of the evidence's weights (log-odds), from even odds. The weights are
assumed likelihood ratios, not fitted ones: files that declare AI falsely are too rare in any set to fit them. How they
were chosen is in README.md. Signals that say the same thing in the same way (two generator fields) count once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.inference.analyzers.provenance import source_types
from assay.inference.analyzers.provenance.chain_report import told
from assay.inference.analyzers.provenance.consistency import Oddity, Outcome
from assay.inference.analyzers.provenance.credentials import NO_MANIFEST, UNSUPPORTED, Credentials
from assay.inference.analyzers.provenance.details import details
from assay.inference.analyzers.provenance.generators import CREDIT_FIELDS, Trace, ai_name
from assay.inference.analyzers.provenance.metadata import Metadata
from assay.inference.analyzers.provenance.printable import printable
from assay.inference.analyzers.provenance.reading import Reading
from assay.inference.analyzers.provenance.watermarks import Mark
from assay.sdk import INCONCLUSIVE, NO_FINDINGS, Evidence, Finding

SIGNED_BY_TRUSTED = 6.5
SIGNED = 5.0
SIGNED_WITH_POOR_CREDENTIAL = 4.5
UNVERIFIED_MANIFEST = 2.5
ONLY_A_PART = -1.0
RECIPE, HIDDEN_RECIPE, GENERATOR_NAME = 4.0, 4.5, 3.0
DECLARED_AI, DECLARED_AI_IN_PART = 3.5, 3.0
GENERATORS_MARK = 6.0
CHANGED_AFTER_TRUSTED_SIGNATURE, CHANGED_AFTER_SIGNATURE = 5.0, 3.5
TRUSTED_CAPTURE = -5.0
MOST = 6.9
"""No sum goes beyond this (0.999): what all metadata shares is that it can be wrong."""

MOST_OF_METADATA = 2.5
"""Nor do oddities of plain metadata go beyond this (0.924) together."""

MAX_ODDITIES = 8
MAX_TOLD = 5
DOUBTFUL = 1.2
"""Oddities that weigh so much together make a file doubtful, though no single one accuses it."""

# What may have happened to a picture that is still the camera's (C2PA 18.15.4.3).
_HARMLESS = frozenset({"c2pa.created", "c2pa.edited.metadata", "c2pa.published", "c2pa.transcoded", "c2pa.repackaged"})


@dataclass(frozen=True, slots=True)
class _Signal:
    group: str
    text: str
    weight: float
    where: dict[str, Any] | None = None


def judge(reading: Reading) -> Finding:
    """Judge one file.

    Precedence: changed after signing, declared or marked as AI-made, proven capture, the thumbnail of another picture,
    doubt, nothing.
    """
    credentials = reading.credentials
    if credentials.content_changed and credentials.signature_holds:
        return _manipulated(reading)
    signals = [*_signed_signals(credentials), *_plain_signals(reading.metadata), *_marks(reading)]
    capture = _is_proven_capture(credentials)
    if signals and capture:
        text = "A trusted signature says that a camera captured this, yet the file also says that AI made it."
        return _undecided(reading, [text, *(s.text for s in signals)])
    if signals:
        return _synthetic(reading, signals)
    if capture:
        return _authentic(reading)
    if reading.thumbnail is not None and reading.thumbnail.outcome is Outcome.OTHER:
        return _exchanged(reading)
    doubts = list(_doubts(reading))
    if doubts:
        return _undecided(reading, doubts)
    if _odd(reading) >= DOUBTFUL:
        return _doubtful(reading)
    return Finding(
        label=NO_FINDINGS,
        claim="synthetic",
        score=None,
        confidence=0.0,
        evidence=tuple(Evidence(text=text) for text in _context(reading, nothing_found=True)),
        details=details(reading),
    )


def _counted(reading: Reading) -> dict[str, Oddity]:
    """The strongest oddity of each kind; what says nothing of a change is left out."""
    strongest: dict[str, Oddity] = {}
    for oddity in reading.oddities:
        if oddity.weight > strongest.get(oddity.kind, Oddity("", "")).weight:
            strongest[oddity.kind] = oddity
    return strongest


def _odd(reading: Reading) -> float:
    return sum(oddity.weight for oddity in _counted(reading).values())


def _weighed(reading: Reading) -> list[Evidence]:
    """The oddities as evidence: those that count with their weights."""
    counted = list(_counted(reading).values())
    return [
        Evidence(text=printable(o.text, 500), weight=o.weight if o in counted else 0.0, where=o.where)
        for o in reading.oddities[:MAX_ODDITIES]
    ]


def _exchanged(reading: Reading) -> Finding:
    """The thumbnail shows another picture."""
    weight = min(_odd(reading), MOST_OF_METADATA)
    return Finding(
        label="manipulated",
        claim="manipulated",
        score=_score(weight),
        confidence=0.5,
        evidence=(*_weighed(reading), *(Evidence(text=text) for text in _context(reading, oddities=False))),
        details=details(reading),
    )


def _doubtful(reading: Reading) -> Finding:
    """Too many things do not agree; none proves a change."""
    raw = _score(min(_odd(reading), MOST_OF_METADATA))
    reason = "What the file says of itself does not agree; that is no proof of a change."
    return Finding(
        label=INCONCLUSIVE,
        claim="manipulated",
        score=None,
        confidence=0.0,
        evidence=(
            Evidence(text=reason),
            *_weighed(reading),
            *(Evidence(text=text) for text in _context(reading, oddities=False)),
        ),
        details={**details(reading), "raw_score": raw},
    )


def _score(weights: float) -> float:
    return round(1 / (1 + math.exp(-max(-MOST, min(MOST, weights)))), 4)


def _synthetic(reading: Reading, signals: list[_Signal]) -> Finding:
    strongest: dict[str, _Signal] = {}
    for signal in sorted(signals, key=lambda s: -s.weight):
        strongest.setdefault(signal.group, signal)
    counted = list(strongest.values())
    others = [s for s in signals if s not in counted]
    evidence = [Evidence(text=s.text, weight=s.weight, where=s.where) for s in counted]
    evidence += [Evidence(text=s.text, where=s.where) for s in others[:6]]
    evidence += [Evidence(text=text) for text in _context(reading)]
    signed = reading.credentials.validation_state
    return Finding(
        label="synthetic",
        claim="synthetic",
        score=_score(sum(s.weight for s in counted)),
        confidence={"Trusted": 0.95, "Valid": 0.85}.get(signed or "", 0.7) if "credentials" in strongest else 0.7,
        evidence=tuple(evidence),
        details=details(reading),
    )


def _manipulated(reading: Reading) -> Finding:
    credentials = reading.credentials
    trusted = credentials.signer_trusted
    weight = CHANGED_AFTER_TRUSTED_SIGNATURE if trusted else CHANGED_AFTER_SIGNATURE
    text = (
        f"The file was changed after it was signed ({_signer(credentials)}): "
        "the signature is intact, but the bytes are no longer those that it covers."
    )
    evidence = [Evidence(text=text, weight=weight, where=_manifest(credentials))]
    if _signed_ai(credentials):
        evidence.append(Evidence(text="What was signed was declared as AI-made; that no longer covers these bytes."))
    evidence += [Evidence(text=s.text, where=s.where) for s in _plain_signals(reading.metadata)]
    evidence += [Evidence(text=text) for text in _context(reading)]
    return Finding(
        label="manipulated",
        claim="manipulated",
        score=_score(weight),
        confidence=0.95 if trusted else 0.8,
        evidence=tuple(evidence),
        details=details(reading),
    )


def _authentic(reading: Reading) -> Finding:
    credentials = reading.credentials
    text = (
        f"A trusted signature ({_signer(credentials)}) declares that a camera captured this, "
        "and the bytes are still those that were signed."
    )
    return Finding(
        label="authentic",
        claim="synthetic",
        score=_score(TRUSTED_CAPTURE),
        confidence=0.95,
        evidence=(
            Evidence(text=text, weight=TRUSTED_CAPTURE, where=_manifest(credentials)),
            *(Evidence(text=text) for text in _context(reading)),
        ),
        details=details(reading),
    )


def _undecided(reading: Reading, reasons: list[str]) -> Finding:
    return Finding(
        label=INCONCLUSIVE,
        claim="synthetic",
        score=None,
        confidence=0.0,
        evidence=tuple(Evidence(text=text) for text in [*reasons, *_context(reading)]),
        details=details(reading),
    )


def _manifest(credentials: Credentials) -> dict[str, Any] | None:
    return {"manifest": printable(credentials.active_manifest)} if credentials.active_manifest else None


def _signer(credentials: Credentials) -> str:
    signer = printable(credentials.issuer or credentials.common_name, 80) or "An unnamed signer"
    return f"{signer}, on {printable(credentials.signed_at, 40)[:10]}" if credentials.signed_at else signer


def _standing(credentials: Credentials) -> tuple[float, str]:
    """The weight of what the active manifest says, and a sentence on how well it is vouched for."""
    state, signer = credentials.validation_state, _signer(credentials)
    if state == "Trusted":
        return SIGNED_BY_TRUSTED, f"A trusted signer vouches for that ({signer})."
    if state == "Valid":
        who = "every signer of its ingredients" if credentials.signer_trusted else "the signer"
        return SIGNED, f"That is validly signed ({signer}), though this installation does not know {who}."
    if credentials.signature_holds and credentials.content_matches:
        return (
            SIGNED_WITH_POOR_CREDENTIAL,
            f"That is signed and unchanged ({signer}), though the signer's certificate is expired or unfit.",
        )
    return UNVERIFIED_MANIFEST, "No valid signature vouches for that."


def _signed_ai(credentials: Credentials) -> list[tuple[str, bool]]:
    """(what is declared, whether of a part only), from the most telling to the least."""
    active = set(credentials.active_source_types)
    found: list[tuple[str, bool]] = []
    for term in sorted(active & source_types.AI_MADE):
        made = any(a.active and a.source_type == term and a.name == "c2pa.created" for a in credentials.actions)
        found.append((f"It is declared as {source_types.meaning(term)}", not made))
    for term in sorted(active & source_types.AI_IN_PART):
        found.append((f"It is declared as {source_types.meaning(term)}", True))
    for term in sorted((set(credentials.all_source_types) - active) & source_types.AI):
        found.append((f"An ingredient is declared as {source_types.meaning(term)}", True))
    for action in credentials.actions:
        name = ai_name(action.agent or "")
        if name:
            whose = "" if action.active else " of an ingredient"
            made = action.active and action.name == "c2pa.created"
            found.append((f"The step “{printable(action.name, 60)}”{whose} was done by {name}", not made))
    for generator, own in credentials.generators:
        name = ai_name(generator)
        if name:
            found.append((f"The credentials{'' if own else ' of an ingredient'} were made by {name}", not own))
    return sorted(dict.fromkeys(found), key=lambda item: item[1])


def _signed_signals(credentials: Credentials) -> Iterator[_Signal]:
    if credentials.content_changed:
        return
    weight, vouched = _standing(credentials)
    for number, (text, in_part) in enumerate(_signed_ai(credentials)[:5]):
        sentence = f"{text}. {vouched}" if number == 0 else f"{text}."
        yield _Signal("credentials", sentence, weight + (ONLY_A_PART if in_part else 0), _manifest(credentials))


def _plain_signals(metadata: Metadata) -> Iterator[_Signal]:
    for field, term in metadata.source_types:
        if term in source_types.AI:
            weight = DECLARED_AI if term in source_types.AI_MADE else DECLARED_AI_IN_PART
            text = f"Its metadata declares it as {source_types.meaning(term)} (anyone can write that)."
            yield _Signal("declaration", text, weight, {"field": field})
    for trace in metadata.traces[:8]:
        if not _is_overruled(trace, metadata):
            yield _Signal("generator", _trace_text(trace), _TRACE_WEIGHTS[trace.kind], _where(trace))


def _marks(reading: Reading) -> Iterator[_Signal]:
    for mark in reading.marks:
        if mark.message.generator:
            text = (
                f"The pixels carry the invisible mark that {mark.message.name} puts into what it makes: {_bits(mark)}. "
                "Photos that it changed carry the mark too, and anybody could write it."
            )
            yield _Signal("watermark", text, GENERATORS_MARK, {"watermark": str(mark.message.scheme)})


def _bits(mark: Mark) -> str:
    """How many bits agree, and how rarely that happens by chance."""
    once = 1 / mark.chance if mark.chance > 1e-15 else 1e15
    rarely = next(f"{once / size:,.3g} {name}" for size, name in _LARGE if once >= size)
    length = len(mark.message.bits)
    return f"{mark.matching} of {length} bits agree, by chance in one of {rarely} pictures"


_LARGE = ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1.0, ""))

_TRACE_WEIGHTS = {"recipe": RECIPE, "hidden": HIDDEN_RECIPE, "label": DECLARED_AI, "name": GENERATOR_NAME}


def _is_overruled(trace: Trace, metadata: Metadata) -> bool:
    """A credit line is free text: where the file names a source type of its own, that term decides, not the line."""
    return trace.kind == "name" and trace.key.lower() in CREDIT_FIELDS and bool(metadata.source_types)


def _where(trace: Trace) -> dict[str, Any]:
    return {"field": printable(f"{trace.place}:{trace.key}")}


def _trace_text(trace: Trace) -> str:
    if trace.kind == "hidden":
        return f"The lowest bits of the pixels hide the settings of {trace.generator}."
    if trace.kind == "label":
        return f"It carries the label that Chinese law asks of what AI makes, by {printable(trace.generator, 120)}."
    if trace.kind == "name":
        return f"The field {printable(trace.key, 60)} names {trace.generator}: “{printable(trace.excerpt, 80)}”."
    model = f" (model {printable(trace.model, 80)})" if trace.model else ""
    return f"It carries the settings with which {trace.generator} makes pictures{model}."


def _is_proven_capture(credentials: Credentials) -> bool:
    own = [a for a in credentials.actions if a.active]
    return (
        credentials.validation_state == "Trusted"
        and credentials.content_matches
        and any(a.name == "c2pa.created" and a.source_type in source_types.CAPTURE for a in own)
        and all(a.name in _HARMLESS for a in own)
        and set(credentials.all_source_types) <= source_types.CAPTURE
    )


def _doubts(reading: Reading) -> Iterator[str]:
    credentials, metadata = reading.credentials, reading.metadata
    if credentials.remote_url:
        yield "Its content credentials lie on another server; Assay does not fetch them, so they are unknown."
    elif credentials.error is not None and credentials.present:
        yield "It carries content credentials that are damaged or of a kind that cannot be read."
    if credentials.validation_state == "Invalid":
        yield _why_invalid(credentials)
    for _, term in metadata.source_types:
        if term in source_types.SYNTHETIC_IN_PART:
            yield f"Its metadata declares it as {source_types.meaning(term)}, without saying which or how made."
    for trace in metadata.traces:
        if _is_overruled(trace, metadata):
            yield f"The credit line says “{printable(trace.excerpt, 80)}”, which its declared source type does not."


def _why_invalid(credentials: Credentials) -> str:
    codes = credentials.failure
    if not credentials.signature_holds:
        return "The signature of its content credentials does not hold, so nothing that they say is proven."
    if "assertion.hashedURI.mismatch" in codes:
        return "Statements in its content credentials were changed or removed after signing."
    if any(c in codes for c in ("signingCredential.expired", "signingCredential.invalid", "signingCredential.revoked")):
        return "Its content credentials are intact, but the signer's certificate is expired, revoked or unfit."
    failed = [c for c in (*codes, *credentials.ingredient_failure) if c != "signingCredential.untrusted"]
    return f"Its content credentials do not pass validation ({printable(', '.join(failed[:4]), 200)})."


def _context(reading: Reading, *, nothing_found: bool = False, oddities: bool = True) -> Iterator[str]:
    """Sentences that help a reader but do not count for or against the finding's claim."""
    credentials, metadata = reading.credentials, reading.metadata
    if credentials.validation_state in ("Valid", "Trusted"):
        known = "trusted" if credentials.signer_trusted else "not known to this installation"
        yield f"Its content credentials are intact; the signer ({_signer(credentials)}) is {known}."
        edits = [a.name.removeprefix("c2pa.") for a in credentials.actions if a.active and a.name not in _HARMLESS]
        if edits:
            yield f"They declare these steps: {printable(', '.join(dict.fromkeys(edits)), 300)}."
    elif not credentials.present and nothing_found:
        yield "It carries no content credentials and no trace of a generator; that proves nothing either way."
        if credentials.error not in (NO_MANIFEST, UNSUPPORTED):
            yield "It is damaged, so credentials could not be looked for everywhere."
    for manifest in credentials.chain[:MAX_TOLD]:
        yield told(manifest)
    if len(credentials.chain) > MAX_TOLD:
        yield f"{len(credentials.chain) - MAX_TOLD} more signed ingredients are in the artifact credentials.json."
    bad = [c for c in credentials.ingredient_failure if c != "signingCredential.untrusted"]
    if bad:
        yield f"Credentials of an ingredient do not pass validation ({printable(', '.join(bad[:4]), 200)})."
    if metadata.camera and metadata.capture_settings:
        yield f"Its metadata names a camera, {printable(metadata.camera, 80)} (anyone can write that)."
    if metadata.software:
        yield f"Its metadata names the software {printable(', '.join(metadata.software[:3]), 150)}."
    for mark in reading.marks:
        if not mark.message.generator:
            yield f"It carries the mark “{printable(mark.message.name, 60)}” ({mark.message.scheme}): {_bits(mark)}."
    if reading.unread:
        yield reading.unread
    if oddities:
        yield from (printable(oddity.text, 500) for oddity in reading.oddities[:MAX_ODDITIES])
    if reading.seen.problem:
        yield reading.seen.problem
    yield from metadata.problems[:3]
