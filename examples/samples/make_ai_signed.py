"""Makes `ai-signed.jpg`: a picture drawn by this script, signed as AI-made with a test certificate.

    python examples/samples/make_ai_signed.py

A new certificate authority is made each time. Its key and the signer's are forgotten; only the authority's certificate
stays, as `test-ca.pem`, so that whoever wants to can trust it:

    ASSAY_ANALYZER__PROVENANCE__TRUST_ANCHORS=examples/samples/test-ca.pem
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

HERE = Path(__file__).parent
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# Long, because the signature has no time stamp: when the certificate ends, so does the sample.
VALID_FROM, VALID_UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2055, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Chain:
    """A certificate authority and a signer that it vouches for, as PEM."""

    authority: str
    signer: str
    signer_key: str


def make_chain(organisation: str = "Assay sample, not a real signer") -> Chain:
    """A new authority and a signer's certificate with what C2PA asks of one (C2PA 2.2, 14.5.1)."""
    authority_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Assay test authority", organisation)
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    signer = (
        _certificate(_name("Assay test signer", organisation), authority_name, signer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = signer_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Chain(authority.public_bytes(pem).decode(), signer.public_bytes(pem).decode(), key.decode())


def _name(common_name: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def created(source_type: str, agent: str | None = None) -> dict[str, Any]:
    """A manifest that says how its file came to be. source_type: a term of the IPTC vocabulary."""
    action: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + source_type}
    if agent:
        action["softwareAgent"] = {"name": agent}
    return {
        "claim_generator_info": [{"name": "Assay samples", "version": "1"}],
        "title": "Sample",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def sign(picture: bytes, media_type: str, manifest: dict[str, Any], chain: Chain) -> bytes:
    """`picture` with `manifest` embedded, signed by the chain's signer (ES256), without a time stamp."""
    info = c2pa.C2paSignerInfo(
        alg=b"es256",
        sign_cert=(chain.signer + chain.authority).encode(),
        private_key=chain.signer_key.encode(),
        ta_url=None,
    )
    # The signer checks what it wrote; it is told to fetch nothing, and whom to trust is not its concern.
    settings = {"verify": {"verify_trust": False}, "core": {"allowed_network_hosts": []}}
    signed = BytesIO()
    with c2pa.Context.from_dict(settings) as context, c2pa.Builder(json.dumps(manifest), context=context) as builder:
        builder.sign(c2pa.Signer.from_info(info), media_type, BytesIO(picture), signed)
    return signed.getvalue()


def draw(width: int = 720, height: int = 480, seed: int = 7) -> bytes:
    """A JPEG of dunes under a gradient sky: waves of sines, with a little grain. The same for the same seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / height
    top, low = np.array([46, 64, 120]), np.array([250, 190, 130])
    picture = top + (low - top) * np.clip(y * 1.6, 0, 1)[..., None]
    sun = np.exp(-(((x - 1.02) ** 2 + (y - 0.3) ** 2) / 0.006))[..., None]
    picture += sun * np.array([90, 80, 40])
    for layer in range(5):
        phases = random.uniform(0, 2 * np.pi, 4)
        frequencies = random.uniform(1.5, 7, 4) * (1 + layer * 0.3)
        crest = 0.5 + layer * 0.1
        waves = zip(frequencies, phases, strict=True)
        crest = crest + sum(np.sin(x * f + p) * 0.05 / (1 + i) for i, (f, p) in enumerate(waves))
        shade = np.clip((y - crest) * 2.2, 0, 1)[..., None]
        sand = np.array([222, 160, 96]) * (1 - 0.14 * layer)
        ridges = (np.sin((y - crest) * 160 + x * 9) * 5)[..., None]
        picture = np.where((y > crest)[..., None], sand * (1 - 0.5 * shade) + ridges, picture)
    picture += random.normal(0, 2.5, (height, width, 1))
    encoded = BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=86)
    return encoded.getvalue()


def main() -> None:
    """Write the picture and the authority's certificate beside this script."""
    chain = make_chain()
    manifest = created("trainedAlgorithmicMedia", "Assay sample generator")
    (HERE / "ai-signed.jpg").write_bytes(sign(draw(), "image/jpeg", manifest, chain))
    (HERE / "test-ca.pem").write_text(chain.authority, encoding="utf-8")


if __name__ == "__main__":
    main()
