//! `[[stores]]`: one replicated data store: its heartbeats, its reads, its regions, and of which kind it is.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::dynamodb::{self, DynamodbSettings};
use super::heartbeat::HeartbeatSettings;
use super::local;
use super::provider::ProviderSettings;
use super::region::{self, RegionRules, RegionSettings};
use super::section::Section;
use super::simulated::{self, SimulatedSettings};
use super::words;
use super::{Place, Role};
use crate::core::model::{Consistency, ReadSchedule};

/// How many regions a store may have.
const REGIONS: RangeInclusive<usize> = 2..=30;

const WARN_LAG: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(24 * 3600);

/// One replicated data store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// The operator's name of it, unique: a metric label. 1 to 63 letters, digits, `_` and `-`.
    pub name: String,
    /// The region that this process is local to: the store's own setting, else the cell's. `None` in a central prober.
    pub local_region: Option<String>,
    /// How its heartbeats are written.
    pub heartbeat: HeartbeatSettings,
    /// How heartbeats are read back within the target region. Default strong, and eventual for an observer.
    pub read: Consistency,
    /// Whether a gauge polls the other regions' replicas as well as its own: it then measures the way from its region to
    /// theirs on one clock, and bounds their clocks by what it reads there. Default: `false`.
    pub remote_reads: bool,
    /// Polls per target replica and heartbeat interval, on average: 1 to 50, default 5. An observer has 1.
    pub reads_per_interval: u32,
    /// Where in the interval the polls go. Default adaptive.
    pub read_schedule: ReadSchedule,
    /// A pair whose current lag is above this is `lagging`: 100 ms to 24 h, default 5 s.
    pub warn_lag: Duration,
    /// How the provider is asked what it says of the replication; `None`: it is not asked.
    pub provider: Option<ProviderSettings>,
    /// Its replicas, 2 to 30, names unique. Every ordered pair of two of them is a region pair.
    pub regions: Vec<RegionSettings>,
    /// Of which kind it is, and what that kind needs.
    pub kind: StoreKind,
}

/// Of which kind a store is, and what that kind needs.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreKind {
    /// A global table of DynamoDB.
    Dynamodb(DynamodbSettings),
    /// A store in this process, whose lag is known.
    Simulated(SimulatedSettings),
}

impl StoreKind {
    /// The word for it, as in the settings: `dynamodb`, `simulated`.
    pub fn label(&self) -> &'static str {
        match self {
            StoreKind::Dynamodb(_) => "dynamodb",
            StoreKind::Simulated(_) => "simulated",
        }
    }
}

/// The kinds by their keys, of which a store has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KindKey {
    Dynamodb,
    Simulated,
    Cosmos,
    Redis,
}

impl KindKey {
    const ALL: [KindKey; 4] = [KindKey::Dynamodb, KindKey::Simulated, KindKey::Cosmos, KindKey::Redis];

    fn key(self) -> &'static str {
        match self {
            KindKey::Dynamodb => "dynamodb",
            KindKey::Simulated => "simulated",
            KindKey::Cosmos => "cosmos",
            KindKey::Redis => "redis",
        }
    }
}

/// What is not known of yet is not judged either: any name, all keys.
const REGIONS_OF_ANY_KIND: RegionRules =
    RegionRules { name: |text| Ok(text.to_owned()), keys: region::ALL_KEYS, kind: "later" };

impl StoreSettings {
    /// How many region pairs a process with these settings measures.
    pub fn pair_count(&self) -> usize {
        let others = self.regions.len().saturating_sub(1);
        match self.local_region {
            None => self.regions.len() * others,
            Some(_) if self.remote_reads => 2 * others,
            Some(_) => others,
        }
    }

    /// Reads one store. `None` where it is of no kind that this release knows, which is a problem then.
    pub(super) fn read(mut section: Section<'_>, place: &Place<'_>) -> Option<StoreSettings> {
        section.require("name", "every store has one, such as name = \"orders\"");
        let name = section.text("name", words::name).unwrap_or_default();
        if !name.is_empty() {
            section.call_it(&name);
        }
        let kinds: Vec<KindKey> = KindKey::ALL.into_iter().filter(|kind| section.has(kind.key())).collect();
        let regions = regions(&mut section, kinds.first().copied());
        let mut region_names: Vec<String> = regions.iter().map(|region| region.name.clone()).collect();
        region_names.dedup();
        // Where not all are known, to say that a name is not among them would be a guess.
        if region_names.iter().any(String::is_empty) {
            region_names.clear();
        }
        let local_region = local::region(&mut section, place, kinds.first().copied(), &region_names);
        let heartbeat = HeartbeatSettings::read(section.section_or_empty("heartbeat"));
        let read = section.choice("read", &[("strong", Consistency::Strong), ("eventual", Consistency::Eventual)]);
        let remote_reads = remote_reads(&mut section, place);
        let schedules = [("adaptive", ReadSchedule::Adaptive), ("fixed", ReadSchedule::Fixed)];
        let read_schedule = section.choice("read_schedule", &schedules).unwrap_or(ReadSchedule::Adaptive);
        let reads_per_interval = reads_per_interval(&mut section, place.role);
        let warn_lag = section.duration("warn_lag", WARN_LAG).unwrap_or(Duration::from_secs(5));
        let provider = ProviderSettings::read(&mut section, place, kinds.first().copied(), &regions);
        let kind = kind(&mut section, &kinds, &region_names);
        section.finish();
        // One in every pod of the application: the cheapest reads that there are.
        let read = read.unwrap_or(match place.role {
            Role::Gauge => Consistency::Strong,
            Role::Observer => Consistency::Eventual,
        });
        let kind = kind?;
        Some(StoreSettings {
            name,
            local_region,
            heartbeat,
            read,
            remote_reads,
            reads_per_interval,
            read_schedule,
            warn_lag,
            provider,
            regions,
            kind,
        })
    }
}

fn remote_reads(section: &mut Section<'_>, place: &Place<'_>) -> bool {
    let set = section.flag("remote_reads").unwrap_or(false);
    match place.role {
        Role::Observer if set => {
            section.problem("remote_reads", "an observer reads its local replica only; remove it");
            false
        }
        Role::Gauge if set && place.cell.central => {
            section.problem("remote_reads", "a central prober reads every replica as it is; remove it");
            false
        }
        _ => set,
    }
}

/// The polls per interval; an observer makes do with one, as there is one in every pod.
fn reads_per_interval(section: &mut Section<'_>, role: Role) -> u32 {
    let set = section.integer("reads_per_interval", 1..=50);
    match (role, set) {
        (Role::Observer, Some(2..)) => {
            section.problem("reads_per_interval", "an observer polls at most once per interval; use 1, or remove it");
            1
        }
        (Role::Observer, _) => 1,
        (Role::Gauge, set) => set.unwrap_or(5),
    }
}

fn regions(section: &mut Section<'_>, kind: Option<KindKey>) -> Vec<RegionSettings> {
    let example = "[ { name = \"us-east-1\" }, { name = \"eu-west-1\" } ]";
    let rules = match kind {
        Some(KindKey::Dynamodb) => &dynamodb::REGIONS,
        Some(KindKey::Simulated) => &simulated::REGIONS,
        Some(KindKey::Cosmos | KindKey::Redis) | None => &REGIONS_OF_ANY_KIND,
    };
    section.require("regions", &format!("name the replicas, such as regions = {example}"));
    let count_before = section.problem_count();
    let entries = section.sections("regions", example);
    let regions: Vec<RegionSettings> = entries.into_iter().map(|entry| RegionSettings::read(entry, rules)).collect();
    // Entries that could not be read are not counted, and need no second complaint about how many there are.
    let all_read = section.problem_count() == count_before;
    if section.has("regions") && all_read && !REGIONS.contains(&regions.len()) {
        let (min, max) = (REGIONS.start(), REGIONS.end());
        section.problem(
            "regions",
            format!("{} is not a number of replicas to measure between; use {min} to {max}", regions.len()),
        );
    }
    for (index, region) in regions.iter().enumerate().filter(|(_, region)| !region.name.is_empty()) {
        if regions[..index].iter().any(|earlier| earlier.name == region.name) {
            section.problem("regions", format!("{:?} is there twice; name each region once", region.name));
        }
    }
    regions
}

/// What the store's kind needs. All kinds that are there are read, so that the problems of each are known.
fn kind(section: &mut Section<'_>, kinds: &[KindKey], regions: &[String]) -> Option<StoreKind> {
    const KINDS: &str = "[stores.dynamodb] or [stores.simulated]";
    match kinds {
        [] => section.problem_here(format!("says nothing of what kind of store it is; add {KINDS}")),
        [_] => {}
        several => {
            let keys: Vec<&str> = several.iter().map(|kind| kind.key()).collect();
            section.problem_here(format!("is of {} at once; keep exactly one of them", keys.join(" and ")));
        }
    }
    let mut known = None;
    for kind in KindKey::ALL {
        match kind {
            KindKey::Dynamodb => {
                let read = section.section("dynamodb").map(DynamodbSettings::read);
                known = read.map(StoreKind::Dynamodb).or(known);
            }
            KindKey::Simulated => {
                let read = section.section("simulated").map(|section| SimulatedSettings::read(section, regions));
                known = read.map(StoreKind::Simulated).or(known);
            }
            KindKey::Cosmos | KindKey::Redis => {
                section.allow(kind.key());
                if kinds.contains(&kind) {
                    section.problem(kind.key(), format!("comes in a later release; this one measures {KINDS}"));
                }
            }
        }
    }
    known
}
