//! `regions` of a store: the replicas, and how to reach and be let into each.

use std::fmt;

use super::section::Section;
use super::words;

/// One replica of a store, and how to get into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSettings {
    /// Its name: on AWS the region's code. 1 to 40 characters, unique in its store.
    pub name: String,
    /// AWS: a URL in place of the provider's own regional endpoint. Azure: the account's own endpoint there, which is asked
    /// for its regions while the account's does not answer. Plain http on loopback only.
    pub endpoint: Option<String>,
    /// AWS: a URL in place of CloudWatch's own regional endpoint. Plain http on loopback only.
    pub cloudwatch_endpoint: Option<String>,
    /// AWS: the role to assume in the account that owns this replica.
    pub role_arn: Option<String>,
    /// AWS: the external id that the role asks for; wants `role_arn`.
    pub external_id: Option<Redacted>,
    /// AWS: the profile of the shared configuration files to take credentials from.
    pub profile: Option<String>,
}

/// A text that is handed on, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a kind of store knows of its regions.
pub(super) struct RegionRules {
    /// What a region's name has to look like.
    pub(super) name: fn(&str) -> Result<String, String>,
    /// The keys beside `name` that mean something to this kind.
    pub(super) keys: &'static [&'static str],
    /// The kind, in a sentence: `DynamoDB`.
    pub(super) kind: &'static str,
    /// What a name looks like.
    pub(super) example: &'static str,
}

/// All keys beside `name`, of every kind of store.
pub(super) const ALL_KEYS: &[&str] = &["endpoint", "cloudwatch_endpoint", "role_arn", "external_id", "profile"];

impl RegionSettings {
    /// The name that stands for every region.
    pub const ANY: &str = "*";

    /// A region of which nothing is said but its name.
    pub fn bare(name: &str) -> RegionSettings {
        RegionSettings {
            name: name.to_owned(),
            endpoint: None,
            cloudwatch_endpoint: None,
            role_arn: None,
            external_id: None,
            profile: None,
        }
    }

    /// What is not said here as it is said there.
    pub(super) fn or(self, other: Option<RegionSettings>) -> RegionSettings {
        let Some(other) = other else { return self };
        // An external id is one role's.
        let (role_arn, external_id) = match self.role_arn {
            Some(role) => (Some(role), self.external_id),
            None => (other.role_arn, other.external_id),
        };
        RegionSettings {
            name: self.name,
            endpoint: self.endpoint.or(other.endpoint),
            cloudwatch_endpoint: self.cloudwatch_endpoint.or(other.cloudwatch_endpoint),
            role_arn,
            external_id,
            profile: self.profile.or(other.profile),
        }
    }

    /// Whether the replica stands on this host, as in tests: plain http goes no further.
    pub fn is_here(&self) -> bool {
        self.endpoint.as_deref().is_some_and(is_plain)
    }

    pub(super) fn read(mut section: Section<'_>, rules: &RegionRules) -> RegionSettings {
        section.require("name", &format!("every region has one, such as name = {:?}", rules.example));
        let name = section.text("name", rules.name).unwrap_or_default();
        if !name.is_empty() {
            section.call_it(&name);
        }
        let region = RegionSettings {
            name,
            endpoint: section.text("endpoint", words::endpoint),
            cloudwatch_endpoint: section.text("cloudwatch_endpoint", words::cloudwatch_endpoint),
            role_arn: section.text("role_arn", role_arn),
            external_id: section.text("external_id", not_empty).map(Redacted),
            profile: section.text("profile", not_empty),
        };
        for key in ALL_KEYS.iter().filter(|key| section.has(key) && !rules.keys.contains(key)) {
            section.problem(key, format!("means nothing to a {} store; remove it", rules.kind));
        }
        if section.has("external_id") && !section.has("role_arn") && rules.keys.contains(&"role_arn") {
            section.problem("external_id", "goes with a role to assume; set role_arn as well, or remove it");
        }
        section.finish();
        region
    }
}

/// Whether a URL is one of plain http.
pub(super) fn is_plain(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
}

pub(super) fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("is empty; set it, or remove the key".to_owned()) } else { Ok(text.to_owned()) }
}

fn role_arn(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, role]
            if partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "{text:?} is not the ARN of a role; use one such as \"arn:aws:iam::123456789012:role/tidegauge\""
        )),
    }
}
