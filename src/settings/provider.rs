//! `provider` of a store: whether and how its provider is asked what it says of its own replication.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::region::RegionSettings;
use super::section::Section;
use super::store::StoreKind;
use super::{Place, Role};

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

const EVERY: RangeInclusive<Duration> = MINUTE..=HOUR;

/// Two of them are compared, and an hour is kept.
const PERIOD: RangeInclusive<Duration> = MINUTE..=Duration::from_secs(15 * 60);

const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(30 * 60);

/// How the provider of one store is asked, where it is: `poll` says so, and is on by default for what gauges measure, unless
/// a replica stands on this host, or it is not said which resource of Azure the store is. Nobody publishes anything about
/// simulated stores, and an observer asks nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Time between two questions to one region: 1 m to 1 h, default 5 m. The bill is in proportion to 1/`every`.
    pub every: Duration,
    /// The length of the periods of lag, whole minutes: 1 m to 15 m, default 5 m, which is what DynamoDB documents; on Cosmos
    /// DB 1 m, 5 m or 15 m, default 1 m.
    pub period: Duration,
    /// A period counts as published once it has been over for so long: 0 to 30 m, default 2 m; on Cosmos DB 3 m.
    pub delay: Duration,
}

impl ProviderSettings {
    /// Reads what a store says of its provider. `None` where it is not asked.
    pub(super) fn read(
        store: &mut Section<'_>,
        place: &Place<'_>,
        kind: Option<&StoreKind>,
        regions: &[RegionSettings],
    ) -> Option<ProviderSettings> {
        let mut section = store.section_or_empty("provider");
        let poll = section.flag("poll");
        let is_azure = matches!(kind, Some(StoreKind::Cosmos(_)));
        let (usual_period, usual_delay) = if is_azure { (MINUTE, 3 * MINUTE) } else { (5 * MINUTE, 2 * MINUTE) };
        let settings = ProviderSettings {
            every: section.duration("every", EVERY).unwrap_or(5 * MINUTE),
            period: period(&mut section, is_azure).unwrap_or(usual_period),
            delay: section.duration("delay", DELAY).unwrap_or(usual_delay),
        };
        section.finish();
        let is_wanted = store.has("provider") && poll != Some(false);
        match (place.role, kind) {
            (Role::Observer, _) if is_wanted => {
                store.problem("provider", "an observer reads its local replica only, and asks no provider; remove it");
                None
            }
            (Role::Gauge, Some(StoreKind::Simulated(_))) if is_wanted => {
                store.problem("provider", "nobody publishes anything about a simulated store; remove it");
                None
            }
            (Role::Gauge, Some(StoreKind::Dynamodb(_))) => {
                let unknown = regions.iter().find(|region| region.is_here() && region.cloudwatch_endpoint.is_none());
                if let (Some(true), Some(region)) = (poll, unknown) {
                    let message = format!(
                        "the replica in {:?} stands on this host, and AWS knows nothing of it; give the region a \
                         cloudwatch_endpoint, or set poll to false",
                        region.name
                    );
                    store.problem("provider.poll", message);
                }
                poll.unwrap_or(unknown.is_none()).then_some(settings)
            }
            (Role::Gauge, Some(StoreKind::Cosmos(cosmos))) => {
                let is_known = cosmos.is_known_to_azure();
                if poll == Some(true) && !is_known {
                    let message =
                        "Azure is asked about a resource by its id; set cosmos.resource_id, or set poll to false";
                    store.problem("provider.poll", message);
                }
                poll.unwrap_or(is_known).then_some(settings)
            }
            _ => None,
        }
    }
}

fn period(section: &mut Section<'_>, is_azure: bool) -> Option<Duration> {
    let period = section.duration("period", PERIOD)?;
    if !period.as_nanos().is_multiple_of(MINUTE.as_nanos()) {
        let message = format!("{} is no whole number of minutes; use \"5m\"", humantime::format_duration(period));
        section.problem("period", message);
    } else if is_azure && ![1, 5, 15].map(|minutes| minutes * MINUTE).contains(&period) {
        section.problem("period", "Azure sums up 1, 5 or 15 minutes; use \"1m\", \"5m\" or \"15m\"");
    }
    Some(period)
}
