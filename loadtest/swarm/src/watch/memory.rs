//! What processes hold in memory.

use std::fs;

use serde::{Deserialize, Serialize};

use super::processes::Processes;

/// Bytes, as `/proc/PID/smaps_rollup` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Resident: what the kernel would count against a limit, the binary's own pages included.
    pub(crate) rss: u64,
    /// Resident, pages shared by several processes counted in parts.
    pub(crate) pss: u64,
    /// Resident and of no file: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// Of all of them together.
    pub(crate) fn of(processes: &Processes) -> Self {
        let each = processes.all().iter().filter_map(|process| {
            let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).ok()?;
            Self::parse(&rollup)
        });
        each.fold(Self::default(), |sum, one| Self {
            rss: sum.rss + one.rss,
            pss: sum.pss + one.pss,
            anonymous: sum.anonymous + one.anonymous,
        })
    }

    fn parse(rollup: &str) -> Option<Self> {
        let field = |name: &str| {
            let value = rollup.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { rss: field("Rss:")?, pss: field("Pss:")?, anonymous: field("Anonymous:")? })
    }

    /// What has come on top of `before`, for each of `count`; negative, if it is less.
    pub(crate) fn grown(self, before: Self, count: u32) -> [f64; 3] {
        let each = |now: u64, before: u64| (now as f64 - before as f64) / f64::from(count);
        [each(self.rss, before.rss), each(self.pss, before.pss), each(self.anonymous, before.anonymous)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read_in_bytes() {
        let rollup = "5-7 ---p 0 0 0 [rollup]\nRss:                1640 kB\nPss:                 225 kB\n\
                      Pss_Anon:             96 kB\nAnonymous:           100 kB\n";
        let memory = Memory { rss: 1640 << 10, pss: 225 << 10, anonymous: 100 << 10 };
        assert_eq!(Memory::parse(rollup), Some(memory));
        assert_eq!(Memory::parse(""), None);
        assert_eq!(memory.grown(Memory::default(), 100)[2], 1024.0);
    }
}
