// `node operator.mjs FILE`: holds objects of the Prometheus Operator, a list of them in JSON, against its own types.
//
// Validators see wrong values. Unknown keys, which a cluster would drop without a word, are the compiler's to see, in
// literals; copies with a key too many show that it does.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as models from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const objects = JSON.parse(readFileSync(resolve(process.argv[2]), 'utf8'));
const WRONG = 'noSuchKey';

/** Places at which a key too many is put, each in a copy of its own. */
const places = [
  (one) => one.spec,
  (one) => one.spec.podMetricsEndpoints?.[0],
  (one) => one.spec.podMetricsEndpoints?.[0].tlsConfig,
  (one) => one.spec.podMetricsEndpoints?.[0].authorization,
  (one) => one.spec.groups?.[0],
  (one) => one.spec.groups?.[0].rules[0],
];

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
rmSync('generated', { recursive: true, force: true });
mkdirSync('generated');

let text = '';
const constant = (name, value) => {
  const wrong = new RegExp(`^( *)("${WRONG}":.*)$`, 'gm');
  const literal = JSON.stringify(value, null, 1).replace(wrong, '$1// @ts-expect-error\n$1$2');
  text += `export const ${name}: I${value.kind} = ${literal};\n`;
};

let failed = false;
let copies = 0;
const seen = new Set();
objects.forEach((object, index) => {
  // Azure's managed Prometheus has the same objects in a group of its own.
  const one = { ...object, apiVersion: object.apiVersion.replace(/^azmonitoring\./, 'monitoring.') };
  const model = models[one.kind];
  if (!model) throw new Error(`the operator knows no ${one.kind}`);
  try {
    new model(one).validate();
  } catch (error) {
    failed = true;
    console.log(`${one.kind} ${one.metadata.name}: ${error.message}`);
  }
  seen.add(one.kind);
  constant(`object${index}`, one);
  for (const place of places) {
    const copy = structuredClone(one);
    const at = place(copy);
    if (!at) continue;
    at[WRONG] = 1;
    constant(`copy${copies}`, copy);
    copies += 1;
  }
});
if (!copies) throw new Error('there is nothing to hold against the types');
const kinds = [...seen].map((kind) => `I${kind}`).join(', ');
writeFileSync(
  'generated/objects.ts',
  `import type { ${kinds} } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';\n\n${text}`,
);
const told = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
process.exit(failed ? 1 : (told.status ?? 1));
