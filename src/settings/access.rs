//! `[server.access]` and `[[server.tokens]]`: who may do what, and under which names this process may be asked.

use std::fmt;
use std::path::PathBuf;

use super::section::Section;
use super::{suggest, words};

/// More tokens than this are refused: each request with one is held against all of them.
const TOKENS_MAX: usize = 64;
/// More names than this are refused.
const HOSTS_MAX: usize = 64;
/// How a digest is made, for messages.
const MAKE_ONE: &str = "printf %s \"$TOKEN\" | sha256sum";
/// SHA-256 of nothing: what becomes of a token that was not set.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What somebody can want of a listener. Health is no part of it: that is always answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Take the metrics.
    Scrape,
    /// Read the page and the API.
    Read,
    /// Change what the process does.
    Operate,
}

impl Act {
    /// All of them.
    pub const ALL: [Act; 3] = [Act::Scrape, Act::Read, Act::Operate];

    /// The word for it, as in the settings.
    pub fn label(self) -> &'static str {
        match self {
            Act::Scrape => "scrape",
            Act::Read => "read",
            Act::Operate => "operate",
        }
    }

    pub(super) fn read(text: &str) -> Result<Act, String> {
        Act::ALL.into_iter().find(|act| act.label() == text).ok_or_else(|| {
            let meant = suggest::nearest(text, &Act::ALL.map(Act::label));
            let meant = meant.map(|word| format!("; did you mean {word:?}?")).unwrap_or_default();
            format!("{text:?} is not known here; use \"scrape\", \"read\" or \"operate\"{meant}")
        })
    }
}

/// Whom an act is open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Whoever reaches the listener.
    Open,
    /// Who shows a token or a client certificate that may.
    Guarded,
}

impl Policy {
    const WORDS: [(&'static str, Policy); 2] = [("open", Policy::Open), ("guarded", Policy::Guarded)];
}

/// Whom each act is open to, and under which names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// For `/metrics`, at every listener. `None` is the default, which depends on the listener:
    /// [`super::ServerSettings::policy`].
    pub scrape: Option<Policy>,
    /// For the page and the API, likewise.
    pub read: Option<Policy>,
    /// For what changes something, likewise.
    pub operate: Option<Policy>,
    /// Names that a request may be addressed to beside loopback names, IP addresses and the host's own, in lower case; one that
    /// begins with `*.` stands for all names that end so. At most 64.
    pub hosts: Vec<String>,
    /// What was said of access could not be understood: away from loopback nobody may anything.
    pub shut: bool,
}

impl AccessSettings {
    /// What is said of this act, if anything is.
    pub fn said(&self, act: Act) -> Option<Policy> {
        match act {
            Act::Scrape => self.scrape,
            Act::Read => self.read,
            Act::Operate => self.operate,
        }
    }

    pub(super) fn read(mut section: Section<'_>) -> AccessSettings {
        let access = AccessSettings {
            scrape: section.choice("scrape", &Policy::WORDS),
            read: section.choice("read", &Policy::WORDS),
            operate: section.choice("operate", &Policy::WORDS),
            hosts: section.texts("hosts", host).unwrap_or_default(),
            shut: false,
        };
        if access.hosts.len() > HOSTS_MAX {
            section.problem("hosts", format!("there are {}; use at most {HOSTS_MAX}", access.hosts.len()));
        }
        section.finish();
        access
    }
}

/// The name of a host, or `*.` and the end of names.
fn host(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "such as \"tidegauge.example.com\" or \"*.example.com\"";
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let rest = name.strip_prefix("*.").unwrap_or(&name);
    if name == "*" {
        return Err(format!("\"*\" would take every name, and so anybody's; name those that are meant, {EXAMPLE}"));
    }
    if rest.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!("{text:?} is an address, which is taken in any case; remove it"));
    }
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_known);
    if rest.len() > 253 || !rest.split('.').all(is_label) {
        return Err(format!("{text:?} is not a host's name; use one without scheme, port or path, {EXAMPLE}"));
    }
    Ok(name)
}

/// Somebody who shows a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// What it is called in logs. Unique.
    pub name: String,
    /// What is known of it.
    pub digest: TokenDigest,
    /// What who shows it may do: at least one act.
    pub may: Vec<Act>,
}

/// Where the SHA-256 of a token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenDigest {
    /// In the settings.
    Said(Digest),
    /// In a file, which is read again when it changes.
    File(PathBuf),
}

/// The SHA-256 of a token. It is held against others, and never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The bytes, for the one who compares them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits. What stands behind them is passed over, as `sha256sum` writes a name there.
    ///
    /// # Errors
    ///
    /// What is wrong, without a word of the text: it may be the token itself.
    pub fn parse(text: &str) -> Result<Digest, String> {
        let digits = text.split_whitespace().next().unwrap_or_default();
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("is not the SHA-256 of a token, 64 hexadecimal digits; make it with `{MAKE_ONE}`"));
        }
        if digits.eq_ignore_ascii_case(OF_NOTHING) {
            return Err(format!("is the SHA-256 of nothing, and no token is empty; make it with `{MAKE_ONE}`"));
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|error| error.to_string())?;
        }
        Ok(Digest(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl TokenSettings {
    /// Reads the list; `server` is the section that it is under.
    pub(super) fn read_all(server: &mut Section<'_>) -> Vec<TokenSettings> {
        let mut tokens: Vec<TokenSettings> = Vec::new();
        let sections = server.sections("tokens", "[[server.tokens]]");
        if sections.len() > TOKENS_MAX {
            server.problem("tokens", format!("there are {}; use at most {TOKENS_MAX}", sections.len()));
        }
        for section in sections {
            let Some(token) = TokenSettings::read(section) else { continue };
            if let Some(other) = tokens.iter().position(|other| other.name == token.name) {
                let message =
                    format!("{:?} is the name of server.tokens[{other}] too; give each token its own", token.name);
                server.problem("tokens", message);
            }
            // Whoever shows it would be taken for the first of them.
            let is_twin =
                |other: &&TokenSettings| other.digest == token.digest && matches!(token.digest, TokenDigest::Said(_));
            if let Some(other) = tokens.iter().find(is_twin) {
                let message = format!("{:?} and {:?} are the same token; make one for each", other.name, token.name);
                server.problem("tokens", message);
            }
            tokens.push(token);
        }
        tokens
    }

    fn read(mut section: Section<'_>) -> Option<TokenSettings> {
        section.require("name", "logs call it so; every token has one, such as name = \"prometheus\"");
        let name = section.text("name", words::name);
        if let Some(name) = &name {
            section.call_it(name);
        }
        let said = section.text("sha256", Digest::parse).map(TokenDigest::Said);
        let file = section.text("sha256_file", path).map(TokenDigest::File);
        match (section.has("sha256"), section.has("sha256_file")) {
            (true, true) => section.problem("sha256_file", "is there beside sha256; remove one of them"),
            (false, false) => section.problem(
                "sha256",
                format!("is missing; set it to what `{MAKE_ONE}` prints, or sha256_file to a file that holds that"),
            ),
            _ => {}
        }
        section.require("may", "say what it is for, such as may = [\"scrape\"]");
        let may = section.texts("may", Act::read);
        if may.as_ref().is_some_and(Vec::is_empty) {
            section.problem("may", "is empty; say what it is for, such as [\"scrape\"], or remove the token");
        }
        section.finish();
        Some(TokenSettings { name: name?, digest: said.or(file)?, may: may? })
    }
}

/// A file's path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.trim().is_empty() {
        Err("is empty; give the path of the file, or remove the key".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}
