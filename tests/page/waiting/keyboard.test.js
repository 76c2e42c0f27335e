// The page under somebody's fingers: all of it can be reached, and a refresh takes nothing away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { close, launch, open, refreshed } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";

let browser, gauge;
before(async () => {
  [browser, gauge] = await Promise.all([launch(), Gauge.start(["demo"])]);
});
after(async () => {
  await browser?.close();
  await gauge?.stop();
});

const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    return {
      name: at.getAttribute("aria-label") ?? at.textContent,
      isCell: at.matches(".matrix td a"),
      outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    };
  });

test("focus stays where it is while rows change their order, and while they change back", { timeout: 70_000 }, async () => {
  const page = await open(browser, gauge);
  await page.goto(gauge.origin);
  const rows = page.locator("section.store").first().locator("table.list").first().locator("tbody tr");
  const first = async () => (await rows.first().locator("th").textContent()).trim();
  await until("all is ok", 15, async () => (await page.title()).startsWith("All 20"));
  assert.ok(gauge.age < 20, "looked before the stall began");
  assert.equal(await first(), "us-east-1 → eu-west-1");
  // This row comes before those that stall, and is moved below them.
  await rows.first().getByRole("link").focus();
  await page.evaluate(() => {
    window.link = document.activeElement;
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(".facts"));
    getSelection().addRange(range);
    window.selected = String(getSelection());
  });
  const holds = () =>
    page.evaluate(() => document.activeElement === window.link && window.link.isConnected && String(getSelection()) === window.selected);
  await until("the order changes", 40, async () => (await first()) === "us-east-1 → ap-southeast-2");
  assert.equal(await rows.nth(2).locator("th").textContent(), "us-east-1 → eu-west-1");
  assert.ok(await holds(), "the same link has the focus, and the same words are selected");
  // One that stalls, now on top, goes back down.
  await rows.first().getByRole("link").focus();
  await page.evaluate(() => (window.link = document.activeElement));
  await until("the order changes back", 40, async () => (await first()) === "us-east-1 → eu-west-1");
  assert.ok(await holds(), "the same link has the focus, and the same words are selected");
  await close(page);
});

test("Tab reaches every cell and shows where it is, Enter opens the pair, and the way back leads back", async () => {
  const page = await open(browser, gauge);
  await page.goto(gauge.origin);
  const wanted = await page.locator(".matrix td a").count();
  const reached = new Set();
  let stops = 0;
  for (; stops < 200 && reached.size < wanted; stops += 1) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    assert.ok(at.outline >= 2, `focus is to be seen on ${at.name}`);
    if (at.isCell) reached.add(await page.evaluate(() => document.activeElement.getAttribute("href")));
  }
  assert.equal(reached.size, wanted, `after ${stops} stops`);

  const link = page.getByRole("link", { name: /^us-east-1 to eu-west-1: / }).first();
  await link.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\?store=orders&source_region=us-east-1&target_region=eu-west-1$/);
  assert.equal(await page.locator(".matrix a[aria-current=true]").count(), 1, "it is marked in the matrix");
  assert.equal(await page.getByRole("link", { name: /^us-east-1 to eu-west-1: / }).first().getAttribute("aria-current"), "true");
  // The key for it is the browser's own, and without a window it has none.
  await page.goBack();
  await page.waitForURL(`${gauge.origin}/`);
  assert.equal(await page.locator(".matrix td a").count(), wanted);
  await close(page);
});

test("a refresh leaves the focus, what is selected, what is open, and what is in view", async () => {
  const page = await open(browser, gauge, { viewport: { width: 1000, height: 500 } });
  await page.goto(gauge.origin);
  await refreshed(page);
  await page.locator(".matrix td a").nth(13).focus();
  const state = () =>
    page.evaluate(() => ({
      selected: String(getSelection()),
      left: window.scrolled.map((one) => (one.isConnected ? one.scrollLeft : "gone")),
      open: [...document.querySelectorAll("details")].map((one) => one.open),
      focus: document.activeElement === window.cell,
    }));
  const before = await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    window.cell = document.activeElement;
    window.cell.scrollIntoView({ block: "start" });
    // Those that are wide enough to stay so when a number gets shorter.
    const lists = [...document.querySelectorAll(".scroll")];
    window.scrolled = lists.filter((one) => one.scrollWidth > one.clientWidth + 40);
    for (const one of window.scrolled) one.scrollLeft = 15;
    getSelection().selectAllChildren(document.querySelector("ul.legend"));
    return window.cell.getBoundingClientRect().top;
  });
  const then = await state();
  assert.ok(then.selected.length > 50 && then.left.includes(15) && then.focus, JSON.stringify(then));
  await refreshed(page, 3);
  assert.deepEqual(await state(), then);
  // What comes and goes above it moves the page, and not what somebody looks at.
  const moved = (await page.evaluate(() => window.cell.getBoundingClientRect().top)) - before;
  assert.ok(Math.abs(moved) <= 2, `it has moved by ${moved} px`);
  await close(page);
});
