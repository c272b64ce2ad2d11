//! The contract of [`super::limits`]: runs unchanged on every implementation.
