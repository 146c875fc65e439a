"""What a job answers with one line instead of a traceback."""


class InputError(ValueError):
    """Something that the user gave is wrong: a file, a setting, a combination.

    The message names the file or field, what was expected, what was received and what
    to do about it. Any other `ValueError` is a defect of ours, or of a library's, and
    keeps its traceback.
    """
