//! Every route, described: who may ask, with what, and what is answered. The refusals are the same for all.

use axum::routing::MethodFilter;
use serde_json::{Value, json};

use crate::rest::rooms::{PATHS, PLACES};
use crate::vocabularies::asyncapi::{Forms, Takes, dotted, field, rest_answers, sentence_of, takes_of};
use crate::vocabularies::{Route, Rules, Vocabulary, cafe, conversations};

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Anybody.
    Anybody,
    /// A user, with a token.
    User,
    /// The team's back end, with a server key.
    Server,
    /// Who has the refresh cookie.
    Cookie,
    /// Who has a token or the cookie.
    UserOrCookie,
    /// Who has an address that is signed, or a token.
    AddressOrUser,
}

/// One method of one path.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) tag: &'static str,
    pub(super) summary: String,
    pub(super) who: Who,
    /// Places of the path and the query, each with its schema: `(place, in path, schema, required)`.
    pub(super) parameters: Vec<(String, bool, Value, bool)>,
    pub(super) body: Option<Value>,
    /// Whether it takes an `Idempotency-Key`.
    pub(super) keyed: bool,
    /// Statuses of what is no refusal, with the body's schema.
    pub(super) answers: Vec<(u16, Option<Value>)>,
}

/// The sets of objects that the answers refer to.
pub(super) struct Sets {
    pub(super) dotted: Forms,
    pub(super) cafe: Forms,
    pub(super) conversations: Forms,
}

impl Sets {
    pub(super) fn new() -> Self {
        let of = |document, routes: &[&Route]| {
            let bodies: Vec<Value> =
                routes.iter().flat_map(|route| rest_answers(document, takes_of(route).name())).collect();
            Forms::new(&format!("{document}.rest"), &bodies)
        };
        Self {
            dotted: crate::vocabularies::asyncapi::forms(Vocabulary::Dotted),
            cafe: of("cafe", cafe::rest::ROUTES),
            conversations: of("conversations", conversations::rest::ROUTES),
        }
    }
}

pub(super) fn rows(sets: &Sets) -> Vec<Row> {
    let mut rows = Vec::new();
    for (path, methods) in PATHS {
        for (method, event, status) in *methods {
            rows.push(as_event(sets, method_name(*method), path, event, status.as_u16(), "rooms"));
        }
    }
    rows.extend(devices(sets));
    rows.extend(files(sets));
    rows.extend(cafe::rest::ROUTES.iter().map(|route| as_document("cafe", &sets.cafe, route)));
    rows.extend(
        conversations::rest::ROUTES.iter().map(|route| as_document("conversations", &sets.conversations, route)),
    );
    rows.extend(accounts());
    rows.extend(server(sets));
    rows.extend(operations());
    rows
}

fn method_name(method: MethodFilter) -> &'static str {
    match method {
        MethodFilter::GET => "get",
        MethodFilter::POST => "post",
        MethodFilter::PUT => "put",
        MethodFilter::PATCH => "patch",
        MethodFilter::DELETE => "delete",
        other => panic!("{other:?} has no name here"),
    }
}

/// The places of a path template.
fn places(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
}

/// A path parameter that is a field of some payload.
fn place_schema(name: &str) -> Value {
    field("path", name, &Rules::default()).unwrap_or_else(|| panic!("`{name}` is no field"))
}

fn row(method: &'static str, path: &str, tag: &'static str, who: Who, summary: &str) -> Row {
    Row {
        method,
        path: path.to_owned(),
        tag,
        summary: summary.to_owned(),
        who,
        parameters: places(path)
            .into_iter()
            .map(|place| {
                let known = PLACES.iter().find(|(known, _)| *known == place).map(|(_, field)| *field);
                let name = known.unwrap_or(if place == "file" { "fileId" } else { place });
                (place.to_owned(), true, place_schema(name), true)
            })
            .collect(),
        body: None,
        keyed: false,
        answers: Vec::new(),
    }
}

impl Row {
    fn answers(mut self, status: u16, body: Option<Value>) -> Self {
        self.answers.push((status, body));
        self
    }

    fn takes(mut self, required: &[&str], properties: Value) -> Self {
        self.body = Some(json!({ "type": "object", "required": required, "properties": properties }));
        self
    }

    /// Takes the fields of an event: those that are no place of the path are in the query, or in the body.
    fn fields(mut self, takes: &Takes, given: &[&str], in_body: bool) -> Self {
        let rest: Vec<&str> = takes.fields().iter().copied().filter(|name| !given.contains(name)).collect();
        if in_body {
            self.keyed = rest.contains(&"tempId");
            if !rest.is_empty() {
                self.body = Some(takes.schema(&rest));
            }
        } else {
            for name in rest {
                let mut schema = field(takes.name(), name, &Rules::default()).expect("asked before");
                if schema["type"] == "array" || schema["type"] == "object" {
                    continue;
                }
                if schema["type"].is_array() {
                    schema["type"] = "string".into();
                    schema["examples"] = json!([schema["examples"][0]
                        .as_str()
                        .map_or_else(|| schema["examples"][0].to_string(), str::to_owned)]);
                }
                let required = takes.needed.required.iter().any(|needed| needed == name);
                self.parameters.push((name.to_owned(), false, schema, required));
            }
        }
        self
    }
}

/// A request that says what dotted's event says.
fn as_event(sets: &Sets, method: &'static str, path: &str, event: &str, status: u16, tag: &'static str) -> Row {
    let (takes, ack, summary) = dotted(event, &sets.dotted);
    let row = row(method, path, tag, Who::User, summary);
    let names: Vec<&str> = places(path)
        .into_iter()
        .map(|place| PLACES.iter().find(|(known, _)| *known == place).map_or(place, |(_, field)| field))
        .collect();
    let summary = format!("{summary} As `{event}` over a socket.");
    Row { summary, ..row }.fields(&takes, &names, !matches!(method, "get" | "delete")).answers(status, Some(ack))
}

/// A request of a document of its own.
fn as_document(document: &'static str, forms: &Forms, route: &Route) -> Row {
    let takes = takes_of(route);
    let name = takes.name();
    let (method, path) = name.split_once(' ').expect("method and path");
    let fields: Vec<&str> = path.split('/').filter_map(|part| part.strip_prefix(':')).collect();
    let mut template = path.to_owned();
    for field in &fields {
        let place = match *field {
            "userId" => "user",
            "emoji" => "emoji",
            _ => "id",
        };
        template = template.replace(&format!(":{field}"), &format!("{{{place}}}"));
    }
    let method = ["get", "post", "put", "patch", "delete"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(method))
        .expect("a method");
    let mut described = Row {
        method,
        tag: document,
        summary: sentence_of(name).to_owned(),
        who: Who::User,
        parameters: Vec::new(),
        path: template.clone(),
        body: None,
        keyed: false,
        answers: Vec::new(),
    };
    for (place, field) in places(&template).iter().zip(&fields) {
        described.parameters.push(((*place).to_owned(), true, place_schema(field), true));
    }
    let mut described = described.fields(&takes, &fields, !matches!(method, "get" | "delete"));
    let body = forms.object(&rest_answers(document, name));
    if name == "POST /api/conversations/direct" {
        // The pair has it already.
        described = described.answers(200, Some(body.clone()));
    }
    described.answers(route.status, Some(body))
}

fn devices(sets: &Sets) -> Vec<Row> {
    let of = |method, path, event| as_event(sets, method, path, event, 200, "devices");
    let mut key = of("get", "/api/push/key", "push.key");
    key.who = Who::Anybody;
    let mut unsubscribe = of("delete", "/api/push/subscriptions", "push.unsubscribe");
    unsubscribe.parameters.clear();
    let (takes, ..) = dotted("push.unsubscribe", &sets.dotted);
    let unsubscribe = unsubscribe.fields(&takes, &[], true);
    let mut keys = of("get", "/api/keys", "keys.get");
    let users =
        json!({ "type": "string", "description": "Users' ids, separated by commas.", "examples": ["user1,user2"] });
    keys.parameters = vec![("userIds".into(), false, users, false)];
    vec![
        key,
        of("post", "/api/push/subscriptions", "push.subscribe"),
        unsubscribe,
        keys,
        of("post", "/api/keys", "keys.publish"),
        of("post", "/api/keys/claim", "keys.claim"),
    ]
}

fn files(sets: &Sets) -> Vec<Row> {
    let token = || {
        let schema = json!({ "type": "string", "description": "What the address that was given says." });
        ("token".to_owned(), false, schema, false)
    };
    let fetch = |path, summary| {
        let mut row = row("get", path, "files", Who::AddressOrUser, summary);
        row.parameters.push(token());
        let bytes = json!({ "*/*": {} });
        row.answers(200, Some(bytes.clone()))
            .answers(206, Some(bytes))
            .answers(302, None)
            .answers(304, None)
            .answers(416, None)
    };
    let command = |method, path: &str, event| {
        let (_, ack, summary) = dotted(event, &sets.dotted);
        row(method, path, "files", Who::User, &format!("{summary} As `{event}` over a socket.")).answers(200, Some(ack))
    };
    let mut put = row("put", "/api/files/{file}", "files", Who::AddressOrUser, "Brings the bytes of a declared file.");
    put.parameters.push(token());
    put.body = Some(json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } }));
    vec![
        as_event(sets, "post", "/api/files", "file.upload.start", 201, "files"),
        fetch("/api/files/{file}", "Fetches the bytes of a file, or a range of them."),
        put.answers(204, None),
        command("delete", "/api/files/{file}", "file.upload.cancel"),
        command("post", "/api/files/{file}/complete", "file.upload.complete"),
        command("post", "/api/files/{file}/url", "file.url"),
        fetch("/api/files/{file}/{name}", "The same; the name is for people."),
        fetch("/api/files/{file}/complete", "The same, of a file that is called so."),
        fetch("/api/files/{file}/url", "The same, of a file that is called so."),
    ]
}

fn profile() -> Value {
    let text = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    let when = json!({ "type": ["string", "null"], "format": "date-time" });
    json!({
        "type": "object",
        "required": ["id", "username", "email", "displayName", "avatar", "createdAt"],
        "properties": {
            "id": text, "username": maybe, "email": maybe, "displayName": text, "avatar": maybe, "createdAt": when,
        },
    })
}

fn signed_in() -> Value {
    json!({
        "type": "object",
        "required": ["token", "expiresAt", "user"],
        "properties": {
            "token": { "type": "string", "description": "A JWT: for `Authorization`, and for sockets." },
            "expiresAt": { "type": "string", "format": "date-time" },
            "user": profile(),
        },
    })
}

fn user() -> Value {
    json!({ "type": "object", "required": ["user"], "properties": { "user": profile() } })
}

fn accounts() -> Vec<Row> {
    let of = |method, path, who, summary| row(method, path, "accounts", who, summary);
    let name = json!({ "type": "string", "minLength": 3, "maxLength": 32, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" });
    let shown = json!({ "type": "string", "minLength": 1, "maxLength": 64 });
    let password = json!({ "type": "string", "minLength": 8, "maxLength": 256 });
    let text = json!({ "type": "string" });
    let maybe = json!({ "type": ["string", "null"] });
    let mut login =
        of("post", "/api/auth/login", Who::Anybody, "Signs in with a username or an address, and a password.")
            .takes(&["password"], json!({ "username": text, "email": text, "password": text }));
    if let Some(body) = &mut login.body {
        body["oneOf"] = json!([{ "required": ["username"] }, { "required": ["email"] }]);
    }
    vec![
        of("post", "/api/auth/register", Who::Anybody, "Makes an account, and signs in.")
            .takes(
                &["username", "password"],
                json!({ "username": name, "email": text, "password": password, "displayName": shown }),
            )
            .answers(201, Some(signed_in())),
        login.answers(200, Some(signed_in())),
        of(
            "post",
            "/api/auth/refresh",
            Who::Cookie,
            "Exchanges the refresh cookie for the next, with a new token beside it.",
        )
        .answers(200, Some(signed_in())),
        of("post", "/api/auth/logout", Who::UserOrCookie, "Ends the session of the token and that of the cookie.")
            .answers(204, None),
        of("post", "/api/auth/logout-all", Who::User, "Ends every session of the user.").answers(204, None),
        of("post", "/api/auth/guest", Who::Anybody, "A token for a guest who is nobody yet.")
            .takes(&[], json!({ "name": text }))
            .answers(201, Some(signed_in())),
        of("get", "/api/me", Who::User, "The caller's own profile.").answers(200, Some(user())),
        of("patch", "/api/me", Who::User, "Changes what is named; `null` removes it.")
            .takes(
                &[],
                json!({
                    "displayName": shown, "avatar": maybe, "email": maybe, "newPassword": password,
                    "currentPassword": text,
                }),
            )
            .answers(200, Some(signed_in())),
        of("delete", "/api/me", Who::User, "Deletes the account; its messages stay, as nobody's.")
            .takes(&["currentPassword"], json!({ "currentPassword": text }))
            .answers(204, None),
    ]
}

fn server(sets: &Sets) -> Vec<Row> {
    let of = |method, path, summary| row(method, path, "server", Who::Server, summary);
    let text = json!({ "type": "string" });
    let (create, created, _) = dotted("room.create", &sets.dotted);
    let (send, sent, _) = dotted("message.send", &sets.dotted);
    let room = |takes: &Takes, with_id: bool| {
        let names: Vec<&str> = takes.fields().iter().copied().filter(|name| with_id || *name != "roomId").collect();
        let mut body = takes.schema(&names);
        body["properties"]["createdBy"] =
            json!({ "type": "string", "description": "In whose name; a user who exists." });
        body["required"] = json!([]);
        body
    };
    let mut make = of("post", "/api/server/rooms", "Makes a room.");
    make.body = Some(room(&create, true));
    let mut make_with_id = of(
        "put",
        "/api/server/rooms/{room}",
        "Makes a room with this id (a group's begins with `group_`), or changes what is named.",
    );
    make_with_id.body = Some(room(&create, false));
    let mut say = of("post", "/api/server/rooms/{room}/messages", "Posts a system message.");
    say.body = Some(send.schema(&["content", "metadata"]));
    say.keyed = true;
    let ttl = json!({ "type": "integer", "minimum": 1, "maximum": 86_400, "description": "For so many seconds." });
    let reason = json!({ "type": "string", "maxLength": 500 });
    let until = field("PUT server ban", "until", &Rules::default()).expect("a field");
    let role = field("room.members.role", "role", &Rules::default()).expect("a field");
    vec![
        of("put", "/api/server/users/{user}", "Makes a user, or changes what is named.")
            .takes(&[], json!({ "name": { "type": "string", "minLength": 1, "maxLength": 64 }, "avatar": text }))
            .answers(200, Some(user()))
            .answers(201, Some(user())),
        of("get", "/api/server/users/{user}", "A user.").answers(200, Some(user())),
        of("delete", "/api/server/users/{user}", "Deletes a user.").answers(204, None),
        of("post", "/api/server/users/{user}/token", "A token for a user.")
            .takes(&[], json!({ "ttl": ttl }))
            .answers(201, Some(signed_in())),
        of("post", "/api/server/users/{user}/logout", "Ends every session and socket of a user.").answers(204, None),
        make.answers(200, Some(created.clone())).answers(201, Some(created.clone())),
        make_with_id.answers(200, Some(created.clone())).answers(201, Some(created)),
        of("delete", "/api/server/rooms/{room}", "Deletes a room; its id is spent.").answers(204, None),
        of("put", "/api/server/rooms/{room}/members/{user}", "Makes a user a member, with this role.")
            .takes(&[], json!({ "role": role }))
            .answers(204, None),
        of("delete", "/api/server/rooms/{room}/members/{user}", "Removes a member.").answers(204, None),
        of("put", "/api/server/rooms/{room}/bans/{user}", "Bans a user from a room.")
            .takes(&[], json!({ "until": until, "reason": reason }))
            .answers(204, None),
        of("delete", "/api/server/rooms/{room}/bans/{user}", "Lifts a ban.").answers(204, None),
        say.answers(201, Some(sent)),
        of("delete", "/api/server/messages/{message}", "Takes anybody's message back.").answers(204, None),
    ]
}

fn operations() -> Vec<Row> {
    let of = |path, summary| row("get", path, "operations", Who::Anybody, summary);
    let object = || Some(json!({ "type": "object" }));
    vec![
        of("/health", "Whether this process can serve.").answers(200, object()).answers(503, object()),
        of("/health/live", "Whether this process lives.").answers(200, object()),
        of("/health/ready", "Whether this process can serve.").answers(200, object()).answers(503, object()),
        of("/health/chat", "How the chat is.").answers(200, object()),
        of("/metrics", "Numbers, for Prometheus.").answers(200, Some(json!({ "text/plain": {} }))),
    ]
}
