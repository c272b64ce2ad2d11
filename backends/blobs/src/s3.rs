//! Blobs in a bucket of S3, or of a server that speaks its protocol.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::signer::Url;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig, path::Path};
use parlor_core::ports::Unavailable;
use parlor_core::ports::blobs::{Blobs, Key, Pieces, PutAddress, PutError};
use parlor_core::time::Timestamp;
use rusty_s3::actions::{GetObject, PutObject};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use crate::objects::{Objects, path};
use crate::pour::pour;

/// As an operator calls it.
const NAME: &str = "s3";
/// The smallest part that S3 takes, but for the last of an object.
const PART: usize = 5 << 20;
/// A call that has not come back by then will not.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the bucket is, and who asks.
#[derive(Clone)]
pub struct Config {
    /// The bucket's name. It must exist, and grant `s3:GetObject`, `PutObject`, `DeleteObject` and `ListBucket` (without
    /// the last, S3 says "forbidden" of what is not there).
    pub bucket: String,
    /// The region, such as `eu-central-1`; servers of one's own mostly take any.
    pub region: String,
    /// A server of one's own, such as `http://127.0.0.1:9000`; `None`: Amazon's.
    pub endpoint: Option<String>,
    /// The same server as clients reach it, where that is by another address.
    pub public_endpoint: Option<String>,
    /// Key id and secret; `None`: as the environment or the machine's role has them.
    pub credentials: Option<(String, String)>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("bucket", &self.bucket).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Settings that name no bucket.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// A bucket. Clients put and get its objects by themselves, at addresses signed for one object, type, size and time.
pub struct S3 {
    objects: Objects<AmazonS3>,
    /// The bucket as clients reach it.
    public: Bucket,
}

impl S3 {
    /// Takes a bucket. Nothing is asked of it yet.
    ///
    /// # Errors
    /// The settings name none.
    pub fn new(config: &Config) -> Result<Arc<Self>, Invalid> {
        // One of the process's choosing may be there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() },
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
        };
        let plain = config.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let mut builder = match config.credentials {
            Some(_) => AmazonS3Builder::new(),
            None => AmazonS3Builder::from_env(),
        }
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_retry(retry)
        // One's own server is mostly at one name; Amazon's has one for each bucket.
        .with_virtual_hosted_style_request(config.endpoint.is_none())
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(plain)
                .with_connect_timeout(Duration::from_secs(5))
                .with_timeout(TIMEOUT),
        );
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if let Some((id, secret)) = &config.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|error| Invalid(error.to_string()))?;
        let objects = Objects { store, name: NAME };
        Ok(Arc::new(Self { objects, public: public(config)? }))
    }

    async fn credentials(&self) -> Result<Credentials, Unavailable> {
        let held = self.objects.store.credentials().get_credential().await;
        let held = held.map_err(|error| Unavailable::new(NAME, error))?;
        Ok(match &held.token {
            Some(token) => Credentials::new_with_token(&held.key_id, &held.secret_key, token),
            None => Credentials::new(&held.key_id, &held.secret_key),
        })
    }
}

/// The bucket as clients reach it.
fn public(config: &Config) -> Result<Bucket, Invalid> {
    let own = config.public_endpoint.as_ref().or(config.endpoint.as_ref());
    let (endpoint, style) = match own {
        Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
        None => (format!("https://s3.{}.amazonaws.com", config.region), UrlStyle::VirtualHost),
    };
    let url = Url::parse(&endpoint).map_err(|error| Invalid(format!("'{endpoint}': {error}")))?;
    Bucket::new(url, style, config.bucket.clone(), config.region.clone())
        .map_err(|error| Invalid(format!("'{endpoint}': {error}")))
}

#[async_trait]
impl Blobs for S3 {
    async fn put(&self, key: &Key, size: u64, pieces: Pieces) -> Result<(), PutError> {
        self.objects.timed("put", pour(&self.objects.store, NAME, PART, &path(key), size, pieces)).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, Unavailable> {
        self.objects.timed("size", self.objects.size(key)).await
    }

    async fn read(&self, key: &Key, from: u64, to: u64) -> Result<Option<Pieces>, Unavailable> {
        self.objects.timed("read", self.objects.read(key, from, to)).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<bool, Unavailable> {
        self.objects.timed("copy", self.objects.copy(from, to)).await
    }

    async fn remove(&self, key: &Key) -> Result<(), Unavailable> {
        self.objects.timed("remove", self.objects.remove(key)).await
    }

    async fn put_address(
        &self,
        key: &Key,
        size: u64,
        mime: &str,
        expires: Timestamp,
    ) -> Result<Option<PutAddress>, Unavailable> {
        let credentials = self.credentials().await?;
        let mut put = PutObject::new(&self.public, Some(&credentials), key.as_str());
        // Signed, so that S3 refuses any other size and type.
        put.headers_mut().insert("content-length", size.to_string());
        put.headers_mut().insert("content-type", mime.to_owned());
        let lasts = expires.0.saturating_sub(Timestamp::now().0).max(1000);
        let url = put.sign(Duration::from_millis(lasts.unsigned_abs()));
        Ok(Some(PutAddress { url: url.into(), headers: vec![("Content-Type".into(), mime.into())] }))
    }

    async fn get_address(
        &self,
        key: &Key,
        mime: &str,
        disposition: &str,
        lasts: Duration,
    ) -> Result<Option<String>, Unavailable> {
        let credentials = self.credentials().await?;
        let mut get = GetObject::new(&self.public, Some(&credentials), key.as_str());
        get.query_mut().insert("response-content-type", mime.to_owned());
        get.query_mut().insert("response-content-disposition", disposition.to_owned());
        Ok(Some(get.sign(lasts).into()))
    }

    async fn check(&self) -> Result<(), Unavailable> {
        // Nothing is there; but whether the bucket is, and may be asked, is known by then.
        let nowhere = Path::from("check");
        match self.objects.store.list(Some(&nowhere)).next().await {
            Some(Err(error)) => Err(Unavailable::new(NAME, error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}
