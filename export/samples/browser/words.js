// Words of running text, as `bert_tf.text.words` finds them: divided by blanks, marks at
// their ends alone, but for the period of an abbreviation, the possessive alone, and
// each ideograph.

const BLANK =
  /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/u;
const MARK = /^[\p{P}\p{S}]$/u;
const LETTER = /^\p{L}$/u;
const WORD_CHARACTER = /^[\p{L}\p{N}_]$/u;
const IDEOGRAPH =
  /^[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2fa1f}\u{30000}-\u{323af}]$/u;

/** Returns `[start, end]` of each word. */
export function splitWords(text) {
  const characters = Array.from(text);
  const spans = [];
  for (let start = 0; start < characters.length; start++) {
    if (BLANK.test(characters[start])) continue;
    let end = start;
    while (end < characters.length && !BLANK.test(characters[end])) end++;
    // One by one: a call takes fewer arguments than a Chinese book has characters.
    for (const span of splitRun(characters, start, end)) spans.push(span);
    start = end;
  }
  return spans;
}

function splitRun(characters, start, end) {
  const before = [];
  const behind = [];
  const isMark = (place) => MARK.test(characters[place]);
  while (start < end && isMark(start)) before.push([start, ++start]);
  while (start < end && isMark(end - 1)) {
    if (characters[end - 1] === "." && isAbbreviation(characters.slice(start, end - 1))) {
      break;
    }
    behind.unshift([end - 1, end]);
    end--;
  }
  return [...before, ...splitCore(characters, start, end), ...behind];
}

function splitCore(characters, start, end) {
  const spans = [];
  const possessive = end - start > 2 && /^[sS]$/.test(characters[end - 1]) &&
    /^['’]$/.test(characters[end - 2]) && WORD_CHARACTER.test(characters[end - 3]);
  const stop = possessive ? end - 2 : end;
  for (let i = start; i < stop; i++) {
    if (!IDEOGRAPH.test(characters[i])) continue;
    if (start < i) spans.push([start, i]);
    spans.push([i, i + 1]);
    start = i + 1;
  }
  if (start < stop) spans.push([start, stop]);
  if (stop < end) spans.push([stop, end]);
  return spans;
}

const isAbbreviation = (word) =>
  word.includes(".") || (word.length === 1 && LETTER.test(word[0]));
