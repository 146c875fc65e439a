// BERT's tokenizer, as `bert_tf.text.tokenization` has it: the same pieces at the same
// places. Places count characters, which are Unicode's code points.
//
// Source: google-research/bert, `tokenization.py`, with each character normalized by
// itself.

const CONTINUES = "##";
const PUNCTUATION = /^[\p{P}$+<=>^`|~]$/u;
const WHITE_SPACE = /^\p{White_Space}$/u;
const CONTROL = /^[\p{Cc}\p{Cf}\p{Cs}\0\ufffd]$/u;
const MARK = /^\p{Mn}$/u;
const MARKS = /\p{Mn}/gu;
const KEPT_CONTROLS = "\t\n\r";
const IDEOGRAPH = new RegExp(
  "^[\\u{4e00}-\\u{9fff}\\u{3400}-\\u{4dbf}\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}" +
  "\\u{2b740}-\\u{2b81f}\\u{2b820}-\\u{2ceaf}\\u{f900}-\\u{faff}\\u{2f800}-\\u{2fa1f}]$",
  "u");

const utf8 = new TextEncoder();

/** A piece of a text: its id, its first character, and the one behind its last. */
export class Piece {
  constructor(id, start, end) {
    this.id = id;
    this.start = start;
    this.end = end;
  }
}

export class Tokenizer {
  /** Takes `vocabulary` and `tokenizer` of the file beside the model. */
  constructor({ vocabulary, tokenizer }) {
    this.entries = vocabulary;
    this.lowerCase = tokenizer.do_lower_case;
    this.stripAccents = tokenizer.strip_accents;
    this.maxBytes = tokenizer.max_bytes_per_word;
    this.ids = new Map(vocabulary.map((entry, id) => [entry, id]));
    // One by one: a call takes fewer arguments than a multilingual vocabulary has.
    this.longest = vocabulary.reduce((most, entry) => Math.max(most, entry.length), 0);
    this.normalized = new Map();
    for (const name of ["pad", "unk", "cls", "sep", "mask"]) {
      this[name] = this.ids.get(`[${name.toUpperCase()}]`);
    }
  }

  /** Returns the pieces of a text. */
  tokenize(text) {
    const characters = Array.from(text);
    const pieces = [];
    let word = [];
    const endWord = () => {
      if (word.length) pieces.push(...this.#split(word, characters));
      word = [];
    };
    characters.forEach((character, source) => {
      for (const letter of this.#normalize(character)) {
        const alone = PUNCTUATION.test(letter) || IDEOGRAPH.test(letter);
        if (alone || WHITE_SPACE.test(letter)) endWord();
        if (WHITE_SPACE.test(letter)) continue;
        word.push({ letter, source });
        if (alone) endWord();
      }
    });
    endWord();
    return pieces;
  }

  /** Returns the pieces of a text in which [MASK] stands for the mask token. */
  tokenizeWithMasks(text) {
    const pieces = [];
    let place = 0;
    text.split("[MASK]").forEach((part, number) => {
      if (number) {
        pieces.push(new Piece(this.mask, place, place + "[MASK]".length));
        place += "[MASK]".length;
      }
      for (const piece of this.tokenize(part)) {
        pieces.push(new Piece(piece.id, piece.start + place, piece.end + place));
      }
      place += Array.from(part).length;
    });
    return pieces;
  }

  #normalize(character) {
    let letters = this.normalized.get(character);
    if (letters === undefined) {
      letters = Array.from(this.#normalizeOne(character));
      this.normalized.set(character, letters);
    }
    return letters;
  }

  #normalizeOne(character) {
    if (KEPT_CONTROLS.includes(character)) return character;
    if (CONTROL.test(character)) return "";
    if (this.lowerCase) character = character.toLowerCase();
    if (this.stripAccents) character = character.normalize("NFD").replace(MARKS, "");
    return character;
  }

  /** Splits a word into the longest entries, from the left. */
  #split(word, characters) {
    const unknown = [this.#piece(this.unk, word, 0, word.length, characters)];
    const letters = word.map(({ letter }) => letter);
    if (utf8.encode(letters.join("")).length > this.maxBytes) return unknown;
    const pieces = [];
    for (let start = 0, end; start < word.length; start = end) {
      let id;
      end = Math.min(word.length, start + this.longest) + 1;
      while (id === undefined && --end > start) {
        const entry = (start ? CONTINUES : "") + letters.slice(start, end).join("");
        id = this.ids.get(entry);
      }
      if (id === undefined) return unknown;
      pieces.push(this.#piece(id, word, start, end, characters));
    }
    return pieces;
  }

  #piece(id, word, start, end, characters) {
    let stop = word[end - 1].source + 1;
    // Marks that were dropped are part of what they stand on.
    for (let i = stop; i < characters.length; i++) {
      if (this.#normalize(characters[i]).length) break;
      if (MARK.test(characters[i])) stop = i + 1;
    }
    return new Piece(id, word[start].source, stop);
  }
}

/**
 * Returns the model's inputs: `[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`.
 *
 * Two segments that are too long together lose pieces from the end of the longer one.
 */
export function pack(tokenizer, segments, length) {
  const kept = segments.map((segment) => segment.length);
  const room = length - 1 - segments.length;
  if (kept.length === 2) {
    // At a tie the second is cut, so an odd place goes to the first.
    kept[0] = Math.min(kept[0], Math.max(room - kept[1], room - Math.floor(room / 2)));
    kept[1] = Math.min(kept[1], room - kept[0]);
  } else {
    kept[0] = Math.min(kept[0], room);
  }
  const ids = [tokenizer.cls];
  const segmentIds = [0];
  segments.forEach((segment, number) => {
    const own = segment.slice(0, kept[number]).map((piece) => piece.id);
    ids.push(...own, tokenizer.sep);
    segmentIds.push(...Array(own.length + 1).fill(number));
  });
  return { ids, segmentIds };
}
