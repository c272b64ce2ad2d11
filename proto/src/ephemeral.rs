//! Ephemeral news and its wire form.

use parlor_core::event::{Ephemeral, Status};
use parlor_core::ids::UserId;
use parlor_core::ports::log::Malformed;
use parlor_core::time::Timestamp;

use crate::convert::{actor_from, actor_to};
use crate::wire;

pub(crate) fn to_wire(news: &Ephemeral) -> wire::Ephemeral {
    use wire::ephemeral::News;
    let news = match news {
        Ephemeral::Typing { user, active } => {
            News::Typing(wire::Typing { user: Some(actor_to(user)), active: *active })
        }
        Ephemeral::Presence { user, status, at } => News::Presence(wire::Presence {
            user: user.as_str().to_owned(),
            status: status.as_str().to_owned(),
            at: at.0,
        }),
        Ephemeral::Entered { user, count } => News::Entered(wire::Live { user: Some(actor_to(user)), count: *count }),
        Ephemeral::Exited { user, count } => News::Exited(wire::Live { user: Some(actor_to(user)), count: *count }),
        Ephemeral::Superseded { socket, by } => {
            News::Superseded(wire::Superseded { socket: socket.clone(), by: by.clone() })
        }
    };
    wire::Ephemeral { news: Some(news) }
}

pub(crate) fn from_wire(news: wire::Ephemeral) -> Result<Ephemeral, Malformed> {
    use wire::ephemeral::News;
    Ok(match news.news.ok_or_else(|| Malformed("news of an unknown kind".into()))? {
        News::Typing(typing) => Ephemeral::Typing { user: actor_from(typing.user)?, active: typing.active },
        News::Presence(presence) => Ephemeral::Presence {
            user: UserId::trusted(presence.user),
            status: Status::parse(&presence.status)
                .ok_or_else(|| Malformed(format!("unknown status {:?}", presence.status)))?,
            at: Timestamp(presence.at),
        },
        News::Entered(live) => Ephemeral::Entered { user: actor_from(live.user)?, count: live.count },
        News::Exited(live) => Ephemeral::Exited { user: actor_from(live.user)?, count: live.count },
        News::Superseded(news) => Ephemeral::Superseded { socket: news.socket, by: news.by },
    })
}
