// Shows a chart's values at one time, chosen by pointer, finger or arrow keys.
"use strict";

function nearest(points, position) {
  let best = 0;
  for (let i = 1; i < points.length; i++) {
    if (Math.abs(points[i][0] - position) < Math.abs(points[best][0] - position)) best = i;
  }
  return best;
}

function marker(plot, name) {
  let element = plot.querySelector("." + name);
  if (!element) {
    element = document.createElement("div");
    element.className = name;
    element.setAttribute("data-own", "");
    if (name === "tip") element.setAttribute("role", "status");
    plot.append(element);
  }
  element.hidden = false;
  return element;
}

function show(plot, index) {
  const points = JSON.parse(plot.dataset.points);
  if (!points.length) return;
  index = Math.max(0, Math.min(points.length - 1, index));
  plot.reading = index;
  const [position, time, ...values] = points[index];
  const shapes = plot.querySelector(".shapes").getBoundingClientRect();
  const x = shapes.left - plot.getBoundingClientRect().left + position * shapes.width;
  marker(plot, "cross").style.left = x + "px";
  const tip = marker(plot, "tip");
  tip.textContent = "";
  const strong = document.createElement("b");
  strong.textContent = values.join(" · ");
  tip.append(strong, " ", time);
  const room = plot.clientWidth - tip.offsetWidth;
  tip.style.left = Math.max(0, Math.min(room, x - tip.offsetWidth / 2)) + "px";
}

function hide(plot) {
  for (const element of plot.querySelectorAll(".cross, .tip")) element.hidden = true;
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot");
  if (!plot) return;
  const box = plot.querySelector(".shapes").getBoundingClientRect();
  show(plot, nearest(JSON.parse(plot.dataset.points), (event.clientX - box.left) / box.width));
});
document.addEventListener("pointerout", (event) => {
  const plot = event.target.closest?.(".plot");
  if (plot && !plot.contains(event.relatedTarget) && document.activeElement !== plot) hide(plot);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches?.(".plot")) hide(event.target);
});
document.addEventListener("keydown", (event) => {
  const plot = event.target.matches?.(".plot") ? event.target : null;
  if (!plot) return;
  const last = JSON.parse(plot.dataset.points).length - 1;
  const at = plot.reading ?? last;
  const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
  if (event.key === "Escape") return hide(plot);
  if (!(event.key in moves)) return;
  event.preventDefault();
  show(plot, moves[event.key]);
});
