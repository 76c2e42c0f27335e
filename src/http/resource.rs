//! What a resource is. Each says it once, and from that come its route, the parameters that it accepts, its line on the page
//! and its part of the OpenAPI document.

use axum::http::StatusCode;
use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Shared;
use super::answer::{Kind, Success};
use crate::settings::Act;

/// How something looks: the schema, whose parts the generator keeps.
pub(super) type Looks = fn(&mut SchemaGenerator) -> Schema;

/// What is done with a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// It is read.
    Get,
    /// It is told to do something.
    Post,
}

impl Verb {
    /// Its word in the OpenAPI document.
    pub fn label(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Post => "post",
        }
    }
}

/// One resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    /// Where it is.
    pub path: &'static str,
    /// What is done with it.
    pub verb: Verb,
    /// What it has, in a few words.
    pub summary: &'static str,
    /// What whoever asks has to be allowed; `None` is health, which is answered to anybody.
    pub act: Option<Act>,
    /// The parameters of its query; it takes no others.
    pub parameters: &'static [Described],
    /// What it answers when all is well.
    pub answer: Answer,
    /// What else it then says, in headers.
    pub headers: &'static [Described],
    /// Other statuses than 200 that come with the same answer, and when they do.
    pub also: &'static [(StatusCode, &'static str)],
    /// What it answers when not. 503 is also what the time limit for requests says, without a body.
    pub problems: &'static [Kind],
    /// What is served there.
    pub route: fn() -> MethodRouter<Shared>,
}

impl Resource {
    /// Its path, and the names of its parameters; what is not read says so.
    pub fn address(&self) -> String {
        let mut address = self.path.to_owned();
        if self.verb == Verb::Post {
            address.push_str(" (POST)");
        }
        for (place, parameter) in self.parameters.iter().enumerate() {
            address.push(if place == 0 { '?' } else { '&' });
            address.push_str(parameter.name);
            address.push('=');
        }
        address
    }
}

/// One parameter of a query, or one header of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    /// Its name.
    pub name: &'static str,
    /// Whether it is always there: a parameter must be given, a header comes in any case.
    pub required: bool,
    /// What it says.
    pub about: &'static str,
    /// What it can be.
    pub looks: Looks,
}

impl Described {
    /// One that can be left out, and is text.
    pub const fn optional(name: &'static str, about: &'static str) -> Described {
        Described { name, required: false, about, looks: SchemaGenerator::subschema_for::<String> }
    }

    /// One that must be given, and is text.
    pub const fn required(name: &'static str, about: &'static str) -> Described {
        Described { required: true, ..Described::optional(name, about) }
    }

    /// The same, of another look.
    pub const fn that_looks(self, looks: Looks) -> Described {
        Described { looks, ..self }
    }
}

/// A parameter as [`super::answer::Parameters::duration`] takes it.
pub(super) fn durations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "description": "A duration, or a number of seconds.",
        "examples": ["1500ms", "2s", "2.5"],
    })
}

/// An instant in UTC.
pub(super) fn instants(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "pattern": "Z$" })
}

/// A body, by what it is written in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// Text, of one of these content types: the first, unless another is asked for.
    Text(&'static [&'static str]),
    /// JSON.
    Json(Looks),
    /// Server-sent events: the name of each kind, and its data.
    Events(&'static [(&'static str, Looks)]),
}

impl Answer {
    /// This data in the envelope.
    pub const fn of<T: JsonSchema>() -> Answer {
        Answer::Json(SchemaGenerator::subschema_for::<Success<T>>)
    }
}

/// Text without further ado.
pub(super) const PLAIN_TEXT: Answer = Answer::Text(&["text/plain; charset=utf-8"]);
