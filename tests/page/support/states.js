// A gauge whose stores are in every state that simulated ones come into.
import { cells } from "./browser.js";
import { Gauge, ours, until } from "./gauge.js";

export const STATES = ["lagging", "ok", "read_failing", "stalled", "throttled", "unknown", "write_failing"];

export const startInEveryState = () => Gauge.start(["--config", ours("states.toml"), "run"]);

// The cells, once every state is among them.
export function inEveryState(page) {
  return until("every state shows", 50, async () => {
    const all = await cells(page);
    const states = [...new Set(all.map((cell) => cell.state))].sort();
    return states.join() === STATES.join() && all;
  });
}
