//! What `[alerts.push]` promises the operator.

use std::path::PathBuf;

use super::*;

fn push(toml: &str) -> PushSettings {
    Settings::from_toml(&format!("{STORE}[alerts.push]\n{toml}")).unwrap().alerts.push.unwrap()
}

fn refused(toml: &str) -> String {
    let complaints = complaints(&format!("{STORE}[alerts.push]\n{toml}"));
    assert_eq!(complaints.len(), 1, "one mistake, one complaint: {complaints:#?}");
    complaints[0].clone()
}

#[test]
fn alertmanagers_are_told_each_minute_unless_the_settings_say_otherwise() {
    let usual = push("alertmanagers = [{ url = \"http://127.0.0.1:9093/\" }]");
    assert_eq!(usual.resend, Duration::from_secs(60));
    let url = "http://127.0.0.1:9093".to_owned();
    assert_eq!(
        usual.alertmanagers,
        [AlertmanagerSettings { url, bearer_token_file: None }],
        "a slash at the end is none"
    );
    let own = push(
        "resend = \"30s\"\nlabels = { environment = \"production\" }\n[[alerts.push.alertmanagers]]\nurl = \"https://a.example.org/am\"\nbearer_token_file = \"/run/token\"\n\
         [[alerts.push.alertmanagers]]\nurl = \"https://b.example.org\"\n",
    );
    assert_eq!((own.resend, own.alertmanagers.len()), (Duration::from_secs(30), 2));
    assert_eq!((own.labels["environment"].as_str(), own.labels.len()), ("production", 1));
    assert_eq!(own.alertmanagers[0].url, "https://a.example.org/am");
    assert_eq!(own.alertmanagers[0].bearer_token_file, Some(PathBuf::from("/run/token")));
}

#[test]
fn plain_http_to_another_host_has_to_be_meant() {
    let plain = "alertmanagers = [{ url = \"http://alertmanager.monitoring:9093\" }]";
    let complaint = refused(plain);
    assert!(complaint.contains("plain http") && complaint.contains("alerts.push.plain_http = true"), "{complaint}");
    assert_eq!(
        push(&format!("plain_http = true\n{plain}")).alertmanagers[0].url,
        "http://alertmanager.monitoring:9093"
    );
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let many: Vec<String> = (1..10).map(|port| format!("{{ url = \"http://127.0.0.1:{port}\" }}")).collect();
    let many = format!("alertmanagers = [{}]", many.join(", "));
    for (toml, words) in [
        ("", ["alertmanagers", "name them"]),
        ("alertmanagers = []", ["alertmanagers", "use 1 to 8"]),
        (&many, ["there are 9", "use 1 to 8"]),
        ("alertmanagers = [{}]", ["url", "give the Alertmanager's URL"]),
        (
            "alertmanagers = [{ url = \"http://[::1]:9093\" }, { url = \"http://[::1]:9093/\" }]",
            ["is there twice", "name each once"],
        ),
        ("alertmanagers = [{ url = \"https://me@host\" }]", ["url", "leave them out"]),
        ("alertmanagers = [{ url = \"https://host\", token = \"x\" }]", ["token", "bearer_token_file"]),
        ("labels = { store = \"x\" }\nalertmanagers = [{ url = \"https://host\" }]", ["labels", "of their own"]),
        ("labels = { \"a-b\" = \"x\" }\nalertmanagers = [{ url = \"https://host\" }]", ["labels", "no label's name"]),
        ("labels = { a = 1 }\nalertmanagers = [{ url = \"https://host\" }]", ["labels", "is to be a string"]),
        ("labels = \"a\"\nalertmanagers = [{ url = \"https://host\" }]", ["labels", "expected a table of strings"]),
        ("resend = \"1h\"\nalertmanagers = [{ url = \"https://host\" }]", ["resend", "3m"]),
    ] {
        let complaint = refused(toml);
        assert!(words.iter().all(|word| complaint.contains(word)), "{toml}: {complaint}");
    }
}

#[test]
fn an_observer_tells_nobody() {
    let settings = STORE.replace("central = true", "aws_region = \"us-east-1\"");
    let push = "[alerts.push]\nalertmanagers = [{ url = \"https://host\" }]\n";
    let complaints = complaints(&format!("role = \"observer\"\n{settings}{push}"));
    assert!(complaints.iter().any(|complaint| complaint.contains("alerts.push")), "{complaints:#?}");
}

#[test]
fn cells_that_tell_have_names() {
    let toml = STORE.replace("name = \"here\"\n", "") + "[alerts.push]\nalertmanagers = [{ url = \"https://host\" }]";
    let complaints = complaints(&toml);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("alerts.push") && complaints[0].contains("set cell.name"), "{complaints:?}");
}
