//! The design's budgets, beside what was measured.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::report::Report;
use crate::scenarios::BesideKernel;
use crate::table::Table;

/// A server may take so much more than a bare loop of writes.
const MOST_OVER_KERNEL: f64 = 1.3;

/// Prints reports beside the budgets of the design
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Reports that scenarios wrote with --json
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write all of them into this one file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One line.
struct Line {
    what: &'static str,
    budget: &'static str,
    measured: String,
    /// None: nothing was measured.
    kept: Option<bool>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut reports = Vec::new();
    for file in &arguments.files {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let report: Report = serde_json::from_str(&text).with_context(|| format!("{} is no report", file.display()))?;
        reports.push(report);
    }
    let mut table = Table::new(["what", "budget", "measured", ""]);
    for line in lines(&reports) {
        let mark = match line.kept {
            Some(_) if line.budget.is_empty() => "",
            Some(true) => "kept",
            Some(false) => "MISSED",
            None => "not measured",
        };
        table.row([line.what.into(), line.budget.into(), line.measured, mark.into()]);
    }
    table.print();
    if let Some(file) = &arguments.json {
        crate::report::write(file, &reports)?;
    }
    Ok(())
}

fn lines(reports: &[Report]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |what, budget, measured: Option<(String, bool)>| {
        let (measured, kept) = measured.map_or((String::new(), None), |(measured, kept)| (measured, Some(kept)));
        lines.push(Line { what, budget, measured, kept });
    };
    let rooms = reports.iter().find_map(|report| match report {
        Report::Rooms(rooms) if rooms.measured.rate == 1_000 && rooms.members == 10 => Some(rooms),
        _ => None,
    });
    let ramp = reports.iter().find_map(|report| if let Report::Ramp(ramp) = report { Some(ramp) } else { None });
    let drain = reports.iter().find_map(|report| if let Report::Drain(drain) = report { Some(drain) } else { None });

    line(
        "sender to another gateway's client, 1,000/s, p50 / p99",
        "1.5 / 5 ms",
        rooms.map(|rooms| {
            let latency = rooms.measured.send_to_other_gateway;
            (format!("{:.2} / {:.2} ms", latency.p50, latency.p99), latency.p50 <= 1.5 && latency.p99 <= 5.0)
        }),
    );
    line(
        "highest rate held, stored and delivered, rooms of 10",
        "> 10,000/s",
        ramp.map(|ramp| {
            let held = ramp.held.unwrap_or(0);
            (format!("{held}/s"), held > 10_000)
        }),
    );
    line(
        "CPU of all servers per message at 1,000/s",
        "< 400 us",
        rooms.map(|rooms| {
            let micros = rooms.server_micros_per_message;
            (format!("{micros:.0} us"), micros < 400.0)
        }),
    );
    for (what, most, sockets, in_flight) in [
        ("gateway CPU per delivery to 1,000 sockets, one at a time", Some(5.2), 1_000, 1),
        ("  8 in flight", Some(1.0), 1_000, 8),
        ("  to 100 sockets, one at a time", None, 100, 1),
        ("  8 in flight", None, 100, 8),
    ] {
        let budget = if sockets == 100 {
            "1.3 x bare loop"
        } else if in_flight == 1 {
            "< 5.2 us"
        } else {
            "< 1.0 us"
        };
        let found = reports.iter().find_map(|report| match report {
            Report::Fanout(f) if (f.sockets, f.in_flight) == (sockets, in_flight) => Some(&f.cost),
            _ => None,
        });
        line(what, budget, found.map(|cost| beside_kernel(cost, most)));
    }
    for (what, sockets, in_flight) in [
        ("transport alone, per delivery to 1,000 sockets, one at a time", 1_000, 1),
        ("  8 in flight", 1_000, 8),
        ("  to 100 sockets, one at a time", 100, 1),
        ("  8 in flight", 100, 8),
    ] {
        let found = reports.iter().find_map(|report| match report {
            Report::Broadcast(b) if (b.sockets, b.in_flight) == (sockets, in_flight) => Some(&b.cost),
            _ => None,
        });
        line(what, "1.3 x bare loop", found.map(|cost| beside_kernel(cost, None)));
    }
    for (what, chat) in [("gateway memory per idle connection, in a room", true), ("  transport alone", false)] {
        let found = reports.iter().find_map(|report| match report {
            Report::Idle(idle) if is_gateway(&idle.gateways) == chat => Some(idle),
            _ => None,
        });
        let measured = found.map(|idle| {
            let [all, further] = [idle.bytes_per_socket, idle.bytes_per_further_socket].map(|bytes| bytes / 1024.0);
            (format!("{all:.2} KiB (each further one {further:.2})"), all < 6.0)
        });
        line(what, "< 6 KiB", measured);
    }
    for (what, chat) in [("handshakes on one gateway, with a token", true), ("  transport alone", false)] {
        let found = reports.iter().find_map(|report| match report {
            Report::Handshakes(one) if is_gateway(std::slice::from_ref(&one.server)) == chat => Some(one),
            _ => None,
        });
        let measured = found.map(|one| format!("{:.0}/s, {:.0} us of CPU each", one.per_second.median, one.micros()));
        // There is no budget to keep.
        line(what, "", measured.map(|measured| (measured, true)));
    }
    line(
        "persisters, full text index included",
        "> 20,000 rows/s",
        drain.map(|drain| (format!("{:.0} rows/s", drain.rows_per_second), drain.rows_per_second > 20_000.0)),
    );
    line(
        "consumer lag at 1,000/s, median / max",
        "< 100 records steady",
        rooms.and_then(|rooms| {
            let lags = &rooms.measured.lag;
            let median = lags.values().map(|lag| lag.median).max()?;
            let max = lags.values().map(|lag| lag.max).max()?;
            Some((format!("{median} / {max}"), median < 100))
        }),
    );
    line(
        "lost, doubled, out of order at 1,000/s",
        "none",
        rooms.map(|rooms| {
            let verdict = &rooms.measured.verdict;
            let clean = verdict.is_clean() && verdict.all_taken();
            (if clean { "none".into() } else { format!("{verdict:?}") }, clean)
        }),
    );
    for (what, budget, sockets, most) in [
        ("5,000 clients, one of three gateways killed: all caught up", "< 60 s, nothing lost", 5_000, 60_000.0),
        ("  10,000 clients", "< 4 s, nothing lost", 10_000, 4_000.0),
    ] {
        let found = reports.iter().find_map(|report| match report {
            Report::Storm(storm) if storm.sockets == sockets && !storm.cut => Some(storm),
            _ => None,
        });
        line(
            what,
            budget,
            found.map(|storm| {
                let (back, verdict) = (storm.back.max / 1000.0, &storm.verdict);
                let measured = format!(
                    "back in {back:.1} s, {} of {} recovered, {} lost, {} doubled",
                    storm.recovered, storm.struck, verdict.lost, verdict.doubled
                );
                (measured, storm.is_complete() && storm.caught_up.max < most)
            }),
        );
    }
    lines
}

/// The budget: 1.3 times the bare loop, and what the design says beside.
fn beside_kernel(cost: &BesideKernel, most: Option<f64>) -> (String, bool) {
    let (server, kernel, ratio) = (cost.server.median, cost.kernel.median, cost.ratio.median);
    let kept = most.map_or(ratio <= MOST_OVER_KERNEL, |most| server < most);
    (format!("{server:.2} us (bare loop {kernel:.2}, x {ratio:.2})"), kept)
}

fn is_gateway(names: &[String]) -> bool {
    names.iter().any(|name| name.starts_with("gateway"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{drain, idle};
    use crate::watch::Memory;

    #[test]
    fn what_was_not_measured_is_said_to_be_so() {
        let idle = idle::Report {
            sockets: 10,
            members: 10,
            gateways: vec!["gateway-1".into()],
            nobody: Memory::default(),
            first: Memory::default(),
            connected: Memory::default(),
            rested: Memory::default(),
            rest_seconds: 30.0,
            bytes_per_socket: 7.0 * 1024.0,
            bytes_per_further_socket: 5.0 * 1024.0,
            ended: 0,
        };
        let drain = drain::Report { rows: 1, seconds: 1.0, rows_per_second: 20_001.0 };
        let lines = lines(&[Report::Idle(idle), Report::Drain(drain)]);
        let kept = |part: &str| lines.iter().find(|line| line.what.contains(part)).unwrap().kept;
        assert_eq!(kept("gateway memory per idle"), Some(false));
        assert_eq!(kept("transport alone"), None);
        assert_eq!(kept("persisters"), Some(true));
        assert_eq!(kept("highest rate"), None);
    }
}
