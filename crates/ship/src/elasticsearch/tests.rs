//! Tables and strict receivers.
