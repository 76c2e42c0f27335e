// Gauges as processes on free loopback ports. Each is ended by its own id.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
// The project's, of which this may be a copy under target/.
let root = HERE;
while (!existsSync(join(root, "Cargo.toml"))) root = dirname(root);
const BINARY = resolve(root, process.env.GAUGE ?? "target/debug/tidegauge");

async function freePort() {
  const probe = createServer();
  await new Promise((done, failed) => probe.once("error", failed).listen(0, "127.0.0.1", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

// Calls `look` until it gives something that is true, and gives that. What it says of a failure is `what`.
export async function until(what, seconds, look) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(100);
  }
}

export class Gauge {
  // `args` as on the command line, such as ["demo"]. Answers once what it serves at `path` is all right.
  static async start(args, port, path = "/-/ready") {
    const gauge = new Gauge();
    gauge.port = port ?? (await freePort());
    gauge.origin = `http://127.0.0.1:${gauge.port}`;
    gauge.folder = mkdtempSync(join(tmpdir(), "tidegauge-page-"));
    gauge.log = join(gauge.folder, "log");
    const log = openSync(gauge.log, "w");
    gauge.child = spawn(BINARY, args, {
      cwd: root,
      // Nothing of the caller's settings: what is tested is the same everywhere.
      env: { PATH: process.env.PATH, TIDEGAUGE__SERVER__LISTEN: `127.0.0.1:${gauge.port}` },
      stdio: ["ignore", log, log],
    });
    gauge.startedAt = performance.now();
    let trouble;
    gauge.child.once("error", (error) => (trouble = error));
    gauge.ended = new Promise((done) => gauge.child.once("exit", done));
    try {
      await until("the gauge answers", 20, async () => {
        if (trouble) throw trouble;
        if (gauge.child.exitCode !== null) throw new Error(`the gauge ended:\n${readFileSync(gauge.log, "utf8")}`);
        return fetch(`${gauge.origin}${path}`).then((answer) => answer.ok, () => false);
      });
    } catch (error) {
      await gauge.stop();
      throw error;
    }
    return gauge;
  }

  // Seconds since its process was started.
  get age() {
    return (performance.now() - this.startedAt) / 1000;
  }

  signal(name) {
    this.child.kill(name);
  }

  async stop() {
    if (this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) {
      // One that hangs takes no other signal.
      this.child.kill("SIGKILL");
      await this.ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// A file of the project's, and one of these tests.
export const theProject = (name) => join(root, name);
export const ours = (name) => join(HERE, "..", name);
