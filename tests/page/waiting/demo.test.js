// The demo, as somebody watches it who has just been paged.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cells, close, launch, open, picture } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";

// In `orders` replication to this region stalls, from 20 s to 40 s after the start.
const STALLED = "ap-southeast-2";

let browser, gauge;
before(async () => {
  [browser, gauge] = await Promise.all([launch(), Gauge.start(["demo"])]);
});
after(async () => {
  await browser?.close();
  await gauge?.stop();
});

const leadsTo = (cell, store, target) => {
  const query = new URLSearchParams(cell.href);
  return query.get("store") === store && query.get("target_region") === target;
};

const allOk = async (page) => {
  const all = await cells(page);
  return all.length === 20 && all.every((cell) => cell.state === "ok") && all;
};

test("a stall turns its cells and no others, names its cause and the safe read, and heals, all without a reload", async () => {
  const page = await open(browser, gauge, { colorScheme: "light" });
  await page.goto(gauge.origin);
  await page.evaluate(() => (window.opened = true));

  const calm = await until("all is ok", 15, () => allOk(page));
  assert.match(await page.title(), /^All 20 region pairs are ok/);
  assert.equal(await page.locator("#summary").textContent(), "All 20 region pairs are ok");
  const orders = page.locator("section.store").first();
  const advice = orders.locator("dl.advice");
  // What is advised, with its reason: all that is not the local read, and then those that are.
  const advised = async () => {
    const [terms, reasons] = [await advice.locator("dt").allTextContents(), await advice.locator("dd").allTextContents()];
    return terms.map((term, place) => ({ term, reason: reasons[place] ?? "" }));
  };
  // On a host that is busy a read comes late now and then, and what is advised becomes less cautious after a dwell alone.
  const isCalm = ({ term, reason }) => term.endsWith(" read_local") || /less cautious/.test(reason);
  await until("nothing speaks against local reads", 10, async () => (await advised()).every(isCalm));
  const ok = calm[0].colour;
  assert.ok(calm.every((cell) => cell.colour === ok), "one colour means ok");
  assert.ok(gauge.age < 20, "looked before the stall began");

  const isStalled = (cell) => leadsTo(cell, "orders", STALLED);
  await until("the stall shows", 35, async () => {
    const all = await cells(page);
    return all.filter(isStalled).every((cell) => cell.state === "stalled");
  });
  const all = await cells(page);
  for (const cell of all.filter((one) => !isStalled(one))) assert.equal(cell.state, "ok", cell.name);
  const turned = all.filter(isStalled);
  assert.equal(turned.length, 2);
  for (const cell of turned) {
    assert.notEqual(cell.colour, ok);
    assert.equal(cell.sign, "■");
    assert.equal(cell.word, "stalled");
    assert.match(cell.lag, /^\d+(\.\d+)? s$/);
    assert.match(cell.name, /^(us-east-1|eu-west-1) to ap-southeast-2: stalled, \d+(\.\d+)? s late$/);
  }
  assert.match(await page.title(), /^2 of 20 region pairs are not ok: 2 stalled/);
  assert.equal(await page.locator("#summary").textContent(), "2 of 20 region pairs are not ok: 2 stalled");
  // The list has them first.
  for (const [place, source] of ["us-east-1", "eu-west-1"].entries()) {
    const row = orders.locator("table.list").first().locator("tbody tr").nth(place);
    assert.equal(await row.locator("th").textContent(), `${source} → ${STALLED}`);
    const cause = `^${source} writes, but nothing new has become visible in ${STALLED} for [\\d.]+ s`;
    assert.match(await row.locator("td.why").textContent(), new RegExp(cause));
  }
  await until("the advice turns", 8, async () => {
    const turned = (await advised()).filter((one) => !isCalm(one));
    if (turned.length !== 1) return false;
    assert.equal(turned[0].term, `Who reads in ${STALLED}: read in the item's home region read_home_region`);
    assert.match(turned[0].reason, new RegExp(`${STALLED}.* old`));
    return true;
  });

  // Late in the stall there is most to see. Only where pictures are asked for: nothing waits for it otherwise.
  if (process.env.PICTURES) {
    await until("the stall is old", 20, () => gauge.age > 36);
    // From the summary down to the advice.
    await page.setViewportSize({ width: 1280, height: 1200 });
    await picture(page, "page");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "page-dark");
    await page.emulateMedia({ colorScheme: "light" });
  }

  await until("it heals", 30, () => allOk(page));
  assert.ok(gauge.age > 39, "not before the stall was over");
  assert.equal(await page.locator("#summary").textContent(), "All 20 region pairs are ok");
  await until("the advice heals, or says what it waits for", 20, async () => (await advised()).every(isCalm));
  assert.equal(await page.evaluate(() => window.opened), true, "it was never loaded anew");
  // What happened is still to be seen: in each pair's line of the last hour.
  const lines = await orders.locator("svg.spark").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
  assert.equal(lines.filter((line) => /min with trouble/.test(line)).length, 2, lines.join("\n"));
  await close(page);
});
