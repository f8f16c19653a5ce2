"""Every manifest of the chain: who signed what, when, out of what; in details, in sentences, and to look at."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import c2pa
import pytest

from assay.inference import plugins
from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.inference.analyzers.provenance.chain import read_chain
from assay.sdk import Finding, Media

Examine = Callable[..., Finding]
Steps = list[dict[str, Any]]


def sign(
    picture: bytes, title: str, actions: Steps, chain: Any, ingredients: Sequence[tuple[bytes, str, str]] = ()
) -> bytes:
    """A JPEG signed by a chain's signer. ingredients: (bytes, title, relationship)."""
    manifest = {
        "claim_generator_info": [{"name": "Darkroom", "version": "7"}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    info = c2pa.C2paSignerInfo(
        alg=b"es256",
        sign_cert=(chain.signer + chain.authority).encode(),
        private_key=chain.signer_key.encode(),
        ta_url=None,
    )
    settings = {"verify": {"verify_trust": False}, "core": {"allowed_network_hosts": []}}
    signed = BytesIO()
    with c2pa.Context.from_dict(settings) as context, c2pa.Builder(json.dumps(manifest), context=context) as builder:
        if any(relationship == "parentOf" for _, _, relationship in ingredients):
            # Adds that the parent was opened, which the standard asks for.
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        for content, name, relationship in ingredients:
            told = json.dumps({"title": name, "relationship": relationship})
            builder.add_ingredient(told, "image/jpeg", BytesIO(content))
        builder.sign(c2pa.Signer.from_info(info), "image/jpeg", BytesIO(picture), signed)
    return signed.getvalue()


CAPTURED: Steps = [
    {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
        "when": "2026-03-01T10:00:00Z",
    }
]


@pytest.fixture(scope="module")
def signers(samples: ModuleType) -> list[Any]:
    return [samples.make_chain(name) for name in ("Camera maker", "Picture agency", "Newspaper")]


@pytest.fixture(scope="module")
def published(signers: list[Any], picture: Callable[..., bytes]) -> bytes:
    """A capture, opened and cropped by an agency, then put on a page together with an unsigned logo by a newspaper."""
    plain = picture()
    shot = sign(plain, "shot.jpg", CAPTURED, signers[0])
    cropped: Steps = [{"action": "c2pa.cropped", "softwareAgent": {"name": "Cropper", "version": "2"}}]
    edited = sign(plain, "cropped.jpg", cropped, signers[1], [(shot, "shot.jpg", "parentOf")])
    parts = [(edited, "cropped.jpg", "parentOf"), (plain, "logo.jpg", "componentOf")]
    return sign(plain, "page.jpg", [{"action": "c2pa.color_adjustments"}], signers[2], parts)


def test_every_manifest_is_told_from_the_active_one_down(published: bytes, examine: Examine) -> None:
    chain = examine(published).details["c2pa"]["chain"]
    assert [m["title"] for m in chain] == ["page.jpg", "cropped.jpg", "shot.jpg"]
    assert [m["signer"]["organisation"] for m in chain] == ["Newspaper", "Picture agency", "Camera maker"]
    assert [m["active"] for m in chain] == [True, False, False]
    assert all("Darkroom" in m["claim_generator"] for m in chain)


def test_signers_certificates_and_times(published: bytes, examine: Examine) -> None:
    active = examine(published).details["c2pa"]["chain"][0]
    signer = active["signer"]
    assert signer["common_name"] == "Assay test signer"
    assert signer["issuer"] == "Assay test authority, Newspaper"
    assert (signer["valid_from"][:10], signer["valid_until"][:10]) == ("2025-01-01", "2055-01-01")
    # These signatures have no time stamp: a time that the signer alone claims is no time.
    assert (active["signed_at"], active["time_stamp_authority"]) == (None, None)


def test_actions_with_their_agents_sources_and_times(published: bytes, examine: Examine) -> None:
    page, cropped, shot = examine(published).details["c2pa"]["chain"]
    assert "c2pa.color_adjustments" in [action["action"] for action in page["actions"]]
    (crop,) = (action for action in cropped["actions"] if action["action"] == "c2pa.cropped")
    assert crop["software_agent"] == "Cropper 2"
    (created,) = shot["actions"]
    assert (created["action"], created["digital_source_type"]) == ("c2pa.created", "digitalCapture")
    assert created["when"].startswith("2026-03-01T10:00:00")


def test_ingredients_with_relationship_and_their_own_manifests(published: bytes, examine: Examine) -> None:
    page, cropped, shot = examine(published).details["c2pa"]["chain"]
    assert [(i["title"], i["relationship"]) for i in page["ingredients"]] == [
        ("cropped.jpg", "parentOf"),
        ("logo.jpg", "componentOf"),
    ]
    assert [i["manifest"] for i in page["ingredients"]] == [cropped["label"], None]
    assert [i["manifest"] for i in cropped["ingredients"]] == [shot["label"]]
    assert shot["ingredients"] == []


def test_trust_is_told_for_each_manifest(published: bytes, signers: list[Any], examine: Examine) -> None:
    unknown = examine(published).details["c2pa"]
    assert (unknown["validation_state"], {m["state"] for m in unknown["chain"]}) == ("Valid", {"valid"})
    trusting = examine(published, roots=signers[2].authority).details["c2pa"]
    # The reader calls the whole trusted only if the signers of all ingredients are.
    assert trusting["validation_state"] == "Valid"
    assert [m["state"] for m in trusting["chain"]] == ["trusted", "valid", "valid"]
    everybody = examine(published, roots="".join(signer.authority for signer in signers)).details["c2pa"]
    assert (everybody["validation_state"], {m["state"] for m in everybody["chain"]}) == ("Trusted", {"trusted"})


def test_sentences_name_who_signed_what(published: bytes, signers: list[Any], examine: Examine) -> None:
    said = " ".join(evidence.text for evidence in examine(published).evidence)
    assert "Newspaper (Assay test signer) signed this at a time that nobody vouches for with Darkroom" in said
    assert "Picture agency (Assay test signer) signed the ingredient “cropped.jpg”" in said
    assert "cropped by Cropper 2" in said
    assert "the signer (Newspaper) is not known to this installation" in said
    trusted = " ".join(e.text for e in examine(published, roots=signers[2].authority).evidence)
    assert "the signer (Newspaper) is trusted" in trusted


def test_an_operators_pem_works_from_the_setting_to_the_sentence(
    published: bytes, signers: list[Any], media: Callable[[bytes], Media], tmp_path: Path
) -> None:
    """As the worker makes the analyzer from ASSAY_ANALYZER__PROVENANCE__TRUST_ANCHORS."""
    roots = tmp_path / "operators.pem"
    roots.write_text("".join(signer.authority for signer in signers), encoding="utf-8")
    entry = "assay.inference.analyzers.provenance:Provenance"
    said = []
    for values in ({"trust_anchors": str(roots)}, {}):
        analyzer = plugins.make("provenance", entry, values)
        analyzer.load("cpu")
        (finding,) = analyzer.infer([analyzer.prepare(media(published))])
        said.append((finding.details["c2pa"]["validation_state"], finding.evidence[0].text))
    assert said[0][0] == "Trusted"
    assert said[0][1].endswith("the signer (Newspaper) is trusted.")
    assert said[1][0] == "Valid"
    assert said[1][1].endswith("the signer (Newspaper) is not known to this installation.")


def test_an_ingredient_that_does_not_hold_is_told(picture: Any, signers: list[Any], examine: Examine) -> None:
    plain = picture()
    shot = sign(plain, "shot.jpg", CAPTURED, signers[0])
    broken = shot[:-40] + bytes([shot[-40] ^ 1]) + shot[-39:]
    finding = examine(
        sign(plain, "page.jpg", [{"action": "c2pa.cropped"}], signers[2], [(broken, "shot.jpg", "parentOf")])
    )
    (ingredient,) = finding.details["c2pa"]["chain"][0]["ingredients"]
    assert "assertion.dataHash.mismatch" in ingredient["failure_codes"]


def test_the_tree_can_be_looked_at(published: bytes, media: Callable[[bytes], Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    prepared = analyzer.prepare(media(published))
    renderings = {r.name: r for r in analyzer.explain(prepared, analyzer.infer([prepared])[0])}
    drawing = ElementTree.fromstring(renderings["credentials.svg"].data.decode())  # noqa: S314 - our own drawing
    lines = [(float(text.get("x") or 0), text.text or "") for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    indents = [
        next(x for x, text in lines if text.startswith(name)) for name in ("page.jpg", "cropped.jpg", "shot.jpg")
    ]
    assert indents == sorted(set(indents))
    assert any("logo.jpg: a part of it, without credentials of its own" in text for _, text in lines)
    whole = json.loads(renderings["credentials.json"].data)
    assert [manifest["title"] for manifest in whole] == ["page.jpg", "cropped.jpg", "shot.jpg"]


def test_titles_are_escaped_in_the_drawing(picture: Any, signers: list[Any], media: Callable[[bytes], Media]) -> None:
    signed = sign(picture(), "<script>alert(1)</script>", CAPTURED, signers[0])
    analyzer = Provenance(ProvenanceSettings())
    prepared = analyzer.prepare(media(signed))
    (drawing,) = (r for r in analyzer.explain(prepared, analyzer.infer([prepared])[0]) if r.name == "credentials.svg")
    assert b"<script" not in drawing.data
    assert b"&lt;script&gt;" in drawing.data


@pytest.mark.parametrize(
    "store",
    [
        {},
        {"active_manifest": "a", "manifests": {"a": {"ingredients": [{"active_manifest": "a"}]}}},
        {"active_manifest": "a", "manifests": {"a": {"ingredients": "x", "assertions": [1], "signature_info": []}}},
        {"active_manifest": "x", "manifests": {str(n): {"ingredients": [{}] * 999} for n in range(500)}},
    ],
)
def test_reports_of_any_shape_give_a_bounded_chain(store: dict[str, Any]) -> None:
    chain = read_chain(store, {"manifests": [{"label": 1, "signature": "x", "validationResults": [2]}]})
    assert len(chain) == min(len(store.get("manifests", {})), 40)
    assert all(len(manifest.ingredients) <= 40 for manifest in chain)
