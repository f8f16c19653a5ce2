"""Weights that lie in the analyzer's own package, declared with `url="package:module/path"`."""

from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from assay.contracts.analyzers import AnalyzerManifest, Weights

SCHEME = "package:"


def packed(weights: Weights) -> Path | None:
    """The file inside an installed package; None for weights that lie elsewhere.

    `package:my_package/data/net.safetensors` is data/net.safetensors in the folder of `my_package`, which is not
    imported (only the parents of a dotted name are). Raises FileNotFoundError where it is not there.
    """
    if weights.url is None or not weights.url.startswith(SCHEME):
        return None
    module, _, inside = weights.url.removeprefix(SCHEME).partition("/")
    parts = PurePosixPath(inside).parts
    if not parts or ".." in parts or inside.startswith("/"):
        raise FileNotFoundError(f"{weights.url} names no file; it should be package:module/path")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError) as error:
        raise FileNotFoundError(f"{weights.url}: there is no package {module!r}") from error
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *parts)
        if path.is_file():
            return path
    raise FileNotFoundError(f"{weights.url}: there is no such file in the package {module!r}")


def packed_weights(manifest: AnalyzerManifest) -> dict[str, Path]:
    """All weights of a manifest that are packed, by name: what `Analyzer.weights` needs in a test or a script."""
    found = {weights.name: packed(weights) for weights in manifest.weights}
    return {name: path for name, path in found.items() if path is not None}
