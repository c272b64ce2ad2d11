//! What a file is: the types that are taken, and whether bytes are what they were declared to be.

/// The types that are taken where nothing else is configured. None of them can run script in a browser.
pub const TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/heic",
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "audio/mpeg",
    "audio/mp4",
    "audio/aac",
    "audio/ogg",
    "audio/webm",
    "audio/wav",
    "audio/flac",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/plain",
    "text/csv",
];

/// The longest media type, in bytes: 127 each side (RFC 6838 §4.2) is more than any has.
const MAX_TYPE: usize = 127;

/// Whether a text is a media type in lower case without parameters (RFC 6838 §4.2): `image/png`.
pub fn is_media_type(text: &str) -> bool {
    let restricted = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&-^_.+".contains(c))
    };
    text.len() <= MAX_TYPE && text.split_once('/').is_some_and(|(kind, name)| restricted(kind) && restricted(name))
}

/// Whether a browser may show it in place: pictures, sound and film, which run nothing. Everything else is a download.
pub(crate) fn shown_inline(mime: &str) -> bool {
    const SHOWN: [&str; 16] = [
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/heic",
        "video/mp4",
        "video/webm",
        "video/quicktime",
        "audio/mpeg",
        "audio/mp4",
        "audio/aac",
        "audio/ogg",
        "audio/webm",
        "audio/wav",
        "audio/flac",
    ];
    SHOWN.contains(&mime)
}

/// Whether a type is text, of which there is no mark in the first bytes.
pub(super) fn is_text(mime: &str) -> bool {
    mime.starts_with("text/")
        || matches!(mime, "application/json" | "application/xml" | "image/svg+xml" | "application/javascript")
}

/// Whether the first bytes (8 KiB are enough) are those of a file of this type.
///
/// Where the bytes say nothing, only a type that leaves no mark is believed: one that is not known here at all, which an
/// operator has allowed by name.
pub(super) fn begins_as(mime: &str, head: &[u8]) -> bool {
    match infer::get(head).map(|kind| kind.mime_type()) {
        Some(found) => agrees(mime, found),
        None => !TYPES.contains(&mime),
    }
}

/// Documents that are archives too.
const OFFICE: &[&str] = &[
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

/// Different names of one thing, and containers that carry sound as well as film.
fn agrees(declared: &str, found: &str) -> bool {
    let also: &[&str] = match declared {
        "image/heic" => &["image/heif"],
        "video/mp4" => &["video/x-m4v", "video/quicktime"],
        "video/quicktime" => &["video/mp4"],
        "video/webm" | "audio/webm" => &["video/webm", "video/x-matroska"],
        "audio/mp4" => &["audio/m4a", "video/mp4", "video/x-m4v"],
        "audio/ogg" => &["audio/opus"],
        "audio/wav" => &["audio/x-wav"],
        "audio/flac" => &["audio/x-flac"],
        "application/zip" => OFFICE,
        // An office document whose first entry is an unusual one is seen as the archive that it is.
        name if OFFICE.contains(&name) => &["application/zip"],
        _ => &[],
    };
    declared == found || also.contains(&found)
}

/// Whether the beginning of a file that is not text would do as a page or script: a picture that is a page as well.
pub(super) fn holds_markup(head: &[u8]) -> bool {
    const MARKS: [&[u8]; 7] = [b"<script", b"<html", b"<!doctype", b"<svg", b"<iframe", b"<body", b"<?php"];
    let lower = head.to_ascii_lowercase();
    MARKS.iter().any(|mark| lower.windows(mark.len()).any(|window| window == *mark))
}

/// Whether a file ends as an archive does: its end record (APPNOTE.TXT 4.3.16) says how much comment follows, and so
/// much does. A picture or a film that also is an archive is two files in one.
pub(super) fn ends_as_archive(tail: &[u8]) -> bool {
    const RECORD: usize = 22;
    let starts = tail.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x05\x06").map(|(at, _)| at);
    starts.into_iter().any(|at| match tail.get(at..at + RECORD) {
        Some(record) => usize::from(u16::from_le_bytes([record[20], record[21]])) == tail.len() - at - RECORD,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR";

    #[test]
    fn bytes_must_begin_as_their_type_does() {
        assert!(begins_as("image/png", PNG));
        assert!(!begins_as("image/jpeg", PNG));
        assert!(!begins_as("image/png", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
        assert!(!begins_as("image/png", b"no picture at all"));
        assert!(!begins_as("application/pdf", b"MZ\x90\x00"));
        assert!(begins_as("application/pdf", b"%PDF-1.7\n"));
        // A Matroska head says what it is within its first 256 bytes.
        let webm = [b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm".as_slice(), &[0; 256]].concat();
        assert!(begins_as("audio/webm", &webm) && begins_as("video/webm", &webm));
        assert!(begins_as("audio/wav", b"RIFF\x24\x00\x00\x00WAVEfmt "));
        assert!(begins_as("audio/mp4", b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00M4A isom"));
        // Known to the operator alone.
        assert!(begins_as("application/x-own", b"\x01\x02\x03"));
        assert!(!begins_as("application/x-own", PNG));
    }

    #[test]
    fn every_type_that_is_taken_is_a_media_type_and_none_is_a_page() {
        assert!(TYPES.iter().all(|name| is_media_type(name)));
        for page in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/xml"] {
            assert!(is_media_type(page) && !TYPES.contains(&page) && !shown_inline(page), "{page}");
        }
        for none in ["", "image", "image/", "/png", "image/png; charset=x", "Image/PNG", "image/p\r\nng", "image/png/x"]
        {
            assert!(!is_media_type(none), "{none}");
        }
    }

    #[test]
    fn a_picture_that_is_a_page_or_an_archive_as_well_is_seen() {
        assert!(holds_markup(b"GIF89a/*<SCRIPT>alert(1)</script>*/=1;"));
        assert!(holds_markup(b"\xff\xd8\xff\xe0<!DOCTYPE html>"));
        assert!(!holds_markup(PNG));
        let archive = b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\x28\0\0\0\0\0";
        assert!(ends_as_archive(&[PNG, archive].concat()));
        assert!(ends_as_archive(&[PNG, &archive[..20], b"\x03\0abc"].concat()));
        assert!(!ends_as_archive(&[PNG, archive, b"more"].concat()));
        assert!(!ends_as_archive(b"PK\x05\x06"));
    }
}
