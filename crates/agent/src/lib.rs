//! The agent's shell. In its first form it is `mainstay up`: it starts the guards of one home, watches over them and stops them again.
//!
//! The agent may die at any moment and no program notices: guards are no children that die with it, and the next agent finds each of
//! them by the lock it holds.

#![forbid(unsafe_code)]

pub mod client;
pub mod follow;
pub mod order;
pub mod services;
pub mod ship;
pub mod up;
