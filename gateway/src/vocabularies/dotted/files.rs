//! `file.*`: uploads, and addresses to read from.

use parlor_core::command::{Command, NewFile};
use parlor_core::error::ChatError;
use parlor_core::event::Ephemeral;
use parlor_core::ids::{FileId, RoomId};
use serde::Serialize;

use crate::files::is_media_type;
use crate::vocabularies::outgoing::{Answer, Iso, Outgoing};
use crate::vocabularies::payload::{Entry, Payload};
use crate::vocabularies::rules::Rules;

/// `file.upload.start` and what follows (`dotted-architecture.md` §1).
pub(super) const START: Entry =
    Entry { name: "file.upload.start", fields: &["roomId", "fileName", "fileSize", "mimeType"], read: start };
pub(super) const COMPLETE: Entry = Entry {
    name: "file.upload.complete",
    fields: &["uploadId"],
    read: |payload, _| Ok(Command::CompleteUpload { upload: file(payload, "uploadId")? }),
};
pub(super) const CANCEL: Entry = Entry {
    name: "file.upload.cancel",
    fields: &["uploadId"],
    read: |payload, _| Ok(Command::CancelUpload { upload: file(payload, "uploadId")? }),
};
pub(super) const URL: Entry = Entry {
    name: "file.url",
    fields: &["fileId"],
    read: |payload, _| Ok(Command::FileUrl { file: file(payload, "fileId")? }),
};

fn start(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room()?;
    let name = payload.required("fileName", payload.short_text("fileName", rules.max_file_name_chars)?)?;
    let size = payload.required("fileSize", payload.count("fileSize")?)?;
    let mime = payload.required("mimeType", payload.text("mimeType")?)?;
    // Parameters say how to read a text, not what a file is.
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !is_media_type(&mime) {
        return Err(ChatError::field("mimeType", "`mimeType` must be a media type, such as image/png"));
    }
    Ok(Command::StartUpload(NewFile { room, name, size, mime }))
}

fn file(payload: &Payload<'_>, field: &'static str) -> Result<FileId, ChatError> {
    let text = payload.required(field, payload.text(field)?)?;
    FileId::parse(&text).ok_or_else(|| ChatError::field(field, format!("`{field}` must be a UUID")))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started<'a> {
    upload_id: FileId,
    url: &'a str,
    method: &'a str,
    headers: serde_json::Map<String, serde_json::Value>,
    expires_at: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Complete<'a> {
    file_id: FileId,
    room_id: &'a RoomId,
    url: &'a str,
    file_name: &'a str,
    file_size: u64,
    mime_type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    file_id: FileId,
    url: &'a str,
    expires_at: Iso,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    upload_id: FileId,
    loaded: u64,
    total: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    upload_id: FileId,
    error: &'a str,
    message: &'a str,
}

/// The answers to the commands above, named as their commands are; of others, `None`.
pub(super) fn answer(answer: &Answer<'_>) -> Option<Outgoing> {
    Some(match *answer {
        Answer::UploadStarted(upload) => {
            let headers = upload.headers.iter().map(|(name, value)| (name.clone(), value.clone().into()));
            let started = Started {
                upload_id: upload.id,
                url: upload.url,
                method: upload.method,
                headers: headers.collect(),
                expires_at: Iso(upload.expires),
            };
            Outgoing::new("file.upload.start", &started)
        }
        Answer::UploadComplete { file, url } => {
            let complete = Complete {
                file_id: file.id,
                room_id: &file.room,
                url,
                file_name: &file.name,
                file_size: file.size,
                mime_type: &file.mime,
            };
            Outgoing::new("file.upload.complete", &complete)
        }
        Answer::FileUrl { file, url, expires } => {
            Outgoing::new("file.url", &Address { file_id: file, url, expires_at: Iso(expires) })
        }
        _ => return None,
    })
}

/// What the uploader's sockets hear of an upload.
pub(super) fn news(news: &Ephemeral) -> Option<Outgoing> {
    match news {
        Ephemeral::UploadProgress { upload, loaded, total } => {
            let body = Progress { upload_id: *upload, loaded: *loaded, total: *total };
            Some(Outgoing::new("file.upload.progress", &body))
        }
        Ephemeral::UploadFailed { upload, code, message } => {
            Some(Outgoing::new("file.upload.error", &Failed { upload_id: *upload, error: code, message }))
        }
        _ => None,
    }
}
