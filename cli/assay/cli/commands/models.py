"""`assay models`: the weights of the installed analyzers on this machine."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from assay.cli.connection import home
from assay.cli.errors import CommandError, UsageError
from assay.contracts import AnalyzerManifest, Weights
from assay.inference.models import Checks, ModelStore, WeightsError, WeightsMissingError, sha256_of
from assay.inference.plugins import installed_manifests

app = typer.Typer(
    help="List, fetch and verify the weights of the installed analyzers.", no_args_is_help=True, add_completion=False
)

Names = Annotated[list[str] | None, typer.Argument(metavar="[ANALYZER]…", help="These only; all where none is named")]


@app.command("list")
def list_models(
    names: Names = None, as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON")] = False
) -> None:
    """List weights: whose, how large, under which licence, where from, and where they lie."""
    folder = models_folder()
    store = ModelStore(folder, Checks(folder / ".checks"))
    rows = [_row(store, manifest, weights) for manifest, weights in declared(names)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo("No installed analyzer has weights." if not names else "They have no weights.")
        return
    for row in rows:
        optional = "" if row["required"] else "  optional"
        size = _megabytes(row["size"]) if row["size"] is not None else "unknown size"
        typer.echo(f"{row['analyzer']}  {row['name']}  {size}  {row['licence']}{optional}")
        typer.echo(f"  sha256  {row['sha256']}\n  source  {row['source']}\n  lies    {row['path'] or row['state']}")


@app.command("pull")
def pull(names: Names = None) -> None:
    """Fetch what is missing: from where the manifests say, or from ASSAY_MODELS__URL. Each file's hash is checked."""
    from assay.inference.models_pulling import Puller, PullError
    from assay.inference.models_sources import s3_settings  # boto3 takes other commands half a second

    try:
        s3 = s3_settings(os.environ)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"ASSAY_S3__{str(first['loc'][0]).upper()}: {first['msg']}") from error
    except OSError as error:
        raise UsageError(f"a secret's file cannot be read: {error}") from error
    store = ModelStore(models_folder(), sha256_of)
    puller = Puller(store, url=os.environ.get("ASSAY_MODELS__URL"), s3=s3)
    failures = []
    for manifest, weights in declared(names):
        try:
            with _bar(weights) as progress:
                path, fetched = puller.pull(manifest.name, weights, progress)
        except PullError as error:
            failures.append(f"{manifest.name}: {error}")
            continue
        typer.echo(f"{manifest.name}  {weights.name}  {'fetched to' if fetched else 'is there:'} {path}")
    _say(failures)


@app.command("verify")
def verify(names: Names = None) -> None:
    """Read every file that is there again and compare its hash; status 1 where one is wrong or misses."""
    store = ModelStore(models_folder(), sha256_of)
    failures = []
    for manifest, weights in declared(names):
        try:
            typer.echo(f"{manifest.name}  {weights.name}  ok  {store.find(manifest.name, weights)}")
        except WeightsMissingError as error:
            if weights.required:
                failures.append(f"{manifest.name}: {error}")
            else:
                typer.echo(f"{manifest.name}  {weights.name}  missing, optional")
        except OSError as error:
            failures.append(f"{manifest.name}: {error}")
    _say(failures)


def models_folder() -> Path:
    """ASSAY_MODELS__PATH, else `models` in the stack's folder, where `assay up` has its workers look."""
    named = os.environ.get("ASSAY_MODELS__PATH")
    return Path(named).absolute() if named else home() / "models"


def declared(names: list[str] | None) -> Iterator[tuple[AnalyzerManifest, Weights]]:
    """The weights of the named analyzers, or of all.

    Raises UsageError for a named one that is not installed, CommandError where it cannot be imported.
    """
    manifests = installed_manifests()
    for name in names or ():
        if name not in manifests:
            raise UsageError(f"no analyzer {name!r} is installed; there are {', '.join(manifests) or 'none'}")
    for name in dict.fromkeys(names or manifests):
        manifest = manifests[name]
        if isinstance(manifest, Exception):
            line = f"{name} cannot be imported: {type(manifest).__name__}: {manifest}"
            if names:
                raise CommandError(line)
            typer.echo(f"assay: {line}", err=True)
            continue
        for weights in manifest.weights:
            yield manifest, weights


@contextmanager
def _bar(weights: Weights) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much has come; what it yields is told the bytes so far."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(weights.name, total=weights.size)
        yield lambda done: bars.update(bar, completed=done)


def _row(store: ModelStore, manifest: AnalyzerManifest, weights: Weights) -> dict[str, Any]:
    path, state = None, "there"
    try:
        path = store.find(manifest.name, weights)
    except OSError as error:
        state = error.state if isinstance(error, WeightsError) else f"unreadable: {error.strerror}"
    return {
        "analyzer": manifest.name,
        **weights.model_dump(mode="json"),
        "size": path.stat().st_size if path else weights.size,
        "path": str(path) if path else None,
        "state": state,
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} B"


def _say(failures: list[str]) -> None:
    if failures:
        raise CommandError("\nassay: ".join(failures))
