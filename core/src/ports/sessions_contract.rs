//! The contract of [`super::sessions`]: runs unchanged on every implementation.
