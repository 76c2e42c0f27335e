//! A real Alertmanager that the daemon tells itself, and a daemon that is killed while an alert fires.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::lab::{Lab, Lag};
use crate::support::alerting::{Pager, Server};
use crate::support::{Daemon, command, free_address, seat, until};

const SOURCE: &str = "us-east-1";
const TARGET: &str = "eu-west-1";
/// What fires and is not told again for so long is over for the Alertmanager: four times `resend`, and half a minute at the
/// least.
const EXPIRES: Duration = Duration::from_secs(30);

/// When what fires there began, by its word.
async fn firing_since(alertmanager: &Server) -> Vec<String> {
    alertmanager.alerts().await.iter().map(|alert| alert["startsAt"].as_str().unwrap().to_owned()).collect()
}

/// Each notification so far: whether it said firing or resolved, and of an alert since when.
fn told(pager: &Pager) -> Vec<(String, String)> {
    let told = pager.received("/page").into_iter().map(|one| one.body);
    let words = told
        .map(|body| [&body["status"], &body["alerts"][0]["startsAt"]].map(|word| word.as_str().unwrap().to_owned()));
    words.map(|[status, since]| (status, since)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_while_an_alert_fires_neither_loses_it_nor_tells_it_anew() {
    let _seat = seat().await;
    let lab = Lab::builder().lag(Lag::log_normal(Duration::from_millis(250), 0.15)).seed(61).start().await;
    let pager = Pager::start().await;
    let alertmanager = Arc::new(Server::prompt_alertmanager(&pager).await);
    let url = format!("http://{}", alertmanager.address);
    let toml = |address: &str| {
        let settings = lab.settings().interval("500ms").listen(address).to_toml();
        format!(
            "{settings}\n[alerts]\ndefaults = false\n[alerts.push]\nresend = \"3s\"\n\
             alertmanagers = [{{ url = \"{url}\" }}]\n[[alerts.rules]]\nname = \"Stalled\"\nsignal = \"state\"\n\
             states = [\"stalled\"]\npage = {{ for = \"2s\" }}\nkeep_firing_for = \"3s\"\n"
        )
    };
    let start = async || {
        let address = free_address();
        Daemon::start_on(address.clone(), &toml(&address)).await
    };
    let mut daemon = start().await;
    until("every pair is ok", Duration::from_secs(20), async || daemon.all_ok().await).await;
    assert_eq!(firing_since(&alertmanager).await, [""; 0], "nothing fires");
    lab.pause(SOURCE, TARGET).await;
    until("the alert fires and somebody is notified", Duration::from_secs(15), async || {
        match (firing_since(&alertmanager).await.len(), told(&pager).len()) {
            (1, 1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // From now on it is there at each look, and always the same one.
    let looks = Arc::new(Mutex::new(Vec::new()));
    let looking = tokio::spawn({
        let (alertmanager, looks) = (alertmanager.clone(), looks.clone());
        async move {
            loop {
                let seen = firing_since(&alertmanager).await;
                looks.lock().unwrap().push(seen);
                sleep(Duration::from_millis(100)).await;
            }
        }
    });
    daemon.kill().await;
    drop(daemon);
    let daemon = start().await;
    // Longer than it would be believed without being told again.
    sleep(EXPIRES + Duration::from_secs(2)).await;
    looking.abort();
    let looks = looks.lock().unwrap().clone();
    let distinct: BTreeSet<&Vec<String>> = looks.iter().collect();
    println!("{} looks at the Alertmanager: {distinct:?}; notified: {:?}", looks.len(), told(&pager));
    assert!(looks.len() > 50, "{} looks prove nothing", looks.len());
    assert!(distinct.len() == 1 && looks[0].len() == 1, "it was lost, or began anew: {distinct:?}");
    assert_eq!(told(&pager).len(), 1, "one alert, one notification");
    let labels = [("alertmanager", url.as_str()), ("result", "sent")];
    assert!(daemon.metrics().await.sum("tidegauge_notifications_total", &labels) >= 4.0);

    // Whoever took it over sees it through.
    lab.resume(SOURCE, TARGET).await;
    let notified = until("it is resolved", Duration::from_secs(20), async || {
        let notified = told(&pager);
        if notified.len() > 1 { Ok(notified) } else { Err(format!("{notified:?}")) }
    })
    .await;
    let words: Vec<&str> = notified.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(words, ["firing", "resolved"]);
    assert_eq!(notified[0].1, notified[1].1, "the one that began");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_says_which_alertmanager_can_be_reached() {
    let (alertmanager, nobody) = (Server::prompt_alertmanager(&Pager::start().await).await, free_address());
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tidegauge.toml");
    let text = format!(
        "[cell]\nname = \"here\"\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{{ name = \"a\" }}, {{ name = \"b\" }}]\n\
         [stores.simulated]\n[alerts.push]\nalertmanagers = [{{ url = \"http://{}\" }}, {{ url = \"http://{nobody}\" }}]\n",
        alertmanager.address
    );
    std::fs::write(&file, text).unwrap();
    let ended = command(home.path()).arg("--config").arg(&file).args(["check", "--json"]).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", String::from_utf8_lossy(&ended.stderr));
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let rows = report["data"]["rows"].as_array().unwrap().iter();
    let rows: Vec<&Value> = rows.filter(|row| row["about"] == "alertmanager").collect();
    let says = |row: usize, words: &str| rows[row]["says"].as_str().unwrap().contains(words);
    assert!(
        rows[0]["verdict"] == "ok" && says(0, &alertmanager.address) && says(0, "answers: version "),
        "{}",
        rows[0]
    );
    assert!(rows[1]["verdict"] == "error" && says(1, &nobody) && says(1, "refused"), "{}", rows[1]);
    assert!(rows[1]["remedy"].as_str().unwrap().contains("alerts.push"), "{}", rows[1]);
}
