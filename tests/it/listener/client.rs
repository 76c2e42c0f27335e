//! HTTP by hand, so that it can be spoken badly.

use std::io;

use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What came back. Of a body without a length nothing is read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The kind of problem that it is.
    pub fn kind(&self) -> String {
        let body: Json = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        body["errorType"].as_str().unwrap().to_owned()
    }

    /// What it says is wrong.
    pub fn says(&self) -> String {
        let body: Json = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        body["error"].as_str().unwrap().to_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A request as it is sent, addressed to an IP address unless the headers say something else.
pub fn request(method: &str, path: &str, headers: &[&str]) -> String {
    let host = if headers.iter().any(|header| header.starts_with("Host:")) { "" } else { "Host: 127.0.0.1\r\n" };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n")
}

/// Asks, and reads the answer; the connection may be used again.
pub async fn get(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    headers: &[&str],
) -> io::Result<Answer> {
    send(stream, &request("GET", path, headers)).await
}

/// Sends what is to be sent, and reads the answer.
pub async fn send(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), sent: &str) -> io::Result<Answer> {
    stream.write_all(sent.as_bytes()).await?;
    stream.flush().await?;
    receive(stream).await
}

/// Reads an answer.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    answer.body = String::from_utf8(body).unwrap();
    Ok(answer)
}
