//! Messages: sending, changing, finding, and how far they have got.

use parlor_core::command::{Command, Cursor, Direction, History, Search, Send};
use parlor_core::error::ChatError;
use parlor_core::event::MessageType;

use crate::vocabularies::payload::Payload;
use crate::vocabularies::rules::Rules;

pub(super) fn send(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let room = payload.room()?;
    let kind = payload.word("type", "text, image, file, audio, video, voice", |text| {
        // Only the server makes system messages.
        MessageType::parse(text).filter(|kind| *kind != MessageType::System)
    })?;
    let kind = kind.unwrap_or(MessageType::Text);
    Ok(Command::Send(Send {
        room,
        // A picture or a file may come without a word.
        content: payload.content(rules, kind != MessageType::Text)?,
        kind,
        reply_to: payload.message("replyToId")?,
        metadata: payload.metadata(rules)?,
        mentions: payload.users("mentions", rules.max_mentions)?.unwrap_or_default(),
        encrypted: payload.flag("encrypted")?.unwrap_or(false),
        temp_id: payload.temp_id(rules)?,
    }))
}

pub(super) fn edit(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Edit {
        message: payload.named_message("messageId")?,
        room: payload.optional_room()?,
        content: payload.content(rules, false)?,
        encrypted: payload.flag("encrypted")?.unwrap_or(false),
    })
}

pub(super) fn delete(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Delete { message: payload.named_message("messageId")?, room: payload.optional_room()? })
}

pub(super) fn react(payload: &Payload<'_>, rules: &Rules, on: bool) -> Result<Command, ChatError> {
    Ok(Command::React {
        message: payload.named_message("messageId")?,
        room: payload.optional_room()?,
        emoji: payload.emoji("emoji", rules)?,
        on,
    })
}

pub(super) fn pin(payload: &Payload<'_>, on: bool) -> Result<Command, ChatError> {
    Ok(Command::Pin { message: payload.named_message("messageId")?, room: payload.optional_room()?, on })
}

pub(super) fn history(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let direction = payload.word("direction", "before, after", |text| match text {
        "before" => Some(Direction::Before),
        "after" => Some(Direction::After),
        _ => None,
    })?;
    Ok(Command::History(History {
        room: payload.room()?,
        cursor: payload.cursor()?,
        direction: direction.unwrap_or(Direction::Before),
        limit: payload.limit(rules)?,
    }))
}

/// The cursor is that of a page, a seq.
pub(super) fn thread(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let after = match payload.cursor()? {
        None => None,
        Some(Cursor::Seq(seq)) => Some(seq),
        Some(_) => return Err(ChatError::field("cursor", "`cursor` must be that of a page of this thread")),
    };
    Ok(Command::Thread {
        message: payload.named_message("messageId")?,
        room: payload.optional_room()?,
        after,
        limit: payload.limit(rules)?,
    })
}

pub(super) fn page(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Messages { room: payload.room()?, limit: payload.limit(rules)?, offset: payload.offset()? })
}

pub(super) fn sync(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Sync {
        room: payload.room()?,
        after: payload.required("after", payload.cursor_at("after")?)?,
        limit: payload.limit(rules)?,
    })
}

pub(super) fn search(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Search(Search {
        query: payload.required("query", payload.said("query", rules.max_query_chars)?)?,
        room: payload.optional_room()?,
        sender: payload.optional_user("senderId")?,
        cursor: payload.short_text("cursor", 255)?,
        limit: payload.limit(rules)?,
    }))
}

pub(super) fn delivered(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let messages = payload.messages("messageIds", rules)?;
    if messages.is_empty() {
        return payload.required("messageIds", None);
    }
    Ok(Command::Delivered { room: payload.optional_room()?, messages })
}

pub(super) fn read(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    let (room, messages) = (payload.optional_room()?, payload.messages("messageIds", rules)?);
    if room.is_none() && messages.is_empty() {
        return payload.required("messageIds", None);
    }
    Ok(Command::Read { room, messages })
}

pub(super) fn receipts(payload: &Payload<'_>, _: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Receipts { message: payload.named_message("messageId")?, room: payload.optional_room()? })
}

pub(super) fn topics(payload: &Payload<'_>, rules: &Rules) -> Result<Command, ChatError> {
    Ok(Command::Topics { room: payload.room()?, limit: payload.limit_or(10, rules)? })
}
