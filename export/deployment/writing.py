"""Fills the templates of this folder for one model."""

import dataclasses
import math
import os
import re
import string
import textwrap
from collections.abc import Sequence
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import read_json

TEMPLATES = Path(__file__).parent
FILES = (
    "models.config",
    "batching.config",
    "monitoring.config",
    "docker-compose.yml",
    "kubernetes.yaml",
)
# TF Serving itself, and what a batch needs beside the weights.
_BASE_MB = 512


@dataclasses.dataclass(frozen=True)
class Resources:
    """What the servers get.

    Attributes:
        cpus: processors of a server.
        memory_mb: MiB of a server; None for an estimate from the versions' sizes.
        min_replicas: servers at least.
        max_replicas: servers at most.
        max_batch_size: rows that wait at the same moment and are computed together;
            where a version takes a fixed number of rows only, it is that number.
    """

    cpus: int = 2
    memory_mb: int | None = None
    min_replicas: int = 2
    max_replicas: int = 10
    max_batch_size: int = 32


def versions_of(model_dir: str | os.PathLike[str]) -> list[int]:
    """Returns the versions in a model's folder, ascending.

    Raises:
        InputError: there is none.
    """
    model_dir = Path(model_dir)
    found = sorted(
        int(path.parent.name)
        for path in model_dir.glob("*/saved_model.pb")
        if path.parent.name.isdecimal()
    )
    if not found:
        raise InputError(
            f"{model_dir}: no version of a SavedModel here ({model_dir}/1/"
            "saved_model.pb). Write one with `python -m export.export_saved_model`."
        )
    return found


def write(
    output_dir: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    image: str,
    stable: int | None = None,
    canary: int | None = None,
    resources: Resources,
) -> dict[str, int]:
    """Writes all files.

    Args:
        output_dir: the folder to fill; files of earlier calls are replaced.
        model_dir: the model's, with its versions.
        image: of TF Serving.
        stable: the version with the label `stable`; None for the newest.
        canary: the version with the label `canary`; None for the stable one.
        resources: what servers get.

    Returns:
        label -> version.

    Raises:
        InputError: there is no such version, the canary would be the stable one too,
            the two take batches of different sizes, or the folder's name makes no name
            for a model.
    """
    model_dir, output_dir = Path(model_dir).resolve(), Path(output_dir)
    versions = versions_of(model_dir)
    if stable is None and canary == versions[-1] != versions[0]:
        raise InputError(
            f"--canary_version: {canary} is the newest version, so it would be stable "
            "as well. Name the --stable_version that it is beside."
        )
    stable = versions[-1] if stable is None else stable
    labels = {"stable": stable, "canary": stable if canary is None else canary}
    for label, version in labels.items():
        if version not in versions:
            raise InputError(
                f"--{label}_version: {model_dir} has no version {version}, but "
                f"{', '.join(map(str, versions))}."
            )
    name = model_dir.name
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(
            f"{model_dir}: the folder's name is the model's, and may hold letters, "
            "digits, '.', '_' and '-'."
        )
    loaded = sorted(set(labels.values()))
    size_mb = math.ceil(
        sum(_num_bytes(model_dir / str(version)) for version in loaded) / 2**20
    )
    static_size = _static_batch_size(model_dir, loaded)
    values = {
        "name": name,
        "dns_name": _dns_name(name),
        "model_dir": str(model_dir),
        "image": image,
        "versions": "\n".join(f"        versions: {version}" for version in loaded),
        **labels,
        "cpus": resources.cpus,
        "memory_mb": resources.memory_mb or _BASE_MB + 3 * size_mb,
        "storage_gi": max(1, math.ceil(10 * size_mb / 1024)),
        "min_replicas": resources.min_replicas,
        "max_replicas": resources.max_replicas,
        "max_batch_size": static_size or resources.max_batch_size,
        # What smaller batches are filled up to.
        "allowed_batch_sizes": (
            f"\nallowed_batch_sizes: {static_size}" if static_size else ""
        ),
    }
    output_dir.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        template = (TEMPLATES / file).read_text(encoding="utf-8")
        text = string.Template(template).substitute(values)
        files.write_text(output_dir / file, text)
        # The manifests carry the configurations in them.
        values[file.replace(".", "_")] = textwrap.indent(text.rstrip(), "    ")
    return labels


def _static_batch_size(model_dir: Path, versions: Sequence[int]) -> int | None:
    """Returns the rows of every batch, if a version takes no other number."""
    sizes = dict[int, int]()
    for version in versions:
        path = model_dir / str(version) / "assets.extra" / "export.json"
        size = read_json(path).get("static_batch_size") if path.is_file() else None
        if size:
            sizes[size] = version
    if len(sizes) > 1:
        (one, version), (other, canary) = sizes.items()
        raise InputError(
            f"{model_dir}: version {version} takes batches of {one} rows and version "
            f"{canary} of {other}, and a server makes batches of one size. Export both "
            "with the same --static_shape."
        )
    return next(iter(sizes), None)


def _dns_name(name: str) -> str:
    """Returns a name as Kubernetes takes it: RFC 1035 labels."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return made if made[:1].isalpha() else f"model-{made}".strip("-")


def _num_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
