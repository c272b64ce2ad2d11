//! The contract of [`super::log`]: runs unchanged on every implementation.
