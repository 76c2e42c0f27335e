//! The rules of the house that no compiler knows, held against the source itself.

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below a folder, with its text.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Where any of the words stands in code; what comments say is free.
fn mentions(files: &[(PathBuf, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(**word)) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    found
}

#[test]
fn the_core_is_pure() {
    let core = files(&source().join("core"));
    assert!(core.len() > 10, "the core has moved: {core:?}");
    let impure = [
        "tokio::",
        ".await",
        "async ",
        "SystemTime",
        "Instant::now",
        "std::env",
        "std::fs",
        "std::net",
        "std::thread",
        "rand::rng(",
        "rand::random",
        "crate::stores",
        "crate::driver",
    ];
    let found = mentions(&core, &impure);
    assert!(found.is_empty(), "the core does nothing itself, and is handed what it needs: {found:#?}");
}

#[test]
fn one_file_asks_the_time() {
    let all = files(&source());
    let (clock, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(path, _)| *path == source().join("clock.rs"));
    let words = ["Instant::now", "SystemTime::now"];
    assert!(!mentions(&clock, &words).is_empty(), "the clock has moved");
    let found = mentions(&others, &words);
    assert!(found.is_empty(), "take the time as an argument: {found:#?}");
}
