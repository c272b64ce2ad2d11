//! What /proc tells.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

/// One line of /proc/PID/stat, as far as it matters (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    /// Processor time of the process and of its children that have ended, in clock ticks.
    pub(super) ticks: u64,
}

impl Stat {
    /// None: not such a line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        // The name before the last parenthesis may hold anything.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // Fields 4 (ppid) and 14 to 17 (utime, stime, cutime, cstime) of the manual, which counts from 1.
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>()).sum::<Result<u64, _>>().ok()?;
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

/// Every process.
pub(super) fn stats() -> HashMap<u32, Stat> {
    pids().filter_map(|pid| Some((pid, Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub(super) fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Bytes of memory: all that is resident, and of it what is the process's own.
pub(super) fn memory(pid: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some((field("VmRSS:")?, field("RssAnon:")?))
}

/// The process that listens at an address; of several that share the socket, the first.
pub(crate) fn listener(address: SocketAddr) -> Option<u32> {
    let inodes: HashSet<u64> =
        listening().into_iter().filter(|(port, _)| *port == address.port()).map(|(_, inode)| inode).collect();
    pids().filter(|pid| sockets(*pid).any(|inode| inodes.contains(&inode))).min()
}

/// Ports that a process listens at.
pub(super) fn ports(pid: u32) -> Vec<u16> {
    let held: HashSet<u64> = sockets(pid).collect();
    listening().into_iter().filter(|(_, inode)| held.contains(inode)).map(|(port, _)| port).collect()
}

/// Port and inode of every listening TCP socket.
fn listening() -> Vec<(u16, u64)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).filter_map(listening_line).collect()
}

fn listening_line(line: &str) -> Option<(u16, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    (*fields.get(3)? == LISTEN).then_some(())?;
    Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// Inodes of a process's sockets.
fn sockets(pid: u32) -> impl Iterator<Item = u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let link = fs::read_link(file.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_process_is_called() {
        let line =
            "42 (a) R (b c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 9 0 1000 2000 30 18446744073709551615";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 7, ticks: 124 }));
        assert_eq!(Stat::parse("42 (short) S 7"), None);
    }

    #[test]
    fn only_listening_sockets_count() {
        let line =
            |state: &str| format!("  0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:0 0 0 0 4711 1");
        assert_eq!(listening_line(&line("0A")), Some((8080, 4711)));
        assert_eq!(listening_line(&line("01")), None);
        assert_eq!(listening_line("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn this_process_is_found_by_its_port() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(listener(address), Some(std::process::id()));
        assert!(ports(std::process::id()).contains(&address.port()));
        let (all, own) = memory(std::process::id()).unwrap();
        assert!(own > 0 && all >= own);
    }
}
