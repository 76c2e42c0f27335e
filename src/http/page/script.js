// Keeps the page up to date: fetches what is shown anew, again and again, and changes what differs. The server alone decides
// what is on it. When no answer comes, the page says how old it is.
"use strict";

const EVERY = 2000;
const PATIENCE = 10000;
// A page that takes long to make is asked for less often: at most so large a share of the time goes into that.
const SHARE = 0.2;

let shownAt = Date.now();
let scheduled;

// Two elements are the same one if they have the same name and the same id.
const isSame = (old, next) => old.nodeType === next.nodeType && old.nodeName === next.nodeName && old.id === next.id;

function change(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  if (old.isEqualNode(next)) return;
  for (const { name } of [...old.attributes]) {
    // Whoever opened something keeps it open.
    if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    let found = at;
    while (found && !isSame(found, child)) found = found.nextSibling;
    if (!found) {
      old.insertBefore(child, at);
      continue;
    }
    while (at !== found) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    change(found, child);
    at = found.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function tellAge(why) {
  const age = Date.now() - shownAt;
  document.documentElement.classList.add("stale");
  const live = document.getElementById("live");
  live.classList.add("stale");
  live.setAttribute("role", "alert");
  const text = `No answer from the gauge (${why}): this is ${Math.round(age / 1000)} s old.`;
  if (live.textContent !== text) live.textContent = text;
}

async function refresh() {
  const begun = performance.now();
  let wait = EVERY;
  try {
    const answer = await fetch(location.href, {
      headers: { accept: "text/html" },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.documentElement.classList.remove("stale");
    document.title = next.title;
    change(document.body, next.body);
    shownAt = Date.now();
    wait = Math.max(EVERY, (performance.now() - begun) / SHARE);
  } catch (error) {
    tellAge(error.name === "TimeoutError" ? "it did not answer in time" : error.message);
  }
  schedule(wait);
}

function schedule(wait) {
  clearTimeout(scheduled);
  // Nobody looks at a page that is hidden.
  scheduled = document.hidden ? undefined : setTimeout(refresh, wait);
}

document.addEventListener("visibilitychange", () => schedule(0));
schedule(EVERY);
