"""How every job starts: absl flags in, help at once, one-line errors out."""

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from bert_tf.cli.quiet_tensorflow import quiet_tensorflow
from bert_tf.errors import InputError

USAGE_ERROR = 2
INPUT_ERROR = 1


def run(
    main: Callable[[Sequence[str]], None], required: Sequence[str] = ()
) -> NoReturn:
    """Parses flags, runs `main`, and turns bad input into one line on stderr.

    Args:
        main: the job's function of the arguments left after flag parsing. Its
            module's docstring and flags are what `--help` prints. An
            `InputError` or `OSError` from it means bad input; anything else is a
            defect of ours and keeps its traceback.
        required: names of flags that must be given.
    """
    module = sys.modules[main.__module__]
    # A console script's `__main__` knows nothing of the job: say whose flags and
    # docstring are meant, so that both ways of starting a job answer alike.
    job = module.__spec__.name if module.__spec__ else module.__name__

    def parse(argv: Sequence[str]) -> list[str]:
        if {"--help", "-help", "-h", "--helpshort", "-?"} & set(argv[1:]):
            own_flags = flags.FLAGS.module_help(module).strip().splitlines()[1:]
            own_flags = [line for line in own_flags if "(default: 'None')" not in line]
            print((module.__doc__ or "").strip(), "\nFlags:", *own_flags, sep="\n")
            sys.exit(0)
        try:
            left = flags.FLAGS(argv)
        except (flags.Error, KeyError) as error:
            # A KeyError is an unknown field of --config.
            _fail(job, f"{_one_line(error)} (--help lists the flags)", USAGE_ERROR)
        missing = [f"--{name}" for name in required if flags.FLAGS[name].value is None]
        if missing:
            message = f"missing {', '.join(missing)} (--help lists the flags)"
            _fail(job, message, USAGE_ERROR)
        return left

    def guarded(argv: Sequence[str]) -> None:
        try:
            if len(argv) > 1:
                raise InputError(
                    f"Every argument must be a --flag=value. Received: {argv[1:]}"
                )
            main(argv)
        except (InputError, OSError) as error:
            _fail(job, _one_line(error), INPUT_ERROR)
        except KeyboardInterrupt:
            _fail(job, "interrupted; the same command goes on or starts over", 130)

    quiet_tensorflow()
    app.run(guarded, flags_parser=parse)
    sys.exit(0)  # `app.run` always exits; this tells the type checker so.


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _fail(job: str, message: str, code: int) -> NoReturn:
    print(f"{job}: error: {message}", file=sys.stderr)
    sys.exit(code)
