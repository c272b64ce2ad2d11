//! `docs/api/openapi.json`: every request that Parlor answers. It is made from a table (`rows.rs`), most of which is the
//! router's own: what `rooms.rs` and the documents' routes are built from. A test asks the router for its paths and
//! methods, and finds all of them here and nothing else.
//! `UPDATE_DOCS=1 cargo test -p parlor-gateway document` writes it anew.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use parlor_core::error::Code;
use serde_json::{Map, Value, json};

use self::rows::{Row, Sets, Who, rows};
use super::errors::status;
use crate::vocabularies::asyncapi::check;

/// Every status of a refusal, with the codes that have it.
fn refusals() -> BTreeMap<u16, Vec<&'static str>> {
    let mut refusals = BTreeMap::<u16, Vec<&str>>::new();
    for code in Code::ALL.into_iter().filter(|code| *code != Code::UnknownEvent) {
        refusals.entry(status(code).as_u16()).or_default().push(code.as_str());
    }
    refusals
}

fn refusal(codes: &[&str], name: &str) -> Value {
    json!({
        "type": "object",
        "required": [name, "message", "retryable"],
        "properties": {
            name: { "type": "string", "enum": codes, "description": "As docs/errors.md tells." },
            "message": { "type": "string", "description": "For people." },
            "retryable": { "type": "boolean" },
            "field": { "type": "string", "description": "What is wrong." },
            "retryAfter": { "type": "integer", "description": "In seconds, as `Retry-After`." },
            "limit": { "type": "integer" },
            "window": { "type": "integer", "description": "In seconds." },
        },
    })
}

fn response(status: u16, schema: Option<&Value>) -> Value {
    let said = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let description = said.unwrap_or("An answer");
    match schema {
        None => json!({ "description": description }),
        // A schema has no slash in its names; bodies that are no JSON are given by their media types.
        Some(content) if content.as_object().is_some_and(|map| map.keys().all(|key| key.contains('/'))) => {
            json!({ "description": description, "content": content })
        }
        Some(schema) => json!({ "description": description, "content": { "application/json": { "schema": schema } } }),
    }
}

fn operation(row: &Row) -> Value {
    let mut parameters: Vec<Value> = row
        .parameters
        .iter()
        .map(|(name, in_path, schema, required)| {
            let place = if *in_path { "path" } else { "query" };
            json!({ "name": name, "in": place, "required": required, "schema": schema })
        })
        .collect();
    if row.keyed {
        parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let mut responses: Map<String, Value> =
        row.answers.iter().map(|(status, body)| (status.to_string(), response(*status, body.as_ref()))).collect();
    let form = if row.path.starts_with("/api/chat/") { "cafe" } else { "dotted" };
    if row.tag != "operations" {
        for status in refusals().keys() {
            let about_bodies = matches!(status, 413 | 415);
            let nobody = row.who == Who::Anybody && *status == 401 && row.path != "/api/auth/login";
            if (about_bodies && row.body.is_none()) || nobody {
                continue;
            }
            let reference = json!({ "$ref": format!("#/components/responses/{form}.{status}") });
            responses.entry(status.to_string()).or_insert(reference);
        }
    }
    let security = match row.who {
        Who::Anybody => json!([]),
        Who::User => json!([{ "token": [] }]),
        Who::Server => json!([{ "serverKey": [] }]),
        Who::Cookie => json!([{ "refresh": [] }]),
        Who::UserOrCookie => json!([{ "token": [] }, { "refresh": [] }]),
        Who::AddressOrUser => json!([{ "token": [] }, {}]),
    };
    let slug: String = row.path.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect();
    let mut operation = json!({
        "operationId": format!("{}{slug}", row.method),
        "tags": [row.tag],
        "summary": row.summary,
        "security": security,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = &row.body {
        let bytes = body.get("*/*").is_some();
        let content = if bytes { body.clone() } else { json!({ "application/json": { "schema": body } }) };
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn document() -> Value {
    let sets = Sets::new();
    let mut paths = Map::new();
    for row in rows(&sets) {
        let path = paths.entry(row.path.clone()).or_insert_with(|| json!({}));
        assert!(path.get(row.method).is_none(), "{} {} is there twice", row.method, row.path);
        path[row.method] = operation(&row);
    }
    let schemas: Map<String, Value> =
        [&sets.dotted, &sets.cafe, &sets.conversations].into_iter().flat_map(|forms| forms.schemas()).collect();
    let mut responses = Map::new();
    for (status, codes) in refusals() {
        for (form, name) in [("dotted", "error"), ("cafe", "code")] {
            let mut said = response(status, Some(&refusal(&codes, name)));
            if matches!(status, 429 | 503) {
                said["headers"] =
                    json!({ "Retry-After": { "description": "In seconds.", "schema": { "type": "integer" } } });
            }
            responses.insert(format!("{form}.{status}"), said);
        }
    }
    let key = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The client's own id of the message: repeated with the same one, it is posted once.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[A-Za-z0-9._-]+$" },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlor: requests",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What can be asked over HTTP. Each request says what an event says, and passes the same \
                checks and limits. Fields that a request does not take are ignored, and `null` is the same as absent.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "rooms", "description": "Rooms, messages, people: what `dotted` asks over a socket." },
            { "name": "files", "description": "Uploads and downloads." },
            { "name": "devices", "description": "Push subscriptions and public keys." },
            { "name": "accounts", "description": "Parlor's own accounts, guests, and sessions." },
            { "name": "cafe", "description": "The requests of the `cafe` vocabulary." },
            { "name": "conversations", "description": "The requests of the `conversations` vocabulary." },
            { "name": "server", "description": "What a team's own back end may do, with a server key." },
            { "name": "operations", "description": "Whether it runs." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "parameters": { "IdempotencyKey": key },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user's token." },
                "serverKey": { "type": "http", "scheme": "bearer", "description": "One of `auth.server_keys`." },
                "refresh": { "type": "apiKey", "in": "cookie", "name": "parlor_refresh" },
            },
        },
    })
}

#[test]
fn the_openapi_document_is_the_code() {
    check("openapi.json", &document());
}

/// The router's own list: method and path.
fn routed() -> BTreeSet<(String, String)> {
    let text = format!("{:?}", super::groups());
    // The fallback is a router of its own, with numbers of its own.
    let text = text.split("fallback_router").next().unwrap_or_default();
    let paths: BTreeMap<&str, &str> = text
        .split("RouteId(")
        .filter_map(|part| part.split_once("): \""))
        .filter_map(|(id, rest)| Some((id, rest.split('"').next()?)))
        .collect();
    let mut routed = BTreeSet::new();
    for part in text.split("RouteId(").filter(|part| part.contains("): MethodRouter(")) {
        let id = part.split(')').next().unwrap_or_default();
        let path = paths.get(id).expect("every route has a path");
        for method in ["get", "post", "put", "patch", "delete"] {
            let handler = part.split_once(&format!("{method}: ")).expect("every method is told").1;
            if !handler.starts_with("None") {
                routed.insert((method.to_owned(), (*path).to_owned()));
            }
        }
    }
    routed
}

#[test]
fn the_router_and_the_openapi_document_have_the_same_routes() {
    let document = document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.keys().map(move |method| (method.clone(), path.clone()))
        })
        .filter(|(_, path)| path.starts_with("/api/"))
        .collect();
    let routed = routed();
    assert!(routed.len() > 80, "the router's list was read: {routed:?}");
    assert_eq!(routed.difference(&described).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not described");
    assert_eq!(described.difference(&routed).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not routed");
}

#[test]
fn every_request_about_chat_is_under_api() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    // What operators and browsers ask beside it.
    let others = ["/health", "/health/live", "/health/ready", "/health/chat", "/metrics", "/docs", "/docs/{path}"];
    let elsewhere: Vec<_> = paths.keys().filter(|path| !path.starts_with("/api/")).collect();
    assert!(elsewhere.iter().all(|path| others.contains(&path.as_str())), "{elsewhere:?}");
    assert!(paths.len() > elsewhere.len() + 50);
}

#[test]
fn no_request_says_that_somebody_types() {
    let document = document();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let told = serde_json::to_string(&operation["requestBody"]).expect("JSON");
            let about = path.contains("typing") || told.to_lowercase().contains("typing");
            assert!(!about || method == "get", "{method} {path} is of typing, which goes over sockets alone");
        }
    }
}
