"""Recognises what image generators write into their files.

Two kinds of trace: a *recipe* (the settings of a generation in the form that one program writes them), and a *name*
(a generator in a field that names software or credit). Captions are never searched for names: a photo of a talk
about Midjourney is not a Midjourney picture. Learnt from the documentation and the files of the generators themselves.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from assay.inference.analyzers.provenance.entries import Entry

EXCERPT = 240
_SEARCHED = 200_000


@dataclass(frozen=True, slots=True)
class Trace:
    """`kind` is recipe, hidden (a recipe in the pixels' lowest bits), label (of GB 45438) or name.

    `size` counts the characters of the field.
    """

    generator: str
    kind: str
    place: str
    key: str
    excerpt: str
    size: int
    model: str | None = None


# Names of generators of pictures, video and sound, as they stand in claim generators, software agents and
# software fields. A name that is also an ordinary word must stand with its maker.
_AI_NAMES: tuple[tuple[str, str], ...] = (
    (r"adobe[ _]firefly|\bfirefly[- _](?:image|video|pipeline|prod)", "Adobe Firefly"),
    (r"dall[-·•. ]?e\b", "DALL·E"),
    (r"chatgpt|gpt[-_ ]?4o|gpt[-_ ]image|openai (?:api|media)", "OpenAI image generation"),
    (r"^sora\b|openai sora|in sora\b", "OpenAI Sora"),
    (r"image creator from (?:microsoft )?designer|bing image creator", "Microsoft Image Creator"),
    (r"microsoft[_ ]responsible[_ ]ai", "Microsoft Image Creator"),
    (r"midjourney", "Midjourney"),
    (r"stable[- _]?diffusion|sdxl|stability[. ]?ai|dreamstudio", "Stable Diffusion"),
    (r"with google ai|ai[- ]generated with google|google (?:ai|imagen|gemini|veo)", "Google AI"),
    (r"google c2pa (?:core )?generator|\bimagen ?[2-9]|nano banana", "Google AI"),
    (r"black forest labs|\bflux[. ]?[12]|flux[-_. ](?:dev|pro|schnell|kontext)|;flux\b", "FLUX"),
    (r"\bxai[ ._-]?grok|grok[ -](?:image|imagine|\d)|aurora by xai", "xAI Grok"),
    (r"(?:made|imagined|generated) with (?:meta )?ai\b|meta ai\b", "Meta AI"),
    (r"image playground", "Apple Image Playground"),
    (r"novelai", "NovelAI"),
    (r"invoke-?ai", "InvokeAI"),
    (r"comfyui", "ComfyUI"),
    (r"automatic1111|sd[-_. ]?next|\bsd[-_]webui", "Stable Diffusion web UI"),
    (r"fooocus", "Fooocus"),
    (r"draw things", "Draw Things"),
    (r"swarmui", "SwarmUI"),
    (r"easy diffusion|diffusionbee|nmkd stable", "Stable Diffusion"),
    (r"ideogram", "Ideogram"),
    (r"leonardo[. ]ai", "Leonardo.Ai"),
    (r"recraft", "Recraft"),
    (r"amazon (?:titan|nova)|titan image generator", "Amazon image generation"),
    (r"runway(?:ml| gen)", "Runway"),
    (r"qwen[- _]?image", "Qwen-Image"),
    (r"hunyuan[- _]?(?:image|dit|video)", "Tencent Hunyuan"),
    (r"\bseedream|\bseedance|jimeng|dreamina|即梦|豆包", "ByteDance Seedream"),
    (r"\bkolors\b|kling ?(?:ai|\d)|可灵", "Kuaishou Kling"),
    (r"z[- _]image[- _](?:turbo|base)|wan ?2\.\d|tongyi wanxiang|通义万相", "Alibaba Tongyi"),
    (r"hidream[- _]", "HiDream"),
    (r"\bkrea[. ]ai|\bkrea[- ]?1\b", "Krea"),
    (r"freepik (?:ai|mystic|pikaso)|\bmagnific ai", "Freepik"),
    (r"canva (?:ai|magic media|dream lab)|magic media by canva", "Canva image generation"),
    (r"\bmai-image|microsoft designer|paint cocreator|cocreator in (?:microsoft )?paint", "Microsoft image generation"),
    (r"samsung (?:generative edit|photo assist|sketch to image)", "Samsung generative edit"),
    (r"\bpixel studio\b", "Google AI"),
    (r"\bbria(?:[. ]ai|[- ]\d)", "Bria"),
    (r"\breve image\b", "Reve"),
    (r"\bpika labs|luma (?:ai|dream machine|photon)|hailuo", "an AI video or image service"),
    (r"elevenlabs|\bsuno\b|\budio\b", "an AI sound service"),
    (r"ai[- ]generated|generative ai|text[-_]to[-_]image|txt2img", "an unnamed AI generator"),
)
_AI_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), name) for pattern, name in _AI_NAMES)

# Fields that name software. In a credit line only a phrase that says how the picture was made counts: a press photo
# may be credited to a maker of generators.
_NAME_FIELDS = frozenset(
    {
        "software",
        "processingsoftware",
        "make",
        "xmp:creatortool",
        "tiff:make",
        "tiff:software",
        "originating_program",
        "stevt:softwareagent",
        "iptc4xmpext:aisystemused",
    }
)
CREDIT_FIELDS = frozenset({"photoshop:credit", "credit"})
_CREDIT_PHRASE = re.compile(
    r"(?:made|edited|generated|created|imagined) with (?:[\w.]+ )?ai\b|ai[- ]generated|image playground", re.IGNORECASE
)


def ai_name(text: str) -> str | None:
    """The generator that a name of software stands for, None if it is not known as one."""
    text = text[:1000]
    return next((name for pattern, name in _AI_PATTERNS if pattern.search(text)), None)


def find_traces(entries: Iterable[Entry]) -> tuple[Trace, ...]:
    """The traces in a file's entries, recipes first, one for each generator and field."""
    found = [trace for entry in entries for trace in _traces(entry)]
    artist = next((e.value for e in entries if e.place == "exif" and e.key == "Artist"), "")
    found += [t for e in entries if (t := _grok(e, artist))]
    order = {"recipe": 0, "hidden": 1, "label": 2, "name": 3}
    unique = {(trace.generator, trace.place, trace.key): trace for trace in found}
    return tuple(sorted(unique.values(), key=lambda trace: order[trace.kind]))


def _traces(entry: Entry) -> Iterable[Trace]:
    text = entry.value[:_SEARCHED]
    declared = _aigc(entry, text)
    if declared:
        yield declared
        return
    for recognise in _RECIPES:
        name = recognise(entry, text)
        if name:
            kind = "hidden" if entry.place == "stealth" else "recipe"
            yield Trace(name, kind, entry.place, entry.key, text[:EXCERPT], entry.size, _model(text))
            return
    field = entry.key.lower()
    if field in _NAME_FIELDS or (field in CREDIT_FIELDS and _CREDIT_PHRASE.search(text[:1000])):
        # Whatever stands in this field of IPTC 2025.1 is an AI system by definition.
        name = ai_name(text) or (text[:60] if field == "iptc4xmpext:aisystemused" else None)
        if name:
            yield Trace(name, "name", entry.place, entry.key, text[:EXCERPT], entry.size)


_MODEL = re.compile(
    r'"(?:ckpt_name|unet_name|base_model|model_weights|sd_model_checkpoint|use_stable_diffusion_model)"\s*:\s*"([^"]{1,200})'
    r"|(?:^|[,\n] ?)Model: ([^,\n]{1,200})"
)


def _model(text: str) -> str | None:
    match = _MODEL.search(text)
    return next((group for group in match.groups() if group), None) if match else None


_STEPS = re.compile(r"(?:^|[\n,. ])Steps: ?\d{1,4}\b")
_SETTINGS = re.compile(r"(?:^|[\n, ])(Sampler|CFG scale|Seed|Size|Model hash|Model|Denoising strength|Clip skip): ?\S")


def _web_ui(entry: Entry, text: str) -> str | None:
    """`prompt⏎Negative prompt: …⏎Steps: 20, Sampler: …, Seed: …`, as AUTOMATIC1111 writes it and many after it."""
    if not _STEPS.search(text) or len({match[1] for match in _SETTINGS.finditer(text)}) < 3:
        return None
    if "Civitai resources:" in text or "civitai" in text.lower():
        return "Civitai"
    if re.search(r"App: ?SD\.?Next", text):
        return "SD.Next"
    if re.search(r"Version: ?(?:f\d|neo|classic|forge)", text):
        return "Stable Diffusion web UI Forge"
    if re.search(r"Version: ?Fooocus", text):
        return "Fooocus"
    return "Stable Diffusion web UI"


def _comfyui(entry: Entry, text: str) -> str | None:
    """A graph of nodes, for execution (`class_type`) or for display (`last_node_id`)."""
    graph = '"class_type"' in text and '"inputs"' in text
    display = '"nodes"' in text and ('"last_node_id"' in text or '"last_link_id"' in text)
    return "ComfyUI" if graph or display else None


def _swarmui(entry: Entry, text: str) -> str | None:
    return "SwarmUI" if '"sui_image_params"' in text else None


def _fooocus(entry: Entry, text: str) -> str | None:
    if entry.key == "fooocus_scheme":
        return "Fooocus"
    return "Fooocus" if '"base_model_hash"' in text and '"adm_guidance"' in text else None


def _invokeai(entry: Entry, text: str) -> str | None:
    keys = {"invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata"}
    if entry.place == "png" and entry.key in keys:
        return "InvokeAI"
    if entry.place == "png" and entry.key == "Dream" and re.search(r" -(?:s|S|W|C|A) ?\S", text):
        return "InvokeAI"
    return "InvokeAI" if "invoke-ai/InvokeAI" in text else None


def _novelai(entry: Entry, text: str) -> str | None:
    if '"signed_hash"' in text and '"sampler"' in text:
        return "NovelAI"
    if '"uncond_scale"' in text and '"cfg_rescale"' in text:
        return "NovelAI"
    return "NovelAI" if entry.key == "Source" and text.startswith("NovelAI Diffusion") else None


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MIDJOURNEY = re.compile(rf"\bJob ID: {_UUID}", re.IGNORECASE)


def _midjourney(entry: Entry, text: str) -> str | None:
    """`prompt --v 6.0 Job ID: uuid` in the description."""
    return "Midjourney" if _MIDJOURNEY.search(text) else None


def _draw_things(entry: Entry, text: str) -> str | None:
    if entry.key not in ("UserComment", "exif:UserComment"):
        return None
    return "Draw Things" if re.search(r'"(?:uc|c)"\s*:', text) and '"seed_mode"' in text else None


def _easy_diffusion(entry: Entry, text: str) -> str | None:
    if "use_stable_diffusion_model" in text or entry.key == "use_stable_diffusion_model":
        return "Easy Diffusion"
    return "Easy Diffusion" if entry.place == "png" and entry.key == "Stable Diffusion model" else None


def _diffusers(entry: Entry, text: str) -> str | None:
    """JSON settings of other programs built on diffusion models (TensorArt, StabilityMatrix, SimpleTuner …)."""
    if entry.place == "png" and entry.key in ("generation_data", "parameters-json", "smproj"):
        return "a diffusion model"
    settings = ('"num_inference_steps"', '"guidance_scale"', '"cfg_scale"', '"negative_prompt"', '"sampler', '"seed"')
    return "a diffusion model" if '"prompt"' in text and sum(s in text for s in settings) >= 3 else None


_AIGC_LABEL = re.compile(r'"Label"\s*:\s*"?([123])"?')
_AIGC_PRODUCER = re.compile(r'"ContentProducer"\s*:\s*"([^"]{1,100})"')


def _aigc(entry: Entry, text: str) -> Trace | None:
    """The label that China's GB 45438-2025 asks of services: a JSON object named AIGC in XMP, PNG text or Exif.

    Its `Label` is 1 for what is made by AI, 2 for what may be and 3 for what is suspected to be: only 1 is taken.
    """
    key = entry.key.rsplit(":", 1)[-1]
    if key != "AIGC" and not (key in ("UserComment", "ImageDescription") and '"AIGC"' in text):
        return None
    label = _AIGC_LABEL.search(text)
    if label is None or label[1] != "1":
        return None
    producer = _AIGC_PRODUCER.search(text)
    name = f"an AI service ({producer[1]})" if producer else "an AI service"
    return Trace(name, "label", entry.place, entry.key, text[:EXCERPT], entry.size)


_RECIPES: tuple[Callable[[Entry, str], str | None], ...] = (
    _swarmui,
    _fooocus,
    _invokeai,
    _novelai,
    _comfyui,
    _web_ui,
    _midjourney,
    _draw_things,
    _easy_diffusion,
    _diffusers,
)


def _grok(entry: Entry, artist: str) -> Trace | None:
    """XAI's pictures carry a signature as their description, and a UUID as their artist."""
    if entry.place != "exif" or entry.key != "ImageDescription" or not re.fullmatch(_UUID, artist):
        return None
    if not re.match(r"Signature: ?[A-Za-z0-9+/=]{40,}", entry.value):
        return None
    return Trace("xAI Grok", "recipe", entry.place, entry.key, entry.value[:EXCERPT], entry.size)
