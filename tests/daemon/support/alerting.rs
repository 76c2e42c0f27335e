//! A real Prometheus, real Alertmanagers on the shipped configuration, and whoever they page.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::{command, free_address, until};

/// A file of the project.
pub fn shipped(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What an Alertmanager told a receiver.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Where: `/rules/page`, say.
    pub path: String,
    /// When.
    pub at: Instant,
    /// What.
    pub body: Value,
}

impl Notification {
    /// Whether it is over, as far as this says.
    pub fn is_resolved(&self) -> bool {
        self.body["status"] == "resolved"
    }

    /// A label of each of its alerts.
    pub fn each(&self, label: &str) -> Vec<&str> {
        let alerts = self.body["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| alert["labels"][label].as_str().unwrap_or("")).collect()
    }
}

/// Whoever is paged: everything that arrives, in order.
pub struct Pager {
    address: String,
    received: Arc<Mutex<Vec<Notification>>>,
}

impl Pager {
    /// Listens.
    pub async fn start() -> Pager {
        let received: Arc<Mutex<Vec<Notification>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let take = async |State(received): State<Arc<Mutex<Vec<Notification>>>>, uri: Uri, Json(body): Json<Value>| {
            received.lock().unwrap().push(Notification { path: uri.path().to_owned(), at: Instant::now(), body });
            StatusCode::OK
        };
        let router = Router::new().fallback(take).with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Pager { address, received }
    }

    /// What came to this receiver so far.
    pub fn received(&self, path: &str) -> Vec<Notification> {
        self.received.lock().unwrap().iter().filter(|one| one.path == path).cloned().collect()
    }
}

/// A server that is ended with the test; where that fails, its log is printed.
pub struct Server {
    /// Where it listens.
    pub address: String,
    _child: Child,
    home: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("a server's log, its last lines:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}

impl Server {
    async fn start(program: &str, home: tempfile::TempDir, address: String, arguments: &[String]) -> Server {
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started ({error}); make test installs it"));
        let server = Server { address, _child: child, home };
        until(&format!("{program} is ready"), Duration::from_secs(20), async || {
            match reqwest::get(format!("http://{}/-/ready", server.address)).await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        server
    }

    /// An Alertmanager on the shipped configuration, whose receivers are this pager's, below `path`.
    pub async fn alertmanager(pager: &Pager, path: &str) -> Server {
        let placeholder = "http://127.0.0.1:9095/";
        let configuration = shipped("deploy/prometheus/alertmanager.yml");
        assert!(configuration.contains(placeholder), "the receivers have moved");
        let receivers = format!("http://{}/{path}/", pager.address);
        Server::alertmanager_on(&configuration.replace(placeholder, &receivers)).await
    }

    /// An Alertmanager that tells the pager of each alert by itself, and at once.
    pub async fn prompt_alertmanager(pager: &Pager) -> Server {
        let receiver = format!("{{ name: page, webhook_configs: [{{ url: \"http://{}/page\" }}] }}", pager.address);
        let route =
            "{ receiver: page, group_by: [\"...\"], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h }";
        Server::alertmanager_on(&format!("route: {route}\nreceivers: [{receiver}]\n")).await
    }

    async fn alertmanager_on(configuration: &str) -> Server {
        let home = tempfile::tempdir().unwrap();
        let file = write(&home, "alertmanager.yml", configuration);
        let address = free_address();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", home.path().join("data").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ];
        Server::start("prometheus-alertmanager", home, address, &arguments).await
    }

    /// A Prometheus that scrapes and evaluates once a second.
    pub async fn prometheus(targets: &[&str], rules: &str, alertmanager: &Server) -> Server {
        let home = tempfile::tempdir().unwrap();
        let rules = write(&home, "rules.yml", rules);
        let configuration = serde_json::json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{ "job_name": "tidegauge", "static_configs": [{ "targets": targets }] }],
            "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [alertmanager.address] }] }] },
        });
        let file = write(&home, "prometheus.yml", &configuration.to_string());
        let address = free_address();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", home.path().join("data").display()),
            format!("--web.listen-address={address}"),
            "--rules.alert.resend-delay=5s".to_owned(),
        ];
        let prometheus = Server::start("prometheus", home, address, &arguments).await;
        // It looks for its targets every few seconds, and is of no use before.
        until("it scrapes", Duration::from_secs(20), async || {
            let query = format!("http://{}/api/v1/query?query=tidegauge_cell_info", prometheus.address);
            let answer: Value = reqwest::get(query).await.unwrap().json().await.unwrap();
            let found = answer["data"]["result"].as_array().map_or(0, Vec::len);
            if found == targets.len() { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        prometheus
    }

    /// The alerts that an Alertmanager has, as its API shows them.
    pub async fn alerts(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("http://{}/api/v2/alerts", self.address)).await.unwrap();
        answer.json().await.unwrap()
    }
}

fn write(home: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let file = home.path().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// The rules for Prometheus, as the program makes them from these settings.
pub async fn rules_of(settings: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = write(&home, "tidegauge.toml", settings);
    let made = command(home.path()).arg("--config").arg(file).arg("rules").output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

/// Waits for the first notification of this path that `is_it`.
pub async fn notified(
    pager: &Pager,
    path: &str,
    limit: Duration,
    is_it: impl Fn(&Notification) -> bool,
) -> Notification {
    until(&format!("{path} is told"), limit, async || {
        let received = pager.received(path);
        received.iter().find(|one| is_it(one)).cloned().ok_or_else(|| format!("{received:?}"))
    })
    .await
}

/// Looks so often at what must not change.
pub async fn look_again() {
    sleep(Duration::from_millis(250)).await;
}
