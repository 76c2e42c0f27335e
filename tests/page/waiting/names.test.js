// What a screen reader says of it, and what axe finds, by the rules of WCAG 2.1 AA.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { close, launch, open } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";
import { inEveryState, startInEveryState } from "../support/states.js";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];

let browser, demo, states;
before(async () => {
  [browser, demo, states] = await Promise.all([launch(), Gauge.start(["demo"]), startInEveryState()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
  await states?.stop();
});

// What axe finds wrong, and what is unclear to it. Of a single sign it says nothing, nor of what stands on stripes or in a
// drawing: whether that can be read is asked in colours.test.js.
const audit = (page) =>
  page.evaluate(async (tags) => {
    const found = await axe.run(document, { runOnly: tags, resultTypes: ["violations", "incomplete"], elementRef: true });
    const isKnown = (id, { element }) =>
      id === "color-contrast" && (element.textContent.length === 1 || element.closest("td.unknown, td.writer_silent, svg"));
    return [...found.violations, ...found.incomplete].flatMap(({ id, impact, help, nodes }) => {
      const left = found.violations.some((one) => one.id === id) ? nodes : nodes.filter((node) => !isKnown(id, node));
      return left.map((node) => `${id} (${impact}): ${help}: ${node.html}: ${node.failureSummary}`);
    });
  }, RULES);

const addresses = (origin, store, source, target) => [
  `${origin}/`,
  `${origin}/?store=${store}`,
  `${origin}/?store=${store}&source_region=${source}&target_region=${target}`,
];

test("a screen reader is told where it is, what each table is about, and each pair's state and lag", async () => {
  const page = await open(browser, demo);
  await page.goto(demo.origin);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
  for (const landmark of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(landmark).count(), 1, landmark);
  assert.match(await page.getByRole("status").textContent(), /region pairs/);
  for (const store of ["orders", "sessions", "credit"]) {
    const region = page.getByRole("region", { name: store, exact: true });
    assert.equal(await region.count(), 1, store);
    const matrix = region.getByRole("table", { name: `${store}: current lag by source and target region` });
    const [columns, rows] = [await matrix.getByRole("columnheader").allTextContents(), await matrix.getByRole("rowheader").allTextContents()];
    assert.deepEqual(columns.slice(1), rows, "each region is a column and a row");
    for (const source of rows) {
      for (const target of rows.filter((region) => region !== source)) {
        const link = matrix.getByRole("link", { name: new RegExp(`^${source} to ${target}: [a-z ]+, (\\d+(\\.\\d+)? (s|min) late|lag not known)$`) });
        assert.equal(await link.count(), 1, `${source} to ${target}`);
      }
    }
    for (const spark of await region.getByRole("img").all()) assert.match(await spark.getAttribute("aria-label"), /^last hour: /);
  }
  // A sign is for the eyes alone where the word stands beside it.
  const list = page.getByRole("region", { name: "orders", exact: true }).getByRole("table").nth(1);
  assert.deepEqual((await list.getByRole("columnheader").allTextContents()).slice(0, 4), ["Pair", "State", "For", "Lag now"]);
  await until("the pairs are ok", 15, async () => (await page.title()).startsWith("All 20"));
  assert.match(await list.ariaSnapshot(), /- cell "ok"/);
  await close(page);
});

test("axe finds nothing, in calm and in every state, in light and in dark", { timeout: 120_000 }, async () => {
  const all = [
    ...addresses(states.origin, "broken", "us-east-1", "eu-west-1"),
    `${states.origin}/?store=broken&source_region=us-west-2&target_region=eu-west-1`,
    `${states.origin}/?store=young&source_region=us-east-1&target_region=eu-west-1`,
    ...addresses(demo.origin, "orders", "us-east-1", "eu-west-1"),
  ];
  for (const url of all) {
    // What is far below is not painted, and what is not painted axe cannot look at.
    const page = await open(browser, url.startsWith(demo.origin) ? demo : states, { viewport: { width: 1280, height: 5000 } });
    await page.goto(url);
    if (url === all[0]) await inEveryState(page);
    await page.evaluate(axe.source);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await audit(page), [], `${url}, ${colorScheme}`);
    }
    await close(page);
  }
});
