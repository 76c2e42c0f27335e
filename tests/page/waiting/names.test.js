// What a screen reader says of it, and what axe finds, by the rules of WCAG 2.1 AA.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { cells, close, launch, open } from "../support/browser.js";
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

const told = (findings) =>
  findings.map((one) => `${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);

async function audit(page) {
  const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations", "incomplete"] }), RULES);
  assert.deepEqual(told(found.violations), [], `axe finds nothing wrong on ${page.url()}`);
  // What axe cannot see through is looked at one by one, below.
  const unclear = found.incomplete.filter((one) => one.impact === "serious" || one.impact === "critical");
  const others = unclear.flatMap((one) => one.nodes.filter((node) => !/striped/.test(node.target.join()) || one.id !== "color-contrast"));
  return others.map((node) => `${node.html}: ${node.any.map((check) => check.message).join("; ")}`);
}

const addresses = (origin, store, source, target) => [
  `${origin}/`,
  `${origin}/?store=${store}`,
  `${origin}/?store=${store}&source_region=${source}&target_region=${target}`,
];

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing, in calm and in every state, ${colorScheme}`, async () => {
    const all = [
      ...addresses(demo.origin, "orders", "us-east-1", "eu-west-1").map((url) => [demo, url]),
      ...addresses(states.origin, "broken", "us-east-1", "eu-west-1").map((url) => [states, url]),
      [states, `${states.origin}/?store=broken&source_region=us-west-2&target_region=eu-west-1`],
      [states, `${states.origin}/?store=young&source_region=us-east-1&target_region=eu-west-1`],
    ];
    for (const [gauge, url] of all) {
      const page = await open(browser, gauge, { colorScheme });
      await page.goto(url);
      if (url === `${states.origin}/`) await inEveryState(page);
      await page.evaluate(axe.source);
      const unclear = await audit(page);
      if (unclear.length) console.log(url, unclear.slice(0, 5));
      await close(page);
    }
  });
}
