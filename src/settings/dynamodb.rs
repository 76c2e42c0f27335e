//! `[stores.dynamodb]`: which global table, and what its keys are called.

use super::region::RegionRules;
use super::section::Section;
use super::words;

/// A global table of DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamodbSettings {
    /// The table's name, the same in every region: 3 to 255 letters, digits, `_`, `-` and `.`.
    pub table: String,
    /// The attribute that is the partition key, of type S.
    pub partition_key: String,
    /// The attribute that is the sort key, of type S.
    pub sort_key: String,
}

/// What a DynamoDB store knows of its regions.
pub(super) const REGIONS: RegionRules = RegionRules {
    name: words::aws_region,
    keys: &["endpoint", "cloudwatch_endpoint", "role_arn", "external_id", "profile"],
    kind: "DynamoDB",
};

/// What this release can write heartbeats into.
const SUPPORTED: &str = "tables with a partition key and a sort key, both of type S, are supported now";

impl DynamodbSettings {
    pub(super) fn read(mut section: Section<'_>) -> DynamodbSettings {
        if !cfg!(feature = "dynamodb") {
            section
                .problem_here("this build leaves DynamoDB out; build with the feature `dynamodb`, or remove the store");
        }
        section.require("table", "name the global table, such as table = \"GlobalCellState\"");
        section.require("partition_key", "name the attribute, such as partition_key = \"PK\"");
        section.require("sort_key", &format!("name the attribute, such as sort_key = \"SK\": {SUPPORTED}"));
        let dynamodb = DynamodbSettings {
            table: section.text("table", table).unwrap_or_default(),
            partition_key: key(&mut section, "partition_key").unwrap_or_default(),
            sort_key: key(&mut section, "sort_key").unwrap_or_default(),
        };
        if !dynamodb.sort_key.is_empty() && dynamodb.sort_key == dynamodb.partition_key {
            section.problem(
                "sort_key",
                format!("{:?} is the partition key too; name the other attribute", dynamodb.sort_key),
            );
        }
        section.finish();
        dynamodb
    }
}

/// A key's name: `"PK"`, or `{ name = "PK", type = "S" }`.
fn key(section: &mut Section<'_>, which: &'static str) -> Option<String> {
    if !section.is_table(which) {
        return section.text(which, attribute);
    }
    let mut key = section.section(which)?;
    key.require("name", "name the attribute, such as { name = \"PK\", type = \"S\" }");
    let name = key.text("name", attribute);
    let types = [("S", true), ("N", false), ("B", false)];
    if key.choice("type", &types) == Some(false) {
        key.problem("type", format!("keys of type N and B come in a later release: {SUPPORTED}"));
    }
    key.finish();
    name
}

fn table(text: &str) -> Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (3..=255).contains(&text.len()) && text.bytes().all(is_known) {
        return Ok(text.to_owned());
    }
    let hint = if text.starts_with("arn:") { "the name alone, as an ARN is of one region: " } else { "" };
    Err(format!("{text:?} is not a table's name; use {hint}3 to 255 letters, digits, `_`, `-` and `.`"))
}

fn attribute(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 {
        return Err(format!("{text:?} is not an attribute's name; use 1 to 255 bytes"));
    }
    if text.starts_with("tg_") {
        return Err(format!("{text:?} begins with `tg_`, as the heartbeats' own attributes do; name the table's key"));
    }
    Ok(text.to_owned())
}
