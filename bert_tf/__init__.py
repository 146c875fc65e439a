"""BERT for TensorFlow: from raw text to a pretrained, fine-tuned, compressed model."""

import signal
import sys

__version__ = "0.1.0"

# `python -m bert_tf.JOB` is starting, and no module of it is loaded yet: until
# `cli.jobs` takes over, Ctrl-C ends it without a traceback. A program that imports the
# library keeps its handlers.
if sys.argv[:1] == ["-m"] and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
