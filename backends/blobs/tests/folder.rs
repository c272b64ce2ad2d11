//! The contract on a folder.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parlor_blobs::Folder;
use parlor_core::ports::blobs::Blobs;
use parlor_core::ports::blobs_contract::{Reply, Request, Subject};

parlor_core::blobs_contract!(make());

struct Alone {
    blobs: Arc<Folder>,
    _folder: tempfile::TempDir,
}

impl Subject for Alone {
    fn blobs(&self) -> Arc<dyn Blobs> {
        self.blobs.clone()
    }

    fn ask(&self, _: Request) -> BoxFuture<'static, Reply> {
        unreachable!("a folder gives no addresses")
    }
}

async fn make() -> Alone {
    let folder = tempfile::tempdir().expect("a folder");
    Alone { blobs: Folder::open(&folder.path().join("files")).expect("opened"), _folder: folder }
}

#[tokio::test]
async fn nothing_of_a_refused_put_is_left_on_the_disk() {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use parlor_core::ids::FileId;
    use parlor_core::ports::blobs::Key;

    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Folder::open(folder.path()).expect("opened");
    let key = Key::incoming(FileId::now());
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 65_536]))).boxed();
    assert!(blobs.put(&key, 1 << 20, endless).await.is_err());
    // A client that goes away in the middle.
    let stuck = stream::iter([Ok(Bytes::from_static(&[0; 300_000]))]).chain(stream::pending()).boxed();
    let put = blobs.put(&key, 1 << 20, stuck);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), put).await.is_err());
    let left = || {
        let folders = std::fs::read_dir(folder.path()).expect("listed").map(|one| one.expect("an entry").path());
        folders.flat_map(|path| std::fs::read_dir(path).expect("listed")).count()
    };
    for _ in 0..100 {
        if left() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{} files are left", left());
}
