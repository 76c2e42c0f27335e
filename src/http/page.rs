//! `GET /?store=&source_region=&target_region=`: where people look first. In a browser a page that is whole without its
//! script, which does no more than to fetch it anew; elsewhere the same as text.

use std::io::Write;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::answer::{Kind, Parameters, Problem};
use super::resource::{Answer, Described, Resource, Verb};
use super::{Shared, paced};
use crate::reload::Loaded;
use crate::settings::Act;
use shown::Shown;

mod alerts;
mod chart;
mod frame;
mod heartbeats;
mod pair;
mod shown;
mod store;
mod text;
mod words;

const PATH: &str = "/";
const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const PARAMETERS: [Described; 3] = [
    Described::optional("store", "of this store alone"),
    Described::optional("source_region", "with all of the pair from this region, of that store"),
    Described::optional("target_region", "to this one"),
];

pub(super) const RESOURCE: Resource = Resource {
    path: PATH,
    verb: Verb::Get,
    summary: "a page for people; text, unless HTML is asked for",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::Text(&[PLAIN, HTML]),
    headers: &[],
    also: &[],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Internal, Kind::Unavailable],
    // Thousands of pairs are megabytes, which a slow link takes too long for. What is quickest is enough: it leaves a twentieth, and
    // takes some milliseconds, in small pieces.
    route: || routing::get(get).layer(CompressionLayer::new().quality(CompressionLevel::Fastest)),
};

pub(super) const STYLE: Resource = Resource {
    path: "/style.css",
    verb: Verb::Get,
    summary: "how the page looks",
    act: Some(Act::Read),
    parameters: &[],
    answer: Answer::Text(&[CSS]),
    headers: &[],
    also: &[],
    problems: &[],
    route: || routing::get(async || asset(CSS, include_str!("page/style.css"))),
};

pub(super) const SCRIPT: Resource = Resource {
    path: "/script.js",
    verb: Verb::Get,
    summary: "what keeps the page up to date",
    act: Some(Act::Read),
    parameters: &[],
    answer: Answer::Text(&[JAVASCRIPT]),
    headers: &[],
    also: &[],
    problems: &[],
    route: || routing::get(async || asset(JAVASCRIPT, include_str!("page/script.js"))),
};

/// All of the page comes from here, none of it is a script but that of its own, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What goes with every part of it. It has to be as new as the rest.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
];

fn asset(kind: &'static str, text: &'static str) -> Response {
    (HEADERS, [(CONTENT_TYPE, kind)], text).into_response()
}

/// Answers. Who looks at a page is told there what is wrong, and sees what is right as soon as it is: what is not found may be
/// there again, and settings that were refused may be mended.
pub async fn get(State(shared): State<Shared>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let is_html = accepted.any(|accept| accept.contains("text/html"));
    let kind = [(CONTENT_TYPE, if is_html { HTML } else { PLAIN }), (VARY, "accept")];
    let loaded = shared.loaded.borrow().clone();
    match made(&shared, &uri, loaded.clone(), is_html).await {
        Ok(body) => Ok((HEADERS, kind, body).into_response()),
        Err(problem) if is_html => {
            let page = frame::problem(&shared.sources.view(), &problem, &loaded);
            Ok((problem.status(), HEADERS, kind, page.into_string()).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// What was asked for. The page of thousands of pairs takes tens of milliseconds, during which no probe could be timed on this
/// thread: it is made on one of its own.
async fn made(shared: &Shared, uri: &Uri, loaded: Loaded, is_html: bool) -> Result<Body, Problem> {
    shared.known()?;
    let wanted = Parameters::of(uri, &PARAMETERS)?;
    // What is wrong is said at once; what is right is shown as it is when its turn has come.
    shown::choice(&wanted, &shared.sources.view())?;
    let turn = shared.pages.clone().acquire_owned().await.map_err(|_| Problem::internal())?;
    let view = shared.sources.view();
    let choice = shown::choice(&wanted, &view)?;
    Ok(paced::body(turn, "the page", move |out| {
        let shown = Shown::of(&view, choice);
        let text = match is_html {
            true => frame::page(&shown, &loaded).into_string(),
            false => text::page(&shown, &loaded),
        };
        out.write_all(text.as_bytes())
    }))
}
