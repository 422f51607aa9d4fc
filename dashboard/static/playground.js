// The playground: sends messages and the contract to the server at each change, and shows its answers.

import { createEditor } from "./vendor/editor.js";

const PAUSE = 400; // milliseconds after the last change
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const find = (id) => document.getElementById(id);
const form = find("playground");
const limit = Number(form.dataset.mostBytes);

let sample = null; // id of the messages on the server
let file = "messages.ndjson"; // their file's name, quoted for a shell
let inferred = ""; // the text that was inferred last; another one is the user's work
const CHECK = 0, INFER = 1, UPLOAD = 2; // ranks of work: an upload ends with a check or an inference
const timers = [0, 0, 0];
let running = false;
let next = null; // work that waits until the running one has ended

const editor = createEditor({
  parent: find("editor"),
  text: find("contract").value,
  label: "Contract (TOML)",
  describedBy: "editor-help",
  nonce: form.dataset.nonce,
  changed: () => later(CHECK, check),
});

find("contract").hidden = true;
for (const node of document.querySelectorAll("[data-script]")) node.hidden = false;
for (const node of document.querySelectorAll("[data-noscript]")) node.hidden = true;

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body, headers: { "X-Form-Key": form.form_key.value } });
  } catch {
    find("offline").hidden = false;
    return null;
  }
  find("offline").hidden = true;
  try {
    return await answer.json();
  } catch {
    return { error: "The request was refused: reload the page.", said: "The request was refused." };
  }
}

function show(id, html) {
  const target = find(id);
  const open = new Map([...target.querySelectorAll("details")].map((node) => [node.dataset.key, node.open]));
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  for (const node of fresh.querySelectorAll("details")) {
    if (open.has(node.dataset.key)) node.open = open.get(node.dataset.key);
  }
  const focus = target.contains(document.activeElement) && document.activeElement.dataset.line;
  target.replaceChildren(...fresh.childNodes);
  if (focus) target.querySelector(`[data-line="${CSS.escape(focus)}"]`)?.focus();
}

function fail(sentence) {
  const box = document.createElement("div");
  box.className = "message bad";
  box.textContent = sentence;
  find("playground-error").replaceChildren(box);
  find("said").textContent = sentence;
}

function accept(answer) {
  if (answer === null) return false;
  find("said").textContent = answer.said || "";
  if (answer.error) {
    show("playground-error", answer.error);
    return false;
  }
  find("playground-error").replaceChildren();
  return true;
}

function later(rank, work) {
  clearTimeout(timers[rank]);
  timers[rank] = setTimeout(() => run(rank, work), PAUSE);
}

async function run(rank, work) { // one at a time; of those that wait, the last of the highest rank
  if (running) {
    if (next === null || rank >= next.rank) next = { rank, work };
    return;
  }
  running = true;
  find("working").hidden = false;
  find("result").setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    running = false;
    find("working").hidden = true;
    find("result").removeAttribute("aria-busy");
  }
  if (next) {
    const waiting = next;
    next = null;
    await run(waiting.rank, waiting.work);
  }
}

function present(answer) {
  show("problems", answer.problem_list);
  editor.mark(answer.problems);
  renumber();
  const stale = answer.problems.length > 0 && !find("rows-card").hidden;
  find("stale").hidden = !stale;
  find("result").classList.toggle("stale", stale);
  find("rows").classList.toggle("stale", stale);
  if (!answer.result) return;
  show("result", answer.result);
  show("rows", answer.rows);
  find("rows-card").hidden = false;
}

async function check() {
  if (!editor.text.trim()) return;
  const answer = await post("/playground/check", JSON.stringify({ sample, contract: editor.text }));
  if (!accept(answer)) return;
  present(answer);
  if (!find("name").value && answer.name) setName(answer.name);
}

async function infer() {
  if (!sample) {
    fail("There are no messages yet: drop a file or paste some.");
    return;
  }
  const answer = await post("/playground/infer", JSON.stringify({ sample }));
  if (!accept(answer)) return;
  inferred = answer.contract;
  editor.text = inferred;
  show("notes", answer.notes);
  present(answer);
  setName(answer.name);
}

function untouched() {
  return !editor.text.trim() || editor.text === inferred;
}

async function upload(name, content) {
  sample = null;
  if (new Blob([content]).size > limit) {
    fail("More than 10 MB: use `etl contract infer` and `etl contract check` for a larger file.");
    return;
  }
  const answer = await post(`/playground/sample?name=${encodeURIComponent(name)}`, content);
  if (!accept(answer)) return;
  sample = answer.sample;
  file = answer.quoted;
  showCommands();
  await (untouched() ? infer() : check());
}

function take(chosen) {
  find("messages").value = "";
  find("messages").hidden = true;
  find("chosen").hidden = false;
  find("chosen-name").textContent = chosen.name;
  run(UPLOAD, () => upload(chosen.name, chosen));
}

function forget() {
  find("messages").hidden = false;
  find("chosen").hidden = true;
  find("file").value = "";
  sample = null;
}

find("file").addEventListener("change", (event) => {
  if (event.target.files.length) take(event.target.files[0]);
});

find("forget").addEventListener("click", () => {
  forget();
  find("messages").focus();
});

find("messages").addEventListener("input", () => {
  forget();
  const text = find("messages").value;
  if (text.trim()) later(UPLOAD, () => upload("messages.ndjson", text));
});

const area = document.querySelector(".drop");
for (const name of ["dragenter", "dragover"]) {
  area.addEventListener(name, (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    area.classList.add("over");
  });
}
area.addEventListener("dragleave", (event) => {
  if (!area.contains(event.relatedTarget)) area.classList.remove("over");
});
area.addEventListener("drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  area.classList.remove("over");
  if (event.dataTransfer.files.length > 1) fail("Drop one file at a time.");
  else take(event.dataTransfer.files[0]);
});

function setName(name) {
  find("name").value = name;
  showCommands();
}

function showCommands() {
  const name = find("name").value.trim();
  const path = `${form.dataset.folder}${NAME.test(name) ? name : "NAME"}.toml`;
  for (const node of document.querySelectorAll("[data-template]")) {
    const text = node.dataset.template.replace("{path}", () => path).replace("{file}", () => file);
    node.querySelector("code").textContent = text;
    node.querySelector("button").dataset.copy = text;
    node.querySelector("button").setAttribute("aria-label", `Copy ${text}`);
  }
}

async function save(replace) {
  const body = { name: find("name").value, contract: editor.text, replace };
  const answer = await post("/playground/save", JSON.stringify(body));
  if (answer === null) return;
  show("saved", answer.error || answer.html);
  if (answer.outcome === "exists") find("replace").focus();
  else if (replace) find("save").focus();
  if (answer.name) setName(answer.name);
}

find("name").addEventListener("input", () => {
  find("saved").replaceChildren();
  showCommands();
});

form.addEventListener("submit", (event) => {
  find("contract").value = editor.text;
  const button = event.submitter?.id;
  if (button === "download") return; // the answer is a file; the page stays
  event.preventDefault();
  if (button === "infer") run(INFER, infer);
  else if (button === "save") save(false);
  else if (button === "replace") save(true);
  else if (document.activeElement === find("name") && find("save")) save(false); // Enter in the name
  else run(CHECK, check);
});

function lineOf(key) { // where an entry is now, or the nearest table around it
  const lines = new Map();
  let table = "";
  editor.text.split("\n").forEach((line, index) => {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line);
    const entry = /^\s*([\w.-]+)\s*=/.exec(line);
    if (header) table = header[1].replace(/["'\s]/g, "");
    const path = header ? table : entry && (table ? `${table}.${entry[1]}` : entry[1]);
    if (path && !lines.has(path)) lines.set(path, index + 1);
  });
  while (key && !lines.has(key)) key = key.slice(0, Math.max(0, key.lastIndexOf(".")));
  return lines.get(key) || 1;
}

function renumber() { // the notes stay while lines come and go above them
  for (const button of find("notes").querySelectorAll("[data-at]")) {
    button.textContent = `Line ${lineOf(button.dataset.at)}`;
  }
}

document.addEventListener("click", (event) => {
  const line = event.target.closest("button[data-line]");
  if (line) editor.goTo("at" in line.dataset ? lineOf(line.dataset.at) : Number(line.dataset.line));
  if (event.target.closest("#keep")) {
    find("saved").replaceChildren();
    find("save").focus();
  }
});

showCommands();
if (find("messages").value.trim()) run(UPLOAD, () => upload("messages.ndjson", find("messages").value));
