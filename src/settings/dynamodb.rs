//! `[stores.dynamodb]`: which global table is measured, and which one holds the heartbeats.

use super::region::RegionRules;
use super::section::Section;
use super::table::TableSettings;
use super::words;
use crate::core::model::Placement;

/// A global table of DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamodbSettings {
    /// The application's table.
    pub table: String,
    /// The table that holds the heartbeats: the application's own, or a companion of its own beside it, as
    /// `heartbeat.placement` says.
    pub heartbeats: TableSettings,
}

/// What a DynamoDB store knows of its regions.
pub(super) const REGIONS: RegionRules = RegionRules {
    name: words::aws_region,
    keys: &["endpoint", "cloudwatch_endpoint", "role_arn", "external_id", "profile"],
    kind: "DynamoDB",
    example: "us-east-1",
};

const EXAMPLE: &str = "companion = { table = \"TidegaugeHeartbeats\", partition_key = \"PK\", sort_key = \"SK\" }";

impl DynamodbSettings {
    /// Reads the section. `regions` are those of the store, none where not all are known.
    pub(super) fn read(mut section: Section<'_>, placement: Placement, regions: &[String]) -> DynamodbSettings {
        if !cfg!(feature = "dynamodb") {
            section
                .problem_here("this build leaves DynamoDB out; build with the feature `dynamodb`, or remove the store");
        }
        let application = TableSettings::read(&mut section, placement == Placement::Inline, regions);
        let companion = section.section("companion").map(|mut companion| {
            let table = TableSettings::read(&mut companion, true, regions);
            if !table.table.is_empty() && table.table == application.table {
                companion.problem(
                    "table",
                    format!(
                        "{:?} is the application's own table; name the one beside it, or set heartbeat.placement = \
                         \"inline\" and remove `companion`",
                        table.table
                    ),
                );
            }
            companion.finish();
            table
        });
        match placement {
            Placement::Companion => section.require(
                "companion",
                &format!(
                    "heartbeat.placement is \"companion\", so name the table beside this one that holds the heartbeats, \
                     such as {EXAMPLE}; or set heartbeat.placement = \"inline\""
                ),
            ),
            Placement::Inline if section.has("companion") => section.problem(
                "companion",
                "is not used while heartbeat.placement is \"inline\"; set heartbeat.placement = \"companion\", or remove it",
            ),
            Placement::Inline => {}
        }
        section.finish();
        DynamodbSettings { table: application.table.clone(), heartbeats: companion.unwrap_or(application) }
    }
}
