//! `tidegauge check`: reaches every store and region once, and says what works, what does not, and what to do about it.
//!
//! It writes a key of its own alone, where a gauge with the same settings would write, and reads as that gauge would: one
//! that runs beside it notices nothing.

use std::sync::Arc;

use anyhow::anyhow;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::core::audit::{self, Facts, Finding, Kind, Wanted};
use crate::core::inspection::Inspection;
use crate::core::model::{Consistency, Failure, RegionId};
use crate::core::provider::Question;
use crate::core::time::{Span, Wall};
use crate::notify::{self, Alertmanager};
use crate::providers::Provider;
#[cfg(feature = "cosmos")]
use crate::providers::azure_monitor::AzureMonitor;
#[cfg(feature = "dynamodb")]
use crate::providers::cloudwatch::CloudWatch;
use crate::settings::{PushSettings, Role, Settings, StoreKind, StoreSettings};
#[cfg(feature = "dynamodb")]
use crate::stores::Store;
#[cfg(feature = "cosmos")]
use crate::stores::cosmos::{Access, CosmosStore};
#[cfg(feature = "dynamodb")]
use crate::stores::dynamodb::DynamoDbStore;
use crate::stores::{Answer, Check, PATIENT_DEADLINE};

mod report;

pub use report::{Report, Row, Verdict};

/// Looks at every store.
pub async fn run(settings: &Settings, clock: Clock) -> Report {
    let mut report = Report::default();
    for store in &settings.stores {
        let asks = Asks {
            table: settings.role == Role::Gauge || store.follows_replicas,
            write: settings.role == Role::Gauge,
            provider: store.provider.is_some(),
        };
        match &store.kind {
            StoreKind::Simulated(_) => {
                report.note(
                    &store.name,
                    "",
                    "simulated",
                    "it lives in the gauge's own process: there is nothing to reach",
                );
            }
            #[cfg(feature = "cosmos")]
            StoreKind::Cosmos(cosmos) => {
                let access = Access::from_settings(cosmos, clock, PATIENT_DEADLINE);
                let regions: Vec<Arc<str>> = store.regions.iter().map(|region| region.name.as_str().into()).collect();
                let provider = AzureMonitor::from_settings(cosmos, access.rest.clone(), &regions);
                let reached = CosmosStore::from_settings(store, cosmos, access, PATIENT_DEADLINE);
                check(Arc::new((reached, provider)), store, asks, clock, &mut report).await;
            }
            #[cfg(not(feature = "cosmos"))]
            StoreKind::Cosmos(_) => unreachable!("the settings refuse a store that this build leaves out"),
            #[cfg(feature = "dynamodb")]
            StoreKind::Dynamodb(dynamodb) => {
                let reached = DynamoDbStore::from_settings(store, dynamodb, PATIENT_DEADLINE).await;
                let regions = reached.known_regions();
                let provider = CloudWatch::from_settings(store, dynamodb, &regions, PATIENT_DEADLINE).await;
                check(Arc::new((reached, provider)), store, asks, clock, &mut report).await;
            }
            #[cfg(not(feature = "dynamodb"))]
            StoreKind::Dynamodb(_) => unreachable!("the settings refuse a store that this build leaves out"),
        }
    }
    if let Some(push) = &settings.alerts.push {
        reach_alertmanagers(push, &mut report).await;
    }
    report
}

/// Asks each Alertmanager that the gauge would tell what it is.
async fn reach_alertmanagers(push: &PushSettings, report: &mut Report) {
    const REMEDY: &str = "see that it runs and can be reached from here, or correct alerts.push.alertmanagers";
    let mut asked = JoinSet::new();
    for (place, one) in push.alertmanagers.iter().cloned().enumerate() {
        asked.spawn(async move {
            let ask = async { Alertmanager::new(&one)?.version().await.map_err(|trouble| anyhow!("{trouble}")) };
            let answer = timeout(notify::DEADLINE, ask).await;
            (place, one.url, answer.unwrap_or_else(|_| Err(anyhow!("no answer within {:?}", notify::DEADLINE))))
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(place, _, _)| *place);
    for (_, url, answer) in answers {
        match answer {
            Ok(version) => report.ok("", "", "alertmanager", &format!("{url} answers: version {version}")),
            Err(error) => report.error("", "", "alertmanager", &format!("{url}: {error:#}"), REMEDY),
        }
    }
}

/// What is asked of a region, beside its heartbeats.
#[derive(Clone, Copy)]
struct Asks {
    table: bool,
    write: bool,
    provider: bool,
}

/// What one region answered.
struct Answers {
    /// `None`: an observer that is told its regions has no need of it.
    inspection: Option<Result<Inspection, Failure>>,
    read: Result<(), Failure>,
    /// `None`: an observer does not write.
    write: Option<Result<(), Failure>>,
    /// `None`: it is not to be asked.
    provider: Option<Result<(), Failure>>,
    /// This host's clock − the region's, at least and at most.
    clock: Option<(Span, Span)>,
}

async fn check<S: Check, P: Provider>(
    reached: Arc<(S, P)>,
    settings: &StoreSettings,
    asks: Asks,
    clock: Clock,
    report: &mut Report,
) {
    let (store, provider) = &*reached;
    let mut regions = store.known_regions();
    if regions.is_empty() {
        report.error(
            &settings.name,
            "",
            "regions",
            "there is no region to ask for the others",
            "set AWS_REGION, or list them",
        );
        return;
    }
    if settings.follows_replicas
        && let Ok(inspection) = store.inspect(RegionId(0)).await.outcome
    {
        let measured = inspection.replicas.into_iter().filter(|replica| replica.status.is_measured());
        for name in measured.map(|replica| replica.name) {
            if !regions.contains(&name) {
                regions.push(name);
            }
        }
        store.follow(&regions);
        provider.follow(&regions);
    }
    let mut asked = JoinSet::new();
    for region in (0..regions.len() as u16).map(RegionId) {
        let (reached, targets) = (reached.clone(), (0..regions.len() as u16).map(RegionId));
        let targets = targets.filter(|target| *target != region).collect();
        // Where the gauge itself would write, and nowhere else.
        let is_written = settings.local_region.as_deref().is_none_or(|local| *local == *regions[region.index()]);
        let asks = Asks { write: asks.write && is_written, ..asks };
        asked.spawn(async move {
            let mut answers = ask(&reached.0, region, asks, clock).await;
            if asks.provider {
                answers.provider = Some(reached.1.ask(question(region, targets, clock.wall())).await.map(drop));
            }
            (region, answers)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(region, _)| *region);
    let wanted = Wanted { follows_replicas: settings.follows_replicas, asks_for_strong: settings.asks_for_strong };
    let facts: Vec<Facts> = answers.iter().map(|(region, answers)| facts(&regions[region.index()], answers)).collect();
    let findings = audit::audit(&facts, wanted);
    for (region, answers) in &answers {
        rows_of_region(&settings.name, store.holder(), &regions[region.index()], answers, &findings, report);
    }
    for finding in findings.iter().filter(|finding| !regions.contains(&finding.region)) {
        report.finding(&settings.name, finding, None);
    }
    let told = answers.iter().find_map(|(_, answers)| answers.inspection.as_ref()?.as_ref().ok());
    for (about, says) in store.remarks(told, settings.heartbeat.slots) {
        report.note(&settings.name, "", about, &says);
    }
}

/// A short question, for its answer's own sake.
fn question(region: RegionId, targets: Vec<RegionId>, now: Wall) -> Question {
    let period = Span::from_millis(60_000);
    let end = now.floor(period);
    Question { region, targets, companions: true, period, begin: end - period.times(15), end }
}

async fn ask<S: Check>(store: &S, region: RegionId, asks: Asks, clock: Clock) -> Answers {
    let mut bounds: Option<(Span, Span)> = None;
    let mut note = |sent: Wall, date: Option<Wall>| {
        // The date is cut to whole seconds, so the server's clock was up to a second further.
        let Some(date) = date else { return };
        let (min, max) = (sent - date - Span::from_millis(1_000), clock.wall() - date);
        bounds = Some(bounds.map_or((min, max), |(least, most)| (min.max(least), max.min(most))));
    };
    let mut inspection = None;
    if asks.table {
        let sent = clock.wall();
        let Answer { outcome, server_date, .. } = store.inspect(region).await;
        note(sent, server_date);
        inspection = Some(outcome);
    }
    let sent = clock.wall();
    let read = store.read(region, 0, Consistency::Strong).await;
    note(sent, read.server_date);
    let mut write = None;
    if asks.write {
        let sent = clock.wall();
        let Answer { outcome, server_date, .. } = store.try_write(region, sent).await;
        note(sent, server_date);
        write = Some(outcome);
    }
    Answers { inspection, read: read.outcome.map(drop), write, provider: None, clock: bounds }
}

fn facts(region: &Arc<str>, answers: &Answers) -> Facts {
    let works = |call: &Result<(), Failure>| call.as_ref().map_err(|failure| failure.reason).copied();
    Facts {
        region: region.clone(),
        inspection: answers.inspection.as_ref().map(|answer| match answer {
            Ok(inspection) => Ok(Arc::new(inspection.clone())),
            Err(failure) => Err(failure.reason),
        }),
        reads: Some(works(&answers.read)),
        writes: answers.write.as_ref().map(works),
        provider: answers.provider.as_ref().map(works),
        clock: answers.clock,
    }
}

/// What works in a region, and then what does not.
fn rows_of_region(
    store: &str,
    holder: &'static str,
    region: &str,
    answers: &Answers,
    findings: &[Finding],
    report: &mut Report,
) {
    if let Some(Ok(inspection)) = &answers.inspection {
        let own = inspection.replicas.iter().find(|replica| *replica.name == *region);
        let status = own.map_or("unknown", |replica| replica.status.label());
        let count = inspection.replicas.len();
        let witnesses = match inspection.witnesses.as_slice() {
            [] => String::new(),
            witnesses => format!(", with a witness in {}", witnesses.join(" and ")),
        };
        let capacity = inspection.capacity.map_or("capacity not said".to_owned(), |capacity| capacity.to_string());
        let mode = inspection.mode.label();
        report.ok(store, region, holder, &format!("{status}; {mode}, {count} replicas{witnesses}; {capacity}"));
    }
    if answers.read.is_ok() {
        report.ok(store, region, "read", "heartbeats can be read");
    }
    match &answers.write {
        Some(Ok(())) => report.ok(store, region, "write", "its own key tidegauge-check, and no heartbeat"),
        Some(Err(_)) => {}
        None => report.note(store, region, "write", "not tried: a process with these settings does not write there"),
    }
    if let Some(Ok(())) = answers.provider {
        report.ok(store, region, "provider", "it may be asked what it says of the replication");
    }
    match answers.clock {
        None => report.note(store, region, "clock", "not known: no answer bore a date"),
        Some((min, max)) if findings.iter().all(|finding| !is_about(finding, region, Kind::ClockOff)) => {
            let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
            report.ok(store, region, "clock", &format!("{min:+.2} to {max:+.2} s off, by the dates in answers"));
        }
        Some(_) => {}
    }
    for finding in findings.iter().filter(|finding| *finding.region == *region) {
        let failure = match finding.kind {
            Kind::InspectFailing | Kind::TableMissing => {
                answers.inspection.as_ref().and_then(|answer| answer.as_ref().err())
            }
            Kind::ReadFailing => answers.read.as_ref().err(),
            Kind::WriteFailing => answers.write.as_ref().and_then(|write| write.as_ref().err()),
            Kind::ProviderFailing => answers.provider.as_ref().and_then(|answer| answer.as_ref().err()),
            _ => None,
        };
        report.finding(store, finding, failure);
    }
}

fn is_about(finding: &Finding, region: &str, kind: Kind) -> bool {
    *finding.region == *region && finding.kind == kind && finding.wrong.is_some()
}
