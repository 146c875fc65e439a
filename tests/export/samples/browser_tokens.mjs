// Reads requests as JSON lines and writes what the browser sample makes of each.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = `${pathToFileURL(process.argv[2])}/`;
const { Tokenizer, pack } = await import(`${folder}tokenizer.js`);
const { splitWords } = await import(`${folder}words.js`);
const { makeWindows } = await import(`${folder}windows.js`);

let tokenizer;
const ANSWERS = {
  description: (value) => { tokenizer = new Tokenizer(value); },
  pieces: (text) => tokenizer.tokenize(text).map(({ id, start, end }) => [id, start, end]),
  masked: (text) => tokenizer.tokenizeWithMasks(text).map(({ id }) => id),
  words: splitWords,
  packed: ({ texts, length }) =>
    pack(tokenizer, texts.map((text) => tokenizer.tokenize(text)), length),
  windows: ({ question, context, ...options }) =>
    makeWindows(tokenizer, tokenizer.tokenize(context), {
      ...options,
      question: question === null ? null : tokenizer.tokenize(question).slice(0, 8),
    }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [kind, value] = JSON.parse(line);
  console.log(JSON.stringify(ANSWERS[kind](value) ?? null));
}
