//! The consuming loop.
