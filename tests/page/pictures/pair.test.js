// A pair as it looks after some minutes. For the documents: what is promised of it is tried elsewhere.
import { after, before, test } from "node:test";
import { close, launch, open, picture, refreshed } from "../support/browser.js";
import { Gauge, until } from "../support/gauge.js";

let browser, gauge;
before(async () => {
  [browser, gauge] = await Promise.all([launch(), Gauge.start(["demo"])]);
});
after(async () => {
  await browser?.close();
  await gauge?.stop();
});

test("a pair of the demo after a stall and a slow half minute", { timeout: 360_000 }, async () => {
  await until("there is something to see", 300, () => gauge.age > 230);
  const page = await open(browser, gauge, { colorScheme: "light" });
  await page.goto(`${gauge.origin}/?store=orders&source_region=us-east-1&target_region=ap-southeast-2`);
  await refreshed(page);
  await picture(page, "page-pair");
  await close(page);
});
