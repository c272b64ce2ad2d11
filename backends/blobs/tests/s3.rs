//! The contract on a real server that speaks S3 and checks signatures.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parlor_blobs::{Config, S3};
use parlor_core::ports::blobs::Blobs;
use parlor_core::ports::blobs_contract::{Reply, Request, Subject};

parlor_core::blobs_contract!(make());

struct Server {
    blobs: Arc<S3>,
    client: reqwest::Client,
}

impl Subject for Server {
    fn blobs(&self) -> Arc<dyn Blobs> {
        self.blobs.clone()
    }

    fn ask(&self, request: Request) -> BoxFuture<'static, Reply> {
        let method = request.method.parse().expect("a method");
        let mut asked = self.client.request(method, request.url).body(request.body);
        for (name, value) in request.headers {
            asked = asked.header(name, value);
        }
        Box::pin(async move {
            let reply = asked.send().await.expect("an answer");
            let status = reply.status().as_u16();
            let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
            let headers = reply.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Reply { status, headers, body: reply.bytes().await.expect("a body") }
        })
    }
}

/// `http://id:secret@host:port/bucket`.
fn config() -> Config {
    let url = std::env::var("PARLOR_TEST_S3")
        .expect("PARLOR_TEST_S3 is not set: run `make test`, or `infra/local/servers up` and use its variables");
    let url = reqwest::Url::parse(&url).expect("PARLOR_TEST_S3 is a URL");
    let endpoint = format!("http://{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    Config {
        bucket: url.path().trim_matches('/').to_owned(),
        region: "eu-central-1".into(),
        endpoint: Some(endpoint),
        public_endpoint: None,
        credentials: Some((url.username().to_owned(), url.password().expect("a secret").to_owned())),
    }
}

async fn make() -> Server {
    let blobs = S3::new(&config()).expect("a bucket");
    Server { blobs, client: reqwest::Client::new() }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_not_ones_own_is_said_so() {
    let good = config();
    let (id, _) = good.credentials.clone().expect("credentials");
    for wrong in [
        Config { bucket: "parlor-nowhere".into(), ..good.clone() },
        Config { credentials: Some((id, "guessed".into())), ..good.clone() },
    ] {
        assert!(S3::new(&wrong).expect("a bucket").check().await.is_err(), "{wrong:?}");
    }
}

#[test]
fn amazons_buckets_have_a_name_of_their_own_and_a_secure_address() {
    let config = Config { endpoint: None, ..config() };
    let blobs = S3::new(&config).expect("a bucket");
    let lasts = std::time::Duration::from_secs(60);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let key = parlor_core::ports::blobs::Key::settled(parlor_core::ids::BlobId::now());
    let url = runtime.block_on(blobs.get_address(&key, "image/png", "inline", lasts)).expect("an answer");
    let begins = format!("https://{}.s3.eu-central-1.amazonaws.com/files/", config.bucket);
    assert!(url.expect("an address").starts_with(&begins));
}
