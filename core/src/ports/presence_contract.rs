//! The contract of [`super::presence`]: runs unchanged on every implementation.
