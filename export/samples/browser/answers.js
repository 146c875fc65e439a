// What a model says of a text, task by task, as `bert_tf.run_prediction` answers.

import { pack } from "./tokenizer.js";
import { makeWindows } from "./windows.js";
import { splitWords } from "./words.js";

export const TASKS = {
  classification,
  multi_label: multiLabel,
  regression,
  embedding,
  token_classification: tags,
  question_answering: answer,
  pretraining: fillings,
};

const TOP = 5;

/** Returns the names of the texts that a model is asked with. */
export function inputsOf({ task, settings }) {
  if (task === "question_answering") return ["question", "context"];
  return settings.pairs ? ["text", "text_pair"] : ["text"];
}

async function classification(model, texts) {
  const outputs = await runOnTexts(model, texts);
  // A file made with --mediapipe has gone all the way.
  const probabilities = outputs.probabilities ?? softmax(outputs.logits);
  const best = argmax(probabilities);
  return {
    label: model.labels[best],
    probability: probabilities[best],
    probabilities: byLabel(model, probabilities),
  };
}

async function multiLabel(model, texts) {
  const outputs = await runOnTexts(model, texts);
  const probabilities =
    outputs.probabilities ?? outputs.logits.map((x) => 1 / (1 + Math.exp(-x)));
  const applies = (_, i) => probabilities[i] >= model.settings.threshold;
  return {
    labels: model.labels.filter(applies),
    probabilities: byLabel(model, probabilities),
  };
}

async function regression(model, texts) {
  return { value: (await runOnTexts(model, texts)).logits[0] };
}

async function embedding(model, texts) {
  return { embedding: (await runOnTexts(model, texts)).sentence_embedding };
}

/** Returns the likeliest entries of the vocabulary for each [MASK]. */
async function fillings(model, { text, text_pair: pair }) {
  const { tokenizer } = model;
  const segments = [text, ...(pair ? [pair] : [])].map((each) =>
    tokenizer.tokenizeWithMasks(each));
  const packed = pack(tokenizer, segments, model.length);
  const places = packed.ids.flatMap((id, place) => (id === tokenizer.mask ? [place] : []));
  const most = model.sizeOf("masked_lm_positions");
  if (places.length > most) {
    throw new Error(`This model fills at most ${most} [MASK]s. These are ${places.length}.`);
  }
  const outputs = await model.run(packed, { masked_lm_positions: places });
  const size = tokenizer.entries.length;
  const masks = places.map((_, row) => {
    const logits = outputs.masked_lm_logits.slice(row * size, (row + 1) * size);
    return highest(softmax(logits), TOP).map(([id, probability]) =>
      ({ token: tokenizer.entries[id], probability }));
  });
  return { masks };
}

/** Returns the tag of each word, and the entities that they mark. */
async function tags(model, { text }) {
  const pieces = model.tokenizer.tokenize(text);
  const stride = Math.max(1, Math.floor((model.length - 2) / 2));
  const said = [];
  for (const window of makeWindows(model.tokenizer, pieces, { length: model.length, stride })) {
    const { logits } = await model.run(window);
    const count = model.labels.length;
    for (let i = 0; i < window.length; i++) {
      if (!window.best[i]) continue;
      const row = (window.offset + i) * count;
      const probabilities = softmax(logits.slice(row, row + count));
      const best = argmax(probabilities);
      said[window.start + i] = { tag: model.labels[best], probability: probabilities[best] };
    }
  }
  const spans = splitWords(text);
  const words = spans.map(() => ({ tag: model.labels[0], probability: 0 }));
  // The first piece of a word speaks for it.
  const seen = new Set();
  pieces.forEach((piece, i) => {
    const word = spans.findIndex(([, end]) => piece.start < end);
    if (word < 0 || spans[word][0] >= piece.end || seen.has(word)) return;
    seen.add(word);
    words[word] = said[i];
  });
  const result = {};
  if (model.labels.every((tag) => tag === "O" || /^[BI]-/.test(tag))) {
    result.entities = findEntities(Array.from(text), spans, words);
  }
  result.words = spans;
  result.tags = words.map(({ tag }) => tag);
  result.probabilities = words.map(({ probability }) => probability);
  return result;
}

function findEntities(characters, spans, words) {
  const entities = [];
  let current = null;
  words.forEach(({ tag, probability }, i) => {
    const [start, end] = spans[i];
    const kind = tag.slice(2);
    if (tag.startsWith("I-") && current?.label === kind) {
      current.end = end;
      current.words.push(probability);
      return;
    }
    current = tag === "O" ? null : { label: kind, start, end, words: [probability] };
    if (current) entities.push(current);
  });
  return entities.map(({ label, start, end, words: own }) => ({
    text: characters.slice(start, end).join(""),
    label,
    start,
    end,
    probability: own.reduce((sum, value) => sum + value, 0) / own.length,
  }));
}

/** Returns the likeliest answers to a question that stand in a text. */
async function answer(model, { question, context }) {
  const { settings, tokenizer } = model;
  const pieces = tokenizer.tokenize(context);
  const asked = tokenizer.tokenize(question).slice(0, settings.max_query_length);
  const windows = makeWindows(tokenizer, pieces, {
    length: model.length, stride: settings.doc_stride, question: asked,
  });
  const found = [];
  let nullScore = Infinity;
  for (const window of windows) {
    const outputs = await model.run(window);
    const { start_logits: starts, end_logits: ends } = outputs;
    nullScore = Math.min(nullScore, starts[0] + ends[0]);
    const part = (logits) => logits.slice(window.offset, window.offset + window.length);
    const [first, last] = [part(starts), part(ends)];
    const begins = highest(
      first.map((value, i) => (window.best[i] ? value : -Infinity)), settings.n_best_size,
    ).filter(([i]) => window.best[i]);
    for (const [i] of begins) {
      for (const [j] of highest(last, settings.n_best_size)) {
        if (j < i || j - i >= settings.max_answer_length) continue;
        found.push([first[i] + last[j], window.start + i, window.start + j]);
      }
    }
  }
  found.sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
  const characters = Array.from(context);
  const kept = new Map();
  for (const [score, i, j] of found) {
    const { start } = pieces[i];
    const { end } = pieces[j];
    const text = characters.slice(start, end).join("");
    if (!kept.has(text)) kept.set(text, { text, start, end, score });
    if (kept.size === settings.n_best_size) break;
  }
  const best = [...kept.values()];
  const scores = best.map(({ score }) => score);
  const shares = softmax(settings.no_answer ? [...scores, nullScore] : scores);
  best.forEach((each, i) => { each.probability = shares[i]; });
  const lead = nullScore - (scores[0] ?? -Infinity);
  if (!best.length || (settings.no_answer && lead > settings.null_score_diff_threshold)) {
    const none = 1 - best.reduce((sum, { probability }) => sum + probability, 0);
    return { answer: "", start: null, end: null, probability: none, n_best: best };
  }
  const { text, start, end, probability } = best[0];
  return { answer: text, start, end, probability, n_best: best };
}

function runOnTexts(model, { text, text_pair: pair }) {
  const texts = pair ? [text, pair] : [text];
  const segments = texts.map((each) => model.tokenizer.tokenize(each));
  return model.run(pack(model.tokenizer, segments, model.length));
}

const byLabel = (model, values) =>
  Object.fromEntries(model.labels.map((label, i) => [label, values[i]]));

const argmax = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

/** Returns `[index, value]` of the highest values; of equal ones the first. */
function highest(values, count) {
  const indexed = Array.from(values, (value, i) => [i, value]);
  return indexed.sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count);
}

function softmax(values) {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = values.map((value) => Math.exp(value - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / total);
}
