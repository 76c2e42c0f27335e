// Answers that a gauge gave, given again: what a browser makes of them does not depend on how fast the gauge is.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "./gauge.js";

async function recorded(gauge, path) {
  return until(`an answer to ${path}`, 120, async () => {
    const answer = await fetch(gauge.origin + path, { headers: { accept: "text/html" } });
    if (!answer.ok) return null;
    // The body may have come compressed, and goes out as it is.
    const skipped = ["content-encoding", "content-length", "transfer-encoding", "connection", "date"];
    const headers = [...answer.headers].filter(([name]) => !skipped.includes(name));
    return { headers: Object.fromEntries(headers), body: Buffer.from(await answer.arrayBuffer()) };
  });
}

// A server of the page's parts, and of so many states of the page itself, in turn. While it is `slow`, the page comes in pieces
// that are `pause` milliseconds apart.
export async function replay(gauge, states, pause = 0) {
  const pages = [];
  while (pages.length < states) {
    pages.push(await recorded(gauge, "/"));
    // The page tells the second that it was made in, and no two are to be the same.
    await sleep(1100);
  }
  const parts = new Map();
  for (const path of ["/style.css", "/script.js"]) parts.set(path, await recorded(gauge, path));
  let asked = 0;
  const given = { slow: false };
  const server = createServer(async (request, response) => {
    const answer = request.url === "/" ? pages[asked++ % pages.length] : parts.get(request.url);
    if (!answer) return response.writeHead(404).end();
    response.writeHead(200, answer.headers);
    const pieces = given.slow && request.url === "/" ? 3 : 1;
    const size = Math.ceil(answer.body.length / pieces);
    for (let piece = 0; piece < pieces; piece += 1) {
      if (piece > 0) await sleep(pause);
      response.write(answer.body.subarray(piece * size, (piece + 1) * size));
    }
    response.end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return Object.assign(given, {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  });
}
