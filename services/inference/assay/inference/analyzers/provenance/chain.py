"""All manifests of a file's content credentials: who signed what, when, and out of which ingredients.

Source: C2PA Technical Specification 2.2, chapters 10 (claims), 11 (ingredients), 15 (validation results). Put together
from two reports of the reader: its own, which has actions and ingredients, and `crJSON`, which has certificates.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from assay.inference.analyzers.provenance import source_types
from assay.inference.analyzers.provenance.printable import printable

MAX_MANIFESTS, MAX_ACTIONS, MAX_INGREDIENTS = 40, 60, 40


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a manifest says was done. `active` is false where an ingredient's manifest says it."""

    name: str
    agent: str | None
    source_type: str | None
    description: str | None
    active: bool
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """From the signer's certificate and its time stamp. Times are as they stand there: ISO 8601.

    name, organisation   whom the certificate names
    issuer               who issued the certificate
    valid_from, until    of the certificate
    signed_at            by the time stamp; None where there is none: then nobody vouches for the time
    time_authority       who stamped the time
    """

    name: str | None = None
    organisation: str | None = None
    issuer: str | None = None
    serial_number: str | None = None
    algorithm: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    signed_at: str | None = None
    time_authority: str | None = None


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that went into another. manifest: the label of its own manifest, if the store holds one."""

    title: str | None
    relationship: str | None
    media_type: str | None
    manifest: str | None
    success: tuple[str, ...]
    failure: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest of the store. success, failure: validation codes."""

    label: str
    active: bool
    title: str | None
    generator: str | None
    signer: Signer
    actions: tuple[Action, ...]
    ingredients: tuple[Ingredient, ...]
    success: tuple[str, ...]
    failure: tuple[str, ...]

    @property
    def state(self) -> str:
        """Whether its signature holds: trusted, valid (the signer is not known here), invalid or unknown."""
        if "claimSignature.validated" not in self.success:
            return "invalid" if self.failure else "unknown"
        if set(self.failure) - {"signingCredential.untrusted"}:
            return "invalid"
        # What was not trusted when it became an ingredient may be trusted here: that is the news.
        return "trusted" if "signingCredential.trusted" in self.success else "valid"


def read_chain(store: dict[str, Any], certificates: dict[str, Any]) -> tuple[Manifest, ...]:
    """The manifests, the active one first, then in the order in which ingredients lead to them.

    store: the reader's report. certificates: its crJSON, {} where there is none. Both are parsed JSON whose shape is
    the reader's, but whose values are the file's.
    """
    manifests: dict[str, Any] = _dict(store.get("manifests"))
    known = {str(m.get("label")): m for m in _dicts(certificates.get("manifests"))}
    active = str(store.get("active_manifest"))
    deltas = _dicts(_dict(store.get("validation_results")).get("ingredientDeltas"))
    chain: dict[str, Manifest] = {}
    pending = [active]
    others = [label for label in manifests if label != active]
    while (pending or others) and len(chain) < MAX_MANIFESTS:
        label = (pending or others).pop(0)
        if label not in chain and isinstance(manifests.get(label), dict):
            manifest = _manifest(label, manifests[label], known.get(label, {}), deltas, active=label == active)
            chain[label] = manifest
            pending += [ingredient.manifest for ingredient in manifest.ingredients if ingredient.manifest]
    return tuple(_validated(manifest, chain.values()) for manifest in chain.values())


def _validated(manifest: Manifest, chain: Iterable[Manifest]) -> Manifest:
    """With what stands in the ingredients that point at it: what was validated when it was put in, and what is new."""
    pointing = [i for other in chain for i in other.ingredients if i.manifest == manifest.label]
    return replace(
        manifest,
        success=tuple(sorted({*manifest.success, *(code for i in pointing for code in i.success)})),
        failure=tuple(sorted({*manifest.failure, *(code for i in pointing for code in i.failure)})),
    )


def _manifest(
    label: str, manifest: dict[str, Any], known: dict[str, Any], deltas: list[dict[str, Any]], *, active: bool
) -> Manifest:
    results = _dict(known.get("validationResults"))
    return Manifest(
        label=printable(label),
        active=active,
        title=_text(manifest.get("title")),
        generator=next((_text(name) for name in generator_names(manifest)), None),
        signer=_signer(_dict(manifest.get("signature_info")), _dict(known.get("signature"))),
        actions=tuple(actions_of(manifest, active=active))[:MAX_ACTIONS],
        ingredients=tuple(_ingredient(i, label, deltas) for i in _dicts(manifest.get("ingredients"))[:MAX_INGREDIENTS]),
        success=_codes(results.get("success")),
        failure=_codes(results.get("failure")),
    )


def _signer(info: dict[str, Any], signature: dict[str, Any]) -> Signer:
    certificate = _dict(signature.get("certificateInfo"))
    subject, validity = _dict(certificate.get("subject")), _dict(certificate.get("validity"))
    stamp = _dict(signature.get("timeStampInfo"))
    authority = _dict(_dict(stamp.get("certificateInfo")).get("subject"))
    return Signer(
        name=_text(info.get("common_name") or subject.get("CN")),
        organisation=_text(info.get("issuer") or subject.get("O")),
        issuer=_name(_dict(certificate.get("issuer"))),
        serial_number=_text(certificate.get("serialNumber") or info.get("cert_serial_number")),
        algorithm=_text(info.get("alg")),
        valid_from=_text(validity.get("notBefore")),
        valid_until=_text(validity.get("notAfter")),
        signed_at=_text(info.get("time") or stamp.get("timestamp")),
        time_authority=_name(authority),
    )


def _name(distinguished: dict[str, Any]) -> str | None:
    """“common name, organisation” of a distinguished name."""
    parts = [str(distinguished[key]) for key in ("CN", "O") if distinguished.get(key)]
    return printable(", ".join(dict.fromkeys(parts))) or None


def _ingredient(ingredient: dict[str, Any], label: str, deltas: list[dict[str, Any]]) -> Ingredient:
    own = f"/{label}/c2pa.assertions/{ingredient.get('label')}"
    found = [_dict(d.get("validationDeltas")) for d in deltas if str(d.get("ingredientAssertionURI")).endswith(own)]
    recorded = _dict(_dict(ingredient.get("validation_results")).get("activeManifest"))
    results = [recorded, *found]
    statuses = _codes(ingredient.get("validation_status"))
    return Ingredient(
        title=_text(ingredient.get("title")),
        relationship=_text(ingredient.get("relationship")),
        media_type=_text(ingredient.get("format")),
        manifest=_text(ingredient.get("active_manifest")),
        success=_codes([code for each in results for code in _dicts(each.get("success"))]),
        failure=tuple(sorted({*_codes([c for each in results for c in _dicts(each.get("failure"))]), *statuses})),
    )


def generator_names(manifest: dict[str, Any]) -> Iterable[str]:
    """The software that made a manifest's claim, by its names."""
    if manifest.get("claim_generator"):
        yield str(manifest["claim_generator"])
    for info in _dicts(manifest.get("claim_generator_info")):
        if info.get("name"):
            yield " ".join(str(info[key]) for key in ("name", "version") if info.get(key))


def actions_of(manifest: dict[str, Any], *, active: bool) -> Iterable[Action]:
    """The actions of one manifest of the reader's report."""
    for assertion in _dicts(manifest.get("assertions")):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in _dicts(_dict(assertion.get("data")).get("actions")):
                yield _action(action, active)


def _action(action: dict[str, Any], active: bool) -> Action:
    agent = action.get("softwareAgent")
    if isinstance(agent, dict):
        agent = " ".join(str(agent[key]) for key in ("name", "version") if agent.get(key))
    source = action.get("digitalSourceType")
    description = action.get("description") or _dict(action.get("parameters")).get("description")
    return Action(
        name=str(action.get("action", ""))[:100],
        agent=str(agent)[:200] if agent else None,
        source_type=source_types.term(source) if isinstance(source, str) else None,
        description=str(description)[:300] if description else None,
        active=active,
        when=_text(action.get("when")),
    )


def _codes(items: Any) -> tuple[str, ...]:
    return tuple(sorted({printable(str(item["code"]), 100) for item in _dicts(items) if "code" in item}))


def _text(value: Any) -> str | None:
    return printable(str(value)) or None if value else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
