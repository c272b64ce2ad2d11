//! The contract of [`super::store`]: runs unchanged on every implementation.
