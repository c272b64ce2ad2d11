//! Packets to text, with the Engine.IO type before them.

/// Encodes an event whose arguments are JSON already.
pub(crate) fn event(namespace: &str, name: &str, id: Option<u64>, args: &[&str]) -> String {
    push_event(head("42", namespace, name.len() + size(args)), name, id, args)
}

/// Encodes an event with attachments, which must follow it. `args` hold a placeholder for each.
pub(crate) fn binary_event(namespace: &str, name: &str, id: Option<u64>, args: &[&str], attachments: usize) -> String {
    push_event(head(&format!("45{attachments}-"), namespace, name.len() + size(args)), name, id, args)
}

/// Encodes an ack whose arguments are JSON already.
pub(crate) fn ack(namespace: &str, id: u64, args: &[&str]) -> String {
    push_ack(head("43", namespace, size(args)), id, args)
}

/// Encodes an ack with attachments, which must follow it. `args` hold a placeholder for each.
pub(crate) fn binary_ack(namespace: &str, id: u64, args: &[&str], attachments: usize) -> String {
    push_ack(head(&format!("46{attachments}-"), namespace, size(args)), id, args)
}

/// Encodes the answer to a CONNECT.
pub(crate) fn connected(namespace: &str, sid: &str, pid: Option<&str>) -> String {
    let mut packet = head("40", namespace, sid.len() + 64);
    packet.push_str("{\"sid\":");
    push_json(&mut packet, sid);
    if let Some(pid) = pid {
        packet.push_str(",\"pid\":");
        push_json(&mut packet, pid);
    }
    packet.push('}');
    packet
}

/// Encodes the refusal of a CONNECT.
pub(crate) fn refused(namespace: &str, refusal: &crate::Refusal) -> String {
    let mut packet = head("44", namespace, refusal.message.len());
    packet.push_str("{\"message\":");
    push_json(&mut packet, &refusal.message);
    if let Some(data) = &refusal.data {
        packet.push_str(",\"data\":");
        packet.push_str(&data.to_string());
    }
    packet.push('}');
    packet
}

/// Encodes a DISCONNECT.
pub(crate) fn disconnect(namespace: &str) -> String {
    head("41", namespace, 0)
}

/// How every packet begins: its types and number of attachments, then its namespace.
fn head(types: &str, namespace: &str, room: usize) -> String {
    let mut packet = String::with_capacity(types.len() + namespace.len() + room + 24);
    packet.push_str(types);
    if namespace != "/" {
        packet.push_str(namespace);
        packet.push(',');
    }
    packet
}

/// Bytes of the arguments, with what stands between them.
fn size(args: &[&str]) -> usize {
    args.iter().map(|a| a.len() + 1).sum()
}

fn push_event(mut packet: String, name: &str, id: Option<u64>, args: &[&str]) -> String {
    if let Some(id) = id {
        packet.push_str(&id.to_string());
    }
    packet.push('[');
    push_json(&mut packet, name);
    for arg in args {
        packet.push(',');
        packet.push_str(arg);
    }
    packet.push(']');
    packet
}

fn push_ack(mut packet: String, id: u64, args: &[&str]) -> String {
    packet.push_str(&id.to_string());
    packet.push('[');
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            packet.push(',');
        }
        packet.push_str(arg);
    }
    packet.push(']');
    packet
}

fn push_json(packet: &mut String, text: &str) {
    // A string always serialises.
    packet.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_as_in_the_protocol_document() {
        let placeholder = "{\"_placeholder\":true,\"num\":0}";
        assert_eq!(event("/", "foo", None, &[]), "42[\"foo\"]");
        assert_eq!(event("/admin", "foo", Some(12), &["1", "[]"]), "42/admin,12[\"foo\",1,[]]");
        assert_eq!(ack("/", 0, &[]), "430[]");
        assert_eq!(ack("/admin", 13, &["1", "2"]), "43/admin,13[1,2]");
        assert_eq!(
            binary_event("/", "baz", None, &[placeholder], 1),
            "451-[\"baz\",{\"_placeholder\":true,\"num\":0}]"
        );
        assert_eq!(binary_ack("/admin", 15, &[placeholder], 1), "461-/admin,15[{\"_placeholder\":true,\"num\":0}]");
        assert_eq!(connected("/", "x", Some("y")), "40{\"sid\":\"x\",\"pid\":\"y\"}");
        assert_eq!(disconnect("/"), "41");
    }
}
