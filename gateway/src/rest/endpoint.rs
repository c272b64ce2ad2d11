//! What every route has in common: the request is read into a command in full, or refused by the field that is wrong;
//! the command is carried out; the answer gets the route's form.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use parlor_core::command::Command;
use parlor_core::error::{ChatError, Code};
use parlor_core::time::Timestamp;
use serde_json::value::RawValue;

use super::request::Request;
use super::{Bearer, Form, Rendering, carry_out};
use crate::Shared;
use crate::vocabularies::{Asked, Route, Vocabulary};

/// Path parameters and the fields that they are: routers want one name for a place, documents have several.
type Places = &'static [(&'static str, &'static str)];

/// A method of a path.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    kind: Kind,
    places: Places,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Says what dotted's event of that name says, and is answered with its ack.
    Event { name: &'static str, status: StatusCode },
    /// As its document says.
    Route { route: &'static Route, form: Form },
}

impl Endpoint {
    pub(super) const fn event(name: &'static str, status: StatusCode, places: Places) -> Self {
        Self { kind: Kind::Event { name, status }, places }
    }

    pub(super) const fn route(route: &'static Route, form: Form, places: Places) -> Self {
        Self { kind: Kind::Route { route, form }, places }
    }

    /// Served for a method.
    pub(super) fn on(self, method: MethodFilter) -> MethodRouter<Arc<Shared>> {
        on(method, move |State(shared): State<Arc<Shared>>, bearer: Bearer, request: Request| async move {
            match self.read(&shared, request) {
                Ok(command) => self.carry_out(&shared, bearer, command).await,
                Err(error) => self.form().refuse(&error),
            }
        })
    }

    pub(super) fn form(self) -> Form {
        match self.kind {
            Kind::Event { .. } => Form::Dotted,
            Kind::Route { form, .. } => form,
        }
    }

    /// The command that a request asks for.
    pub(super) fn read(self, shared: &Shared, request: Request) -> Result<Command, ChatError> {
        let Request { given, body } = request;
        let (mut given, body) = (given?, body?);
        for (name, _) in &mut given {
            if let Some((_, field)) = self.places.iter().find(|(place, _)| place == name) {
                *name = (*field).to_owned();
            }
        }
        let body: Option<&RawValue> = match &body {
            body if body.is_empty() => None,
            body => Some(
                serde_json::from_slice(body)
                    .map_err(|_| ChatError::new(Code::BadRequest, "the body is not valid JSON"))?,
            ),
        };
        let rules = &shared.config.rules;
        match self.kind {
            Kind::Event { name, .. } => Vocabulary::Dotted.parse_request(name, &given, body, rules),
            Kind::Route { route, .. } => route.command(&given, body, rules),
        }
    }

    pub(super) async fn carry_out(self, shared: &Arc<Shared>, bearer: Bearer, command: Command) -> Response {
        let rendering = match self.kind {
            Kind::Event { status, .. } => Rendering::new(Form::Dotted, status, |answer| Vocabulary::Dotted.ack(answer)),
            Kind::Route { route, form } => {
                let asked = Asked { user: bearer.0.user.clone(), command: command.clone(), at: Timestamp::now() };
                let status = StatusCode::from_u16(route.status).unwrap_or(StatusCode::OK);
                let rendering = Rendering::new(form, status, move |answer| (route.body)(answer, &asked));
                let (shows_status, shows_participants) = (route.shows_status(), route.shows_participants());
                Rendering { shows_status, shows_participants, ..rendering }
            }
        };
        carry_out(shared, bearer, command, rendering).await
    }
}
