// Keeps a page current: loads it again every few seconds and changes only what differs, so that focus,
// open details, typed text and the scroll position stay.
"use strict";

const LONGEST = 30000;
let failures = 0;

function keyOf(node) {
  return node.nodeType === 1 ? node.id || node.dataset.key || "" : "";
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function madeHere(node) { // made by a script of this page, so the server's page lacks it
  return node.nodeType === 1 && node.hasAttribute("data-own");
}

function morph(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (madeHere(old) || old.isEqualNode(fresh)) return;
  const typed = old.matches("input, select, textarea");
  for (const { name, value } of [...fresh.attributes]) {
    if (typed && (name === "value" || name === "checked")) continue;
    if (name === "open" || name === "hidden") continue; // changed by the user
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (name === "open" || name === "hidden") continue;
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  if (typed) {
    if (document.activeElement === old) return;
    if (!old.matches("select")) return;
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const left = [...old.childNodes].filter((node) => !madeHere(node));
  let at = 0;
  for (const wanted of [...fresh.childNodes]) {
    if (madeHere(wanted)) continue;
    let found = left.findIndex((node, index) => index >= at && alike(node, wanted));
    if (found > at && !keyOf(wanted)) found = -1; // without a key only the next node may match
    if (found < 0) {
      old.insertBefore(document.importNode(wanted, true), left[at] || null);
      continue;
    }
    for (const gone of left.splice(at, found - at)) gone.remove();
    morph(left[at], wanted);
    at += 1;
  }
  for (const gone of left.slice(at)) gone.remove();
}

async function refresh() {
  const answer = await fetch(location.href, {
    headers: { "X-Live": "1", ...(refresh.tag ? { "If-None-Match": refresh.tag } : {}) },
    cache: "no-store",
  });
  if (answer.status === 304) return;
  if (answer.status === 401 || answer.status === 421) throw new Error("access denied");
  refresh.tag = answer.headers.get("ETag");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (document.title !== fresh.title) document.title = fresh.title;
  document.body.dataset.every = fresh.body.dataset.every || "0";
  morph(document.querySelector(".rail"), fresh.querySelector(".rail"));
  morph(document.querySelector("main"), fresh.querySelector("main"));
  decorate();
}

function schedule() {
  const every = Number(document.body.dataset.every);
  if (!every) return;
  setTimeout(tick, Math.min(every * 2 ** failures, LONGEST));
}

async function tick() {
  if (document.visibilityState === "visible") {
    try {
      await refresh();
      failures = 0;
    } catch {
      failures = Math.min(failures + 1, 4);
    }
    document.getElementById("offline").hidden = failures === 0;
  }
  schedule();
}

function decorate() { // buttons that need a script
  for (const button of document.querySelectorAll(".copy[hidden]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
  } catch {
    button.textContent = "select the text";
  }
  setTimeout(() => (button.textContent = "copy"), 1500);
});

document.addEventListener("change", (event) => { // a selection needs no button
  if (event.target.matches(".filter select")) event.target.form.requestSubmit();
});

document.addEventListener("submit", (event) => { // a second click sends nothing
  const button = event.target.querySelector("button.button");
  if (event.target.method !== "post" || "again" in event.target.dataset) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
  if (button) button.setAttribute("aria-disabled", "true");
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && Number(document.body.dataset.every)) refresh().catch(() => 0);
});

decorate();
schedule();
