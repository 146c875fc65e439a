"""Jobs that benchmarks run, each in a process of its own."""

import subprocess
import sys

from bert_tf.errors import InputError


def run_job(module: str, *arguments: str) -> None:
    """Runs a job to its end; what it says is seen.

    Args:
        module: its name.
        *arguments: on its command line.

    Raises:
        InputError: it fails.
    """
    if code := subprocess.run([sys.executable, "-m", module, *arguments]).returncode:
        raise InputError(
            f"{module} failed with exit status {code}; its own error stands above."
        )
