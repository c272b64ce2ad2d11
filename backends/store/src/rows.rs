//! How rows read. The same columns, in the same types, from either database.

use std::collections::HashMap;

use bytes::Bytes;
use parlor_core::event::{Actor, Delivery, Event, Kind, Member, Message, MessageType, Quote, Role, Room, RoomKind};
use parlor_core::file::File;
use parlor_core::ids::{BlobId, FileId, MessageId, Offset, RoomId, Seq, UserId};
use parlor_core::ports::files::{Orphan, Stage};
use parlor_core::ports::safety::Ban;
use parlor_core::ports::store::{Membership, Outgoing, Page, Placed, RoomSummary, StoredMessage};
use parlor_core::receipts::Got;
use parlor_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::at::At;

/// A struct whose fields are a row's columns, readable from both databases.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        pub(crate) struct $name { $(pub(crate) $column: $type,)* }
        row!(@read PgRow $name $($column)*);
        row!(@read SqliteRow $name $($column)*);
    };
    (@read $row:ident $name:ident $($column:ident)*) => {
        impl FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?,)* })
            }
        }
    };
}
pub(crate) use row;

row! {
    /// A message; see [`message_columns`].
    MessageRow {
        id: Uuid,
        seq: i64,
        room_id: String,
        sender_id: String,
        sender_name: String,
        sender_avatar: Option<String>,
        content: String,
        kind: String,
        reply_to_id: Option<Uuid>,
        reply_to_content: Option<String>,
        reply_to_sender: Option<String>,
        metadata: Option<String>,
        temp_id: Option<String>,
        time: At,
        edited_at: Option<At>,
        deleted_at: Option<At>,
        mentions: Option<String>,
        encrypted: bool,
        marked: bool,
        reply_to_encrypted: bool,
    }
}

row! {
    /// Where a message is.
    PlacedRow {
        id: Uuid,
        seq: i64,
        room_id: String,
        sender_id: String,
        system: bool,
        deleted: bool,
    }
}

impl From<PlacedRow> for Placed {
    fn from(row: PlacedRow) -> Self {
        Self {
            message: MessageId(row.id),
            room: RoomId::trusted(row.room_id),
            seq: seq(row.seq),
            sender: UserId::trusted(row.sender_id),
            system: row.system,
            deleted: row.deleted,
        }
    }
}

/// The columns of a [`MessageRow`], from a table called `m`.
macro_rules! message_columns {
    () => {
        "m.id, m.seq, m.room_id, m.sender_id, m.sender_name, m.sender_avatar, m.content, m.type AS kind, \
         m.reply_to_id, m.reply_to_content, m.reply_to_sender, CAST(m.metadata AS text) AS metadata, m.temp_id, \
         m.time, m.edited_at, m.deleted_at, m.mentions, m.encrypted, m.marked, m.reply_to_encrypted"
    };
}
pub(crate) use message_columns;

impl From<MessageRow> for StoredMessage {
    fn from(row: MessageRow) -> Self {
        let reply_to = row.reply_to_id.map(|id| Quote {
            message: MessageId(id),
            content: row.reply_to_content,
            encrypted: row.reply_to_encrypted,
            sender: row.reply_to_sender.map(UserId::trusted),
        });
        Self {
            id: MessageId(row.id),
            seq: seq(row.seq),
            room: RoomId::trusted(row.room_id),
            sender: actor(row.sender_id, row.sender_name, row.sender_avatar),
            message: Message {
                content: row.content,
                // A type that a newer version made is shown as what every client can show.
                kind: MessageType::parse(&row.kind).unwrap_or(MessageType::Text),
                reply_to,
                metadata: row.metadata,
                mentions: row.mentions.as_deref().map(mentions).unwrap_or_default(),
                encrypted: row.encrypted,
                temp_id: row.temp_id,
            },
            time: row.time.0,
            edited_at: row.edited_at.map(|at| at.0),
            deleted_at: row.deleted_at.map(|at| at.0),
            reactions: Vec::new(),
            pinned: false,
            got: Got::default(),
        }
    }
}

/// The column of a message's mentions: a JSON array, null where there are none.
pub(crate) fn mentions_column(users: &[UserId]) -> Option<String> {
    let array = || serde_json::Value::from(users.iter().map(UserId::as_str).collect::<Vec<_>>()).to_string();
    (!users.is_empty()).then(array)
}

fn mentions(column: &str) -> Vec<UserId> {
    let ids: Vec<String> = serde_json::from_str(column).unwrap_or_default();
    ids.into_iter().map(UserId::trusted).collect()
}

row! {
    /// A room; see [`room_columns`].
    RoomRow {
        room: String,
        room_kind: String,
        room_name: Option<String>,
        description: Option<String>,
        avatar_url: Option<String>,
        is_private: bool,
        created_by: String,
        created_at: At,
        version: i64,
        member_count: i64,
    }
}

/// The columns of a [`RoomRow`], from a table called `r`.
macro_rules! room_columns {
    () => {
        "r.id AS room, r.kind AS room_kind, r.name AS room_name, r.description, r.avatar_url, r.is_private, \
         r.created_by, r.created_at, r.version, r.member_count"
    };
}
pub(crate) use room_columns;

impl From<RoomRow> for Room {
    fn from(row: RoomRow) -> Self {
        Self {
            id: RoomId::trusted(row.room),
            kind: RoomKind::parse(&row.room_kind).unwrap_or(RoomKind::Group),
            name: row.room_name,
            description: row.description,
            avatar: row.avatar_url,
            private: row.is_private,
            created_by: UserId::trusted(row.created_by),
            created_at: row.created_at.0,
            version: row.version.unsigned_abs(),
            member_count: u32::try_from(row.member_count).unwrap_or(u32::MAX),
        }
    }
}

row! {
    /// A user.
    UserRow {
        user_id: String,
        user_name: String,
        user_avatar: Option<String>,
    }
}

impl From<UserRow> for Actor {
    fn from(row: UserRow) -> Self {
        actor(row.user_id, row.user_name, row.user_avatar)
    }
}

row! {
    /// A user's role; absent where they never were a member.
    RoleRow {
        role: Option<String>,
        left_seq: Option<i64>,
    }
}

impl From<RoleRow> for Option<Membership> {
    fn from(row: RoleRow) -> Self {
        let role = role(&row.role?);
        let reads_through = row.left_seq.filter(|_| role == Role::Left).map(seq);
        Some(Membership { role, reads_through })
    }
}

row! {
    /// What else a decision needs to know of a user.
    ConcernedRow {
        since: Option<At>,
        banned: bool,
        blocks: bool,
    }
}

row! {
    /// A ban, beside the banned user's profile.
    BanRow {
        by_id: String,
        since: At,
        until: Option<At>,
        reason: Option<String>,
    }
}

impl BanRow {
    pub(crate) fn of(self, user: UserRow) -> Ban {
        Ban {
            user: user.into(),
            by: UserId::trusted(self.by_id),
            since: self.since.0,
            until: self.until.map(|until| until.0),
            reason: self.reason,
        }
    }
}

row! {
    /// How far a member has read, and whether the room's messages wake them.
    PlaceRow {
        read_seq: i64,
        notifications_enabled: bool,
    }
}

row! {
    /// When a user became a member.
    JoinedRow {
        role: String,
        joined_at: At,
    }
}

row! {
    /// An unsent event.
    OutgoingRow {
        id: i64,
        event: Vec<u8>,
    }
}

/// Reads outbox rows; one that this version cannot read is left to the version that wrote it.
pub(crate) fn outgoing(rows: Vec<OutgoingRow>) -> Vec<Outgoing> {
    let read = |row: OutgoingRow| match parlor_proto::decode(&row.event) {
        Ok(event) => Some(Outgoing { row: row.id, event }),
        Err(error) => {
            tracing::error!(row = row.id, %error, "an outbox row cannot be read");
            None
        }
    };
    rows.into_iter().filter_map(read).collect()
}

/// A role in the store. One that a newer version made has the least rights that a member has.
pub(crate) fn role(text: &str) -> Role {
    Role::parse(text).unwrap_or(Role::Member)
}

/// A member from a row that has their profile too.
pub(crate) fn member<R>(row: &R) -> Result<Member, sqlx::Error>
where
    UserRow: for<'r> FromRow<'r, R>,
    JoinedRow: for<'r> FromRow<'r, R>,
    R: Row,
{
    let joined = JoinedRow::from_row(row)?;
    let user = UserRow::from_row(row)?.into();
    Ok(Member { user, role: role(&joined.role), joined_at: joined.joined_at.0 })
}

/// Gives each room its first members, from rows that name the room beside the member, in the order of joining.
pub(crate) fn lay_first_members<R>(rooms: &mut [RoomSummary], rows: &[R]) -> Result<(), sqlx::Error>
where
    UserRow: for<'r> FromRow<'r, R>,
    JoinedRow: for<'r> FromRow<'r, R>,
    R: Row,
    for<'c> &'c str: sqlx::ColumnIndex<R>,
    String: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
{
    let mut of: HashMap<String, Vec<Member>> = HashMap::new();
    for row in rows {
        of.entry(row.try_get("room")?).or_default().push(member(row)?);
    }
    for summary in rooms {
        summary.first_members = of.remove(summary.room.id.as_str()).unwrap_or_default();
    }
    Ok(())
}

/// Rooms in a user's list, from rows that have the room, their role, the partner, the last message and the count; and
/// those of the messages whose reactions and pins are to be looked up.
pub(crate) fn summaries<R>(rows: &[R]) -> Result<(Vec<RoomSummary>, Vec<Uuid>), sqlx::Error>
where
    R: Row,
    RoomRow: for<'r> FromRow<'r, R>,
    MessageRow: for<'r> FromRow<'r, R>,
    UserRow: for<'r> FromRow<'r, R>,
    JoinedRow: for<'r> FromRow<'r, R>,
    PlaceRow: for<'r> FromRow<'r, R>,
    for<'c> &'c str: sqlx::ColumnIndex<R>,
    i64: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    String: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
{
    let mut marked = Vec::new();
    let mut summary = |row: &R| -> Result<RoomSummary, sqlx::Error> {
        let has_message = row.try_get::<Option<i64>, _>("seq")?.is_some();
        let has_partner = row.try_get::<Option<String>, _>("user_id")?.is_some();
        let place = PlaceRow::from_row(row)?;
        let newest = if has_message { Some(MessageRow::from_row(row)?) } else { None };
        marked.extend(newest.as_ref().filter(|newest| newest.marked).map(|newest| newest.id));
        Ok(RoomSummary {
            room: RoomRow::from_row(row)?.into(),
            role: role(&JoinedRow::from_row(row)?.role),
            partner: if has_partner { Some(UserRow::from_row(row)?.into()) } else { None },
            first_members: Vec::new(),
            last_message: newest.map(StoredMessage::from),
            unread: row.try_get::<i64, _>("unread")?.unsigned_abs(),
            read: seq(place.read_seq),
            muted: !place.notifications_enabled,
        })
    };
    let rooms = rows.iter().map(&mut summary).collect::<Result<_, _>>()?;
    Ok((rooms, marked))
}

/// Actor of parts.
pub(crate) fn actor(id: String, name: String, avatar: Option<String>) -> Actor {
    Actor { id: UserId::trusted(id), name: name.into(), avatar: avatar.map(Into::into) }
}

/// A seq in a column; it has 53 bits, so no sign is lost either way.
pub(crate) fn seq(column: i64) -> Seq {
    Seq(u64::try_from(column).unwrap_or(0))
}

/// The column of a seq.
pub(crate) fn column(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// A LIMIT.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Reads a page: every row carries `applied`, and a page without rows is one row whose `seq` is null.
macro_rules! page {
    ($rows:expr, $read:expr) => {{
        let rows = $rows;
        let applied = match rows.first() {
            Some(row) => row.try_get::<i64, _>("applied")?,
            None => -1,
        };
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<Option<i64>, _>("seq")?.is_some() {
                found.extend($read(row)?);
            }
        }
        Page { rows: found, applied: Offset(applied) }
    }};
}

/// A page of messages, and those of them whose reactions and pins are to be looked up.
pub(crate) fn messages<R>(rows: Vec<R>) -> Result<(Page<StoredMessage>, Vec<Uuid>), sqlx::Error>
where
    R: Row,
    MessageRow: for<'r> FromRow<'r, R>,
    for<'c> &'c str: sqlx::ColumnIndex<R>,
    i64: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    Option<i64>: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
{
    let mut marked = Vec::new();
    let mut message = |row| -> Result<Option<StoredMessage>, sqlx::Error> {
        let row = MessageRow::from_row(row)?;
        marked.extend(row.marked.then_some(row.id));
        Ok(Some(row.into()))
    };
    let page = page!(rows, message);
    Ok((page, marked))
}

/// Messages without how far the store sees, and those of them whose reactions and pins are to be looked up.
pub(crate) fn found(rows: Vec<MessageRow>) -> (Vec<StoredMessage>, Vec<Uuid>) {
    let marked = rows.iter().filter(|row| row.marked).map(|row| row.id).collect();
    (rows.into_iter().map(StoredMessage::from).collect(), marked)
}

/// A page of messages and changes. A change has its `payload`, the record's own bytes, and none of a message's columns
/// but `seq` and `time`.
pub(crate) fn deliveries<R>(rows: Vec<R>) -> Result<Page<Delivery>, sqlx::Error>
where
    R: Row,
    MessageRow: for<'r> FromRow<'r, R>,
    for<'c> &'c str: sqlx::ColumnIndex<R>,
    i64: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    Option<i64>: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    Option<Vec<u8>>: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    At: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
{
    let delivery = |row: &R| -> Result<Option<Delivery>, sqlx::Error> {
        let place = seq(row.try_get("seq")?);
        let time: Timestamp = row.try_get::<At, _>("time")?.0;
        let event = match row.try_get::<Option<Vec<u8>>, _>("payload")? {
            None => sent(MessageRow::from_row(row)?.into()),
            Some(payload) => match parlor_proto::decode(&Bytes::from(payload)) {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(seq = place.0, %error, "a stored change cannot be read");
                    return Ok(None);
                }
            },
        };
        Ok(Some(Delivery { prev: None, seq: place, time, event: event.into() }))
    };
    Ok(page!(rows, delivery))
}

/// The event that sent a message, with the message as it is now.
fn sent(message: StoredMessage) -> Event {
    Event { id: message.id.into(), room: message.room, actor: message.sender, kind: Kind::MessageSent(message.message) }
}

row! {
    /// A file; see [`file_columns`].
    FileRow {
        id: Uuid,
        owner_id: String,
        room_id: String,
        name: String,
        size: i64,
        mime: String,
        declared_at: At,
        blob_id: Option<Uuid>,
        message_id: Option<Uuid>,
        reserved_at: Option<At>,
    }
}

/// The columns of a [`FileRow`].
macro_rules! file_columns {
    () => {
        "id, owner_id, room_id, name, size, mime, declared_at, blob_id, message_id, reserved_at"
    };
}
pub(crate) use file_columns;

impl From<FileRow> for (File, Stage) {
    fn from(row: FileRow) -> Self {
        let referred = row.message_id.is_some() || row.reserved_at.is_some();
        let stage = match (row.blob_id.map(BlobId), referred) {
            (Some(blob), true) => Stage::Referred(blob),
            (Some(blob), false) => Stage::Complete(blob),
            (None, _) => Stage::Declared,
        };
        let file = File {
            id: FileId(row.id),
            owner: UserId::trusted(row.owner_id),
            room: RoomId::trusted(row.room_id),
            name: row.name,
            size: u64::try_from(row.size).unwrap_or_default(),
            mime: row.mime,
            created_at: row.declared_at.0,
        };
        (file, stage)
    }
}

row! {
    /// A file that was given up.
    OrphanRow {
        id: Uuid,
        blob_id: Option<Uuid>,
    }
}

impl From<OrphanRow> for Orphan {
    fn from(row: OrphanRow) -> Self {
        Self { id: FileId(row.id), blob: row.blob_id.map(BlobId) }
    }
}
