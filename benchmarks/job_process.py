"""Jobs that benchmarks run, each in a process of its own."""

import subprocess
import sys

from bert_tf.errors import InputError


def run_job(module: str, *arguments: str, **flag_values: object) -> None:
    """Runs a job to its end; what it says is seen.

    Args:
        module: its name.
        *arguments: on its command line.
        **flag_values: flags by name, after these.

    Raises:
        InputError: it fails.
    """
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    command = [sys.executable, "-m", module, *arguments, *flags]
    if code := subprocess.run(command).returncode:
        raise InputError(
            f"{module} failed with exit status {code}; its own error stands above."
        )
