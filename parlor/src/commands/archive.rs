//! `archive`: months that are over leave PostgreSQL's live table, and what is to be done with them then.

use std::fmt::Write;

use anyhow::{Context, Result};
use parlor_store::postgres::{Archive, Month};

use crate::cli::Months;
use crate::compose;
use crate::config::Config;

/// Detaches, and says what was done.
pub(super) fn run(config: &Config, older_than: Months, dry_run: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let archive = runtime.block_on(compose::archive(config, older_than.0, dry_run))?;
    print!("{}", report(&archive, older_than, dry_run));
    Ok(())
}

fn report(archive: &Archive, Months(kept): Months, dry_run: bool) -> String {
    let mut out = String::new();
    if archive.detached.is_empty() {
        _ = writeln!(out, "postgres: no month ended {kept} or more months ago");
    }
    for month in &archive.detached {
        let did = if dry_run { "would become" } else { "is archived:" };
        _ = writeln!(out, "postgres: {} {did} {} ({})", month.month, month.table, size(month));
    }
    for month in &archive.waiting {
        _ = writeln!(out, "postgres: {} was archived before: {} ({})", month.month, month.table, size(month));
    }
    let tables: Vec<&Month> = if dry_run {
        archive.waiting.iter().collect()
    } else {
        archive.waiting.iter().chain(&archive.detached).collect()
    };
    if !tables.is_empty() {
        out.push_str(
            "\nWhat is archived is no part of history any more, and stays in the database until it is dropped:\n",
        );
    }
    for Month { table, .. } in tables {
        _ = writeln!(
            out,
            "  pg_dump \"$DATABASE_URL\" --format=custom --table={table} --file={table}.dump && \
             psql \"$DATABASE_URL\" --command='DROP TABLE {table}'"
        );
    }
    out
}

/// In MiB, rounded up.
fn size(month: &Month) -> String {
    format!("{} MiB", month.bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(month: &str) -> Month {
        Month { month: month.into(), table: format!("messages_archive_{}", month.replace('-', "_")), bytes: 3 << 20 }
    }

    #[test]
    fn the_report_says_what_was_archived_and_how_each_table_is_dumped_and_dropped() {
        let archive = Archive { detached: vec![month("2024-11")], waiting: vec![month("2024-10")] };
        let said = report(&archive, Months(12), false);
        assert!(said.contains("2024-11 is archived: messages_archive_2024_11 (3 MiB)"), "{said}");
        for table in ["messages_archive_2024_10", "messages_archive_2024_11"] {
            let next =
                format!("--table={table} --file={table}.dump && psql \"$DATABASE_URL\" --command='DROP TABLE {table}'");
            assert!(said.contains(&next), "{said}");
        }
        let dry = report(&archive, Months(12), true);
        assert!(dry.contains("2024-11 would become"), "{dry}");
        assert!(!dry.contains("DROP TABLE messages_archive_2024_11"), "what is not there cannot be dropped: {dry}");
    }
}
