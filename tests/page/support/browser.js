// A browser that reaches nothing but this host, and pages that are watched: whatever a test is about, its pages say nothing
// on the console, break no policy of theirs, and ask nobody but their own gauge.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: !process.env.HEADED,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Should a page ask for another host, there is none.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
}

const noted = new WeakMap();

// A page of its own context. `expected` are the console's words, and `statuses` those of answers, that the test brings about itself.
export async function open(browser, gauge, options = {}, expected = [], statuses = []) {
  // Colours that are on their way to another are nobody's.
  const usual = { viewport: { width: 1280, height: 900 }, locale: "en", reducedMotion: "reduce" };
  const context = await browser.newContext({ ...usual, ...options });
  const page = await context.newPage();
  const trouble = [];
  noted.set(page, trouble);
  page.on("console", (message) => {
    const text = `${message.type()}: ${message.text()}`;
    if (!expected.some((pattern) => pattern.test(text))) trouble.push(text);
  });
  page.on("pageerror", (error) => trouble.push(`page error: ${error.stack}`));
  page.on("crash", () => trouble.push("the page crashed"));
  // Of frames, workers and everything else that the page brings about, too.
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== gauge.origin) trouble.push(`a request left: ${url}`);
  });
  context.on("response", (response) => {
    if (response.status() >= 400 && !statuses.includes(response.status())) trouble.push(`status ${response.status()}: ${response.url()}`);
  });
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
  }
  return page;
}

// Closes it, and says what was wrong with it.
export async function close(page) {
  await page.context().close();
  assert.deepEqual(noted.get(page), [], "the page kept silent, and to its own gauge");
}

// How often the page has changed since it was opened: the words that a refresh alone brings.
export async function refreshed(page, times = 1) {
  for (let time = 0; time < times; time += 1) {
    const before = await page.locator("#live").textContent();
    await page.waitForFunction((text) => document.getElementById("live").textContent !== text, before, { timeout: 15_000 });
  }
}

// A picture for the documents, where they are asked for.
export async function picture(page, name, options = {}) {
  const folder = process.env.PICTURES;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  // Hiding the caret would take a style that the page's policy refuses.
  await page.screenshot({ path: join(folder, `${name}.png`), caret: "initial", animations: "disabled", ...options });
}

// What a cell of a matrix looks like.
export function cells(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll(".matrix td a")].map((link) => {
      const style = getComputedStyle(link.parentElement);
      const said = [...link.querySelectorAll("b")].filter((part) => part.checkVisibility()).map((part) => part.textContent);
      return {
        name: link.getAttribute("aria-label"),
        href: link.getAttribute("href"),
        state: link.parentElement.className,
        colour: style.backgroundColor,
        image: style.backgroundImage,
        size: parseFloat(getComputedStyle(link).fontSize),
        sign: said[0] ?? "",
        word: said[1] ?? "",
        lag: link.querySelector("span").textContent,
      };
    }),
  );
}
