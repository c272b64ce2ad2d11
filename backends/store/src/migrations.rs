//! The migrations, embedded. Old and new versions of Parlor run side by side, so each expands before a later one
//! contracts, and a database that is ahead of this version is no error.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

macro_rules! migrator {
    ($folder:literal: $($version:literal $name:literal),* $(,)?) => {{
        let mut migrator = Migrator::with_migrations(vec![$(Migration::new(
            $version,
            $name.into(),
            MigrationType::Simple,
            include_str!(concat!("../migrations/", $folder, "/", $name, ".sql")).into_sql_str(),
            false,
        )),*]);
        migrator.set_ignore_missing(true);
        migrator
    }};
}

/// PostgreSQL's.
pub(crate) fn postgres() -> Migrator {
    migrator!("postgres": 1 "0001_rooms_and_messages", 2 "0002_accounts", 3 "0003_messages", 4 "0004_safety", 5 "0005_receipts", 6 "0006_devices", 7 "0007_files", 8 "0008_deleted_rooms", 9 "0009_file_messages", 10 "0010_file_reservations", 11 "0011_first_members", 12 "0012_encrypted_quotes")
}

/// SQLite's.
pub(crate) fn sqlite() -> Migrator {
    migrator!("sqlite": 1 "0001_rooms_and_messages", 2 "0002_accounts", 3 "0003_messages", 4 "0004_safety", 5 "0005_receipts", 6 "0006_devices", 7 "0007_files", 8 "0008_deleted_rooms", 9 "0009_file_messages", 10 "0010_file_reservations", 11 "0011_first_members", 12 "0012_encrypted_quotes")
}
