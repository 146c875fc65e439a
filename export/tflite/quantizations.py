"""The ways to keep a TFLite file's weights."""

QUANTIZATIONS = {
    "none": "float32",
    "float16": "float16",
    "dynamic_int8": "int8",
    "int8": "int8",
    "int4": "int4",
}
"""Name -> what its weights are."""

CALIBRATED = frozenset({"int8"})
"""Those that need examples, for the ranges of what the weights are multiplied by."""
