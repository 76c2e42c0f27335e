//! Tests that need an environment of their own, which belongs to a whole process.

use std::any::type_name;
use std::process::Command;

/// Set in the process that a test runs alone in.
const ALONE: &str = "TEST_RUNS_ALONE";

/// Runs a test in a process of its own that has these variables, and none of this machine's by which an SDK would find
/// credentials. The test is found by its function's name: hand over an `async` closure written in it.
pub fn alone<Test: AsyncFnOnce()>(variables: &[(&str, &str)], test: Test) {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.unwrap().block_on(test());
    }
    let path = type_name::<Test>().trim_end_matches("::{{closure}}");
    let (_, name) = path.split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact", "--nocapture"]);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().to_ascii_uppercase();
        let is_a_clouds = ["AWS_", "AZURE_", "IDENTITY_", "IMDS_", "MSI_"].iter().any(|cloud| name.starts_with(cloud));
        if is_a_clouds || name.ends_with("_PROXY") {
            child.env_remove(&variable);
        }
    }
    for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        child.env(file, "/dev/null");
    }
    child.env("AWS_EC2_METADATA_DISABLED", "true").env(ALONE, "1").envs(variables.iter().copied());
    child.env("RUST_BACKTRACE", "0");
    let output = child.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{name}, alone:\n{said}");
    for figure in said.lines().filter(|line| line.starts_with("figure: ")) {
        println!("{figure}");
    }
}
