// Long texts as overlapping windows that fit a model, as `bert_tf.text.windows` has
// them.

/**
 * Returns the windows of a text: `[CLS] part [SEP]` or `[CLS] question [SEP] part
 * [SEP]`.
 *
 * Of each: `start` and `length`, the part's pieces; `offset`, where these begin among
 * the tokens; `best`, which of them no other window sees better; the model's inputs.
 */
export function makeWindows(tokenizer, context, { length, stride, question = null }) {
  const prefix = [tokenizer.cls];
  if (question) prefix.push(...question.map((piece) => piece.id), tokenizer.sep);
  const offset = prefix.length;
  const room = length - offset - 1;
  if (room < 1) throw new Error("The question leaves no room for the text.");
  const windows = [];
  for (let start = 0; ; ) {
    const part = context.slice(start, start + room);
    const ids = [...prefix, ...part.map((piece) => piece.id), tokenizer.sep];
    const segmentIds = ids.map((_, place) => (question && place >= offset ? 1 : 0));
    windows.push({ start, length: part.length, offset, ids, segmentIds });
    if (start + part.length >= context.length) break;
    start += Math.min(part.length, stride);
  }
  // A piece is best seen where the shorter of its two contexts is longest.
  const owners = context.map(() => ({ score: -1, window: null }));
  for (const window of windows) {
    for (let i = 0; i < window.length; i++) {
      const score = Math.min(i, window.length - 1 - i) + 0.01 * window.length;
      const owner = owners[window.start + i];
      if (score > owner.score) Object.assign(owner, { score, window });
    }
  }
  for (const window of windows) {
    window.best = Array.from({ length: window.length }, (_, i) =>
      owners[window.start + i].window === window);
  }
  return windows;
}
