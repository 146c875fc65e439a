// A TFLite file of `python -m export.export_tflite` and the description beside it, in
// LiteRT.js. Nothing is asked of any other server than the page's.

import { loadAndCompile, loadLiteRt, Tensor } from "./runtime/litert.js";
import { Tokenizer } from "./tokenizer.js";

const SEQUENCES = ["input_ids", "input_mask", "segment_ids"];

export class Model {
  /** Opens `path` and `path.json`. */
  static async open(path) {
    const response = await fetch(`${path}.json`);
    if (!response.ok) {
      throw new Error(`${path}.json: the server says ${response.status}. ` +
        "Put the file there that the export wrote beside the model.");
    }
    const description = await response.json();
    if (description.text_signature) {
      throw new Error(`${path} takes text itself, by operations that LiteRT.js has ` +
        "not. Export it without --text_input: this page makes ids of the text.");
    }
    await loadLiteRt("./runtime/wasm/");
    return new Model(description, await loadAndCompile(path, { accelerator: "wasm" }));
  }

  constructor(description, compiled) {
    this.task = description.task;
    this.labels = description.labels;
    this.settings = description.settings;
    this.tokenizer = new Tokenizer(description);
    // A signature for each length of examples, the shortest first.
    this.signatures = Object.values(compiled.signatures)
      .map((run) => ({ run, sizes: sizesOf(run.getInputDetails()) }))
      .sort((a, b) => a.sizes.input_ids - b.sizes.input_ids);
    this.length = this.signatures.at(-1).sizes.input_ids;
  }

  /**
   * Returns the outputs for one sequence by name, each flat.
   *
   * `others` are inputs besides, arrays of integers by name; what they lack is 0.
   */
  async run({ ids, segmentIds }, others = {}) {
    const { run, sizes } = this.signatures.find(({ sizes }) =>
      ids.length <= sizes.input_ids);
    const given = { input_ids: ids, segment_ids: segmentIds, ...others };
    given.input_mask = ids.map(() => 1);
    const inputs = {};
    for (const [name, size] of Object.entries(sizes)) {
      const padding = name === "input_ids" ? this.tokenizer.pad : 0;
      const values = new Int32Array(size).fill(padding);
      values.set(given[name] ?? []);
      inputs[name] = new Tensor(values, [1, size]);
    }
    const outputs = await run.run(inputs);
    const result = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      result[name] = Array.from(tensor.toTypedArray());
      tensor.delete();
    }
    Object.values(inputs).forEach((tensor) => tensor.delete());
    return result;
  }

  /** Returns how many values an input besides the sequence takes. */
  sizeOf(name) {
    return this.signatures[0].sizes[name];
  }
}

function sizesOf(details) {
  const sizes = Object.fromEntries(details.map(({ name, shape }) => [name, shape[1]]));
  if (!SEQUENCES.every((name) => name in sizes)) {
    throw new Error(`This page runs models that take ${SEQUENCES.join(", ")}. ` +
      `This one takes ${Object.keys(sizes).join(", ")}.`);
  }
  return sizes;
}
