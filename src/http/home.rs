//! `GET /`: where to look.

use std::fmt::Write;

use axum::extract::State;

use super::Shared;
use crate::core::assess::assess;

/// A plain table of all pairs, and what else there is.
pub async fn get(State(shared): State<Shared>) -> String {
    let view = shared.sources.view();
    let mut text = String::from("Tidegauge: how stale is the data here?\n\n");
    let head = ["store", "source region", "target region", "state", "current lag", "p99 (10m)", "reason"];
    let mut line = |row: [&str; 7]| {
        let [store, source, target, state, lag, p99, reason] = row;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{store:<16} {source:<16} {target:<16} {state:<14} {lag:>11} {p99:>10}  {reason}");
    };
    line(head);
    for store in &view.stores {
        for pair in &store.pairs {
            let now = assess(&store.plan, pair, view.now);
            let seconds = |known: Option<f64>| known.map_or("-".into(), |seconds| format!("{seconds:.3} s"));
            line([
                &store.plan.store,
                store.region(pair.source),
                store.region(pair.target),
                now.state.label(),
                &seconds(now.current_lag.map(|lag| lag.as_secs_f64())),
                &seconds(pair.summary[1].p99),
                &now.reason,
            ]);
        }
    }
    text.push_str(
        "\n/api/v1/pairs                                                  all of this and more, as JSON\
         \n/api/v1/samples?store=&source_region=&target_region=&limit=    a pair's newest lag samples\
         \n/api/v1/alerts?store=&severity=&state=                         what is pending and what fires\
         \n/api/v1/advice?store=&max_staleness=&source_region=             which read to make: here, elsewhere, none\
         \n/api/v1/events?store=                                          what changes from now on, as server-sent events\
         \n/metrics                                                       for Prometheus\
         \n/-/healthy  /-/ready\n",
    );
    text
}
