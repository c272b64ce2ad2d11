//! The design's budgets, beside what was measured.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::report::Report;
use crate::table::Table;

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
    let idle = reports.iter().find_map(|report| if let Report::Idle(idle) = report { Some(idle) } else { None });
    let drain = reports.iter().find_map(|report| if let Report::Drain(drain) = report { Some(drain) } else { None });
    let fanout = |in_flight| {
        reports.iter().find_map(|report| match report {
            Report::Fanout(fanout) if fanout.sockets == 1_000 && fanout.in_flight == in_flight => Some(fanout),
            _ => None,
        })
    };

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
    for (what, budget, in_flight, most) in [
        ("gateway CPU per delivery to 1,000 sockets, one at a time", "< 5.2 us", 1, 5.2),
        ("the same, 8 in flight", "< 1.0 us", 8, 1.0),
    ] {
        line(
            what,
            budget,
            fanout(in_flight).map(|fanout| {
                let micros = fanout.gateway_micros_per_delivery;
                let kernel = fanout.kernel_micros_per_delivery;
                (format!("{micros:.2} us (kernel alone {kernel:.2})"), micros < most)
            }),
        );
    }
    line(
        "memory per idle connection",
        "< 6 KiB",
        idle.map(|idle| {
            let kibibytes = idle.bytes_per_socket / 1024.0;
            (format!("{kibibytes:.2} KiB"), kibibytes < 6.0)
        }),
    );
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
    line("10,000 clients, one of three gateways killed: all back", "< 4 s", None);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{drain, idle};

    #[test]
    fn what_was_not_measured_is_said_to_be_so() {
        let idle = idle::Report {
            sockets: 10,
            gateways: Vec::new(),
            before_bytes: 0,
            after_bytes: 0,
            bytes_per_socket: 7.0 * 1024.0,
            handshakes_per_second: 1.0,
            ended: 0,
        };
        let drain = drain::Report { rows: 1, seconds: 1.0, rows_per_second: 20_001.0 };
        let lines = lines(&[Report::Idle(idle), Report::Drain(drain)]);
        let kept = |part: &str| lines.iter().find(|line| line.what.contains(part)).unwrap().kept;
        assert_eq!(kept("idle"), Some(false));
        assert_eq!(kept("persisters"), Some(true));
        assert_eq!(kept("highest rate"), None);
    }
}
