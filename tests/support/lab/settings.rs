//! The daemon's settings for a lab, as text: `central`, so that one daemon writes and reads every region.

use std::fmt::Write;

use super::keys::TableKeys;
use super::names::short_name;
use super::setup::TABLE;

/// A settings file in the making. Credentials go by the environment: any will do, say `AWS_ACCESS_KEY_ID=lab
/// AWS_SECRET_ACCESS_KEY=lab`, or `COSMOS_KEY=bGFi`.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// By name, with an endpoint where each has one of its own to be told.
    regions: Vec<(String, Option<String>)>,
    top: Vec<String>,
    cell: Vec<String>,
    listen: String,
    is_auto: bool,
    store: String,
    heartbeat: Vec<(String, String)>,
    store_lines: Vec<String>,
    kind: Kind,
    kind_lines: Vec<String>,
}

/// Which table of `[[stores]]` says where the data is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    DynamoDb,
    Cosmos,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::DynamoDb => "dynamodb",
            Kind::Cosmos => "cosmos",
        }
    }

    /// The key of `[cell]` that names the region one is in.
    fn region_key(self) -> &'static str {
        match self {
            Kind::DynamoDb => "aws_region",
            Kind::Cosmos => "azure_region",
        }
    }
}

impl DaemonSettings {
    /// For a table that has replicas in these regions, each at its endpoint.
    pub(super) fn dynamodb(regions: impl Iterator<Item = (String, String)>, keys: TableKeys) -> DaemonSettings {
        let regions = regions.map(|(name, endpoint)| (name, Some(endpoint))).collect();
        let table = format!("table = \"{TABLE}\"");
        DaemonSettings::new("orders", regions, Kind::DynamoDb, [vec![table], keys.settings()].concat())
    }

    /// For a container of an account with these regions, which the account itself says how to reach.
    pub(super) fn cosmos(
        regions: impl Iterator<Item = String>,
        endpoint: &str,
        database: &str,
        container: &str,
    ) -> DaemonSettings {
        let regions = regions.map(|name| (name, None)).collect();
        let lines = [("endpoint", endpoint), ("database", database), ("container", container)];
        let mut lines: Vec<String> = lines.iter().map(|(key, value)| format!("{key} = \"{value}\"")).collect();
        lines.extend(["auth = \"key\"", "key_env = \"COSMOS_KEY\""].map(str::to_owned));
        DaemonSettings::new("carts", regions, Kind::Cosmos, lines)
    }

    fn new(store: &str, regions: Vec<(String, Option<String>)>, kind: Kind, kind_lines: Vec<String>) -> DaemonSettings {
        DaemonSettings {
            regions,
            top: Vec::new(),
            cell: vec!["name = \"lab\"".to_owned(), "central = true".to_owned()],
            listen: "127.0.0.1:0".to_owned(),
            is_auto: false,
            store: store.to_owned(),
            heartbeat: vec![("interval".to_owned(), "\"1s\"".to_owned())],
            store_lines: Vec::new(),
            kind,
            kind_lines,
        }
    }

    /// Where the daemon is to listen; by default on any loopback port.
    pub fn listen(mut self, address: impl Into<String>) -> DaemonSettings {
        self.listen = address.into();
        self
    }

    /// The store's name, in its labels and in its answers.
    pub fn store(mut self, name: &str) -> DaemonSettings {
        name.clone_into(&mut self.store);
        self
    }

    /// The interval of the heartbeats, `"200ms"` say; by default a second.
    pub fn interval(self, interval: &str) -> DaemonSettings {
        self.heartbeat("interval", &format!("\"{interval}\""))
    }

    /// The number of slots.
    pub fn slots(self, slots: u32) -> DaemonSettings {
        self.heartbeat("slots", &slots.to_string())
    }

    /// A key of the inline table `heartbeat`, its value in TOML.
    pub fn heartbeat(mut self, key: &str, value: &str) -> DaemonSettings {
        self.heartbeat.retain(|(known, _)| known != key);
        self.heartbeat.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A gauge in one region instead of a central prober.
    pub fn local_region(mut self, region: &str) -> DaemonSettings {
        let name = format!("name = \"{}-a\"", short_name(region));
        self.cell = vec![name, format!("{} = \"{region}\"", self.kind.region_key())];
        self
    }

    /// An observer instead of a gauge.
    pub fn observer(mut self) -> DaemonSettings {
        self.top.push("role = \"observer\"".to_owned());
        self
    }

    /// Regions that the store itself names, instead of a list.
    pub fn auto(mut self) -> DaemonSettings {
        self.is_auto = true;
        self
    }

    /// A line of TOML for `[[stores]]`, before its tables.
    pub fn store_line(mut self, line: &str) -> DaemonSettings {
        self.store_lines.push(line.to_owned());
        self
    }

    /// Heartbeats in another table than the application's.
    pub fn companion(self, table: &str, keys: TableKeys) -> DaemonSettings {
        let line = format!("companion = {{ table = \"{table}\", {} }}", keys.settings().join(", "));
        self.heartbeat("placement", "\"companion\"").dynamodb_line(&line)
    }

    /// Heartbeats in another container than the application's.
    pub fn companion_container(self, container: &str) -> DaemonSettings {
        let line = format!("companion = {{ container = \"{container}\" }}");
        self.heartbeat("placement", "\"companion\"").kind_line(&line)
    }

    /// A line of TOML for `[stores.dynamodb]`.
    pub fn dynamodb_line(self, line: &str) -> DaemonSettings {
        self.kind_line(line)
    }

    /// A line of TOML for the table that says where the data is: `[stores.dynamodb]`, `[stores.cosmos]`.
    pub fn kind_line(mut self, line: &str) -> DaemonSettings {
        self.kind_lines.push(line.to_owned());
        self
    }

    /// The text.
    pub fn to_toml(&self) -> String {
        let mut text = lines(&self.top);
        text += &format!("[cell]\n{}\n\n[server]\nlisten = \"{}\"\n", self.cell.join("\n"), self.listen);
        let heartbeat: Vec<String> = self.heartbeat.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let regions = self.regions.iter();
        let regions: Vec<String> = regions
            .map(|(name, endpoint)| {
                let endpoint =
                    endpoint.as_ref().map(|endpoint| format!(", endpoint = \"{endpoint}\"")).unwrap_or_default();
                format!("    {{ name = \"{name}\"{endpoint} }},\n")
            })
            .collect();
        let store = [
            format!("\n[[stores]]\nname = \"{}\"\n", self.store),
            format!("heartbeat = {{ {} }}\n", heartbeat.join(", ")),
            match self.is_auto {
                false => format!("regions = [\n{}]\n", regions.concat()),
                true => format!("regions = \"auto\"\nregion_overrides = [\n{}]\n", regions.concat()),
            },
            lines(&self.store_lines),
            format!("\n[stores.{}]\n", self.kind.name()),
            lines(&self.kind_lines),
        ];
        for part in store {
            text.write_str(&part).expect("a string takes any text");
        }
        text
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
