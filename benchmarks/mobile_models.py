"""Writes the models of `benchmarks.mobile`, in a process of its own for the memory.

Usage: `python -m benchmarks.mobile_models FOLDER SIZE SEQ_LENGTH`.
"""

import sys
from pathlib import Path
from typing import Any

VOCAB_SIZE = 30522
# hidden, layers, heads, intermediate.
SIZES = {
    "tiny": (128, 2, 2, 512),
    "minilm": (384, 6, 12, 1536),
    "base": (768, 12, 12, 3072),
}
QUANTIZATIONS = ("none", "dynamic_int8", "int4")


def main(folder: Path, size: str, seq_length: int) -> None:
    """Writes one classifier as TFLite files and as ONNX."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import BertConfig, BertForSequenceClassification

    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.model_folder import load_model_folder
    from bert_tf.text.tokenizer_config import TokenizerConfig
    from bert_tf.text.vocabulary import Vocabulary
    from export.checkpoint import pretrained
    from export.tflite import converter, quantizer

    hidden, layers, heads, intermediate = SIZES[size]
    torch.manual_seed(0)
    shape: dict[str, Any] = dict(
        vocab_size=VOCAB_SIZE,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        num_labels=2,
        attn_implementation="eager",
    )
    model = BertForSequenceClassification(BertConfig(**shape)).eval()
    names = ["input_ids", "input_mask", "segment_ids"]
    ids = torch.ones(1, seq_length, dtype=torch.int32)
    onnx_path = folder / "float32.onnx"
    torch.onnx.export(
        model,
        (ids, ids, torch.zeros_like(ids)),
        str(onnx_path),
        input_names=names,
        output_names=["logits"],
        dynamo=False,
    )
    int8_path = folder / "dynamic_int8.onnx"
    quantize_dynamic(onnx_path, int8_path, weight_type=QuantType.QInt8)

    model.save_pretrained(folder / "hugging_face")
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries += [f"w{i}" for i in range(VOCAB_SIZE - len(entries))]
    vocabulary = Vocabulary.from_entries(entries, TokenizerConfig())
    vocabulary.save(folder / "hugging_face")
    conversion.save(
        conversion.load_any(folder / "hugging_face"), folder / "native", "native"
    )
    trained = pretrained.load(load_model_folder(folder / "native"), seq_length)
    content = converter.convert_float(trained)
    for name in QUANTIZATIONS:
        quantized = quantizer.quantize(content, name)
        (folder / f"{name}.tflite").write_bytes(quantized)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
