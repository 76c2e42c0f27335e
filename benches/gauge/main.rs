//! Measures the gauge against its budgets: `cargo bench --bench gauge [-- widths|cpu|fleet|advice]`.
//!
//! Times are ratios to a floor in the same run. Nothing is asserted: it prints what it finds, budget beside it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measuring program ends by panicking")]
#![allow(dead_code, reason = "shared with the tests, which use the rest")]

#[path = "../../tests/support/lab/mod.rs"]
mod lab;
#[path = "../../tests/support/sim/mod.rs"]
mod sim;

mod advice;
mod cpu;
mod fleet;
mod process;
mod widths;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match wanted.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve-lab", cloud] => return cpu::serve_lab(cloud),
        ["cpu-within", cloud] => return cpu::within(cloud),
        ["serve-advice", port, floor_port] => return advice::serve(port, floor_port),
        _ => {}
    }
    let wants = |what: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == what);
    if wants("widths") {
        widths::hostile();
        widths::against_fixed();
        widths::after_a_change();
    }
    if wants("cpu") {
        cpu::against_a_bare_loop();
    }
    if wants("fleet") {
        fleet::fifteen_hundred_pairs();
    }
    if wants("advice") {
        advice::against_an_empty_handler();
    }
}
