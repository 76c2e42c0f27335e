//! A table of DynamoDB: its name, and what its keys are called and of which type.

use super::section::Section;
use crate::core::echo::name_hash;

/// A table, and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// Its name, the same in every region: 3 to 255 letters, digits, `_`, `-` and `.`.
    pub table: String,
    /// The attribute that is its partition key.
    pub partition_key: KeySettings,
    /// The attribute that is its sort key; `None` where the table has none.
    pub sort_key: Option<KeySettings>,
}

/// A key's attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySettings {
    /// The attribute's name.
    pub name: String,
    /// Its type. Default S.
    pub kind: KeyType,
}

/// The types that a key can be of, by DynamoDB's own letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// Text.
    #[default]
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl TableSettings {
    /// Reads `table` and the keys. Those have to be there, and have to tell the regions apart, only where heartbeats are
    /// to lie under them.
    pub(super) fn read(section: &mut Section<'_>, has_heartbeats: bool, regions: &[String]) -> TableSettings {
        section.require("table", "name the global table, such as table = \"GlobalCellState\"");
        if has_heartbeats {
            section.require(
                "partition_key",
                "name the attribute, such as partition_key = \"PK\", or { name = \"PK\", type = \"N\" }",
            );
        }
        let table = TableSettings {
            table: section.text("table", table).unwrap_or_default(),
            partition_key: key(section, "partition_key").unwrap_or_default(),
            sort_key: key(section, "sort_key"),
        };
        let sort = table.sort_key.as_ref().map_or("", |sort| &sort.name);
        if !sort.is_empty() && sort == table.partition_key.name {
            section.problem(
                "sort_key",
                format!(
                    "{sort:?} is the partition key too; name the other attribute, or remove it where the table has no sort \
                     key"
                ),
            );
        }
        if let Some((one, other)) = table.confused(regions).filter(|_| has_heartbeats) {
            let which = if table.sort_key.is_some() { "sort_key" } else { "partition_key" };
            section.problem(
                which,
                format!(
                    "is of type N, where a region is known by the CRC-32 of its name, and {one:?} and {other:?} have the \
                     same; put the heartbeats into a companion table with a key of type S"
                ),
            );
        }
        table
    }

    /// Two different regions whose heartbeats would have one key, if there are any: a key of type N has room for the
    /// CRC-32 of a region's name alone.
    pub fn confused<'a>(&self, regions: &'a [String]) -> Option<(&'a str, &'a str)> {
        if self.sort_key.as_ref().unwrap_or(&self.partition_key).kind != KeyType::N {
            return None;
        }
        regions.iter().enumerate().find_map(|(index, one)| {
            let others = &regions[index + 1..];
            let other = others.iter().find(|other| *other != one && name_hash(other) == name_hash(one))?;
            Some((one.as_str(), other.as_str()))
        })
    }
}

/// A key: `"PK"`, or `{ name = "PK", type = "N" }`.
fn key(section: &mut Section<'_>, which: &'static str) -> Option<KeySettings> {
    if !section.is_table(which) {
        return section.text(which, attribute).map(|name| KeySettings { name, kind: KeyType::S });
    }
    let mut key = section.section(which)?;
    key.require("name", "name the attribute, such as { name = \"PK\", type = \"N\" }");
    let name = key.text("name", attribute).unwrap_or_default();
    let types = [("S", KeyType::S), ("N", KeyType::N), ("B", KeyType::B)];
    let kind = key.choice("type", &types).unwrap_or_default();
    key.finish();
    Some(KeySettings { name, kind })
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
