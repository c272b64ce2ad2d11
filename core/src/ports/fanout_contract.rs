//! The contract of [`super::fanout`]: runs unchanged on every implementation.
