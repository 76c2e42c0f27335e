//! What Azure Monitor is asked, and what is made of its answers, in the shapes in which they come.

mod answers;
mod questions;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use tidegauge::core::model::RegionId;
use tidegauge::core::provider::{Question, Reading, Series, Statistic};
use tidegauge::core::time::{Span, Wall};
use tidegauge::providers::azure_monitor::AzureMonitor;

use crate::azure::{Azure, RESOURCE_ID};
use crate::azure_account::settings;
use crate::azure_rest::{DEADLINE, asking};

/// As Azure's answers have them, and as the settings do; the last one is younger than this release.
const REGIONS: [&str; 4] = ["East US", "West Europe", "Australia East", "Atlantis North"];
const US: RegionId = RegionId(0);
const EU: RegionId = RegionId(1);
const AU: RegionId = RegionId(2);
const ATLANTIS: RegionId = RegionId(3);

const METRICS: &str = "/providers/Microsoft.Insights/metrics";

/// 2026-11-25T12:00:00Z, and the quarter of an hour that is asked for.
const BEGIN: i64 = 1_795_608_000;
const END: i64 = BEGIN + 900;

/// How late writes of the United States arrive in Europe and Australia, by the minute.
fn question() -> Question {
    Question {
        region: US,
        targets: vec![EU, AU],
        companions: true,
        period: Span::from_millis(60_000),
        begin: at(0),
        end: at(END - BEGIN),
    }
}

/// So many seconds after the first that is asked for.
fn at(seconds: i64) -> Wall {
    Wall::from_micros((BEGIN + seconds) * 1_000_000)
}

fn names() -> Vec<Arc<str>> {
    ["eastus", "westeurope", "australiaeast", "atlantisnorth"].map(Arc::from).into()
}

async fn azure() -> Azure {
    Azure::start(&REGIONS).await
}

fn monitor(azure: &Azure) -> AzureMonitor {
    monitor_within(azure, DEADLINE)
}

fn monitor_within(azure: &Azure, deadline: Duration) -> AzureMonitor {
    AzureMonitor::from_settings(&settings(azure), asking(None, deadline), &names()).unwrap()
}

fn lag(target: RegionId, seconds: i64, value: f64) -> Reading {
    let series = Series::Lag { source: US, target, statistic: Statistic::P99 };
    Reading { series, begin: at(seconds), period: Span::from_millis(60_000), value }
}

fn companion(series: Series, seconds: i64, value: f64) -> Reading {
    Reading { series, begin: at(seconds), period: Span::from_millis(60_000), value }
}
