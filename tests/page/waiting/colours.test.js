// Colour is never all that tells a state.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cells, close, launch, open } from "../support/browser.js";
import { inEveryState, startInEveryState } from "../support/states.js";

const DEFICIENCIES = ["none", "achromatopsia", "deuteranopia", "protanopia", "tritanopia"];
const SIGNS = { lagging: "▲", ok: "●", read_failing: "✕", stalled: "■", throttled: "◆", unknown: "?", write_failing: "⊘" };

let browser, gauge;
before(async () => {
  [browser, gauge] = await Promise.all([launch(), startInEveryState()]);
});
after(async () => {
  await browser?.close();
  await gauge?.stop();
});

test("a state is told by its sign and in words, to whoever sees no colours, in light and in dark", async () => {
  const page = await open(browser, gauge);
  await page.goto(gauge.origin);
  await inEveryState(page);
  const session = await page.context().newCDPSession(page);
  for (const [colorScheme, types] of [["light", DEFICIENCIES], ["dark", ["achromatopsia"]]]) {
    await page.emulateMedia({ colorScheme });
    for (const type of types) {
      await session.send("Emulation.setEmulatedVisionDeficiency", { type });
      for (const cell of await cells(page)) {
        assert.equal(cell.sign, SIGNS[cell.state], `${cell.name}, ${type}`);
        const word = cell.state.replace("_", " ");
        if (cell.state !== "ok") assert.equal(cell.word, word, cell.name);
        assert.ok(cell.name.includes(`: ${word}, `), cell.name);
      }
      // Not only in the document: as they are painted, no two signs look the same to who sees no colour at all.
      if (type !== "achromatopsia") continue;
      const pictures = new Map();
      for (const sign of await page.locator("ul.legend .sign").all()) {
        const looks = (await sign.screenshot({ caret: "initial" })).toString("base64");
        const shape = await sign.textContent();
        assert.ok(!pictures.has(looks) || pictures.get(looks) === shape, `${shape} looks like ${pictures.get(looks)}, ${type}`);
        pictures.set(looks, shape);
      }
      assert.equal(pictures.size >= new Set(Object.values(SIGNS)).size, true, type);
    }
  }
  await close(page);
});

// Of two colours, after WCAG 2.1.
function contrast(one, other) {
  const [light, dark] = [one, other]
    .map((colour) => {
      const [red, green, blue] = colour.map((part) => {
        const share = part / 255;
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);

test("what stands on stripes can be read on each of them, and no two kinds of state have one background", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, gauge, { colorScheme });
    await page.goto(gauge.origin);
    const all = await inEveryState(page);
    const backgrounds = new Map(all.map((cell) => [cell.state, `${cell.colour} ${cell.image}`]));
    // Both are failures, and signs and words tell which.
    assert.equal(backgrounds.get("read_failing"), backgrounds.get("write_failing"));
    assert.equal(new Set(backgrounds.values()).size, backgrounds.size - 1, [...backgrounds].join("\n"));
    const [ink, paper, stripes, silent] = await page.evaluate(() => {
      const cell = document.querySelector("td.unknown");
      const stripes = getComputedStyle(cell).backgroundImage;
      const colours = [getComputedStyle(cell).color, getComputedStyle(document.body).backgroundColor, stripes];
      // It takes a second gauge to come into this one: that it looks like `unknown` is enough.
      cell.className = "writer_silent";
      return [...colours, getComputedStyle(cell).backgroundImage];
    });
    assert.equal(silent, stripes);
    const stripe = rgb(stripes.match(/rgb\([^)]*\)/)[0]);
    for (const background of [stripe, rgb(paper)]) {
      const found = contrast(rgb(ink), background);
      assert.ok(found >= 4.5, `${colorScheme}: ${ink} on ${background} is ${found.toFixed(2)} to 1`);
    }
    await close(page);
  }
});

test("what is written in a drawing can be read", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, gauge, { colorScheme });
    await page.goto(`${gauge.origin}/?store=broken&source_region=us-east-1&target_region=eu-west-1`);
    const found = await page.evaluate(() => {
      const paper = getComputedStyle(document.body).backgroundColor;
      return [...document.querySelectorAll("svg text")].map((text) => {
        // A state's sign stands on the state's field.
        const name = [...text.classList].join(".");
        const field = text.matches(".field") && text.closest("svg").querySelector(`.${name}:not(text)`);
        return [text.textContent, getComputedStyle(text).fill, field ? getComputedStyle(field).fill : paper];
      });
    });
    assert.ok(found.length > 10, "there is something written");
    for (const [text, ink, background] of found) {
      const value = contrast(rgb(ink), rgb(background));
      assert.ok(value >= 4.5, `${colorScheme}: ${text}: ${ink} on ${background} is ${value.toFixed(2)} to 1`);
    }
    await close(page);
  }
});
