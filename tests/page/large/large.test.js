// The largest page that is promised to be quick: ten stores of thirty regions, 8,700 pairs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cells, close, launch, open, picture, refreshed } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";
import { replay } from "../support/replay.js";

const [STORES, REGIONS] = [10, 30];
const PAIRS = STORES * REGIONS * (REGIONS - 1);
// From the start of the navigation until all of it is painted, in milliseconds. A gauge that is not optimised makes the page
// many times as slowly: what it answered is given to the browser again, which leaves the browser's part of it.
const OPTIMISED = Boolean(process.env.OPTIMISED);
// What is promised is held where nothing else is going on; beside other tests, twice as much.
const TIMES = OPTIMISED ? 1 : 2;
const BUDGET = 1000 * TIMES;
// One task of a refresh, during which nothing can be clicked.
const TASK_BUDGET = 200 * TIMES;

function settings() {
  const regions = Array.from({ length: REGIONS }, (_, place) => `{ name = "region-${String(place + 1).padStart(2, "0")}" }`);
  const store = (place) => `
[[stores]]
name = "store-${place + 1}"
heartbeat = { interval = "${OPTIMISED ? 5 : 60}s" }
regions = [${regions.join(", ")}]
[stores.advice]
max_staleness = "5m"
[stores.simulated]
seed = ${place + 1}
lag = { median = "800ms", sigma = 0.25 }
events = [
  { kind = "stall", target_region = "region-07", offset = "30s", lasts = "59m", every = "24h" },
  { kind = "region_down", region = "region-19", offset = "30s", lasts = "59m", every = "24h" },
  { kind = "spike", factor = 9.0, source_region = "region-11", target_region = "region-23", lasts = "59m", every = "24h" },
]
`;
  const head = `role = "gauge"\n[cell]\nname = "large"\ncentral = true\n[log]\nfilter = "error"\n`;
  return head + Array.from({ length: STORES }, (_, place) => store(place)).join("");
}

let browser, gauge, folder, source;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tidegauge-large-"));
  writeFileSync(join(folder, "large.toml"), settings());
  [browser, gauge] = await Promise.all([launch(), Gauge.start(["--config", join(folder, "large.toml"), "run"])]);
  source = OPTIMISED ? gauge : await replay(gauge, 2);
  // From here on it has only what it would measure for nobody to do.
  if (!OPTIMISED) gauge.signal("SIGSTOP");
});
after(async () => {
  await browser?.close();
  if (source !== gauge) await source?.stop();
  await gauge?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

// The moments of a navigation, in milliseconds from its start.
const moments = (page) =>
  page.evaluate(
    () =>
      new Promise((done) => {
        const tell = () =>
          // What is painted in a frame is there before the next one begins.
          requestAnimationFrame(() =>
            requestAnimationFrame(() => {
              const [navigation] = performance.getEntriesByType("navigation");
              done({
                answered: navigation.responseStart,
                received: navigation.responseEnd,
                parsed: navigation.domContentLoadedEventEnd,
                firstPaint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
                painted: window.paintedAt ?? performance.now(),
                bytes: navigation.decodedBodySize,
              });
            }),
          );
        if (document.readyState === "complete") tell();
        else addEventListener("load", tell);
      }),
  );

test("ten stores of thirty regions are there at once", { timeout: 180_000 }, async () => {
  const figures = [];
  for (let run = 0; run < 3; run += 1) {
    const page = await open(browser, source, { viewport: { width: 1400, height: 900 } });
    // The first frame after all of the document is there, as the page itself sees it.
    await page.addInitScript(() => {
      addEventListener("DOMContentLoaded", () => {
        requestAnimationFrame(() => setTimeout(() => (window.paintedAt = performance.now())));
      });
    });
    await page.goto(source.origin, { timeout: 60_000 });
    figures.push(await moments(page));
    assert.equal(await page.locator(".matrix td a").count(), PAIRS);
    await close(page);
  }
  for (const one of figures) console.log(JSON.stringify(one, (_, value) => (typeof value === "number" ? Math.round(value) : value)));
  const total = median(figures.map((one) => one.painted));
  console.log(`median: ${Math.round(total)} ms, ${OPTIMISED ? "the gauge's part and the browser's" : "the browser's part"}`);
  assert.ok(total < BUDGET, `${total} ms`);
});

test("it stays readable, and a refresh of it leaves the page usable", { timeout: 180_000 }, async () => {
  const page = await open(browser, source, { viewport: { width: 1400, height: 900 } });
  await page.goto(source.origin, { timeout: 60_000 });
  await page.evaluate(() => {
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({
      entryTypes: ["longtask"],
    });
  });
  await refreshed(page, 2);
  const tasks = await page.evaluate(() => window.tasks);
  console.log(`long tasks of two refreshes, in ms: ${tasks.map(Math.round).join(", ") || "none"}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0, "the page itself is not scrolled sideways");
  for (const cell of await cells(page)) {
    assert.ok(cell.size >= 11, `${cell.name}: ${cell.size} px`);
    assert.ok(cell.state === "ok" || cell.sign, `${cell.name} has a sign`);
  }
  // The stall is found after three intervals.
  if (process.env.PICTURES) {
    await until("the stall shows", 120, async () => (await page.locator("td.stalled").count()) > 200);
    await page.locator("section.store").first().evaluate((store) => store.scrollIntoView());
    await picture(page, "page-30x10");
  }
  assert.ok(Math.max(0, ...tasks) < TASK_BUDGET, `a task of ${Math.max(...tasks)} ms`);
  await close(page);
});
