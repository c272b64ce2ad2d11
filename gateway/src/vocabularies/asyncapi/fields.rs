//! What clients may put in a payload: each field's JSON type, its bounds from [`Rules`], a sentence and an example.
//! The OpenAPI document has its parameters and bodies from here too.

use serde_json::{Value, json};

use crate::vocabularies::rules::Rules;

const UUID: &str = "0190a6f0-0000-7000-8000-000000000001";

/// No control characters, as in every id.
const PLAIN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

/// The schema of a field of a client event or request, its sentence and example in it. `None`: nobody has described it.
#[allow(clippy::too_many_lines)] // one table
pub(crate) fn field(event: &str, name: &str, rules: &Rules) -> Option<Value> {
    let id = || json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": PLAIN });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let text = |max: usize| json!({ "type": "string", "maxLength": max });
    let said = |max: usize| json!({ "type": "string", "minLength": 1, "maxLength": max });
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    let flag = || json!({ "type": "boolean" });
    let ids = |max: usize| json!({ "type": "array", "items": id(), "maxItems": max });
    let number = |least: u32| json!({ "type": "integer", "minimum": least, "maximum": 9_007_199_254_740_991_u64 });
    let in_cafe = event.contains(':') && !event.starts_with("chat:") && !event.contains("/api/");
    let chars = if in_cafe { rules.max_cafe_chars.min(rules.max_content_chars) } else { rules.max_content_chars };
    let (schema, sentence, example) = match (event, name) {
        ("room.create", "roomId") => (id(), "The id of a channel; its name unless said.", json!("coffee")),
        (_, "roomId" | "cafeId" | "conversationId" | "conversation_id") => (id(), "The room.", json!("group_1")),
        (_, "messageId") => (uuid(), "The message.", json!(UUID)),
        (_, "messageIds") => {
            let max = rules.max_named_messages;
            (json!({ "type": "array", "items": uuid(), "maxItems": max }), "Messages of one room.", json!([UUID]))
        }
        (_, "replyToId" | "reply_to_id") => (uuid(), "The message that this one answers.", json!(UUID)),
        (_, "content") => (text(chars), "The text; empty only of a picture or another file.", json!("Hello!")),
        (_, "contentEncrypted" | "content_encrypted") => {
            (text(chars), "The content as ciphertext, which the server cannot read.", json!("c2VjcmV0"))
        }
        ("send_message", "type") => {
            (words(&["text", "image", "file"]), "What the message is; `text` unless said.", json!("text"))
        }
        ("room.create", "type") => {
            (words(&["direct", "group", "channel"]), "What kind of room; `group` unless said.", json!("group"))
        }
        (_, "type" | "messageType" | "message_type") => {
            let kinds = words(&["text", "image", "file", "audio", "video", "voice"]);
            (kinds, "What the message is; `text` unless said.", json!("text"))
        }
        (_, "metadata") => {
            let sentence = "Whatever else belongs to the message, handed on as it is; 16 KiB and 16 levels at most.";
            (json!({ "type": "object" }), sentence, json!({ "fileName": "a.png" }))
        }
        (_, "mentions") => (ids(rules.max_mentions), "Members who are meant in particular.", json!(["user2"])),
        (_, "encrypted") => {
            (flag(), "Whether `content` is ciphertext, which is neither searched nor read.", json!(true))
        }
        (_, "tempId") => {
            let sentence = "The client's own id of the message. Sent again with the same one, it is posted once.";
            (said(rules.max_temp_id_chars), sentence, json!("9f1c7c1e-6d9b-4f7e-9a57-0b8d8cf2c0a1"))
        }
        (_, "id") => (said(rules.max_temp_id_chars), "The same as `tempId`, where that is absent.", json!("m-1")),
        (_, "emoji") => (
            said(rules.max_emoji_bytes),
            "An emoji, or a short text that stands for one; 64 bytes at most.",
            json!("👍"),
        ),
        ("message.sync", "after") => {
            (json!({ "type": ["string", "integer"] }), "The newest `seq` that the client has.", json!(7))
        }
        ("message.search", "cursor") => (text(255), "`nextCursor` of the page before.", json!("c2")),
        ("room.members.list", "cursor") => (id(), "`nextCursor` of the page before.", json!("user1")),
        ("message.thread", "cursor") => {
            (json!({ "type": ["string", "integer"] }), "`nextCursor` of the page before.", json!("7"))
        }
        (_, "cursor") => {
            let sentence = "From where: a page's cursor, a message's id, or an ISO 8601 time; absent: the newest.";
            (json!({ "type": ["string", "integer"] }), sentence, json!("35184372088839"))
        }
        (_, "limit") => {
            let schema = json!({ "type": "integer", "minimum": 1 });
            (schema, "How many, 100 at most; more is cut to that.", json!(20))
        }
        (_, "offset") => (number(0), "How many are left out, counted from the first.", json!(0)),
        (_, "direction") => {
            (words(&["before", "after"]), "Which way from the cursor; `before` unless said.", json!("before"))
        }
        (_, "query") => (said(rules.max_query_chars), "Words to look for.", json!("lunch")),
        (_, "senderId") => (id(), "Only what this user has sent.", json!("user2")),
        ("presence.status.update" | "presence:update", "status") => {
            (words(&["online", "away", "busy", "offline"]), "What others are to see.", json!("busy"))
        }
        (_, "status_type") => (words(&["delivered", "read"]), "How far the message has got.", json!("read")),
        ("room.create", "name") => (
            text(rules.max_name_chars),
            "The name; needed for groups, and for channels without `roomId`.",
            json!("Team"),
        ),
        ("path", "name") => (said(255), "The file's name.", json!("a.png")),
        (_, "name") => (said(rules.max_name_chars), "A new name.", json!("Team")),
        (_, "title") => (said(rules.max_name_chars), "The name.", json!("Team")),
        (_, "description") => (text(rules.max_description_chars), "What the room is for.", json!("Our awesome team")),
        (_, "avatar" | "avatar_url") => {
            (text(rules.max_avatar_chars), "A picture, an http or https address.", json!("https://example.org/a.png"))
        }
        (_, "isPrivate") => (flag(), "Whether nobody joins by themselves; false unless said.", json!(false)),
        (_, "memberIds" | "participant_ids") => (ids(rules.max_named_members), "Users.", json!(["user2"])),
        ("room.ban" | "PUT server ban", "until") => {
            let time = json!({ "type": "string", "format": "date-time" });
            (time, "When it ends; absent: when it is lifted.", json!("2099-01-01T00:00:00Z"))
        }
        (_, "reason") => (said(rules.max_reason_chars), "Why, for those who look after rooms.", json!("Spam")),
        (_, "role") => (words(&["admin", "moderator", "member"]), "The role.", json!("moderator")),
        ("keys.get", "userIds") => (ids(rules.max_page as usize), "Whose devices' keys.", json!(["user2"])),
        (_, "userIds") => (ids(rules.max_named_users), "Users.", json!(["user2"])),
        (_, "userId" | "user_id") => (id(), "The user.", json!("user2")),
        (_, "isTyping") => (flag(), "Whether the user types.", json!(true)),
        ("connection.authenticate", "token") => {
            (json!({ "type": "string" }), "The token, a JWT.", json!("eyJh.eyJz.c2ln"))
        }
        (_, "fileName") => (text(rules.max_file_name_chars), "The file's name, with its extension.", json!("a.png")),
        (_, "fileSize") => (number(1), "Its bytes; more than the server takes are refused.", json!(4_096)),
        (_, "mimeType") => (said(255), "Its media type.", json!("image/png")),
        (_, "uploadId") => (uuid(), "The upload, as `file.upload.start` was answered.", json!(UUID)),
        (_, "fileId") => (uuid(), "The file, as `file.upload.complete` was answered.", json!(UUID)),
        (_, "kind") => (words(&["web", "fcm", "apns"]), "Which push service.", json!("web")),
        (_, "endpoint") => (
            json!({ "type": "string" }),
            "The address that the browser gave; with `web`.",
            json!("https://push.example.org/1"),
        ),
        (_, "token") => (json!({ "type": "string" }), "The device's token; with `fcm` and `apns`.", json!("d3v1c3")),
        (_, "keys") => {
            let schema = json!({
                "type": "object",
                "required": ["p256dh", "auth"],
                "properties": { "p256dh": { "type": "string" }, "auth": { "type": "string" } },
            });
            (schema, "The browser's keys; with `web`.", json!({ "p256dh": "BCVxsr7N", "auth": "BTBZMqHH" }))
        }
        (_, "deviceId") => (id(), "The device.", json!("phone")),
        (_, "identityKey") => (json!({ "type": "string" }), "The device's identity key, in base64.", json!("aWQ=")),
        (_, "signedKey") => (json!({ "type": "string" }), "Its signed key of the present, in base64.", json!("c2s=")),
        (_, "signature") => (json!({ "type": "string" }), "That key's signature, in base64.", json!("c2ln")),
        (_, "oneTimeKeys") => {
            let one = json!({
                "type": "object",
                "required": ["keyId", "key"],
                "properties": { "keyId": { "type": "string" }, "key": { "type": "string" } },
            });
            let sentence = "Keys that are handed out once each.";
            (json!({ "type": "array", "items": one }), sentence, json!([{ "keyId": "1", "key": "b25l" }]))
        }
        _ => return None,
    };
    let mut schema = schema;
    schema["description"] = sentence.into();
    schema["examples"] = json!([example]);
    Some(schema)
}
