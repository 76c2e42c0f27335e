// Without its script the page is a plain one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { close, launch, open } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";

let browser, gauge;
before(async () => {
  [browser, gauge] = await Promise.all([launch(), Gauge.start(["demo"])]);
});
after(async () => {
  await browser?.close();
  await gauge?.stop();
});

test("without its script the page is a table of every pair, its links work, and it is as new as its last reload", async () => {
  const page = await open(browser, gauge, { javaScriptEnabled: false });
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(gauge.origin);
  const names = await page.locator(".matrix td a").evaluateAll((links) => links.map((link) => link.getAttribute("aria-label")));
  assert.equal(names.length, 20, "every pair of the demo");
  assert.equal(await page.locator("section.store .scroll > table.list").count(), 3, "a list for each store");
  assert.ok(!asked.includes("/script.js"), "what does not run is not fetched");

  const told = await page.locator("#live").textContent();
  await until("it refreshes by itself", 12, async () => {
    // Between two documents there is nothing to be read.
    const now = await page.locator("#live").textContent({ timeout: 1000 }).catch(() => told);
    return now !== told;
  });

  await page.getByRole("link", { name: /^eu-west-1 to ap-southeast-2: / }).first().click();
  await page.waitForURL(/\?store=orders&source_region=eu-west-1&target_region=ap-southeast-2$/);
  assert.equal(await page.getByRole("heading", { level: 2, name: /eu-west-1 to ap-southeast-2/ }).count(), 1);
  const pair = page.url();
  const before = await page.locator("#live").textContent();
  await until("the pair's page refreshes by itself", 12, async () => {
    const now = await page.locator("#live").textContent({ timeout: 1000 }).catch(() => before);
    return now !== before;
  });
  assert.equal(page.url(), pair, "and stays with its pair");

  await page.getByRole("link", { name: "All stores" }).click();
  await page.waitForURL(`${gauge.origin}/`);
  await page.getByRole("heading", { name: "sessions" }).getByRole("link").click();
  await page.waitForURL(/\?store=sessions$/);
  assert.equal(await page.locator(".matrix").count(), 1);
  assert.equal(await page.locator(".matrix td a").count(), 2);
  await close(page);
});

test("without its script it is whole without its style too: what is shown is in the document", async () => {
  const answer = await fetch(gauge.origin, { headers: { accept: "text/html" } });
  const text = await answer.text();
  for (const outside of text.matchAll(/(?:src|href|action|url)\s*=\s*"([^"]*)"/g)) {
    assert.doesNotMatch(outside[1], /^(?:[a-z]+:)?\/\//i, "all of it is the gauge's own");
  }
  const policy = answer.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
});

test("on a telephone's screen nothing is out of sight, and every row says why", async () => {
  const page = await open(browser, gauge, { viewport: { width: 390, height: 800 } });
  await page.goto(gauge.origin);
  // The demonstration's first trouble.
  const why = page.locator(".store td.why").filter({ hasText: "nothing new has become visible" }).first();
  await why.waitFor({ timeout: 45_000 });
  const pair = `${gauge.origin}/?store=orders&source_region=eu-west-1&target_region=ap-southeast-2`;
  for (const url of [gauge.origin, pair]) {
    await page.goto(url);
    const beyond = await page.evaluate(() => {
      const isScrolled = (part) => part.closest(".scroll") && part.closest(".matrix");
      const parts = [...document.querySelectorAll("main *")].filter((part) => part.checkVisibility() && !isScrolled(part));
      const { clientWidth, scrollWidth } = document.documentElement;
      const wide = parts.filter((part) => part.getBoundingClientRect().right > clientWidth + 1 && !part.closest("thead, svg"));
      return [scrollWidth - clientWidth, wide.map((part) => part.outerHTML.slice(0, 80))];
    });
    assert.deepEqual(beyond, [0, []], url);
  }
  await page.goto(gauge.origin);
  // Laid out otherwise, it is a table all the same.
  const row = page.getByRole("table").filter({ hasText: "Lag now" }).first().getByRole("row", { name: /us-east-1 → ap-southeast-2 .* nothing new has become visible/ });
  assert.equal(await row.count(), 1);
  await close(page);
});
