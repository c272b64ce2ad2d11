//! Whether settled bytes are what was declared.

use futures_util::StreamExt;
use parlor_core::error::{ChatError, Code};
use parlor_core::file::File;
use parlor_core::ports::blobs::{Blobs, Key, Pieces};

use super::busy;
use super::kind::{begins_as, ends_as_archive, holds_markup, is_text};

/// So much of the beginning tells the type.
const HEAD: u64 = 8 * 1024;
/// An archive's end record and the longest comment after it.
const TAIL: u64 = 22 + 65_535;

/// Checks size, type and text.
///
/// # Errors
/// `BadRequest`, `TooLarge` or `UnsupportedType`: it is not what was declared. `Busy`: it could not be read.
pub(crate) async fn check(blobs: &dyn Blobs, key: &Key, file: &File) -> Result<(), ChatError> {
    let size = blobs.size(key).await.map_err(busy)?.unwrap_or_default();
    if size > file.size {
        return Err(ChatError::new(Code::TooLarge, format!("{size} bytes came, {} were declared", file.size)));
    }
    if size < file.size {
        return Err(ChatError::field("fileSize", format!("{size} bytes came, {} were declared", file.size)));
    }
    let other = || ChatError::new(Code::UnsupportedType, format!("the file is no {}", file.mime));
    if is_text(&file.mime) {
        let pieces = part(blobs, key, 0, u64::MAX).await?;
        return if is_utf8(pieces).await? { Ok(()) } else { Err(other()) };
    }
    let head = bytes(part(blobs, key, 0, HEAD.min(size)).await?).await?;
    if !begins_as(&file.mime, &head) {
        return Err(other());
    }
    if holds_markup(&head) {
        return Err(ChatError::new(Code::UnsupportedType, "the file is a page as well"));
    }
    let media = ["image/", "audio/", "video/"].iter().any(|kind| file.mime.starts_with(kind));
    if media && ends_as_archive(&bytes(part(blobs, key, size.saturating_sub(TAIL), size).await?).await?) {
        return Err(ChatError::new(Code::UnsupportedType, "the file is an archive as well"));
    }
    Ok(())
}

async fn part(blobs: &dyn Blobs, key: &Key, from: u64, to: u64) -> Result<Pieces, ChatError> {
    let pieces = blobs.read(key, from, to).await.map_err(busy)?;
    pieces.ok_or_else(|| ChatError::busy("the file is not there any more"))
}

/// No more than was asked for: the caller bounds it.
async fn bytes(mut pieces: Pieces) -> Result<Vec<u8>, ChatError> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(broken)?);
    }
    Ok(bytes)
}

/// Whether it is text: UTF-8 from end to end (a byte order mark included) without U+0000.
async fn is_utf8(mut pieces: Pieces) -> Result<bool, ChatError> {
    // The beginning of a character whose end is in the next piece: three bytes at most.
    let mut rest: Vec<u8> = Vec::new();
    while let Some(piece) = pieces.next().await {
        rest.extend_from_slice(&piece.map_err(broken)?);
        let read = match std::str::from_utf8(&rest) {
            Ok(_) => rest.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        if rest[..read].contains(&0) {
            return Ok(false);
        }
        rest.drain(..read);
    }
    Ok(rest.is_empty())
}

fn broken(error: std::io::Error) -> ChatError {
    tracing::debug!(%error, "a file could not be read to its end");
    ChatError::busy("the file cannot be read right now")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    async fn text(parts: &[&'static [u8]]) -> bool {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
        is_utf8(stream::iter(parts).boxed()).await.expect("read")
    }

    #[tokio::test]
    async fn text_is_utf8_however_it_is_cut() {
        assert!(text(&[b"plain ", b"text"]).await);
        assert!(text(&[b"Gr\xc3", b"\xbc\xc3\x9fe \xf0\x9f", b"\x8c", b"\x8d"]).await);
        assert!(text(&[]).await);
        assert!(!text(&[b"cut \xf0\x9f"]).await);
        assert!(!text(&[b"\xff\xfeU\0"]).await);
        assert!(!text(&[b"a\0b"]).await);
    }
}
