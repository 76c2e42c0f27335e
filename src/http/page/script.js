// Keeps the page up to date: fetches what is shown anew, again and again, and changes what differs. The server alone decides
// what is on it. When no answer comes, the page says how old it is.
"use strict";

const EVERY = 2000;
const PATIENCE = 8000;
// A page that takes long to make is asked for less often: at most so large a share of the time goes into that. It is not
// left alone for long because of one answer that had to wait.
const SHARE = 0.2;
const SELDOM = 10000;

let { title } = document;
let asOf = document.getElementById("live").textContent;
let answeredAt = Date.now();
let asked = 0;
let asking;
let scheduled;

// Two elements are the same one if they have the same name and the same id.
const isSame = (old, next) => old?.nodeType === next.nodeType && old.nodeName === next.nodeName && old.id === next.id;

// Moves an element within its parent. A browser that cannot do that in one step takes the focus away.
function move(parent, child, before) {
  if (parent.moveBefore) return parent.moveBefore(child, before);
  const focused = document.activeElement;
  parent.insertBefore(child, before);
  if (child.contains(focused)) focused.focus({ preventScroll: true });
}

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
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    let found = child.id ? named.get(child.id) : at;
    if (child.id && !isSame(found, child)) found = null;
    while (found && !isSame(found, child)) found = found.nextSibling;
    if (found && found === at) at = at.nextSibling;
    else if (found) move(old, found, at);
    else old.insertBefore(child, at);
    if (found) change(found, child);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function tellAge(why) {
  document.documentElement.classList.add("stale");
  document.title = `Old: ${title}`;
  const live = document.getElementById("live");
  live.classList.add("stale");
  live.setAttribute("role", "alert");
  // The same words for as long as it lasts: they are read out whenever they change.
  const text = `${why}: this is old, ${asOf}.`;
  if (live.textContent !== text) live.textContent = text;
}

// Somebody answered, and not with a page.
class Refused extends Error {}

// The answer, and all of its text. Over a slow link that may take long, of which is told; it is given up when nothing comes.
async function ask(turn) {
  // Nobody waits any more for the one before.
  asking?.abort();
  const given = (asking = new AbortController());
  const giveUp = () => given.abort(new DOMException("it did not answer in time", "TimeoutError"));
  let silence = setTimeout(giveUp, PATIENCE);
  let late;
  try {
    const options = { headers: { accept: "text/html" }, cache: "no-store", signal: given.signal };
    const answer = await fetch(location.href, options);
    late = setTimeout(() => turn === asked && tellAge("The answer takes long to arrive"), PATIENCE);
    const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      clearTimeout(silence);
      silence = setTimeout(giveUp, PATIENCE);
      const { done, value } = await pieces.read();
      if (done) return { answer, text };
      text += value;
    }
  } finally {
    clearTimeout(silence);
    clearTimeout(late);
  }
}

async function refresh() {
  const begun = performance.now();
  const turn = (asked += 1);
  let wait = EVERY;
  // Nobody asked while the page was hidden or its host slept: what it shows is not to pass for new until there is an answer.
  const isTold = document.documentElement.classList.contains("stale");
  if (!isTold && Date.now() - answeredAt > SELDOM + PATIENCE) tellAge("Not asked for a while");
  try {
    const { answer, text } = await ask(turn);
    if (turn !== asked) return;
    const next = new DOMParser().parseFromString(text, "text/html");
    // What cannot be shown is a page as well, which says why.
    if (!next.getElementById("live")) {
      throw new Refused(answer.ok ? "Somebody else than the gauge answers" : `The gauge refuses this page (${answer.status})`);
    }
    // With thousands of pairs, to read the answer takes as long as to change the page: who clicks waits for one of the two.
    await new Promise((go) => setTimeout(go));
    if (turn !== asked) return;
    answeredAt = Date.now();
    ({ title } = next);
    asOf = next.getElementById("live").textContent;
    document.title = title;
    document.documentElement.classList.remove("stale");
    change(document.body, next.body);
    wait = Math.min(Math.max(EVERY, (performance.now() - begun) / SHARE), SELDOM);
  } catch (error) {
    if (turn !== asked) return;
    tellAge(error instanceof Refused ? error.message : `No answer from the gauge (${error.message})`);
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
