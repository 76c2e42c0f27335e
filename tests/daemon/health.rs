//! `tidegauge health`, as an image or a unit asks.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Daemon, command, free_address, seat, until};

const SIMULATED: &str = "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\n\
    regions = [{ name = \"us-east-1\" }, { name = \"eu-west-1\" }]\n[stores.simulated]\n";

/// Its exit code, and what it says.
async fn health(address: &str, file: Option<&Path>, ready: bool) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(home.path());
    command.env("TIDEGAUGE__SERVER__LISTEN", address);
    command.args(file.iter().flat_map(|file| [Path::new("--config"), file]));
    command.arg("health").args(ready.then_some("--ready"));
    let ended = command.output().await.unwrap();
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert_eq!(said.lines().count(), 1, "it says one thing: {said}");
    (ended.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_whether_the_process_beside_it_serves() {
    let _seat = seat().await;
    let address = free_address();
    let (code, said) = health(&address, None, false).await;
    assert!(code == 1 && said.contains(&address) && said.contains("does not answer"), "{code}: {said}");

    let daemon = Daemon::start_on(address.clone(), &format!("[server]\nlisten = \"{address}\"\n{SIMULATED}")).await;
    for ready in [false, true] {
        let (code, said) = health(&address, None, ready).await;
        assert!(code == 0 && said.starts_with("Tidegauge is "), "{code}: {said}");
    }
    daemon.freeze().await;
    let asked = Instant::now();
    let (code, said) = health(&address, None, false).await;
    assert!(code == 1 && said.contains("within 2s"), "{code}: {said}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_finds_a_process_whose_settings_were_refused() {
    let _seat = seat().await;
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let file = home.path().join("tidegauge.toml");
    // The files of TLS are not there: what is served is plain.
    let refused = "on_bad_settings = \"serve\"\n[server.tls]\ncertificate = \"/nowhere/tls.crt\"\nkey = \"/nowhere/tls.key\"\n\
                   loopback = true\n";
    std::fs::write(&file, format!("{refused}{SIMULATED}")).unwrap();
    let mut command = command(home.path());
    command.env("TIDEGAUGE__SERVER__LISTEN", &address).arg("--config").arg(&file);
    let _daemon = Daemon::spawn(command, home, address.clone()).await;
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("tidegauge.toml");
    std::fs::write(&file, format!("{refused}{SIMULATED}")).unwrap();
    let (code, said) = health(&address, Some(&file), false).await;
    assert!(code == 0 && said.starts_with("Tidegauge is healthy"), "{code}: {said}");
    let (code, said) = health(&address, Some(&file), true).await;
    assert!(code == 1 && said.contains("503") && said.contains("server.tls.certificate"), "{code}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_asks_by_tls_where_that_is_spoken_and_files_that_are_no_good_end_the_start() {
    let _seat = seat().await;
    let (home, address) = (tempfile::tempdir().unwrap(), free_address());
    let folder = home.path().display();
    let signed = rcgen::generate_simple_self_signed(vec!["tidegauge.example".to_owned()]).unwrap();
    std::fs::write(home.path().join("tls.crt"), signed.cert.pem()).unwrap();
    let file = home.path().join("tidegauge.toml");
    let tls =
        format!("[server.tls]\ncertificate = \"{folder}/tls.crt\"\nkey = \"{folder}/tls.key\"\nloopback = true\n");
    std::fs::write(&file, format!("{tls}{SIMULATED}")).unwrap();
    let start = || {
        let mut command = command(home.path());
        command.env("TIDEGAUGE__SERVER__LISTEN", &address).arg("--config").arg(&file);
        command
    };
    let ways: [&[&str]; 2] = [&["run"], &["check"]];
    for way in ways {
        let refused = start().args(way).output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(78), "{way:?}: {said}");
        assert!(said.contains("server.tls.key: ") && said.contains("tls.key cannot be read"), "{way:?}: {said}");
    }
    let offline = start().args(["check", "--offline"]).output().await.unwrap();
    assert_eq!(offline.status.code(), Some(0), "the files are elsewhere");
    assert!(String::from_utf8(offline.stdout).unwrap().contains("notice: server.tls.key: "));

    std::fs::write(home.path().join("tls.key"), signed.signing_key.serialize_pem()).unwrap();
    let _running = start().stderr(std::process::Stdio::null()).spawn().unwrap();
    until("it is ready", Duration::from_secs(10), async || match health(&address, Some(&file), true).await {
        (0, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let plain = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("http://{address}/-/healthy"));
    assert!(plain.send().await.is_err());
}
