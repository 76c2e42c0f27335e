//! `[[stores]]`: one replicated data store: its heartbeats, its reads, its regions, and of which kind it is.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::advice;
use super::cosmos::{self, CosmosSettings};
use super::dynamodb::{self, DynamodbSettings};
use super::heartbeat::HeartbeatSettings;
use super::local;
use super::provider::ProviderSettings;
use super::region::{self, RegionRules, RegionSettings};
use super::section::Section;
use super::simulated::{self, SimulatedSettings};
use super::words;
use super::{Place, Role};
use crate::core::advice::Policy;
use crate::core::model::{Consistency, Placement, ReadSchedule};

/// How many regions a store may have.
const REGIONS: RangeInclusive<usize> = 2..=30;

/// The word for regions that the store itself names.
const AUTO: &str = "auto";

const INSPECT_EVERY: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(3600);

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
    /// How heartbeats are read back within the target region. Default strong, and eventual for an observer, but on Cosmos
    /// DB.
    pub read: Consistency,
    /// Whether the settings themselves say strong, rather than by default.
    pub asks_for_strong: bool,
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
    /// Its replicas, 2 to 30, names unique. Every ordered pair of two of them is a region pair. Where the store itself is
    /// asked, the local region alone, or none in a central prober.
    pub regions: Vec<RegionSettings>,
    /// Whether the store itself is asked which replicas it has (`regions = "auto"`).
    pub follows_replicas: bool,
    /// How to get into replicas that the settings do not list, by name; `*` is for all that have no entry of their own.
    pub region_overrides: Vec<RegionSettings>,
    /// Time between two looks at the store itself: 10 s to 1 h, default 5 min.
    pub inspect_every: Duration,
    /// Which reads applications are advised to make: `[stores.advice]`. Its spread is 0 here.
    pub advice: Policy,
    /// Of which kind it is, and what that kind needs.
    pub kind: StoreKind,
}

/// Of which kind a store is, and what that kind needs.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreKind {
    /// A container of Azure Cosmos DB.
    Cosmos(CosmosSettings),
    /// A global table of DynamoDB.
    Dynamodb(DynamodbSettings),
    /// A store in this process, whose lag is known.
    Simulated(SimulatedSettings),
}

impl StoreKind {
    /// Whether such a store can be asked what replicas it has, and how it is set up.
    pub fn says_what_it_is(&self) -> bool {
        matches!(self, StoreKind::Cosmos(_) | StoreKind::Dynamodb(_))
    }

    /// The word for it, as in the settings: `cosmos`, `dynamodb`, `simulated`.
    pub fn label(&self) -> &'static str {
        match self {
            StoreKind::Cosmos(_) => "cosmos",
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
    RegionRules { name: |text| Ok(text.to_owned()), keys: region::ALL_KEYS, kind: "later", example: "us-east-1" };

impl StoreSettings {
    /// Whether these have a replica in common in which their heartbeats would lie under the same keys.
    pub(super) fn overlaps(&self, other: &StoreSettings) -> bool {
        let same_place = match (&self.kind, &other.kind) {
            (StoreKind::Dynamodb(one), StoreKind::Dynamodb(two)) => one.heartbeats.table == two.heartbeats.table,
            (StoreKind::Cosmos(one), StoreKind::Cosmos(two)) => {
                one.endpoint == two.endpoint && one.heartbeats == two.heartbeats
            }
            _ => false,
        };
        // Tables of one name in different accounts are got into in different ways.
        let same_way = self.region_overrides == other.region_overrides;
        same_place && same_way && self.regions.iter().any(|region| other.regions.contains(region))
    }

    /// How many region pairs a process with these settings measures; none where the store is to be asked.
    pub fn pair_count(&self) -> usize {
        if self.follows_replicas {
            return 0;
        }
        let others = self.regions.len().saturating_sub(1);
        match self.local_region {
            None => self.regions.len() * others,
            Some(_) if self.remote_reads => 2 * others,
            Some(_) => others,
        }
    }

    /// A region's name as this kind of store keeps it: for Azure in its short form.
    pub fn region_name(&self, said: &str) -> String {
        match self.kind {
            StoreKind::Cosmos(_) => words::azure_short(said),
            StoreKind::Dynamodb(_) | StoreKind::Simulated(_) => said.to_owned(),
        }
    }

    /// How to get into a region: as listed, else as its override says, and where that is silent the one for all.
    pub fn region(&self, name: &str) -> RegionSettings {
        let named = |regions: &[RegionSettings], name| regions.iter().find(|region| region.name == name).cloned();
        let own = named(&self.regions, name).filter(|_| !self.follows_replicas);
        own.unwrap_or_else(|| {
            let of_all = named(&self.region_overrides, RegionSettings::ANY);
            let own = named(&self.region_overrides, name);
            own.unwrap_or_else(|| RegionSettings::bare(name)).or(of_all)
        })
    }

    /// Reads one store. `None` where it is of no kind that this release knows, which is a problem then.
    pub(super) fn read(mut section: Section<'_>, place: &Place<'_>) -> Option<StoreSettings> {
        section.require("name", "every store has one, such as name = \"orders\"");
        let name = section.text("name", words::name).unwrap_or_default();
        if !name.is_empty() {
            section.call_it(&name);
        }
        let kinds: Vec<KindKey> = KindKey::ALL.into_iter().filter(|kind| section.has(kind.key())).collect();
        let follows_replicas = section.peek("regions") == Some(AUTO);
        let mut regions = match follows_replicas {
            true => auto(&mut section, kinds.first().copied()),
            false => regions(&mut section, kinds.first().copied()),
        };
        let region_overrides = region_overrides(&mut section, follows_replicas, kinds.first().copied());
        let mut region_names: Vec<String> = regions.iter().map(|region| region.name.clone()).collect();
        region_names.dedup();
        // Where not all are known, to say that a name is not among them would be a guess.
        if region_names.iter().any(String::is_empty) {
            region_names.clear();
        }
        if follows_replicas && kinds.first().is_none_or(|kind| *kind == KindKey::Dynamodb) {
            // Whichever is set is right, as far as can be known without asking.
            let set = section.peek("local_region").or(place.cell.aws_region.as_deref());
            region_names.extend(set.map(str::to_owned));
        }
        let local_region = local::region(&mut section, place, kinds.first().copied(), &region_names);
        if follows_replicas {
            regions.extend(local_region.as_deref().map(RegionSettings::bare));
        }
        let inspect_every = section.duration("inspect_every", INSPECT_EVERY).unwrap_or(Duration::from_secs(300));
        let count_before = section.problem_count();
        let heartbeat = HeartbeatSettings::read(section.section_or_empty("heartbeat"));
        let interval = (section.problem_count() == count_before).then_some(heartbeat.interval);
        let read = section.choice("read", &[("strong", Consistency::Strong), ("eventual", Consistency::Eventual)]);
        let remote_reads = remote_reads(&mut section, place);
        let schedules = [("adaptive", ReadSchedule::Adaptive), ("fixed", ReadSchedule::Fixed)];
        let read_schedule = section.choice("read_schedule", &schedules).unwrap_or(ReadSchedule::Adaptive);
        let reads_per_interval = reads_per_interval(&mut section, place.role);
        let warn_lag = section.duration("warn_lag", WARN_LAG).unwrap_or(Duration::from_secs(5));
        let reached = reached(&regions, &region_overrides);
        let kind = kind(&mut section, &kinds, &region_names, heartbeat.placement);
        let provider = ProviderSettings::read(&mut section, place, kind.as_ref(), &reached);
        let advice = advice::read(section.section_or_empty("advice"), interval, kind.as_ref());
        section.finish();
        let kind = kind?;
        let asks_for_strong = read == Some(Consistency::Strong);
        let read = read.unwrap_or(match (place.role, &kind) {
            (Role::Gauge, _) => Consistency::Strong,
            // Nothing in an eventual answer tells an observer there what time it is, and so how late anything was.
            (Role::Observer, StoreKind::Cosmos(_)) => Consistency::Strong,
            // One in every pod of the application: the cheapest reads that there are.
            (Role::Observer, _) => Consistency::Eventual,
        });
        Some(StoreSettings {
            name,
            local_region,
            heartbeat,
            read,
            asks_for_strong,
            remote_reads,
            reads_per_interval,
            read_schedule,
            warn_lag,
            provider,
            regions,
            follows_replicas,
            region_overrides,
            inspect_every,
            advice,
            kind,
        })
    }
}

/// How to get into all regions of which anything is said.
fn reached(regions: &[RegionSettings], overrides: &[RegionSettings]) -> Vec<RegionSettings> {
    let of_all = overrides.iter().find(|region| region.name == RegionSettings::ANY);
    regions.iter().chain(overrides).map(|region| region.clone().or(of_all.cloned())).collect()
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
    let rules = match kind {
        Some(KindKey::Cosmos) => &cosmos::REGIONS,
        Some(KindKey::Dynamodb) => &dynamodb::REGIONS,
        Some(KindKey::Simulated) => &simulated::REGIONS,
        Some(KindKey::Redis) | None => &REGIONS_OF_ANY_KIND,
    };
    let (example, auto) = match kind {
        Some(KindKey::Cosmos) => ("[ { name = \"East US\" }, { name = \"West Europe\" } ]", ""),
        _ => (
            "[ { name = \"us-east-1\" }, { name = \"eu-west-1\" } ]",
            ", or let the store name them: regions = \"auto\"",
        ),
    };
    section.require("regions", &format!("name the replicas, such as regions = {example}{auto}"));
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
    named_once(section, "regions", &regions);
    regions
}

/// `regions = "auto"`: which there are is the store's to say.
fn auto(section: &mut Section<'_>, kind: Option<KindKey>) -> Vec<RegionSettings> {
    section.allow("regions");
    if kind.is_some_and(|kind| kind != KindKey::Dynamodb) {
        section.problem("regions", "\"auto\" is for DynamoDB, which says what replicas there are; list them here");
    }
    Vec::new()
}

/// How to get into replicas that are not listed.
fn region_overrides(section: &mut Section<'_>, follows_replicas: bool, kind: Option<KindKey>) -> Vec<RegionSettings> {
    const KEY: &str = "region_overrides";
    if kind.is_some_and(|kind| kind != KindKey::Dynamodb) {
        section.allow(KEY);
        if section.has(KEY) {
            section.problem(KEY, "goes with regions = \"auto\", which is for DynamoDB; remove it");
        }
        return Vec::new();
    }
    let rules = RegionRules { name: words::aws_region_or_any, ..dynamodb::REGIONS };
    if section.has(KEY) && !follows_replicas {
        section.problem(KEY, "goes with regions = \"auto\"; say it in the list of regions");
    }
    let example = "[ { name = \"*\", role_arn = \"arn:aws:iam::123456789012:role/tidegauge\" } ]";
    let entries = section.sections(KEY, example);
    let overrides: Vec<RegionSettings> = entries.into_iter().map(|entry| RegionSettings::read(entry, &rules)).collect();
    named_once(section, KEY, &overrides);
    overrides
}

fn named_once(section: &Section<'_>, key: &str, regions: &[RegionSettings]) {
    for (index, region) in regions.iter().enumerate().filter(|(_, region)| !region.name.is_empty()) {
        if regions[..index].iter().any(|earlier| earlier.name == region.name) {
            section.problem(key, format!("{:?} is there twice; name each region once", region.name));
        }
    }
}

/// What the store's kind needs. All kinds that are there are read, so that the problems of each are known.
fn kind(section: &mut Section<'_>, kinds: &[KindKey], regions: &[String], placement: Placement) -> Option<StoreKind> {
    const KINDS: &str = "[stores.dynamodb], [stores.cosmos] or [stores.simulated]";
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
                let read = section.section("dynamodb");
                let read = read.map(|section| DynamodbSettings::read(section, placement, regions));
                known = read.map(StoreKind::Dynamodb).or(known);
            }
            KindKey::Simulated => {
                let read = section.section("simulated").map(|section| SimulatedSettings::read(section, regions));
                known = read.map(StoreKind::Simulated).or(known);
            }
            KindKey::Cosmos => {
                let read = section.section("cosmos").map(|section| CosmosSettings::read(section, placement));
                known = read.map(StoreKind::Cosmos).or(known);
            }
            KindKey::Redis => {
                section.allow(kind.key());
                if kinds.contains(&kind) {
                    section.problem(kind.key(), format!("comes in a later release; this one measures {KINDS}"));
                }
            }
        }
    }
    known
}
