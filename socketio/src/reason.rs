//! Why a socket was closed: numbered, and saying whether to come back.

/// Why a socket was closed.
///
/// [`code`](Self::code) is unique: 4000–4499 where a client may come back, 4500–4999 where it should not (or should
/// not expect anything else by doing the same again). Application codes keep to the same two ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed the transport, or it ended.
    TransportClose,
    /// Reading or writing failed.
    TransportError,
    /// No pong within the ping timeout (EIO4 § "Heartbeat").
    PingTimeout,
    /// The queue to the client passed its bound, or was not emptied in time: the client has stopped reading.
    SlowConsumer,
    /// No CONNECT to any namespace within the time allowed.
    ConnectTimeout,
    /// The server is going down.
    Draining,
    /// The server has as many connections as it takes.
    ServerFull,
    /// A handler of the application panicked.
    Internal,
    /// The client left the namespace (SIO5 § "Disconnection from a namespace").
    ClientDisconnect,
    /// The application put the client out.
    ServerDisconnect,
    /// A packet that cannot be decoded, or is not allowed in this state.
    ParseError,
    /// A WebSocket frame that RFC 6455 does not allow.
    ProtocolError,
    /// Text that is not UTF-8.
    InvalidText,
    /// A frame or payload beyond [`Config::max_frame`](crate::Config::max_frame).
    TooLarge,
    /// Another connection of the same session took its place.
    Superseded,
    /// More CONNECT requests were refused than one connection may make.
    TooManyRefusals,
    /// The application's own reason.
    Application {
        /// 4100–4499 if the client may come back, 4600–4999 if not.
        code: u16,
        /// A short lower-case phrase, at most 123 bytes: used as a metric label, so one of a few.
        text: &'static str,
    },
}

impl CloseReason {
    /// The reason's own number.
    pub fn code(self) -> u16 {
        match self {
            Self::TransportClose => 4000,
            Self::TransportError => 4001,
            Self::PingTimeout => 4002,
            Self::SlowConsumer => 4003,
            Self::ConnectTimeout => 4004,
            Self::Draining => 4005,
            Self::ServerFull => 4006,
            Self::Internal => 4007,
            Self::ClientDisconnect => 4500,
            Self::ServerDisconnect => 4501,
            Self::ParseError => 4502,
            Self::ProtocolError => 4503,
            Self::InvalidText => 4504,
            Self::TooLarge => 4505,
            Self::Superseded => 4507,
            Self::TooManyRefusals => 4508,
            Self::Application { code, .. } => code,
        }
    }

    /// Whether the client does well to come back.
    pub fn retry(self) -> bool {
        self.code() < 4500
    }

    /// A short phrase, fit for a log and a metric label.
    pub fn text(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::SlowConsumer => "slow consumer",
            Self::ConnectTimeout => "connect timeout",
            Self::Draining => "draining",
            Self::ServerFull => "server full",
            Self::Internal => "internal error",
            Self::ClientDisconnect => "client namespace disconnect",
            Self::ServerDisconnect => "server namespace disconnect",
            Self::ParseError => "parse error",
            Self::ProtocolError => "protocol error",
            Self::InvalidText => "invalid text",
            Self::TooLarge => "too large",
            Self::Superseded => "superseded",
            Self::TooManyRefusals => "too many refusals",
            Self::Application { text, .. } => text,
        }
    }

    /// The code of the WebSocket close frame: the registered one (RFC 6455 §7.4.1) where there is one, else
    /// [`code`](Self::code).
    pub fn websocket_code(self) -> u16 {
        match self {
            Self::TransportClose | Self::ClientDisconnect => 1000,
            Self::Draining => 1001,
            Self::ProtocolError => 1002,
            Self::InvalidText => 1007,
            Self::TooLarge => 1009,
            Self::Internal => 1011,
            Self::ServerFull => 1013,
            other => other.code(),
        }
    }

    /// The client no longer reads, so there is no use in flushing: the connection is reset.
    pub(crate) fn abrupt(self) -> bool {
        matches!(self, Self::TransportError | Self::PingTimeout | Self::SlowConsumer)
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}
