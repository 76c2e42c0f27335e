//! What the operator's words may look like: names, regions, addresses of regional endpoints.

use std::net::IpAddr;

use axum::http::Uri;

/// A name of a store or a cell: it becomes a metric label and part of messages.
pub(super) fn name(text: &str) -> Result<String, String> {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if starts_well && text.len() <= 63 && text.bytes().all(is_known) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a name; use 1 to 63 letters, digits, `_` and `-`, beginning with a letter or digit"
        ))
    }
}

/// Any region's name: it becomes part of a heartbeat's key, where some stores forbid these characters.
pub(super) fn region(text: &str) -> Result<String, String> {
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '\\' | '?' | '#');
    if text.is_empty() || text.chars().count() > 40 || text.contains(is_forbidden) {
        return Err(format!(
            "{text:?} is not a region's name; use 1 to 40 characters without spaces, `/`, `\\`, `?` or `#`"
        ));
    }
    Ok(text.to_owned())
}

/// A region of AWS, such as `us-east-1`, `us-gov-west-1` or `eusc-de-east-1`.
pub(super) fn aws_region(text: &str) -> Result<String, String> {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let parts: Vec<&str> = text.split('-').collect();
    let fits = match parts.as_slice() {
        [place, words @ .., number] => {
            is_word(place)
                && place.len() >= 2
                && !words.is_empty()
                && words.iter().all(|word| is_word(word))
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    if fits && text.len() <= 40 {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} does not look like a region of AWS; use its code, such as \"us-east-1\""))
    }
}

/// A region of AWS, or `*` for all of them.
pub(super) fn aws_region_or_any(text: &str) -> Result<String, String> {
    if text == "*" { Ok(text.to_owned()) } else { aws_region(text) }
}

/// A region of Azure, by display name (`East US`) or short name (`eastus`).
pub(super) fn azure_region(text: &str) -> Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
    if !text.trim().is_empty() && text.len() <= 40 && text.bytes().all(is_known) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} does not look like a region of Azure; use its name, such as \"East US\" or \"eastus\""))
    }
}

/// The name of a region of whatever store: what it has to look like is known from the store's regions.
pub(super) fn some_region(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("is empty; name one of the regions, or remove the key".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// The short name of a region of Azure: `eastus` for `East US`.
pub(super) fn azure_short(text: &str) -> String {
    text.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase()
}

/// The URL of a store's regional endpoint.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    url(text, "such as \"https://dynamodb.us-east-1.amazonaws.com\" or \"http://127.0.0.1:8000\"")
}

/// The URL of an account of Cosmos DB, or of Azure's resource manager.
pub(super) fn cosmos_endpoint(text: &str) -> Result<String, String> {
    // Azure's portal shows the two beside each other.
    if text.to_ascii_lowercase().contains("accountkey") {
        return Err(
            "is a connection string, which holds a key; give the URL that follows AccountEndpoint= alone, and \
                    the key as auth says"
                .to_owned(),
        );
    }
    let url = url(text, "such as \"https://cells.documents.azure.com\" or \"http://127.0.0.1:8081\"")?;
    match url.split_once("://").and_then(|(_, rest)| rest.split_once('/')) {
        Some((_, path)) if !path.is_empty() => {
            Err(format!("{text:?} has a path; give the URL of the account itself, up to its port"))
        }
        _ => Ok(url),
    }
}

/// The URL of CloudWatch's endpoint in a region.
pub(super) fn cloudwatch_endpoint(text: &str) -> Result<String, String> {
    url(text, "such as \"https://monitoring.us-east-1.amazonaws.com\" or \"http://127.0.0.1:8000\"")
}

/// The URL of an Alertmanager. In many a cluster it is reached by plain http, which somebody has to have said is meant.
pub(super) fn alertmanager(text: &str, plain_http: bool) -> Result<String, String> {
    const EXAMPLE: &str = "such as \"https://alertmanager.example.org\" or \"http://127.0.0.1:9093\"";
    let checked = match text.strip_prefix("http://").filter(|_| plain_http) {
        // All but the scheme is held against the same rules.
        Some(rest) => url(&format!("https://{rest}"), EXAMPLE).map(|_| text.to_owned()),
        None => url(text, EXAMPLE).map_err(|message| match message.contains("plain http") {
            true => format!("{message}; where it is meant, set alerts.push.plain_http = true"),
            false => message,
        }),
    };
    checked.map(|url| url.trim_end_matches('/').to_owned())
}

/// A URL or a path to which a file's name is added.
pub(super) fn base(text: &str) -> Result<String, String> {
    match text.trim_end_matches('/') {
        "" => Err("is empty; give the URL or the path of the folder, or remove the key".to_owned()),
        base if base.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"') => {
            Err(format!("{text:?} holds spaces or quotes; give a URL or a path without"))
        }
        base => Ok(base.to_owned()),
    }
}

/// A URL to send requests to; `example` is what one looks like. What may leave this host has to be encrypted.
fn url(text: &str, example: &str) -> Result<String, String> {
    // Before anything is quoted: a message ends up in logs.
    if text.contains('@') {
        return Err("holds a user name or a password; leave them out, credentials come from the environment".to_owned());
    }
    let uri: Uri = text.parse().map_err(|error| format!("{text:?} is not a URL ({error}); use one {example}"))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host().filter(|host| !host.is_empty())) else {
        return Err(format!("{text:?} is not a full URL; use one {example}"));
    };
    if uri.query().is_some() || text.contains('#') {
        return Err(format!("{text:?} has a query or a fragment; use a URL {example}"));
    }
    match scheme {
        "https" => Ok(text.to_owned()),
        "http" if is_loopback(host) => Ok(text.to_owned()),
        "http" => Err(format!(
            "{text:?} is plain http to another host, over which anyone on the way can read and forge answers; use \
             https (plain http is for loopback: localhost, 127.0.0.1, [::1])"
        )),
        other => Err(format!("{text:?} has the scheme {other:?}; use https, or http on loopback")),
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
