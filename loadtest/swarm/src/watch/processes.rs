//! Which processes are measured, and what they cost.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::kernel::{self, Stat};
use crate::target::Target;

/// The swarm's own name in reports.
const SELF: &str = "swarm";
/// What a server is called that no file names, before its port.
const SERVER: &str = "server:";

/// A server, with its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

/// The servers behind the targets.
#[derive(Clone, Debug)]
pub(crate) struct Processes(Vec<Process>);

/// Processor time so far, by process, the swarm's own last.
pub(crate) struct Spent(Vec<(String, Duration)>);

/// What a process took in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) name: String,
    /// Seconds of processor time.
    pub(crate) cpu_seconds: f64,
    /// Of one core.
    pub(crate) cpu_percent: f64,
    /// Resident at the end, shared memory counted once.
    pub(crate) rss_bytes: u64,
}

impl Processes {
    /// Those of the cluster whose `pids` file names the process at the targets; otherwise only those processes.
    ///
    /// # Errors
    /// Nobody listens at a target, or it cannot be told who.
    pub(crate) fn behind(targets: &[Target], pids: &Path) -> Result<Self> {
        let Self(cluster) = Self::named_in(pids);
        let mut processes: Vec<Process> = Vec::new();
        for target in targets {
            let pid = kernel::listener(target.0).with_context(|| {
                format!(
                    "nothing that this user may look at listens at {target}\n  \
                     next: make cluster PROFILE=load   (or name a server that runs with --target)"
                )
            })?;
            if cluster.iter().any(|process| process.pid == pid) {
                return Ok(Self(cluster));
            }
            if processes.iter().all(|process| process.pid != pid) {
                processes.push(Process { name: format!("{SERVER}{}", target.0.port()), pid });
            }
        }
        Ok(Self(processes))
    }

    /// Those that a `pids` file names; none, if there is no such file.
    pub(crate) fn named_in(pids: &Path) -> Self {
        Self(std::fs::read_to_string(pids).unwrap_or_default().lines().filter_map(named).collect())
    }

    /// Gateways, and whatever else is a target by itself.
    pub(crate) fn gateways(&self) -> Self {
        let is_gateway = |process: &&Process| process.name.starts_with("gateway") || process.name.starts_with(SERVER);
        Self(self.0.iter().filter(is_gateway).cloned().collect())
    }

    /// The processes at these targets; all gateways, where something else stands before them.
    pub(crate) fn gateways_at(&self, targets: &[Target]) -> Self {
        let Self(gateways) = self.gateways();
        let at: Vec<u32> = targets.iter().filter_map(|target| kernel::listener(target.0)).collect();
        let (named, others): (Vec<_>, Vec<_>) = gateways.into_iter().partition(|process| at.contains(&process.pid));
        Self(if named.is_empty() { others } else { named })
    }

    /// The process that listens at a target.
    pub(crate) fn at(&self, target: Target) -> Option<&Process> {
        let pid = kernel::listener(target.0)?;
        self.0.iter().find(|process| process.pid == pid)
    }

    /// All others than the one of that name.
    pub(crate) fn all_but(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|process| process.name != name).cloned().collect())
    }

    pub(crate) fn all(&self) -> &[Process] {
        &self.0
    }

    pub(crate) fn spent(&self) -> Spent {
        let stats = kernel::stats();
        let own = Process { name: SELF.into(), pid: std::process::id() };
        let all = self.0.iter().chain([&own]);
        Spent(all.map(|process| (process.name.clone(), kernel::ticks(ticks(&stats, process.pid)))).collect())
    }

    /// What was spent since `before`, `elapsed` ago.
    pub(crate) fn costs(&self, before: &Spent, elapsed: Duration) -> Vec<Cost> {
        let stats = kernel::stats();
        let own = Process { name: SELF.into(), pid: std::process::id() };
        let now = self.spent();
        let pids = self.0.iter().chain([&own]).map(|process| process.pid);
        let pairs = now.0.into_iter().zip(&before.0).zip(pids);
        pairs
            .map(|(((name, now), (_, before)), pid)| {
                let cpu = now.saturating_sub(*before).as_secs_f64();
                let cpu_percent = 100.0 * cpu / elapsed.as_secs_f64();
                Cost { name, cpu_seconds: cpu, cpu_percent, rss_bytes: resident(&stats, pid) }
            })
            .collect()
    }
}

impl Cost {
    /// Processor seconds of all but the swarm.
    pub(crate) fn of_servers(costs: &[Self]) -> f64 {
        costs.iter().filter(|cost| cost.name != SELF).map(|cost| cost.cpu_seconds).sum()
    }
}

/// `NAME PID`.
fn named(line: &str) -> Option<Process> {
    let (name, pid) = line.trim().rsplit_once(' ')?;
    Some(Process { name: name.trim().to_owned(), pid: pid.parse().ok()? })
}

/// A process and all that descend from it.
fn family(stats: &HashMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

fn ticks(stats: &HashMap<u32, Stat>, root: u32) -> u64 {
    family(stats, root).iter().filter_map(|pid| stats.get(pid)).map(|stat| stat.ticks).sum()
}

/// All of the root's memory, and the own of its children: they share the rest with it.
fn resident(stats: &HashMap<u32, Stat>, root: u32) -> u64 {
    let memory = |pid: &u32| kernel::memory(*pid);
    let family = family(stats, root);
    let (root, children) = family.split_first().map_or((None, &[][..]), |(root, children)| (memory(root), children));
    root.map_or(0, |(all, _)| all) + children.iter().filter_map(memory).map(|(_, own)| own).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_root_and_all_below_it() {
        let stats = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 9)]
            .map(|(pid, parent)| (pid, Stat { parent, ticks: 1 << pid }))
            .into_iter()
            .collect();
        assert_eq!(ticks(&stats, 1), 0b11110);
        assert_eq!(ticks(&stats, 2), 0b01100);
        assert_eq!(ticks(&stats, 7), 0);
    }

    #[test]
    fn the_pids_file_counts_only_if_it_names_who_listens_at_the_target() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target(socket.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        std::fs::write(&pids, "gateway-1 1\nredis 2\n").unwrap();
        let found = Processes::behind(&[target], &pids).unwrap();
        assert_eq!(found.0.len(), 1);
        assert_eq!(found.at(target).unwrap().pid, std::process::id());
        std::fs::write(&pids, format!("gateway-1 {}\nredis 2\n", std::process::id())).unwrap();
        let found = Processes::behind(&[target], &pids).unwrap();
        assert_eq!(found.all().len(), 2);
        assert_eq!(found.at(target).unwrap().name, "gateway-1");
        drop(socket);
        let error = Processes::behind(&[target], &pids).unwrap_err().to_string();
        assert!(error.contains("make cluster PROFILE=load"), "{error}");
    }
}
