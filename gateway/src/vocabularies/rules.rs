//! The bounds of what a payload may hold.

/// Limits on what clients send. Characters are Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A message's content, in characters.
    pub max_content_chars: usize,
    /// The same in `cafe` (`cafe.md`, Configuration), where it is the lower of the two.
    pub max_cafe_chars: usize,
    /// A room's name, in characters (`dotted-architecture.md` §7).
    pub max_name_chars: usize,
    /// A room's description, in characters.
    pub max_description_chars: usize,
    /// A room's avatar, a URL, in characters (`dotted-architecture.md` §7).
    pub max_avatar_chars: usize,
    /// A client's own id for a message, in characters.
    pub max_temp_id_chars: usize,
    /// A message's metadata, in bytes of JSON as sent.
    pub max_metadata_bytes: usize,
    /// A message's metadata, in nested containers, its own object included.
    pub max_metadata_depth: usize,
    /// Users whom one `room.create` may name.
    pub max_named_members: usize,
    /// Users whom one message may mention.
    pub max_mentions: usize,
    /// Users whose presence may be asked for at once.
    pub max_named_users: usize,
    /// Messages that one receipt may name.
    pub max_named_messages: usize,
    /// A reaction, in bytes.
    pub max_emoji_bytes: usize,
    /// What is searched for, in characters.
    pub max_query_chars: usize,
    /// The reason of a ban or a report, in characters.
    pub max_reason_chars: usize,
    /// A file's name as a client declares it, in characters.
    pub max_file_name_chars: usize,
    /// Messages on a page of history where the client names no limit.
    pub default_page: u32,
    /// Messages on a page of history; a client that asks for more gets this many.
    pub max_page: u32,
}

impl Default for Rules {
    /// DESIGN.md §8, §10.
    fn default() -> Self {
        Self {
            max_content_chars: 4_000,
            max_cafe_chars: 500,
            max_name_chars: 255,
            max_description_chars: 4_000,
            max_avatar_chars: 500,
            max_temp_id_chars: 255,
            max_metadata_bytes: 16 * 1024,
            max_metadata_depth: 16,
            max_named_members: 1_000,
            max_mentions: 50,
            max_named_users: 100,
            max_named_messages: 100,
            max_emoji_bytes: 64,
            max_query_chars: 200,
            max_reason_chars: 1_000,
            max_file_name_chars: 255,
            default_page: 50,
            max_page: 100,
        }
    }
}
