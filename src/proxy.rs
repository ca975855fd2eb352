//! Floor 3: the dependency proxy: images of other registries, cached for each group (spec gitlab
//! §1).
//!
//! Deliberately absent: HTTP towards clients, who may pull, and deleting what is cached.

mod checked;
mod fetch;
mod flight;
