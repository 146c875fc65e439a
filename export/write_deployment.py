r"""Writes what TF Serving is run with: configurations, Compose, Kubernetes.

Example:
    python -m export.write_deployment --model_dir=models/bert --output_dir=deploy/bert

Into the output folder go `models.config` (which versions are loaded, and which is
labelled `stable` and which `canary`), `batching.config`, `monitoring.config`,
`docker-compose.yml` and `kubernetes.yaml`. Running it again replaces them, as for a
canary: `--stable_version=1 --canary_version=2`.
"""

import shlex
from collections.abc import Sequence

from absl import flags

from bert_tf.cli import jobs

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "The model's folder of versions.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Where the files go.")
_STABLE_VERSION = flags.DEFINE_integer(
    "stable_version", None, "The version labelled `stable`; the newest by default."
)
_CANARY_VERSION = flags.DEFINE_integer(
    "canary_version", None, "The version labelled `canary`; the stable one by default."
)
_IMAGE = flags.DEFINE_string(
    "image", "tensorflow/serving:2.21.0", "The image of TF Serving."
)
_CPUS = flags.DEFINE_integer("cpus", 2, "Processors of a server.", lower_bound=1)
_MEMORY_MB = flags.DEFINE_integer(
    "memory_mb",
    None,
    "MiB of a server. By default 512 and three times the size of the versions loaded.",
    lower_bound=64,
)
_MIN_REPLICAS = flags.DEFINE_integer(
    "min_replicas", 2, "Servers at least, in Kubernetes.", lower_bound=1
)
_MAX_REPLICAS = flags.DEFINE_integer(
    "max_replicas", 10, "Servers at most, in Kubernetes.", lower_bound=1
)
_MAX_BATCH_SIZE = flags.DEFINE_integer(
    "max_batch_size",
    32,
    "Rows of requests that are computed together.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    """Writes the files."""
    from export.deployment import writing

    output_dir = str(_OUTPUT_DIR.value)
    labels = writing.write(
        output_dir,
        str(_MODEL_DIR.value),
        image=_IMAGE.value,
        stable=_STABLE_VERSION.value,
        canary=_CANARY_VERSION.value,
        resources=writing.Resources(
            cpus=_CPUS.value,
            memory_mb=_MEMORY_MB.value,
            min_replicas=_MIN_REPLICAS.value,
            max_replicas=max(_MIN_REPLICAS.value, _MAX_REPLICAS.value),
            max_batch_size=_MAX_BATCH_SIZE.value,
        ),
    )
    shown = ", ".join(f"{label} = {version}" for label, version in labels.items())
    print(f"Wrote {', '.join(writing.FILES)} to {output_dir}: {shown}.")
    folder = shlex.quote(output_dir)
    print(f"Next: docker compose --project-directory {folder} up")


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["model_dir", "output_dir"])


if __name__ == "__main__":
    cli()
