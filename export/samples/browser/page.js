// The page: asks the model and shows what it says. The model is `model.tflite` beside
// this file, or what `?model=` names.

import { inputsOf, TASKS } from "./answers.js";
import { Model } from "./model.js";

const byId = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(1)} %`;

/** Returns an element; children are nodes or texts, never HTML. */
function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function table(caption, rows) {
  const body = element("tbody");
  for (const { name, value, best } of rows) {
    body.append(element("tr", { className: best ? "best" : "" },
      element("th", { scope: "row" }, name), element("td", {}, value)));
  }
  return element("table", {}, element("caption", {}, caption), body);
}

/** Returns a text with spans of it marked; places count code points. */
function marked(text, spans) {
  const characters = Array.from(text);
  const between = (start, end) => characters.slice(start, end).join("");
  const paragraph = element("p", { className: "text" });
  let place = 0;
  for (const { start, end, label, probability } of spans) {
    const note = element("small", {}, `${label ?? ""} ${percent(probability)}`.trim());
    paragraph.append(between(place, start), element("mark", {}, between(start, end), note));
    place = end;
  }
  paragraph.append(between(place));
  return paragraph;
}

const byShare = (probabilities, isBest) => Object.entries(probabilities)
  .sort((a, b) => b[1] - a[1])
  .map(([name, share]) => ({ name, value: percent(share), best: isBest(name) }));

const VIEWS = {
  classification: ({ label, probabilities }) =>
    [table("Labels", byShare(probabilities, (name) => name === label))],
  multi_label: ({ labels, probabilities }) => [table("Labels, those that apply in bold",
    byShare(probabilities, (name) => labels.includes(name)))],
  regression: ({ value }) => [element("p", { className: "big" }, value.toFixed(3))],
  embedding: ({ embedding }) => [
    element("p", {}, `A vector of ${embedding.length} numbers:`),
    element("p", { className: "text" }, embedding.map((x) => x.toFixed(4)).join(" "))],
  token_classification: (said, { text }) => [marked(text, said.entities ??
    said.words.map(([start, end], i) =>
      ({ start, end, label: said.tags[i], probability: said.probabilities[i] })))],
  question_answering: (said, { context }) => [
    element("p", { className: "big" }, said.answer || "No answer in this text."),
    marked(context, said.answer ? [said] : [])],
  pretraining: ({ masks }) => masks.length ? masks.map((tokens, i) =>
    table(`[MASK] ${i + 1}`, tokens.map(({ token, probability }, j) =>
      ({ name: token, value: percent(probability), best: j === 0 })))) :
    [element("p", {}, "Write [MASK] where a word is missing.")],
};

function readTexts(model) {
  return Object.fromEntries(
    inputsOf(model).map((name) => [name, byId(`input-${name}`).value]));
}

async function send(model, event) {
  event.preventDefault();
  const answer = byId("answer");
  answer.setAttribute("aria-busy", "true");
  byId("send").disabled = true;
  try {
    const texts = readTexts(model);
    const start = performance.now();
    const said = await TASKS[model.task](model, texts);
    const took = `${(performance.now() - start).toFixed(0)} ms`;
    answer.replaceChildren(...VIEWS[model.task](said, texts), element("p", {}, took));
  } catch (error) {
    answer.replaceChildren(element("p", { role: "alert" }, error.message));
  }
  byId("send").disabled = false;
  answer.setAttribute("aria-busy", "false");
}

async function start() {
  const path = new URLSearchParams(location.search).get("model") ?? "model.tflite";
  try {
    const model = await Model.open(path);
    if (!(model.task in TASKS)) {
      throw new Error(`This page has no view of the task ${model.task}.`);
    }
    for (const name of inputsOf(model)) {
      const area = element("textarea", { id: `input-${name}`, rows: 4 });
      const label = element("label", { htmlFor: area.id }, name.replace("_", " "));
      byId("inputs").append(element("p", {}, label, area));
    }
    byId("form").addEventListener("submit", (event) => send(model, event));
    byId("about").textContent =
      `${path}: ${model.task.replaceAll("_", " ")}, ${model.length} tokens at a time.`;
    byId("send").disabled = false;
    window.model = model; // For the console.
  } catch (error) {
    byId("about").textContent = error.message;
  }
}

start();
