"""Plain metadata: declarations, generators' traces, cameras."""

import json
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from assay.sdk import Finding

Examine = Callable[..., Finding]
PARAMETERS = (
    "a duck on a lake\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: abc, Model: dream_v2"
)
GRAPH = json.dumps({"3": {"inputs": {"seed": 1, "ckpt_name": "base.safetensors"}, "class_type": "KSampler"}})


def png(picture: Callable[..., bytes], *, compressed: bool = False, **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text, zip=compressed) if compressed else info.add_text(key, text)
    return picture("PNG", pnginfo=info)


def exif(tags: dict[int, Any], sub: dict[int, Any] | None = None) -> bytes:
    block = Image.Exif()
    block.update(tags)
    block.get_ifd(0x8769).update(sub or {})
    return block.tobytes()


def xmp(attributes: str) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f"{attributes}/></rdf:RDF></x:xmpmeta>"
    ).encode()


def source_type(term: str) -> str:
    return f'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{term}"'


def names(finding: Finding) -> list[str]:
    return [generator["name"] for generator in finding.details["generators"]]


@pytest.mark.parametrize("compressed", [False, True])
def test_stable_diffusion_parameters_in_png(compressed: bool, picture: Any, examine: Examine) -> None:
    finding = examine(png(picture, compressed=compressed, parameters=PARAMETERS), "image/png")
    assert finding.label == "synthetic"
    assert names(finding) == ["Stable Diffusion web UI"]
    assert finding.details["generators"][0]["model"] == "dream_v2"
    assert finding.evidence[0].where == {"field": "png:parameters"}


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("code", ["utf-16-be", "utf-16-le", "ascii"])
def test_stable_diffusion_parameters_in_user_comment(kind: str, code: str, picture: Any, examine: Examine) -> None:
    prefix = b"ASCII\x00\x00\x00" if code == "ascii" else b"UNICODE\x00"
    content = picture(kind, exif=exif({}, {0x9286: prefix + PARAMETERS.encode(code)}))
    assert names(examine(content, f"image/{kind.lower()}")) == ["Stable Diffusion web UI"]


@pytest.mark.parametrize(
    ("texts", "generator"),
    [
        ({"prompt": GRAPH}, "ComfyUI"),
        ({"workflow": '{"last_node_id": 9, "nodes": []}'}, "ComfyUI"),
        ({"Comment": '{"prompt": "x", "uncond_scale": 0.0, "cfg_rescale": 0.0}'}, "NovelAI"),
        ({"Software": "NovelAI"}, "NovelAI"),
        ({"invokeai_metadata": '{"positive_prompt": "x"}'}, "InvokeAI"),
        ({"parameters": '{"sui_image_params": {"prompt": "x"}}'}, "SwarmUI"),
        ({"fooocus_scheme": "fooocus", "parameters": "{}"}, "Fooocus"),
        ({"Description": "a duck --v 6.0 Job ID: 0b6c1f3a-6a3f-4a3e-9c1d-1d2e3f4a5b6c"}, "Midjourney"),
        ({"use_stable_diffusion_model": "sd-v1-4"}, "Easy Diffusion"),
    ],
)
def test_generators_by_their_png_texts(texts: dict[str, str], generator: str, picture: Any, examine: Examine) -> None:
    finding = examine(png(picture, **texts), "image/png")
    assert finding.label == "synthetic"
    assert generator in names(finding)


@pytest.mark.parametrize(
    "texts",
    [
        {"AIGC": '{"Label": "1", "ContentProducer": "Some service", "ProduceID": "7"}'},
        {"Software": "Qwen-Image-2512"},
        {"Software": "Seedream 4.0"},
        {"Software": "gpt-image-1"},
    ],
)
def test_recent_generators_and_the_chinese_label(texts: dict[str, str], picture: Any, examine: Examine) -> None:
    assert examine(png(picture, **texts), "image/png").label == "synthetic"


@pytest.mark.parametrize("label", ["2", "3", "0"])
def test_a_chinese_label_of_what_may_be_ai_is_no_declaration(label: str, picture: Any, examine: Examine) -> None:
    assert examine(png(picture, AIGC=f'{{"Label": "{label}"}}'), "image/png").label == "no_findings"


def test_the_label_in_xmp_and_exif(picture: Any, examine: Examine) -> None:
    value = "{&quot;Label&quot;:&quot;1&quot;}"
    packet = xmp(f'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" TC260:AIGC="{value}"')
    assert examine(picture(xmp=packet)).label == "synthetic"
    comment = b"ASCII\x00\x00\x00" + b'{"AIGC": {"Label": "1", "ContentProducer": "X"}}'
    finding = examine(picture(exif=exif({}, {0x9286: comment})))
    assert (finding.label, finding.details["generators"][0]["kind"]) == ("synthetic", "label")


def test_any_ai_system_that_iptc_names_counts(picture: Any, examine: Examine) -> None:
    assert names(examine(picture(xmp=xmp('Iptc4xmpExt:AISystemUsed="Brandnew 9"')))) == ["Brandnew 9"]


def test_comfyui_in_exif_make_is_not_taken_for_a_camera(picture: Any, examine: Examine) -> None:
    content = picture(exif=exif({0x010F: "Prompt: " + GRAPH, 0x0110: "x"}, {0x829A: 0.1, 0x8827: 100}))
    finding = examine(content)
    assert names(finding) == ["ComfyUI"]
    assert finding.details["metadata"]["camera"] is None


def test_flux_and_grok_by_their_exif(picture: Any, examine: Examine) -> None:
    flux = exif({0x010F: "Black Forest Labs", 0x0131: "AI generated;txt2img;flux"})
    grok = exif({0x010E: "Signature: " + "Ab3+" * 20, 0x013B: "0b6c1f3a-6a3f-4a3e-9c1d-1d2e3f4a5b6c"})
    assert "FLUX" in names(examine(picture(exif=flux)))
    assert names(examine(picture(exif=grok))) == ["xAI Grok"]


def test_text_hidden_in_the_alpha_channel(examine: Examine) -> None:
    text = PARAMETERS.encode()
    bits = "".join(f"{b:08b}" for b in b"stealth_pnginfo" + struct.pack(">I", len(text) * 8) + text)
    image = Image.new("RGBA", (64, 64), (90, 120, 60, 255))
    for number, bit in enumerate(bits):
        image.putpixel((number // 64, number % 64), (90, 120, 60, 254 | int(bit)))
    encoded = BytesIO()
    image.save(encoded, "PNG")
    finding = examine(encoded.getvalue(), "image/png")
    assert finding.details["generators"][0]["kind"] == "hidden"
    assert finding.label == "synthetic"


@pytest.mark.parametrize(
    ("term", "label"),
    [
        ("trainedAlgorithmicMedia", "synthetic"),
        ("compositeWithTrainedAlgorithmicMedia", "synthetic"),
        ("compositeSynthetic", "inconclusive"),
        ("algorithmicMedia", "no_findings"),
        ("digitalCapture", "no_findings"),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_iptc_source_type_in_xmp(term: str, label: str, kind: str, picture: Any, examine: Examine) -> None:
    packet = xmp(source_type(term))
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        content = picture("PNG", pnginfo=info)
    elif kind == "TIFF":
        content = picture("TIFF", tiffinfo={700: packet})
    else:
        content = picture(kind, xmp=packet)
    finding = examine(content, f"image/{kind.lower()}")
    assert finding.label == label
    assert finding.details["metadata"]["digital_source_types"][0]["type"] == term


def test_plain_metadata_weighs_less_than_a_signed_declaration(
    samples: Any, chain: Any, picture: Any, examine: Examine
) -> None:
    plain = examine(picture(xmp=xmp(source_type("trainedAlgorithmicMedia"))))
    signed = examine(samples.sign(picture(), "image/jpeg", samples.created("trainedAlgorithmicMedia"), chain))
    assert plain.score is not None and signed.score is not None
    assert 0.5 < plain.score < signed.score
    assert plain.confidence < signed.confidence


def test_a_credit_line_counts_unless_the_source_type_says_otherwise(picture: Any, examine: Examine) -> None:
    credit = 'photoshop:Credit="Made with Google AI"'
    assert examine(picture(xmp=xmp(credit))).label == "synthetic"
    assert examine(picture(xmp=xmp(f"{credit} {source_type('compositeSynthetic')}"))).label == "inconclusive"


@pytest.mark.parametrize(
    "tags",
    [
        {0x010E: "A talk on Midjourney, Stable Diffusion and DALL-E in Lisbon"},
        {0x010E: "Recipe. Steps: 3, then bake", 0x013B: "ai"},
        {0x0131: "Adobe Photoshop 26.1"},
        {0x0131: "Grok JPEG 2000 compressor"},
    ],
)
def test_words_about_ai_are_not_traces_of_it(tags: dict[int, str], picture: Any, examine: Examine) -> None:
    assert examine(picture(exif=exif(tags))).label == "no_findings"


def test_a_press_photo_credited_to_a_maker_of_generators(picture: Any, examine: Examine) -> None:
    assert examine(picture(xmp=xmp('photoshop:Credit="Midjourney / press office"'))).label == "no_findings"


def test_a_camera_photo_has_no_findings_and_is_not_called_authentic(picture: Any, examine: Examine) -> None:
    tags = {0x010F: "Canon", 0x0110: "Canon EOS R6", 0x0131: "Firmware 1.8", 0x8825: {1: "N"}}
    shot = {0x829A: 0.01, 0x829D: 2.8, 0x8827: 400, 0x9003: "2024:05:01 10:00:00"}
    finding = examine(picture(exif=exif(tags, shot)))
    assert finding.label == "no_findings"
    assert finding.score is None
    assert finding.details["metadata"]["camera"] == "Canon EOS R6"
    assert finding.details["metadata"]["capture_settings"] is True
    assert finding.details["metadata"]["created"] == "2024:05:01 10:00:00"
    assert "proves nothing" in finding.evidence[0].text


def test_iptc_fields_of_a_jpeg(picture: Any, examine: Examine) -> None:
    credit = b"AI-generated with Google"
    dataset = b"\x1c\x02\x6e" + struct.pack(">H", len(credit)) + credit
    resource = b"8BIM\x04\x04\x00\x00" + struct.pack(">I", len(dataset)) + dataset
    segment = b"Photoshop 3.0\x00" + resource
    plain = picture()
    content = plain[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    finding = examine(content)
    assert finding.details["metadata"]["credit"] == credit.decode()
    assert names(finding) == ["Google AI"]
