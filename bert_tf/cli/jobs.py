"""How every job starts: absl flags in, help at once, one-line errors out."""

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from absl import app, flags

from bert_tf.cli.quiet_tensorflow import quiet_tensorflow
from bert_tf.errors import InputError
from bert_tf.storage.files import NO_SPACE

USAGE_ERROR = 2
INPUT_ERROR = 1
INTERRUPTED = 128 + signal.SIGINT


def run(
    main: Callable[[Sequence[str]], None],
    required: Sequence[str] = (),
    positional: str | None = None,
) -> NoReturn:
    """Parses flags, runs `main`, and turns bad input into one line on stderr.

    A job's module loads nothing but flags and this module when it is imported; `main`
    imports the rest. So `--help` answers at once, and Ctrl-C while the rest loads gets
    its one line too.

    Args:
        main: the job's function of the arguments left after flag parsing. Its
            module's docstring and flags are what `--help` prints. An
            `InputError` or `OSError` from it means bad input; anything else is a
            defect of ours and keeps its traceback.
        required: names of flags that must be given; an empty value, as that of a
            shell's unset variable, is none.
        positional: name of the flag that an argument without a name is the value of.
    """
    module = sys.modules[main.__module__]
    # A console script's `__main__` knows nothing of the job: say whose flags and
    # docstring are meant, so that both ways of starting a job answer alike.
    job = module.__spec__.name if module.__spec__ else module.__name__
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    def parse(argv: Sequence[str]) -> list[str]:
        if {"--help", "-help", "-h", "--helpshort", "-?"} & set(argv[1:]):
            own_flags = flags.FLAGS.module_help(module).strip().splitlines()[1:]
            own_flags = [line for line in own_flags if "(default: 'None')" not in line]
            print((module.__doc__ or "").strip(), "\nFlags:", *own_flags, sep="\n")
            sys.exit(0)
        try:
            left = flags.FLAGS(argv)
        except flags.Error as error:
            message = _one_line(error).removeprefix("ERROR:: ")
            _fail(job, f"{message} (--help lists the flags)", USAGE_ERROR)
        except UnicodeDecodeError as error:
            _fail(job, f"--flagfile: not a text file ({error})", USAGE_ERROR)
        if positional and len(left) == 2 and not flags.FLAGS[positional].present:
            flags.FLAGS[positional].parse(left.pop())
        wanted = {name: flags.FLAGS[name] for name in required}
        missing = [
            f"--{name}"
            for name, flag in wanted.items()
            if not flag.present or flag.value == ""
        ]
        if missing:
            message = f"missing {', '.join(missing)} (--help lists the flags)"
            _fail(job, message, USAGE_ERROR)
        return left

    def checked(argv: Sequence[str]) -> None:
        if len(argv) > 1:
            raise InputError(
                f"Every argument must be a --flag=value. Received: {argv[1:]}"
            )
        main(argv)

    # A shell has its background jobs ignore the interrupt; then we do too.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    quiet_tensorflow()
    try:
        app.run(checked, flags_parser=parse)
    except (Exception, KeyboardInterrupt) as error:
        # A library may make another error of the interrupt, as of a failed import.
        if interrupted or isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            message = "interrupted; the same command goes on or starts over"
            _fail(job, message, INTERRUPTED)
        if isinstance(error, InputError | OSError):
            _fail(job, _one_line(error), INPUT_ERROR)
        raise
    sys.exit(0)  # `app.run` always exits; this tells the type checker so.


def next_command(module: str, **flags_of_it: object) -> str:
    """Returns a job's last line: the command that goes on from what it wrote.

    Args:
        module: the job.
        **flags_of_it: its flags; what is for the user to choose in capitals.
    """
    words = [f"--{name}={shlex.quote(str(v))}" for name, v in flags_of_it.items()]
    return " ".join(["Next: python -m", module, *words])


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        line = f"{error.filename}: {error.strerror}"
        if error.errno in NO_SPACE:
            line += ". Make room and run the same command again."
        return line
    return " ".join(str(error).split())


def _fail(job: str, message: str, code: int) -> NoReturn:
    print(f"{job}: error: {message}", file=sys.stderr)
    sys.exit(code)
