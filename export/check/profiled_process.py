"""Profiles a TFLite file, operation by operation, through LiteRT's C interface.

Usage: `profiled_process.py FILE SIGNATURE NUM_THREADS CALLS`; `profile` holds the other
end, and reads the table that LiteRT writes. Python's interface has no profiler. In a
process of its own, since a mistake here ends it.

Source: `litert/c` in google-ai-edge/LiteRT.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np

_CPU = 1
_WRITE = 1
# Enough for any type of a tensor, a structure that is only handed on.
_TENSOR_TYPE_BYTES = 1024
_OPTIONS = {
    b"runtime_options_string": b"enable_profiling = true\n",
    b"xnnpack": b"num_threads = %d\n",
}

_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
# Options live as long as the process.
_keep = _DELETER(lambda _: None)


class _LiteRT:
    """The library; every call is checked."""

    def __init__(self) -> None:
        folder = Path(ai_edge_litert.__path__[0])
        self._library = ctypes.CDLL(str(folder / "libLiteRt.so"))

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*arguments)
        if status != 0:
            raise RuntimeError(f"LiteRt{name} returned {status}")

    def make(self, name: str, *arguments: Any, kind: Any = ctypes.c_void_p) -> Any:
        """Returns what a function writes to its last argument."""
        made = kind()
        self.call(name, *arguments, ctypes.byref(made))
        return made


def main(path: str, signature_name: str, num_threads: int, calls: int) -> str:
    """Returns LiteRT's summary of some calls."""
    litert = _LiteRT()
    environment = litert.make("CreateEnvironment", 0, None)
    model = litert.make("CreateModelFromFile", environment, path.encode())
    options = litert.make("CreateOptions")
    litert.call("SetOptionsHardwareAccelerators", options, _CPU)
    texts = []
    for name, text in _OPTIONS.items():
        text = text % num_threads if b"%" in text else text
        texts.append(ctypes.create_string_buffer(text))
        made = litert.make("CreateOpaqueOptions", name, texts[-1], _keep)
        litert.call("AddOpaqueOptions", options, made)
    compiled = litert.make("CreateCompiledModel", environment, model, options)
    profiler = litert.make("CompiledModelGetProfiler", compiled)
    if not profiler:
        raise RuntimeError("this LiteRT has no profiler")
    number, signature = _find(litert, model, signature_name)
    inputs, outputs = (
        _buffers(litert, environment, compiled, number, signature, kind)
        for kind in ("Input", "Output")
    )

    def run() -> None:
        litert.call(
            *("RunCompiledModel", compiled, ctypes.c_size_t(number)),
            *(ctypes.c_size_t(len(inputs)), inputs),
            *(ctypes.c_size_t(len(outputs)), outputs),
        )

    for _ in range(3):
        run()
    litert.call("StartProfiler", profiler)
    for _ in range(calls):
        run()
    litert.call("StopProfiler", profiler)
    summary = litert.make("GetProfileSummary", profiler, compiled, kind=ctypes.c_char_p)
    return summary.value.decode()


def _find(litert: _LiteRT, model: Any, name: str) -> tuple[int, Any]:
    count = litert.make("GetNumModelSignatures", model, kind=ctypes.c_size_t)
    for number in range(count.value):
        place = ctypes.c_size_t(number)
        signature = litert.make("GetModelSignature", model, place)
        key = litert.make("GetSignatureKey", signature, kind=ctypes.c_char_p)
        if key.value == name.encode():
            return number, signature
    raise RuntimeError(f"no signature {name}")


def _buffers(
    litert: _LiteRT,
    environment: Any,
    compiled: Any,
    number: int,
    signature: Any,
    kind: str,
) -> Any:
    """Returns a buffer for each input, an example of full length, or output."""
    size_t = ctypes.c_size_t
    count = litert.make(f"GetNumSignature{kind}s", signature, kind=size_t)
    made = []
    for place in map(size_t, range(count.value)):
        tensor = litert.make(f"GetSignature{kind}TensorByIndex", signature, place)
        dtype = ctypes.create_string_buffer(_TENSOR_TYPE_BYTES)
        litert.call("GetRankedTensorType", tensor, dtype)
        needed = litert.make(
            f"GetCompiledModel{kind}BufferRequirements", compiled, size_t(number), place
        )
        buffer = litert.make(
            "CreateManagedTensorBufferFromRequirements", environment, dtype, needed
        )
        if kind == "Input":
            name = litert.make(
                "GetSignatureInputName", signature, place, kind=ctypes.c_char_p
            )
            size = litert.make("GetTensorBufferPackedSize", buffer, kind=size_t).value
            values = np.full(size // 4, int(name.value == b"input_mask"), np.int32)
            address = ctypes.c_void_p()
            litert.call("LockTensorBuffer", buffer, ctypes.byref(address), _WRITE)
            ctypes.memmove(address, values.ctypes.data, values.nbytes)
            litert.call("UnlockTensorBuffer", buffer)
        made.append(buffer)
    return (ctypes.c_void_p * len(made))(*made)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the runtime prints must not mix with the answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answers.write(main(*sys.argv[1:3], *map(int, sys.argv[3:])))  # type: ignore[arg-type]
    answers.close()
