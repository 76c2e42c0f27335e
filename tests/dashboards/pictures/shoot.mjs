// `node shoot.mjs FOLDER PICTURES`: takes a picture of each dashboard with the data that FOLDER/<name>.json has of it.
//
// Grafana's own components draw it, in a headless Chromium, from files on loopback. No panel may be empty, or complain, but those
// that the data says are; nothing may be asked for elsewhere.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import png from 'upng-js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const [folder, pictures] = process.argv.slice(2).map((path) => resolve(path));
// What Grafana's components ask the Grafana that they are usually served by for, and where it is here.
const PUBLIC = [
  [/^\/public\/build\/img\/icons\/([\w/-]+\.svg)$/, 'node_modules/@grafana/ui/dist/public/img/icons/$1'],
  [/^\/public\/fonts\/inter\/Inter-\w+\.woff2$/, 'node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2'],
];
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
// What a page may need until all of its panels are drawn.
const SETTLED_SECONDS = 3;
const COLORS = 256;

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

const HTML = `<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
<script>window.__grafana_public_path__ = '/public/';</script>
<style>
  html { font-size: 14px; }
  body { margin: 0; background: #111217; }
  .nothing { display: flex; height: 100%; align-items: center; justify-content: center; opacity: .7; }
  .head { display: flex; gap: 16px; padding: 14px 8px 0; color: #ccccdc; }
  .head i { font-style: normal; background: #181b1f; border: 1px solid #34363b; border-radius: 2px; padding: 2px 8px; }
</style></head><body><div id="root"></div><script type="module" src="page.js"></script></body></html>`;

// Grafana builds its tables on a fork of react-data-grid for the React that it has, which no registry has. Of the one that it was
// forked from, which is for a newer React, a context's provider is what is missing there.
const olderReact = {
  name: 'older-react',
  setup({ onLoad }) {
    onLoad({ filter: /react-data-grid\/lib\/index\.js$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8').replace(/\b(jsxs?)\((\w+Context), \{/g, '$1($2.Provider, {');
      return { contents, loader: 'js' };
    });
  },
};

async function bundle() {
  const built = await build({
    plugins: [olderReact],
    entryPoints: [join(HERE, 'src/page.jsx')],
    bundle: true,
    write: false,
    outdir: '/',
    format: 'esm',
    jsx: 'automatic',
    minify: false,
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    // Of parts that no panel needs.
    loader: { '.svg': 'empty', '.ttf': 'empty' },
    logLevel: 'error',
  });
  return new Map(built.outputFiles.map((file) => [file.path, file.contents]));
}

function serve(files, data) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://here');
    let body = files.get(pathname);
    if (pathname === '/') body = HTML;
    if (pathname === '/data.json') body = data;
    for (const [pattern, place] of PUBLIC) {
      const path = join(HERE, pathname.replace(pattern, place));
      if (pattern.test(pathname) && existsSync(path)) body = readFileSync(path);
    }
    response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': TYPES[extname(pathname)] ?? 'text/html' });
    response.end(body);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

/** With fewer colours, it is less than half as large. */
function small(picture) {
  const decoded = png.decode(picture);
  return Buffer.from(png.encode(png.toRGBA8(decoded), decoded.width, decoded.height, COLORS));
}

async function shoot(browser, name, files) {
  const text = readFileSync(join(folder, `${name}.json`), 'utf8');
  const { empty: mayBeEmpty } = JSON.parse(text);
  const server = await serve(files, text);
  const complaints = [];
  const page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, timezoneId: 'UTC', locale: 'en-US' });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()} ${message.location().url ?? ''}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.stack ?? error}`));
  const origin = `http://127.0.0.1:${server.address().port}`;
  await page.route('**/*', (route) => {
    const url = route.request().url();
    if (url.startsWith(origin) || url.startsWith('data:') || url.startsWith('blob:')) return route.continue();
    complaints.push(`asked for ${url}`);
    return route.abort();
  });
  try {
    await page.goto(`${origin}/`);
    await page.waitForFunction(() => window.shown, null, { timeout: 30_000 });
    await page.setViewportSize({ width: 1400, height: await page.evaluate(() => document.getElementById('dashboard').offsetHeight) });
    await page.waitForTimeout(SETTLED_SECONDS * 1000);
    const shown = Object.values(await page.evaluate(() => window.shown));
    for (const panel of shown) {
      if (panel.error) complaints.push(`${panel.title} (${panel.type}): ${panel.error}`);
      if (panel.empty && !mayBeEmpty.includes(panel.title)) complaints.push(`${panel.title} (${panel.type}): shows nothing`);
    }
    const picture = small(await page.locator('#dashboard').screenshot());
    writeFileSync(join(pictures, `dashboard-${name}.png`), picture);
    const empty = shown.filter((panel) => panel.empty).length;
    console.log(`pictures: ${name}: ${shown.length} panels, ${empty} of them empty; ${Math.round(picture.length / 1024)} KB`);
    return complaints.map((complaint) => `${name}: ${complaint}`);
  } finally {
    await page.close();
    server.close();
  }
}

const files = await bundle();
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const complaints = [];
  const names = readdirSync(folder).filter((file) => extname(file) === '.json');
  for (const file of names) complaints.push(...(await shoot(browser, basename(file, '.json'), files)));
  for (const complaint of complaints) console.error(`pictures: ${complaint}`);
  process.exitCode = complaints.length || !names.length ? 1 : 0;
} finally {
  await browser.close();
}
