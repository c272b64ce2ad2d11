//! The scenario with `rust_socketio`: `scenario-client URL TRANSPORTS SCENARIO`, the transports with commas between them.
//!
//! Says `cut` on standard output where the scenario cuts the connections, and nothing else; what fails ends it.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(15);

type Failure = Box<dyn std::error::Error>;

/// One namespace: this library has a connection for each.
struct Place {
    client: Client,
    /// Events, each `[name, arguments…]`.
    events: Receiver<Value>,
    connects: Receiver<()>,
}

struct Runner {
    url: String,
    transport: fn() -> TransportType,
    places: HashMap<String, Place>,
}

impl Runner {
    fn step(&mut self, step: &Value) -> Result<(), Failure> {
        match text(step, "do") {
            "connect" => self.connect(step),
            "emit" => Ok(self.place(step)?.client.emit(text(step, "event"), payload(&step["args"]))?),
            "expect" => {
                let mut expected = vec![step["event"].clone()];
                expected.extend(list(&value(&step["args"])));
                equal(&self.place(step)?.events.recv_timeout(WITHIN)?, &Value::Array(expected))
            }
            "ask" => self.ask(step),
            "burst" => self.burst(step),
            // This library has upgraded, if it will, before it has connected.
            "settle" => Ok(()),
            "refused" => self.refused(step),
            "cut" => {
                println!("cut");
                for place in self.places.values() {
                    place.connects.recv_timeout(WITHIN).map_err(|_| "it did not come back")?;
                }
                Ok(())
            }
            "disconnect" => {
                for (_, place) in self.places.drain() {
                    place.client.disconnect()?;
                }
                Ok(())
            }
            other => Err(format!("there is no step {other}").into()),
        }
    }

    fn place(&self, step: &Value) -> Result<&Place, Failure> {
        Ok(self.places.get(text(step, "namespace")).ok_or("not connected there")?)
    }

    fn builder(&self, namespace: &str) -> ClientBuilder {
        ClientBuilder::new(&self.url).namespace(namespace).transport_type((self.transport)())
    }

    fn connect(&mut self, step: &Value) -> Result<(), Failure> {
        for namespace in step["namespaces"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (event, events) = channel();
            let (connect, connects) = channel();
            let client = self
                .builder(namespace)
                .auth(step["auth"].clone())
                .reconnect(true)
                .reconnect_delay(100, 500)
                // Nobody listens any more once the scenario is over.
                .on(Event::Connect, move |_, _| {
                    let _ = connect.send(());
                })
                .on_any(move |name, payload, _| drop(event.send(came(&name, payload))))
                .connect()?;
            connects.recv_timeout(WITHIN).map_err(|_| format!("{namespace} is not connected"))?;
            self.places.insert(namespace.to_owned(), Place { client, events, connects });
        }
        Ok(())
    }

    fn ask(&self, step: &Value) -> Result<(), Failure> {
        let (tell, told) = channel();
        self.place(step)?.client.emit_with_ack(
            text(step, "event"),
            payload(&step["args"]),
            WITHIN,
            move |answer: Payload, _| drop(tell.send(answer)),
        )?;
        let Payload::Text(answer) = told.recv_timeout(WITHIN)? else { return Err("a binary answer".into()) };
        // The answer's arguments come as one array.
        equal(&answer[0], &value(&step["answer"]))
    }

    fn burst(&self, step: &Value) -> Result<(), Failure> {
        let place = self.place(step)?;
        let filler = value(&step["filler"]);
        let count = step["count"].as_u64().unwrap_or_default();
        for i in 0..count {
            place.client.emit(text(step, "event"), Payload::Text(vec![json!(i), filler.clone()]))?;
        }
        for i in 0..count {
            equal(&place.events.recv_timeout(WITHIN)?, &json!([step["answer"], i, filler]))?;
        }
        Ok(())
    }

    fn refused(&self, step: &Value) -> Result<(), Failure> {
        let (tell, told) = channel();
        let client = self
            .builder(text(step, "namespace"))
            .reconnect(false)
            .on(Event::Error, move |payload, _| drop(tell.send(payload)))
            .connect()?;
        let begun = Instant::now();
        let mut answers = Vec::new();
        while begun.elapsed() < WITHIN {
            let Payload::Text(answer) = told.recv_timeout(WITHIN)? else { continue };
            let said = Value::Array(answer).to_string();
            if said.contains(text(step, "message")) {
                let _ = client.disconnect();
                return Ok(());
            }
            answers.push(said);
        }
        Err(format!("refused with {answers:?}").into())
    }
}

/// An event as the scenario has it. An event without arguments comes under the name `message` (`RawClient::handle_event`).
fn came(name: &Event, payload: Payload) -> Value {
    match payload {
        Payload::Binary(bytes) => json!([name.as_str(), { "$bytes": STANDARD.encode(bytes) }]),
        Payload::Text(args) => Value::Array([vec![json!(name.as_str())], args].concat()),
        #[allow(deprecated)]
        Payload::String(text) => json!([name.as_str(), text]),
    }
}

/// A value of the scenario; binary stays as it is written there.
fn value(json: &Value) -> Value {
    if let Some([text, times]) = json.get("$text").and_then(Value::as_array).map(Vec::as_slice) {
        let times = times.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        return Value::String(text.as_str().unwrap_or_default().repeat(times));
    }
    match json {
        Value::Array(items) => items.iter().map(value).collect(),
        other => other.clone(),
    }
}

fn payload(args: &Value) -> Payload {
    if let Some(bytes) = args[0].get("$bytes").and_then(Value::as_str) {
        return Payload::from(STANDARD.decode(bytes).unwrap_or_default());
    }
    Payload::Text(list(&value(args)))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text<'a>(step: &'a Value, name: &str) -> &'a str {
    step[name].as_str().unwrap_or_default()
}

fn equal(actual: &Value, expected: &Value) -> Result<(), Failure> {
    if actual == expected {
        return Ok(());
    }
    let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
    Err(format!("expected {}, got {}", short(expected), short(actual)).into())
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, transports, path] = args.as_slice() else { return Err("URL TRANSPORTS SCENARIO".into()) };
    let transport: fn() -> TransportType = match transports.as_str() {
        "polling" => || TransportType::Polling,
        "websocket" => || TransportType::Websocket,
        _ => || TransportType::WebsocketUpgrade,
    };
    let scenario: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut runner = Runner { url: url.clone(), transport, places: HashMap::new() };
    for (index, step) in list(&scenario["steps"]).iter().enumerate() {
        if step["without"].get("rust").is_some() {
            continue;
        }
        runner.step(step).map_err(|error| {
            format!(
                "step {index} ({} {} in {}): {error}",
                text(step, "do"),
                text(step, "event"),
                text(step, "namespace")
            )
        })?;
    }
    // Its threads do not end by themselves.
    std::process::exit(0);
}
