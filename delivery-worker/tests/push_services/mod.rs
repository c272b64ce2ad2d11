//! Local servers that speak the protocols of the push services, and take nothing that they should not take.

#![allow(unreachable_pub, reason = "it is a part of each test file")]
#![allow(clippy::result_large_err, reason = "a refusal is a response like any other")]
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests: a failure is to stop it there")]

pub mod apns;
pub mod fcm;
pub mod web;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use parlor_core::ports::push_contract::{Mood, Taken};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What a service remembers.
#[derive(Clone)]
pub struct Desk {
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<Taken>>>,
    /// Requests of all kinds, tokens left out.
    asked: Arc<Mutex<usize>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { mood: Arc::new(Mutex::new(Mood::Takes)), taken: Arc::default(), asked: Arc::default() }
    }
}

impl Desk {
    pub fn answer(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().clone()
    }

    pub fn asked(&self) -> usize {
        *self.asked.lock()
    }

    fn mood(&self) -> Mood {
        *self.asked.lock() += 1;
        *self.mood.lock()
    }

    fn take(&self, taken: Taken) {
        self.taken.lock().push(taken);
    }
}

/// Serves HTTP/1 and, with prior knowledge, HTTP/2 on a port of its own until it is closed.
pub async fn serve(routes: Router) -> (SocketAddr, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        // Dropped with the task: connections end with the server.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(routes.clone());
            connections.spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, serving.abort_handle())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Response> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, &format!("no {name}")))
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, why.to_owned()).into_response()
}

fn seconds_now() -> u64 {
    u64::try_from(parlor_core::time::Timestamp::now().0 / 1000).unwrap()
}
