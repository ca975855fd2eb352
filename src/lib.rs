//! Larder: a self-hosted artifact repository, one binary and one data folder.

pub mod app;
pub mod blobs;
pub mod cleanup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;
pub mod model;
pub mod stop;
pub mod store;
pub mod sweeper;
pub mod tree;
