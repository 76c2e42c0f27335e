//! The region of a store that this process is local to: the store's own setting, else the cell's.

use super::section::Section;
use super::store::KindKey;
use super::words;
use super::{Place, Role};

/// Finds the local region, one of the store's `regions` (none, where they could not be read). `None` in a central
/// prober, and where there is a problem.
pub(super) fn region(
    section: &mut Section<'_>,
    place: &Place<'_>,
    kind: Option<KindKey>,
    regions: &[String],
) -> Option<String> {
    let own = section.text("local_region", words::some_region);
    if place.cell.central {
        if section.has("local_region") {
            section.problem(
                "local_region",
                "is set and so is cell.central, and a central prober is local to no region; remove one",
            );
        }
        return None;
    }
    if section.has("local_region") {
        let own = own?;
        let found = find(&own, kind, regions);
        if found.is_none() && !regions.is_empty() {
            section.problem("local_region", not_among(&format!("{own:?}"), regions));
        }
        return found;
    }
    from_cell(section, place, kind, regions)
}

fn from_cell(section: &Section<'_>, place: &Place<'_>, kind: Option<KindKey>, regions: &[String]) -> Option<String> {
    if !place.is_known {
        return None;
    }
    let aws = place.cell.aws_region.as_deref().map(|region| ("cell.aws_region", region));
    let azure = place.cell.azure_region.as_deref().map(|region| ("cell.azure_region", region));
    let (candidates, key) = match kind {
        Some(KindKey::Dynamodb) => (vec![aws], "cell.aws_region"),
        Some(KindKey::Cosmos) => (vec![azure], "cell.azure_region"),
        // These can stand anywhere.
        Some(KindKey::Simulated | KindKey::Redis) => (vec![aws, azure], "cell.aws_region or cell.azure_region"),
        // Of no kind: that is a problem already, and everything that could be said here would be a guess.
        None => return None,
    };
    let candidates: Vec<(&str, &str)> = candidates.into_iter().flatten().collect();
    let found: Vec<String> = candidates.iter().filter_map(|(_, region)| find(region, kind, regions)).collect();
    match found.as_slice() {
        [region] => Some(region.clone()),
        [] if candidates.is_empty() => {
            let central = match place.role {
                Role::Gauge => ", or cell.central = true to probe every region from here",
                Role::Observer => "",
            };
            section.problem("local_region", format!("no local region is set; set {key} or local_region{central}"));
            None
        }
        [] if regions.is_empty() => None,
        [] => {
            let set: Vec<String> = candidates.iter().map(|(key, region)| format!("{key} = {region:?}")).collect();
            section.problem("local_region", not_among(&format!("taken from {}, this", set.join(" and ")), regions));
            None
        }
        _ => {
            let message =
                "both cell.aws_region and cell.azure_region are regions of this store; set local_region to one";
            section.problem("local_region", message);
            None
        }
    }
}

/// The store's own spelling of a region: display names of Azure count as their short names.
fn find(wanted: &str, kind: Option<KindKey>, regions: &[String]) -> Option<String> {
    let same = |region: &&String| match kind {
        Some(KindKey::Dynamodb) => region.as_str() == wanted,
        _ => words::azure_short(region) == words::azure_short(wanted),
    };
    regions.iter().find(same).cloned()
}

/// The message where a region is not found.
fn not_among(what: &str, regions: &[String]) -> String {
    format!("{what} is not one of this store's regions; use {}", regions.join(" or "))
}
