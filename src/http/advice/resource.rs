//! What `/api/v1/advice` takes and answers.

use axum::http::StatusCode;
use axum::routing;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::{As, Body, get};
use crate::core::advice::{Basis, Decision, RestsOn};
use crate::http::answer::Kind;
use crate::http::resource::{Answer, Described, Resource, Verb, durations, instants};
use crate::http::words::{Word, one_of};
use crate::settings::Act;

/// All parameters.
pub(super) const PARAMETERS: [Described; 9] = [
    Described::required("store", "what is to be read"),
    Described::optional("source_region", "the item's home, where the caller knows it; else it may be any region"),
    Described::optional(
        "target_region",
        "where the caller reads: this process's region, unless said otherwise; must be said where it has none",
    ),
    Described::optional("max_staleness", "how old what is read may be; must be said where the store's policy does not")
        .that_looks(durations),
    Described::optional("basis", "what that is held against, unless as the store's policy says")
        .that_looks(SchemaGenerator::subschema_for::<Word<Basis>>),
    Described::optional("valid_for", "for how long the answer is to hold, unless as the store's policy says")
        .that_looks(durations),
    Described::optional("max_wait", "how long the caller can wait, unless as the store's policy says")
        .that_looks(durations),
    Described::optional("session_token", "whether the caller has the session token of the write that it must see")
        .that_looks(SchemaGenerator::subschema_for::<bool>),
    Described::optional("as", "`status`: the status says what is advised, too").that_looks(ways),
];

pub(in crate::http) const RESOURCE: Resource = Resource {
    path: "/api/v1/advice",
    verb: Verb::Get,
    summary: "which read to make: here, elsewhere, none",
    act: Some(Act::Read),
    parameters: &PARAMETERS,
    answer: Answer::of::<Body>(),
    headers: &[
        Described::required("Tidegauge-Decision", "which read to make")
            .that_looks(SchemaGenerator::subschema_for::<Word<Decision>>),
        Described::required("Tidegauge-Valid-For", "for how many seconds that holds").that_looks(seconds),
        Described::required("Tidegauge-Rests-On", "what that rests on")
            .that_looks(SchemaGenerator::subschema_for::<Word<RestsOn>>),
        Described::optional("Tidegauge-Read-Region", "where, unless the caller is the one who knows"),
        Described::optional("Tidegauge-Wait", "for how many seconds to wait before asking again").that_looks(seconds),
        Described::optional("Tidegauge-Avoid", "regions that are in trouble, with commas between them"),
        Described::optional("Tidegauge-Excluded", "regions that were left out of account, with commas between them"),
        Described::optional("Tidegauge-Override-Until", "until when the operator decided this").that_looks(instants),
    ],
    also: &[
        (StatusCode::PRECONDITION_FAILED, "With `as=status`: another read is advised than that of the local replica."),
        (StatusCode::SERVICE_UNAVAILABLE, "With `as=status`: no read is advised."),
    ],
    problems: &[Kind::BadData, Kind::NotFound, Kind::Unavailable],
    route: || routing::get(get),
};

fn seconds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": 0 })
}

fn ways(_: &mut SchemaGenerator) -> Schema {
    one_of(&As::ALL.map(As::label))
}
