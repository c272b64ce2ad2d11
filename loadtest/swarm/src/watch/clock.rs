//! Processor time of one process to the nanosecond: `/proc/PID/stat` counts hundredths of a second.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::processes::Process;

/// Counts a process's processor time, its own and the kernel's for it, lap by lap.
pub(crate) struct Clock {
    pid: u32,
    /// Nanoseconds of each thread at the end of the last lap.
    threads: HashMap<u32, u64>,
}

impl Clock {
    /// # Errors
    /// This kernel does not tell (`CONFIG_SCHED_INFO`), or the process is not there.
    pub(crate) fn of(process: &Process) -> Result<Self> {
        let threads = threads(process.pid);
        ensure!(!threads.is_empty(), "{}: /proc/{}/task/*/schedstat tells nothing", process.name, process.pid);
        Ok(Self { pid: process.pid, threads })
    }

    /// Time spent since the last lap. Of a thread that ended meanwhile, nothing.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = threads(self.pid);
        let spent = now.iter().map(|(thread, now)| now.saturating_sub(*self.threads.get(thread).unwrap_or(&0))).sum();
        self.threads = now;
        Duration::from_nanos(spent)
    }
}

/// Nanoseconds on a processor, by thread.
fn threads(pid: u32) -> HashMap<u32, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, schedstat.split(' ').next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_counts_what_was_spent_in_it_alone() {
        let own = Process { name: "own".into(), pid: std::process::id() };
        let mut clock = Clock::of(&own).unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        let busy = clock.lap();
        assert!(busy > Duration::from_millis(5), "{busy:?}");
        assert!(Clock::of(&Process { name: "nobody".into(), pid: u32::MAX }).is_err());
    }
}
