// A gauge that says nothing any more, and a page that nobody looks at.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { close, launch, open, refreshed } from "../support/browser.js";
import { Gauge, theProject } from "../support/gauge.js";
import { replay } from "../support/replay.js";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

// How long a page may show what is no longer so without a word, in milliseconds.
const WITHIN = 12_000;
const BROKEN = [/^error: Failed to load resource: net::ERR_/];

async function tellsThatItIsOld(page) {
  const alert = page.getByRole("alert");
  await alert.waitFor({ timeout: WITHIN });
  assert.match(await alert.textContent(), /^No answer from the gauge \(.+\): this is old, as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.$/);
  assert.match(await page.title(), /^Old: /);
  const filter = await page.locator("main").evaluate((main) => getComputedStyle(main).filter);
  assert.equal(filter, "grayscale(1)", "nothing on it has the colour of what is so now");
}

async function isLive(page) {
  await page.getByRole("alert").waitFor({ state: "detached", timeout: 15_000 });
  assert.doesNotMatch(await page.title(), /^Old/);
  assert.equal(await page.locator("main").evaluate((main) => getComputedStyle(main).filter), "none");
  await refreshed(page);
}

// Each has a gauge of its own, and waits.
describe("a page without news", { concurrency: true }, () => {
  test("a gauge that hangs is told of in time, in the same words all along, and heals", { timeout: 60_000 }, async () => {
    const gauge = await Gauge.start(["demo"]);
    try {
      const page = await open(browser, gauge, {}, BROKEN);
      await page.goto(gauge.origin);
      await refreshed(page);
      gauge.signal("SIGSTOP");
      await tellsThatItIsOld(page);
      const told = await page.getByRole("alert").textContent();
      await sleep(9000);
      assert.equal(await page.getByRole("alert").textContent(), told, "it is not read out again and again");
      gauge.signal("SIGCONT");
      await isLive(page);
      await close(page);
    } finally {
      await gauge.stop();
    }
  });

  test("a gauge that was killed is told of in time, and its successor heals the page", { timeout: 60_000 }, async () => {
    const gauge = await Gauge.start(["demo"]);
    let successor;
    try {
      const page = await open(browser, gauge, {}, BROKEN);
      await page.goto(gauge.origin);
      await refreshed(page);
      gauge.signal("SIGKILL");
      await gauge.ended;
      await tellsThatItIsOld(page);
      successor = await Gauge.start(["demo"], gauge.port);
      await isLive(page);
      await close(page);
    } finally {
      await gauge.stop();
      await successor?.stop();
    }
  });

  test("over a slow link an answer that takes long is told of, and taken when it is there", { timeout: 90_000 }, async () => {
    const gauge = await Gauge.start(["demo"]);
    // Nothing for 5 s, twice: no silence, and more than a page should wait for without a word.
    const source = await replay(gauge, 3, 5000);
    try {
      const page = await open(browser, source);
      await page.goto(source.origin);
      await refreshed(page);
      source.slow = true;
      const alert = page.getByRole("alert");
      await alert.waitFor({ timeout: 20_000 });
      assert.match(await alert.textContent(), /^The answer takes long to arrive: this is old, as of /);
      // The one that is on its way comes as slowly all the same, and is taken.
      source.slow = false;
      await isLive(page);
      await close(page);
    } finally {
      await source.stop();
      await gauge.stop();
    }
  });

  test("a page that was not asked for a while is not taken for new before it is answered", { timeout: 40_000 }, async () => {
    const gauge = await Gauge.start(["demo"]);
    try {
      const page = await open(browser, gauge, {}, BROKEN);
      await page.goto(gauge.origin);
      await refreshed(page);
      gauge.signal("SIGSTOP");
      // The host slept for an hour.
      await page.evaluate(() => {
        const { now } = Date;
        Date.now = () => now() + 3_600_000;
        document.dispatchEvent(new Event("visibilitychange"));
      });
      const alert = page.getByRole("alert");
      await alert.waitFor({ timeout: 1000 });
      assert.match(await alert.textContent(), /^Not asked for a while: this is old, as of /);
      gauge.signal("SIGCONT");
      await isLive(page);
      await close(page);
    } finally {
      await gauge.stop();
    }
  });

  test("a page that nobody looks at asks for nothing, and is up to date as soon as somebody does", { timeout: 40_000 }, async () => {
    const gauge = await Gauge.start(["demo"]);
    try {
      const page = await open(browser, gauge);
      // Without a window no page is ever hidden: it is told that it is.
      await page.addInitScript(() => {
        window.isHidden = false;
        Object.defineProperty(document, "hidden", { get: () => window.isHidden });
        window.hide = (isHidden) => {
          window.isHidden = isHidden;
          document.dispatchEvent(new Event("visibilitychange"));
        };
      });
      let asked = 0;
      page.on("request", () => (asked += 1));
      await page.goto(gauge.origin);
      await refreshed(page);
      await page.evaluate(() => window.hide(true));
      // One that was under way.
      await sleep(1000);
      const before = asked;
      await sleep(5000);
      assert.equal(asked, before, "nobody looks");
      const [request] = await Promise.all([page.waitForRequest(() => true, { timeout: 1000 }), page.evaluate(() => window.hide(false))]);
      assert.equal(request.url(), `${gauge.origin}/`);
      await refreshed(page);
      await close(page);
    } finally {
      await gauge.stop();
    }
  });

  test("settings that are refused are told of while they are, and nothing else of the page is old", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tidegauge-settings-"));
    const file = join(folder, "tidegauge.toml");
    const right = readFileSync(theProject("config/demo.toml"), "utf8");
    // It starts with settings that are wrong, and says so instead of ending.
    writeFileSync(file, `on_bad_settings = "serve"\n${right}`.replace("warn_lag", "warn_leg"));
    const gauge = await Gauge.start(["--config", file, "run"], undefined, "/-/healthy");
    try {
      const page = await open(browser, gauge, {}, [/^error: Failed to load resource: .* 503/], [503]);
      await page.goto(gauge.origin);
      const refused = page.getByRole("region", { name: "Settings refused" });
      assert.match(await page.getByRole("status").textContent(), /^Everything is unknown/);
      assert.match(await refused.textContent(), /None are in use, .*warn_leg/);
      await refreshed(page);
      writeFileSync(file, right);
      gauge.signal("SIGHUP");
      await refused.waitFor({ state: "detached", timeout: 15_000 });
      await page.getByRole("status").filter({ hasText: "All 20 region pairs are ok" }).waitFor({ timeout: 15_000 });
      writeFileSync(file, right.replace("warn_lag", "warn_leg"));
      gauge.signal("SIGHUP");
      await refused.waitFor({ timeout: 15_000 });
      assert.match(await refused.textContent(), /Those in use are of \d{4}-.*warn_leg/);
      assert.match(await page.getByRole("status").textContent(), / of 20 region pairs| 20 region pairs/);
      await close(page);
    } finally {
      await gauge.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
