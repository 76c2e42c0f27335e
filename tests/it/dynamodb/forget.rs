//! What `tidegauge forget` makes of keys that it cannot judge.

use serde_json::json;
use tidegauge::forget::{self, ForgetError, Request};
use tidegauge::settings::Settings;

use super::{Bench, SOURCE, item_with, with_credentials};

async fn refused(bench: &Bench) -> String {
    let settings = Settings::from_toml(&bench.lab.settings().to_toml()).unwrap();
    let request = Request { source_region: SOURCE.into(), store: None, replica: None, dry_run: false };
    let ended = forget::run(&settings, &request, &mut |_| {}).await;
    assert!(matches!(ended, Err(ForgetError::Unreadable { .. })), "{ended:?}");
    assert!(bench.lab.peek(SOURCE, "tidegauge-0", SOURCE).is_some(), "it is still there");
    ended.unwrap_err().to_string()
}

#[test]
fn what_is_no_heartbeat_or_a_newer_release_s_is_not_forgotten() {
    with_credentials(async || {
        let bench = Bench::start().await;
        bench.put(SOURCE, json!({ "what": { "S": "somebody else's" } })).await;
        let said = refused(&bench).await;
        assert!(said.contains("slots 0") && said.contains("delete it by hand"), "{said}");
        bench.put(SOURCE, item_with("tg_v", json!({ "N": "99" }))).await;
        let said = refused(&bench).await;
        assert!(said.contains("newer release"), "{said}");
    });
}
