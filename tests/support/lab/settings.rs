//! The daemon's settings for a lab, as text: `central`, so that one daemon writes and reads every region.

use std::fmt::Write;

use super::keys::TableKeys;
use super::setup::TABLE;

/// A settings file in the making. Credentials go by the environment: any will do, say `AWS_ACCESS_KEY_ID=lab
/// AWS_SECRET_ACCESS_KEY=lab`.
#[derive(Clone, Debug)]
pub struct DaemonSettings {
    regions: Vec<(String, String)>,
    top: Vec<String>,
    cell: Vec<String>,
    listen: String,
    is_auto: bool,
    store: String,
    heartbeat: Vec<(String, String)>,
    store_lines: Vec<String>,
    dynamodb_lines: Vec<String>,
    keys: TableKeys,
}

impl DaemonSettings {
    pub(super) fn new(regions: impl Iterator<Item = (String, String)>, keys: TableKeys) -> DaemonSettings {
        DaemonSettings {
            regions: regions.collect(),
            top: Vec::new(),
            cell: vec!["name = \"lab\"".to_owned(), "central = true".to_owned()],
            listen: "127.0.0.1:0".to_owned(),
            is_auto: false,
            store: "orders".to_owned(),
            heartbeat: vec![("interval".to_owned(), "\"1s\"".to_owned())],
            store_lines: Vec::new(),
            dynamodb_lines: Vec::new(),
            keys,
        }
    }

    /// Where the daemon is to listen; by default on any loopback port.
    pub fn listen(mut self, address: impl Into<String>) -> DaemonSettings {
        self.listen = address.into();
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
        self.cell = vec![format!("name = \"{region}-a\""), format!("aws_region = \"{region}\"")];
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

    /// A line of TOML for `[stores.dynamodb]`.
    pub fn dynamodb_line(mut self, line: &str) -> DaemonSettings {
        self.dynamodb_lines.push(line.to_owned());
        self
    }

    /// The text.
    pub fn to_toml(&self) -> String {
        let mut text = lines(&self.top);
        text += &format!("[cell]\n{}\n\n[server]\nlisten = \"{}\"\n", self.cell.join("\n"), self.listen);
        let heartbeat: Vec<String> = self.heartbeat.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let regions = self.regions.iter();
        let regions: Vec<String> = regions
            .map(|(name, endpoint)| format!("    {{ name = \"{name}\", endpoint = \"{endpoint}\" }},\n"))
            .collect();
        let store = [
            format!("\n[[stores]]\nname = \"{}\"\n", self.store),
            format!("heartbeat = {{ {} }}\n", heartbeat.join(", ")),
            match self.is_auto {
                false => format!("regions = [\n{}]\n", regions.concat()),
                true => format!("regions = \"auto\"\nregion_overrides = [\n{}]\n", regions.concat()),
            },
            lines(&self.store_lines),
            format!("\n[stores.dynamodb]\ntable = \"{TABLE}\"\n"),
            lines(&self.keys.settings()),
            lines(&self.dynamodb_lines),
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
