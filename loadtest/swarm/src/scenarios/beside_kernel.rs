//! A server's processor time for a delivery, beside the kernel's own price for the same writes: turn by turn, so that
//! whatever else this machine does in between falls on both.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::kernel_alone::KernelAlone;
use crate::spread::Spread;
use crate::table::Table;
use crate::watch::{Clock, Process};

/// Each turn of the bare loop.
const BARE: Duration = Duration::from_millis(500);

/// Microseconds of processor time for each delivery.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct BesideKernel {
    pub(crate) turns: u32,
    /// The server's process alone, all that it does in that time.
    pub(crate) server: Spread,
    /// Of a bare loop of vectored writes of as many frames as long to as many sockets.
    pub(crate) kernel: Spread,
    /// Of each turn.
    pub(crate) ratio: Spread,
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
}

/// Lets `flood` deliver, `turns` times, with the bare loop before and after each turn. It returns how much was
/// delivered, once all of that has been read.
///
/// # Errors
/// The process cannot be watched, or either of the two fails.
pub(crate) async fn measure(
    turns: u32,
    process: &Process,
    kernel: &mut KernelAlone,
    mut flood: impl AsyncFnMut() -> Result<u64>,
) -> Result<BesideKernel> {
    let mut clock = Clock::of(process)?;
    let (mut servers, mut kernels, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut deliveries, mut elapsed) = (0, Duration::ZERO);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut before = micros(kernel.run(BARE).await?);
    kernels.push(before);
    for _ in 0..turns {
        clock.lap();
        let begin = Instant::now();
        let delivered = flood().await?;
        elapsed += begin.elapsed();
        let server = micros(clock.lap()) / delivered as f64;
        let after = micros(kernel.run(BARE).await?);
        deliveries += delivered;
        ratios.push(server / f64::midpoint(before, after));
        servers.push(server);
        kernels.push(after);
        before = after;
    }
    Ok(BesideKernel {
        turns,
        server: Spread::of(servers),
        kernel: Spread::of(kernels),
        ratio: Spread::of(ratios),
        deliveries,
        deliveries_per_second: deliveries as f64 / elapsed.as_secs_f64(),
    })
}

impl BesideKernel {
    pub(crate) fn print(&self, server: &str, sockets: u32, in_flight: u32) {
        let mut table = Table::new(["us of CPU per delivery", server, "kernel alone", "ratio"]);
        table.row([
            format!("{sockets} sockets, {in_flight} in flight, {} turns", self.turns),
            self.server.to_string(),
            self.kernel.to_string(),
            self.ratio.to_string(),
        ]);
        table.print();
    }
}
