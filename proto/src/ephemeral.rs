//! Ephemeral news and its wire form.

use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::{FileId, MessageId, RoomId, Seq, UserId};
use parlor_core::ports::log::Malformed;
use parlor_core::time::Timestamp;

use crate::convert::{actor_from, actor_to, id_from, id_to, pointers_from, pointers_to, present};
use crate::wire;

pub(crate) fn to_wire(news: &Ephemeral) -> wire::Ephemeral {
    use wire::ephemeral::News;
    let news = match news {
        Ephemeral::Typing { user, active } => {
            News::Typing(wire::Typing { user: Some(actor_to(user)), active: *active })
        }
        Ephemeral::Presence { user, name, status, count, gone, at } => News::Presence(wire::Presence {
            user: user.as_str().to_owned(),
            name: name.to_string(),
            count: *count,
            gone: *gone,
            status: status.as_str().to_owned(),
            at: at.0,
        }),
        Ephemeral::Entered { user, count } => News::Entered(wire::Live { user: Some(actor_to(user)), count: *count }),
        Ephemeral::Exited { user, count } => News::Exited(wire::Live { user: Some(actor_to(user)), count: *count }),
        Ephemeral::Superseded { socket, by } => {
            News::Superseded(wire::Superseded { socket: socket.clone(), by: by.clone() })
        }
        Ephemeral::Receipt { user, delivered, read, messages, at } => News::Receipt(wire::Receipt {
            user: user.as_str().to_owned(),
            pointers: Some(pointers_to(*delivered, *read)),
            messages: messages.iter().map(|message| id_to(message.0)).collect(),
            at: at.0,
        }),
        Ephemeral::ReadCount { message, readers } => {
            News::ReadCount(wire::ReadCount { message: id_to(message.0), readers: *readers })
        }
        Ephemeral::OnlineCount { online } => News::OnlineCount(wire::OnlineCount { online: *online }),
        Ephemeral::Unread { room, count, read } => {
            News::Unread(wire::Unread { room: room.as_str().to_owned(), count: *count, read: read.0 })
        }
        Ephemeral::Topics { topics } => News::Topics(wire::Topics { topics: topics.clone() }),
        Ephemeral::UploadProgress { upload, loaded, total } => {
            News::UploadProgress(wire::UploadProgress { upload: id_to(upload.0), loaded: *loaded, total: *total })
        }
        Ephemeral::UploadFailed { upload, code, message } => News::UploadFailed(wire::UploadFailed {
            upload: id_to(upload.0),
            code: code.clone(),
            message: message.clone(),
        }),
    };
    wire::Ephemeral { news: Some(news) }
}

pub(crate) fn from_wire(news: wire::Ephemeral) -> Result<Ephemeral, Malformed> {
    use wire::ephemeral::News;
    Ok(match news.news.ok_or_else(|| Malformed("news of an unknown kind".into()))? {
        News::Typing(typing) => Ephemeral::Typing { user: actor_from(typing.user)?, active: typing.active },
        News::Presence(presence) => Ephemeral::Presence {
            user: UserId::trusted(presence.user),
            name: presence.name.into(),
            count: presence.count,
            gone: presence.gone,
            status: Status::parse(&presence.status)
                .ok_or_else(|| Malformed(format!("unknown status {:?}", presence.status)))?,
            at: Timestamp(presence.at),
        },
        News::Entered(live) => Ephemeral::Entered { user: actor_from(live.user)?, count: live.count },
        News::Exited(live) => Ephemeral::Exited { user: actor_from(live.user)?, count: live.count },
        News::Superseded(news) => Ephemeral::Superseded { socket: news.socket, by: news.by },
        News::Receipt(receipt) => {
            let (delivered, read) = pointers_from(&present(receipt.pointers, "pointers")?);
            let messages = receipt.messages.iter().map(|id| id_from(id).map(MessageId)).collect::<Result<_, _>>()?;
            let (user, at) = (UserId::trusted(receipt.user), Timestamp(receipt.at));
            Ephemeral::Receipt { user, delivered, read, messages, at }
        }
        News::ReadCount(count) => {
            Ephemeral::ReadCount { message: MessageId(id_from(&count.message)?), readers: count.readers }
        }
        News::OnlineCount(count) => Ephemeral::OnlineCount { online: count.online },
        News::Unread(unread) => {
            Ephemeral::Unread { room: RoomId::trusted(unread.room), count: unread.count, read: Seq(unread.read) }
        }
        News::Topics(topics) => Ephemeral::Topics { topics: topics.topics },
        News::UploadProgress(progress) => Ephemeral::UploadProgress {
            upload: FileId(id_from(&progress.upload)?),
            loaded: progress.loaded,
            total: progress.total,
        },
        News::UploadFailed(failed) => Ephemeral::UploadFailed {
            upload: FileId(id_from(&failed.upload)?),
            code: failed.code,
            message: failed.message,
        },
    })
}
