//! The rules of the house that no compiler knows, held against the source itself.

use std::fs;
use std::path::{Path, PathBuf};
#[cfg(feature = "cosmos")]
use std::process::Command;

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

/// What is built with these kinds of dependencies, and with which features: as cargo resolves it, without the network. What
/// it needs is there, as this test was built from it.
#[cfg(feature = "cosmos")]
fn tree(edges: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--prefix", "none", "-e", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap()
}

#[cfg(feature = "cosmos")]
#[test]
fn the_release_binary_does_not_contain_the_emulator() {
    let emulator = "in_memory_emulator";
    assert!(tree("normal,dev,features").contains(emulator), "the tests have it, or it has another name by now");
    let released = tree("normal,build,features");
    assert!(released.contains("azure_data_cosmos v1"), "{released}");
    let found: Vec<&str> = released.lines().filter(|line| line.contains(emulator)).collect();
    assert!(found.is_empty(), "what is for tests alone must not be a dependency of the daemon: {found:#?}");
}
