//! The contract of [`super::blobs`]: runs unchanged on every implementation.
//!
//! An implementation's tests say `parlor_core::blobs_contract!(make())`, where `make` gives a fresh [`Subject`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::blobs::{Blobs, Key, Pieces, PutError};
use crate::ids::{BlobId, FileId};
use crate::time::Timestamp;

/// One promise a test.
#[macro_export]
macro_rules! blobs_contract {
    ($make:expr) => {
        $crate::blobs_contract!(@ $make;
            what_was_put_is_read_back_whole_and_in_parts
            a_put_takes_the_place_of_what_was_there
            a_put_of_many_mebibytes_is_read_back
            bytes_beyond_the_announced_size_are_refused_and_change_nothing
            bytes_that_end_early_change_nothing
            a_copy_stands_when_its_source_is_written_again
            what_is_not_there_is_said_so
            what_was_removed_is_gone_and_may_be_removed_again
            an_address_takes_exactly_what_was_declared_until_it_expires
            an_address_gives_a_file_with_its_type_and_disposition_and_in_ranges
            it_answers_for_readiness
        );
    };
    (@ $make:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::ports::blobs_contract::$promise(&$make.await).await;
            }
        )*
    };
}

/// An implementation under test. Keys are ids, so tests share what lies behind it without harm.
pub trait Subject: Send + Sync {
    /// The blobs.
    fn blobs(&self) -> Arc<dyn Blobs>;
    /// Asks an address that the implementation gave out, as a client does.
    fn ask(&self, request: Request) -> BoxFuture<'static, Reply>;
}

/// An HTTP request.
pub struct Request {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// Where.
    pub url: String,
    /// Headers beside `Host` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body; empty for GET.
    pub body: Bytes,
}

/// Its answer.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, the names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn pieces(parts: &[&[u8]]) -> Pieces {
    let parts: Vec<io::Result<Bytes>> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts).boxed()
}

fn key() -> Key {
    Key::settled(BlobId::now())
}

async fn put(blobs: &dyn Blobs, key: &Key, bytes: &[u8]) {
    blobs.put(key, bytes.len() as u64, pieces(&[bytes])).await.expect("put");
}

async fn read(blobs: &dyn Blobs, key: &Key, from: u64, to: u64) -> Option<Vec<u8>> {
    let pieces = blobs.read(key, from, to).await.expect("an answer")?;
    let whole: Vec<Bytes> = pieces.try_collect().await.expect("read to the end");
    Some(whole.concat())
}

async fn whole(blobs: &dyn Blobs, key: &Key) -> Option<Vec<u8>> {
    read(blobs, key, 0, u64::MAX).await
}

/// See the port.
pub async fn what_was_put_is_read_back_whole_and_in_parts(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    blobs.put(&key, 11, pieces(&[b"hello", b"", b" ", b"world"])).await.expect("put");
    assert_eq!(blobs.size(&key).await.expect("an answer"), Some(11));
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"hello world");
    assert_eq!(read(&*blobs, &key, 0, 5).await.expect("there"), b"hello");
    assert_eq!(read(&*blobs, &key, 6, 11).await.expect("there"), b"world");
    assert_eq!(read(&*blobs, &key, 10, 1000).await.expect("there"), b"d");
}

/// See the port.
pub async fn a_put_takes_the_place_of_what_was_there(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    put(&*blobs, &key, b"first").await;
    put(&*blobs, &key, b"second").await;
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"second");
}

/// Beyond what any implementation takes in one piece.
pub async fn a_put_of_many_mebibytes_is_read_back(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    let piece: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    let count = 120;
    let parts: Vec<&[u8]> = std::iter::repeat_n(piece.as_slice(), count).collect();
    let size = (piece.len() * count) as u64;
    blobs.put(&key, size, pieces(&parts)).await.expect("put");
    assert_eq!(blobs.size(&key).await.expect("an answer"), Some(size));
    let back = whole(&*blobs, &key).await.expect("there");
    assert!(back.chunks(piece.len()).all(|chunk| chunk == piece), "the bytes are not those that were put");
    assert_eq!(read(&*blobs, &key, 99_998, 100_003).await.expect("there"), [&piece[99_998..], &piece[..3]].concat());
    blobs.remove(&key).await.expect("removed");
}

/// See the port.
pub async fn bytes_beyond_the_announced_size_are_refused_and_change_nothing(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    let refused = blobs.put(&key, 4, pieces(&[b"hel", b"lo"])).await;
    assert!(matches!(refused, Err(PutError::TooLong)), "{refused:?}");
    assert_eq!(blobs.size(&key).await.expect("an answer"), None);
    put(&*blobs, &key, b"first").await;
    // What never ends is refused too: no more than the announced bytes are read.
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_536]))).boxed();
    let refused = blobs.put(&key, 6 << 20, endless).await;
    assert!(matches!(refused, Err(PutError::TooLong)), "{refused:?}");
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"first");
}

/// See the port.
pub async fn bytes_that_end_early_change_nothing(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    put(&*blobs, &key, b"first").await;
    let short = blobs.put(&key, 6, pieces(&[b"hello"])).await;
    assert!(matches!(short, Err(PutError::Short(_))), "{short:?}");
    let broken = [Ok(Bytes::from_static(b"hello")), Err(io::Error::other("the client is gone"))];
    let broken = blobs.put(&key, 6, stream::iter(broken).boxed()).await;
    assert!(matches!(broken, Err(PutError::Short(_))), "{broken:?}");
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"first");
}

/// See the port.
pub async fn a_copy_stands_when_its_source_is_written_again(subject: &dyn Subject) {
    let blobs = subject.blobs();
    let (from, to) = (Key::incoming(FileId::now()), key());
    put(&*blobs, &from, b"verified").await;
    assert!(blobs.copy(&from, &to).await.expect("an answer"));
    put(&*blobs, &from, b"swapped").await;
    assert_eq!(whole(&*blobs, &to).await.expect("there"), b"verified");
    // Again, over what is there; and it stays when the source is gone.
    assert!(blobs.copy(&from, &to).await.expect("an answer"));
    blobs.remove(&from).await.expect("removed");
    assert_eq!(whole(&*blobs, &to).await.expect("there"), b"swapped");
}

/// See the port.
pub async fn what_is_not_there_is_said_so(subject: &dyn Subject) {
    let (blobs, missing) = (subject.blobs(), key());
    assert_eq!(blobs.size(&missing).await.expect("an answer"), None);
    assert_eq!(whole(&*blobs, &missing).await, None);
    assert!(!blobs.copy(&missing, &key()).await.expect("an answer"));
}

/// See the port.
pub async fn what_was_removed_is_gone_and_may_be_removed_again(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    put(&*blobs, &key, b"bytes").await;
    blobs.remove(&key).await.expect("removed");
    assert_eq!(whole(&*blobs, &key).await, None);
    blobs.remove(&key).await.expect("nothing to remove");
}

/// See the port. An implementation without addresses gives none.
pub async fn an_address_takes_exactly_what_was_declared_until_it_expires(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    let ask_for = |size, millis| {
        let (blobs, key) = (blobs.clone(), key.clone());
        async move {
            let expires = Timestamp::now().plus_millis(millis);
            blobs.put_address(&key, size, "image/png", expires).await.expect("an answer")
        }
    };
    let Some(address) = ask_for(5, 60_000).await else { return };
    let request = |url: &str, headers: &[(String, String)], body: &'static [u8]| Request {
        method: "PUT",
        url: url.to_owned(),
        headers: headers.to_vec(),
        body: Bytes::from_static(body),
    };
    let longer = subject.ask(request(&address.url, &address.headers, b"hello world")).await;
    assert_eq!(longer.status, 403, "a size that was not declared");
    let typed = [("content-type".to_owned(), "text/html".to_owned())];
    assert_eq!(subject.ask(request(&address.url, &typed, b"hello")).await.status, 403, "another type");
    let elsewhere = address.url.replacen("files/", "filed/", 1);
    assert_eq!(subject.ask(request(&elsewhere, &address.headers, b"hello")).await.status, 403, "another key");
    assert_eq!(blobs.size(&key).await.expect("an answer"), None);
    assert_eq!(subject.ask(request(&address.url, &address.headers, b"hello")).await.status, 200);
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"hello");

    let brief = ask_for(5, 1000).await.expect("an address");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(subject.ask(request(&brief.url, &brief.headers, b"other")).await.status, 403, "expired");
    assert_eq!(whole(&*blobs, &key).await.expect("there"), b"hello");
}

/// See the port. An implementation without addresses gives none.
pub async fn an_address_gives_a_file_with_its_type_and_disposition_and_in_ranges(subject: &dyn Subject) {
    let (blobs, key) = (subject.blobs(), key());
    put(&*blobs, &key, b"hello world").await;
    let disposition = "attachment; filename=\"a b.png\"; filename*=UTF-8''%C3%A9%20b.png";
    let lasts = Duration::from_secs(60);
    let address = blobs.get_address(&key, "image/png", disposition, lasts).await.expect("an answer");
    let Some(url) = address else { return };
    let get = |url: String, headers| subject.ask(Request { method: "GET", url, headers, body: Bytes::new() });
    let reply = get(url.clone(), vec![]).await;
    assert_eq!((reply.status, &*reply.body), (200, &b"hello world"[..]));
    assert_eq!(reply.header("content-type"), Some("image/png"));
    assert_eq!(reply.header("content-disposition"), Some(disposition));
    let reply = get(url.clone(), vec![("range".into(), "bytes=6-".into())]).await;
    assert_eq!((reply.status, &*reply.body), (206, &b"world"[..]));
    let inline = url.replacen("attachment", "inline", 1);
    assert_ne!(inline, url);
    assert_eq!(get(inline, vec![]).await.status, 403, "the disposition is part of what is signed");
}

/// See the port.
pub async fn it_answers_for_readiness(subject: &dyn Subject) {
    subject.blobs().check().await.expect("it is there");
}
