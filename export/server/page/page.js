// Shows what a model says of a text. Which task it is follows from the names of a
// signature's inputs and outputs, as the server's metadata has them.
"use strict";

const byId = (id) => document.getElementById(id);
const state = { about: null, signatures: {}, token: "" };

const EXAMPLES = {
  text: "The [MASK] of the union is strong.",
  question: "Where was she born?",
  context: "Ada Lovelace was born in London. She wrote the first program.",
  text_pair: "",
};

// ---------------------------------------------------------------- small helpers

/** Returns an element; children are nodes or texts, never HTML. */
function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** Asks the server, and returns the answer's JSON or throws its error. */
async function ask(path, body) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  const options = body === undefined ? { headers } : { headers, method: "POST", body };
  const response = await fetch(path, options);
  const text = await response.text();
  let value = {};
  try {
    value = JSON.parse(text);
  } catch {
    // NaN and Infinity are no JSON, but the server's answers may have them.
    try {
      value = JSON.parse(text.replace(/-?\b(NaN|Infinity)\b/g, "null"));
    } catch {
      value = { error: text };
    }
  }
  if (!response.ok) {
    const error = new Error(value.error || `The server says ${response.status}.`);
    error.status = response.status;
    throw error;
  }
  return value;
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;

/** Returns rows of a name, a bar and a share. */
function bars(caption, entries) {
  const body = element("tbody");
  for (const { name, share, best } of entries) {
    const meter = element("meter", { min: 0, max: 1, value: share });
    meter.setAttribute("aria-label", `${name}: ${percent(share)}`);
    body.append(
      element("tr", { className: best ? "best" : "" },
        element("th", { scope: "row" }, name),
        element("td", { className: "bar" }, meter),
        element("td", { className: "number" }, percent(share))));
  }
  return element("table", {}, element("caption", {}, caption), body);
}

/**
 * Returns a text with spans of it marked.
 *
 * Offsets count characters as the model's outputs do, code points; those of
 * JavaScript's strings count UTF-16 units, two for an emoji.
 */
function marked(text, spans) {
  const characters = Array.from(text);
  const between = (start, end) => characters.slice(start, end).join("");
  const paragraph = element("p", { className: "text" });
  let place = 0;
  for (const { start, end, label, share } of spans) {
    if (start < place || end <= start) continue;
    const note = [label, share === undefined ? "" : percent(share)].filter(Boolean);
    const mark = element("mark", {}, between(start, end));
    if (note.length) mark.append(element("small", {}, note.join(" ")));
    paragraph.append(between(place, start), mark);
    place = end;
  }
  paragraph.append(between(place));
  return paragraph;
}

function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Returns how like each other the vectors of texts are. */
function similarities(caption, texts, vectors) {
  const head = element("tr", {}, element("td", {}));
  const body = element("tbody");
  texts.forEach((_, i) => head.append(element("th", { scope: "col" }, String(i + 1))));
  vectors.forEach((vector, i) => {
    const row = element("tr", {}, element("th", { scope: "row" }, `${i + 1}  ${texts[i]}`));
    for (const other of vectors) {
      const value = cosine(vector, other);
      const cell = element("td", { className: "number" }, value.toFixed(3));
      const share = Math.round(100 * Math.max(0, Math.min(1, value)));
      cell.style.background = `color-mix(in srgb, var(--bar) ${share}%, transparent)`;
      row.append(cell);
    }
    body.append(row);
  });
  const table = element("table", { className: "matrix" },
    element("caption", {}, caption), element("thead", {}, head), body);
  return element("div", { className: "scroll" }, table);
}

// ---------------------------------------------------------------- answers by task

const has = (signature, ...names) => names.every((name) => name in signature.outputs);

/** How to show each kind of answer: the first whose outputs are there. */
const VIEWS = [
  {
    fits: (s) => has(s, "entity", "label", "start", "end"),
    show: (row, sent) => marked(sent.text, row.entity.map((_, i) => ({
      start: row.start[i], end: row.end[i], label: row.label[i], share: row.probability[i],
    }))),
  },
  {
    fits: (s) => has(s, "answer", "start", "end") && "context" in s.inputs,
    show: (row, sent) => element("div", {},
      element("p", { className: "big" }, row.answer || "No answer in this context."),
      marked(sent.context, row.answer ? [row] : [])),
  },
  {
    // Beside its scores, which are no vectors.
    fits: (s) => has(s, "generated_text"),
    show: (row) => element("div", {},
      ...row.generated_text.map((text) => element("p", { className: "text" }, text))),
  },
  {
    fits: (s) => has(s, "tokens", "probabilities"),
    show: (row) => {
      const box = element("div");
      const masks = row.tokens.filter((tokens) => tokens.some(Boolean));
      masks.forEach((tokens, i) => box.append(bars(`[MASK] ${i + 1}`,
        tokens.map((name, j) => ({ name, share: row.probabilities[i][j], best: j === 0 })))));
      if (!masks.length) box.append(element("p", {}, "Write [MASK] where a word is missing."));
      return box;
    },
  },
  {
    fits: (s) => has(s, "labels", "probabilities"),
    show: (row) => bars(row.applies ? "Labels that apply are bold" : "Labels",
      row.labels.map((name, i) => ({
        name, share: row.probabilities[i], best: row.applies ? row.applies[i] : name === row.label,
      })).sort((a, b) => b.share - a.share)),
  },
  {
    fits: (s) => has(s, "index", "probabilities") && "choices" in s.inputs,
    show: (row, sent) => bars("Choices", sent.choices.map((name, i) => ({
      name, share: row.probabilities[i], best: i === row.index,
    }))),
  },
  {
    fits: (s) => has(s, "scores", "indices") && "sentences" in s.inputs,
    show: (row, sent) => {
      const paragraph = element("p", { className: "text" });
      sent.sentences.forEach((sentence, i) => {
        const taken = row.indices.includes(i);
        paragraph.append(taken ? element("mark", {}, sentence) : sentence, " ");
      });
      return paragraph;
    },
  },
];

/** Returns the outputs that are a vector for each text, all numbers. */
function vectorNames(signature) {
  return Object.entries(signature.outputs).filter(([, info]) =>
    info.dtype !== "DT_STRING" && info.tensor_shape.dim.length === 2 &&
    Number(info.tensor_shape.dim[1].size) > 1).map(([name]) => name);
}

function show(signature, rows, sent) {
  const answer = byId("answer");
  const view = VIEWS.find((one) => one.fits(signature));
  const vectors = vectorNames(signature);
  answer.replaceChildren();
  if (view) {
    rows.forEach((row, i) => {
      if (rows.length > 1) answer.append(element("h3", {}, `${i + 1}`));
      answer.append(view.show(row, sent[i]));
    });
  } else if (vectors.length && "text" in signature.inputs) {
    if (rows.length < 2) {
      answer.append(element("p", {}, "Write two lines or more: how like each other they are is shown."));
    }
    for (const name of vectors) {
      answer.append(similarities(`Cosine similarity, ${name}`, sent.map((s) => s.text),
        rows.map((row) => (Array.isArray(row) ? row : row[name]))));
    }
  } else if (rows.every((row) => typeof row === "number")) {
    rows.forEach((row) => answer.append(element("p", { className: "big" }, row.toFixed(3))));
  } else {
    answer.append(element("pre", {}, JSON.stringify(rows, null, 1)));
  }
}

// ---------------------------------------------------------------- the form

const rank = (info) => info.tensor_shape.dim.length;

/** Tells whether a signature takes texts alone, which a page can send. */
function takesTexts(signature) {
  const inputs = Object.entries(signature.inputs);
  return inputs.length > 0 && inputs.every(([name, info]) =>
    info.dtype === "DT_STRING" && name !== "examples" && [1, 2].includes(rank(info)));
}

/** Tells whether each line of the text is a request of its own. */
const linewise = (signature) =>
  !VIEWS.some((view) => view.fits(signature)) && vectorNames(signature).length > 0;

function makeInputs() {
  const signature = state.signatures[byId("signature").value];
  const box = byId("inputs");
  const before = Object.fromEntries(
    [...box.querySelectorAll("textarea")].map((area) => [area.name, area.value]));
  box.replaceChildren();
  // As the task names them: the question before its context, a text before its pair.
  const order = ["question", "text", "context", "text_pair", "sentences", "choices"];
  const names = Object.keys(signature.inputs).sort(
    (a, b) => order.indexOf(a) - order.indexOf(b));
  for (const name of names) {
    const many = rank(signature.inputs[name]) === 2 || (name === "text" && linewise(signature));
    const label = name.replaceAll("_", " ") + (many ? ", one a line" : "");
    const area = element("textarea", { id: `input-${name}`, name, rows: many ? 5 : 3 });
    area.value = before[name] ?? EXAMPLES[name] ?? "";
    box.append(element("p", {}, element("label", { htmlFor: area.id }, label), area));
  }
}

/** Returns the rows of a request. */
function readRows(signature) {
  const row = {};
  for (const [name, info] of Object.entries(signature.inputs)) {
    const value = byId(`input-${name}`).value;
    const lines = value.split("\n").filter((line) => line.trim());
    row[name] = rank(info) === 2 ? (lines.length ? lines : [""]) : value;
  }
  if (!linewise(signature) || !("text" in row)) return [row];
  const lines = row.text.split("\n").filter((line) => line.trim());
  return (lines.length ? lines : [""]).map((text) => ({ ...row, text }));
}

async function send(event) {
  event?.preventDefault();
  const name = byId("signature").value;
  const signature = state.signatures[name];
  const sent = readRows(signature);
  const body = JSON.stringify({ signature_name: name, instances: sent });
  const answer = byId("answer");
  answer.setAttribute("aria-busy", "true");
  byId("send").disabled = true;
  let received;
  try {
    received = await ask(`/v1/models/${encodeURIComponent(state.about.name)}:predict`, body);
    show(signature, received.predictions, sent);
  } catch (error) {
    received = { error: error.message };
    answer.replaceChildren(element("p", { className: "error", role: "alert" }, error.message));
  }
  byId("raw").textContent = `${body}\n\n${JSON.stringify(received, null, 1)}`;
  byId("raw-box").hidden = false;
  byId("send").disabled = false;
  answer.setAttribute("aria-busy", "false");
}

// ---------------------------------------------------------------- the start

async function start() {
  try {
    const about = await ask("/model.json");
    const path = `/v1/models/${encodeURIComponent(about.name)}/metadata`;
    const metadata = await ask(path);
    const all = metadata.metadata.signature_def.signature_def;
    state.about = about;
    state.signatures = Object.fromEntries(
      Object.entries(all).filter(([, signature]) => takesTexts(signature)));
  } catch (error) {
    byId("token-row").hidden = error.status !== 401;
    byId("about").textContent =
      error.status === 401 ? "This server wants a token." : error.message;
    if (error.status === 503) setTimeout(start, 1000);
    return;
  }
  const { name, version, task } = state.about;
  byId("token-row").hidden = true;
  document.title = byId("title").textContent = name;
  const kind = task?.name ? `, ${task.name.replaceAll("_", " ")}` : "";
  byId("about").textContent = `Version ${version}${kind}`;
  const names = Object.keys(state.signatures);
  if (!names.length) {
    byId("about").textContent += ". It takes ids only, so there is nothing to type.";
    return;
  }
  names.sort((a, b) => (b === "serving_default") - (a === "serving_default"));
  byId("signature").replaceChildren(...names.map((n) => element("option", { value: n }, n)));
  byId("signature-row").hidden = names.length < 2;
  byId("send").disabled = false;
  makeInputs();
}

byId("form").addEventListener("submit", send);
byId("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
});
byId("signature").addEventListener("change", makeInputs);
byId("unlock").addEventListener("click", () => {
  state.token = byId("token").value.trim();
  start();
});
byId("token").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    byId("unlock").click();
  }
});
start();
