// Asks every two seconds which parts of the page have changed, and takes those. Nothing else is loaded.
"use strict";
const told = document.getElementById("told");
const parts = document.getElementById("parts");
let missed = 0;

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

// What the reader has opened stays open.
function replace(part, html) {
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  part.innerHTML = html;
  part.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? details.open; });
}

async function update() {
  const state = await (await ask("/state")).json();
  document.title = state.title;
  const ids = state.parts.map((part) => part.id);
  [...parts.children].filter((part) => !ids.includes(part.id)).forEach((part) => part.remove());
  for (const { id, hash } of state.parts) {
    let part = document.getElementById(id);
    if (!part) {
      part = document.createElement("div");
      part.id = id;
      parts.append(part);
    }
    if (part.dataset.hash !== hash) {
      const answer = await ask("/part/" + id);
      replace(part, await answer.text());
      part.dataset.hash = answer.headers.get("etag").replaceAll('"', "");
    }
  }
  return state.running;
}

async function follow() {
  let wait = 2000;
  // A page in the background asks for nothing.
  if (!document.hidden) {
    try {
      // A run that has ended may be resumed.
      if (!await update()) wait = 10000;
      missed = 0;
      told.textContent = "";
    } catch {
      missed += 1;
      wait = Math.min(30000, 2000 * missed);
      told.textContent = "The server doesn't answer; the page is as it was.";
    }
  }
  setTimeout(follow, wait);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) update().catch(() => {}); });
setTimeout(follow, 2000);
