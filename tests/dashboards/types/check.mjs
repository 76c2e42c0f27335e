// `node check.mjs DASHBOARDS`: holds the dashboards in a folder against shape.ts.
//
// They are written out as TypeScript first, as the compiler looks for unknown keys in literals alone: each as a whole, and each
// of its panels. Beside them come copies with a key too many, of which the compiler has to complain, or it would not see any.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = resolve(process.argv[2]);
const WRONG = 'noSuchKey';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
rmSync('generated', { recursive: true, force: true });
mkdirSync('generated');

const literal = (value) => JSON.stringify(value, null, 2);

/** A constant of a type. Where its value has the wrong key, the compiler has to say so there. */
const constant = (name, type, value) => {
  const text = literal(value).replace(new RegExp(`^( *)("${WRONG}":.*)$`, 'gm'), '$1// @ts-expect-error\n$1$2');
  return `export const ${name}: ${type} = ${text};\n`;
};

const header = "import type { Dashboard, Panels } from '../shape';\n\n";

/** Places in a panel at which a key too many is put, each in a copy of its own. */
const places = [
  (panel) => panel,
  (panel) => panel.gridPos,
  (panel) => panel.options,
  (panel) => panel.targets?.[0],
  (panel) => panel.fieldConfig?.defaults,
  (panel) => panel.fieldConfig?.defaults.custom,
  (panel) => panel.fieldConfig?.defaults.color,
  (panel) => panel.options?.legend,
];

const all = (panels = []) => panels.flatMap((panel) => [panel, ...all(panel.panels)]);
const typeOf = (panel) => `Panels[${JSON.stringify(panel.type)}]`;

const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
let count = 0;
let mutants = 0;
const seen = new Set();
for (const file of names) {
  const name = basename(file, '.json');
  const dashboard = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const panels = all(dashboard.panels);
  count += panels.length;
  writeFileSync(
    `generated/${name}.ts`,
    header +
      constant('whole', 'Dashboard', dashboard) +
      panels.map((panel, index) => constant(`panel${index}`, typeOf(panel), panel)).join(''),
  );

  let wrong = header;
  const mutate = (value, type, place) => {
    const copy = structuredClone(value);
    const at = place(copy);
    if (!at || !Object.keys(at).length) return;
    at[WRONG] = 1;
    wrong += constant(`mutant${mutants}`, type, copy);
    mutants += 1;
  };
  mutate(dashboard, 'Dashboard', (one) => one);
  mutate(dashboard, 'Dashboard', (one) => one.templating?.list?.[0]);
  for (const panel of panels) {
    if (seen.has(panel.type)) continue;
    seen.add(panel.type);
    for (const place of places) mutate(panel, typeOf(panel), place);
  }
  writeFileSync(`generated/${name}-wrong.ts`, wrong);
}
if (!count) throw new Error(`there is no panel in ${folder}`);
console.log(`types: ${names.length} dashboards, ${count} panels; ${mutants} copies with a key too many have to be refused`);
process.exit(spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' }).status ?? 1);
