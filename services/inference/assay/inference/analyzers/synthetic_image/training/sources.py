"""Where the pictures come from: which files of which public repository are made by what, and what they may be used for.

A source is a repository and a pattern of paths with one label. Sources with the same `group` share a page, a camera, a
photographer or a generator's run, and never stand on both sides of a split.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Split = Literal["train", "calibrate"]


@dataclass(frozen=True)
class Source:
    """One kind of picture of one repository.

    synthetic: what the pictures are. generator: the family that made them, or what took them.
    fit: (smallest, largest) longer side in pixels that pictures are brought to before anything else, for a class whose
    other half is stored smaller: else size would give the label away. None: as stored.
    alike: pictures of the other class lie in the same repository, of the same size and the same quantisation tables, so
    that both may be trained on as they are.
    limit: at most so many pictures, chosen by the order of their sha256.
    """

    name: str
    repository: str
    pattern: str
    synthetic: bool
    generator: str
    group: str
    split: Split
    limit: int | None = None
    fit: tuple[int, int] | None = None
    smallest: int = 200
    alike: bool = False

    @cached_property
    def paths(self) -> re.Pattern[str]:
        """What a path of this source looks like."""
        return re.compile(self.pattern, re.IGNORECASE)

    @property
    def folder(self) -> str:
        """The repository's folder among the fetched ones: owner+name."""
        return self.repository.replace("/", "+")


_P = r"\.(jpe?g|png|webp)$"

SOURCES = (
    # one repository, both classes, same size and same tables: the cleanest pairs
    Source(
        "sd1",
        "DHANUSH7140/REAL-VS-AI-IMAGE-DETECTION-AND-SIMILAR-OBJECT-DETECTION",
        r"^visionprobe/backend/data/.*(fake|ai).*" + _P,
        True,
        "stable-diffusion-1",
        "dhanush",
        "train",
        alike=True,
    ),
    Source(
        "coco-imagenet",
        "DHANUSH7140/REAL-VS-AI-IMAGE-DETECTION-AND-SIMILAR-OBJECT-DETECTION",
        r"^visionprobe/backend/data/.*real.*" + _P,
        False,
        "web photo",
        "dhanush",
        "train",
        alike=True,
    ),
    Source(
        "stylegan2-300",
        "tharunnayak14/Real-vs-Fake-Face-Detection",
        r"^(val_)?images/fake/.*" + _P,
        True,
        "stylegan2",
        "tharunnayak",
        "train",
        alike=True,
    ),
    Source(
        "portraits-300",
        "tharunnayak14/Real-vs-Fake-Face-Detection",
        r"^(val_)?images/real/.*" + _P,
        False,
        "web photo",
        "tharunnayak",
        "train",
        alike=True,
    ),
    Source(
        "stylegan-256",
        "cdiaconu04/Guess-real-or-ai",
        r"^public/gamePics/fake/.*" + _P,
        True,
        "stylegan",
        "cdiaconu",
        "train",
        limit=500,
        alike=True,
    ),
    Source(
        "ffhq-256",
        "cdiaconu04/Guess-real-or-ai",
        r"^public/gamePics/real/.*" + _P,
        False,
        "web photo",
        "cdiaconu",
        "train",
        limit=500,
        alike=True,
    ),
    Source(
        "generated-224",
        "ZiadBassem/AI-vs-Real-Images",
        r"^data/AI_Generated/.*" + _P,
        True,
        "unstated diffusion",
        "ziadbassem",
        "train",
        limit=300,
    ),
    Source(
        "stock-224",
        "ZiadBassem/AI-vs-Real-Images",
        r"^data/Real/.*" + _P,
        False,
        "stock photo",
        "ziadbassem",
        "train",
        fit=(224, 320),
    ),
    Source(
        "diffusion-512",
        "viviashilah/AI-vs-Real-Image-Project",
        r"^dataset/final_dataset/.*/ai/.*" + _P,
        True,
        "stable-diffusion-1",
        "viviashilah",
        "train",
    ),
    Source(
        "stock-1080",
        "viviashilah/AI-vs-Real-Image-Project",
        r"^dataset/final_dataset/.*/real/.*" + _P,
        False,
        "stock photo",
        "viviashilah",
        "train",
    ),
    Source(
        "game-2025-ai",
        "Laboratoriet/real-or-ai-game",
        r"^public/images/\w+/ai/[^/]+" + _P,
        True,
        "mixed web",
        "laboratoriet",
        "train",
    ),
    Source(
        "game-2025-real",
        "Laboratoriet/real-or-ai-game",
        r"^public/images/\w+/real/[^/]+" + _P,
        False,
        "web photo",
        "laboratoriet",
        "train",
    ),
    Source("daily-ai", "kurlyto/ai-or-not", r"^public/images/\w+/ai/.*" + _P, True, "mixed web", "kurlyto", "train"),
    Source(
        "daily-real", "kurlyto/ai-or-not", r"^public/images/\w+/real/.*" + _P, False, "web photo", "kurlyto", "train"
    ),
    Source(
        "pairs-ai",
        "kaivalyagandhi/ai-or-not-game",
        r"^src/client/public/images/.*-ai" + _P,
        True,
        "mixed web",
        "kaivalyagandhi",
        "train",
    ),
    Source(
        "pairs-real",
        "kaivalyagandhi/ai-or-not-game",
        r"^src/client/public/images/.*-human" + _P,
        False,
        "web photo",
        "kaivalyagandhi",
        "train",
    ),
    Source(
        "shoes-ai",
        "Omarkouta73/Real-vs-AI-in-Shoe-Imagery",
        r"^data/\w+/[a-z]{11}\.jpg$",
        True,
        "midjourney",
        "omarkouta",
        "train",
        limit=200,
    ),
    Source(
        "shoes-real",
        "Omarkouta73/Real-vs-AI-in-Shoe-Imagery",
        r"^data/\w+/(nike|adidas|converse)_.*\.jpg$",
        False,
        "web photo",
        "omarkouta",
        "train",
        limit=200,
    ),
    Source(
        "gemini-720",
        "TeenBiscuits/RealOrAI",
        r"^public/images/ai/ai_\d+" + _P,
        True,
        "gemini",
        "teenbiscuits",
        "train",
        alike=True,
    ),
    Source(
        "unsplash-720",
        "TeenBiscuits/RealOrAI",
        r"^public/images/real/real_\d+" + _P,
        False,
        "stock photo",
        "teenbiscuits",
        "train",
        alike=True,
    ),
    Source(
        "quiz-ai",
        "AlexanderFjellheim/maskinEllerMenneske_QuizApp",
        r"^public/images/fake/\d+" + _P,
        True,
        "mixed web",
        "fjellheim",
        "train",
    ),
    Source(
        "quiz-real",
        "AlexanderFjellheim/maskinEllerMenneske_QuizApp",
        r"^public/images/real/\d+" + _P,
        False,
        "web photo",
        "fjellheim",
        "train",
    ),
    # generators alone
    Source(
        "midjourney-7",
        "cheekymohnkey/midjourney-profile-tester",
        r"^profile_results_backup/.*\.jpg$",
        True,
        "midjourney",
        "midjourney-profiles",
        "train",
        limit=200,
    ),
    Source(
        "gpt-image",
        "jamez-bondos/awesome-gpt4o-images",
        r"^(?!.*input).*" + _P,
        True,
        "gpt-image",
        "gpt4o",
        "train",
        smallest=1000,
    ),
    Source(
        "gemini",
        "PicoTrex/Awesome-Nano-Banana-images",
        r"^images/.*output.*" + _P,
        True,
        "gemini",
        "nano-banana",
        "train",
    ),
    Source(
        "sd-cpp",
        "leejet/stable-diffusion.cpp",
        r"^assets/(flux|flux2|z_image|qwen|sd3|[^/]+$).*" + _P,
        True,
        "flux and others",
        "sdcpp",
        "train",
        smallest=500,
    ),
    Source(
        "comfy",
        "comfyanonymous/ComfyUI_examples",
        r"^(flux|sd3|sdxl|stable_cascade|chroma|lcm|sdturbo|2_pass_txt2img|area_composition|lora|noisy_latent.*|hypernetworks)/[^/]*example[^/]*\.png$",
        True,
        "flux and others",
        "comfy",
        "train",
    ),
    Source("dalle2", "openai/dalle-2-preview", r"^assets/Model.*" + _P, True, "dalle2", "dalle2", "train"),
    # photos alone
    Source(
        "urban100",
        "jbhuang0604/SelfExSR",
        r"^data/Urban100/image_SRF_2/.*HR" + _P,
        False,
        "web photo",
        "urban100",
        "train",
    ),
    # kept for calibration: no page, camera or run of these is trained on
    Source(
        "scan-ai",
        "rolandwolfsgruber-del/ForRealScan-Mini-Game-Real-or-AI",
        r"^imageai\d+\.jpe?g$",
        True,
        "mixed web",
        "forrealscan",
        "calibrate",
    ),
    Source(
        "scan-real",
        "rolandwolfsgruber-del/ForRealScan-Mini-Game-Real-or-AI",
        r"^imageReal\d+\.jpe?g$",
        False,
        "stock photo",
        "forrealscan",
        "calibrate",
    ),
    Source("truman-ai", "Social-Design-Lab/Truman_AI", r"^AI/\d+" + _P, True, "gpt-image", "truman", "calibrate"),
    Source(
        "truman-real",
        "Social-Design-Lab/Truman_AI",
        r"^(real/\d+|post_pictures/.*)" + _P,
        False,
        "web photo",
        "truman",
        "calibrate",
        limit=300,
    ),
    Source(
        "spot-ai",
        "skvarcaleks/spot-the-ai-image",
        r"^public/images/.*fake\d*" + _P,
        True,
        "midjourney",
        "skvarca",
        "calibrate",
    ),
    Source(
        "spot-real",
        "skvarcaleks/spot-the-ai-image",
        r"^public/images/.*real\d*" + _P,
        False,
        "stock photo",
        "skvarca",
        "calibrate",
    ),
    Source(
        "play-ai",
        "adrisantos11/ai-or-not-next-js",
        r"^public/images/ai/.*" + _P,
        True,
        "midjourney",
        "adrisantos",
        "calibrate",
    ),
    Source(
        "play-real",
        "adrisantos11/ai-or-not-next-js",
        r"^public/images/real/.*" + _P,
        False,
        "stock photo",
        "adrisantos",
        "calibrate",
    ),
    Source(
        "contest-ai",
        "Aagnya-Mistry/compute_game",
        r"^backend/assets/ai/.*" + _P,
        True,
        "mixed web",
        "aagnya",
        "calibrate",
    ),
    Source(
        "contest-real",
        "Aagnya-Mistry/compute_game",
        r"^backend/assets/real/.*" + _P,
        False,
        "web photo",
        "aagnya",
        "calibrate",
    ),
    Source(
        "stylegan2-1024", "dinablachman/realorfake", r"^data/fake/.*" + _P, True, "stylegan2", "dinablachman", "train"
    ),
    Source(
        "ffhq-1024",
        "dinablachman/realorfake",
        r"^data/real/.*" + _P,
        False,
        "web photo",
        "dinablachman",
        "train",
        limit=250,
    ),
    Source(
        "landscapes-ai",
        "majdkhalife/Real-vs-AI-Image-Analysis",
        r"^Dataset/AI.*" + _P,
        True,
        "dalle3",
        "majdkhalife",
        "calibrate",
    ),
    Source(
        "landscapes-real",
        "majdkhalife/Real-vs-AI-Image-Analysis",
        r"^Dataset/Real.*" + _P,
        False,
        "web photo",
        "majdkhalife",
        "calibrate",
    ),
    Source(
        "kolors",
        "Kwai-Kolors/Kolors",
        r"^(imgs|controlnet/outputs|scripts/outputs)/.*" + _P,
        True,
        "kolors",
        "kolors",
        "calibrate",
        smallest=500,
    ),
    Source(
        "bsds", "BIDS/BSDS500", r"^BSDS500/data/images/.*" + _P, False, "film camera", "bsds", "calibrate", limit=300
    ),
    Source("objects", "google/dreambooth", r"^dataset/.*" + _P, False, "camera", "dreambooth", "calibrate"),
    # without the cameras of the evaluation set exif_camera
    Source(
        "cameras",
        "drewnoakes/metadata-extractor-images",
        r"^jpg/(?!Sony Cybershot \([1-6]\)|Canon PowerShot S40 \(|Canon EOS 30D|Nikon D70\.)[^/]+" + _P,
        False,
        "camera",
        "drewnoakes",
        "train",
        smallest=300,
    ),
    Source(
        "kodak",
        "MohamedBakrAli/Kodak-Lossless-True-Color-Image-Suite",
        r".*" + _P,
        False,
        "film camera",
        "kodak",
        "calibrate",
    ),
    Source("buildings", "alicevision/dataset_monstree", r".*" + _P, False, "camera", "alicevision", "train"),
    Source("statues", "alicevision/dataset_buddha", r".*" + _P, False, "camera", "alicevision", "train", limit=12),
)
