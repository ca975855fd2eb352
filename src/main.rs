//! The binary: parse, run, map the error to an exit code.

use std::process::ExitCode;

/// Requests are many small allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match larder::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("larder: {error}");
            ExitCode::from(2)
        }
    }
}
