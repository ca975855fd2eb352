//! Tests of the whole house in one process: rows, files, tree and sweeper.

mod crash;
mod gate;
mod house;
mod race;
