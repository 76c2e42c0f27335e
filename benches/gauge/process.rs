//! What the kernel says of a process.

use std::fs;

/// Kernel ticks per second in /proc, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that a process has used so far, user and system.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name may hold spaces: fields count from its closing bracket.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
    (ticks(14) + ticks(15)) / TICKS_PER_SECOND
}

/// A line of /proc/…/status, in MiB.
pub fn mebibytes(process: &str, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).trim().parse::<f64>().unwrap() / 1_024.0
}
