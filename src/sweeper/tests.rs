//! Tests of the whole house in one process: rows, files, tree and sweeper.
//!
//! The life of a blob (design §2): which test stands for which state with each thing that can go
//! wrong in it. For all of them together stands `crash`, which lets the process be killed, the
//! power go, an effect fail and the disk be full at each effect of a day that has every state.
//!
//! - **staged**
//!   - crash, power: `blobs::tests::crash::an_upload_can_stop_anywhere`
//!   - fails, full: `blobs::tests::life::an_error_anywhere_leaves_nothing` (no commit yet)
//! - **placed**
//!   - crash, power: the same, and `…::a_recovery_can_stop_anywhere`
//!   - commit fails: `life::placed_a_commit_of_unknown_outcome_leaves_both_names…`
//!   - full: `life::placed_on_a_full_disk_the_upload_is_refused_and_leaves_nothing`
//! - **held**
//!   - crash, power: `store::tests::crash`, `db::tests::crash`
//!   - commit fails: `db::tests::failures::a_commit_that_fails_is_never_acknowledged…`
//!   - full: `life::on_a_full_disk_the_ballast_pays_for_deleting_and_sweeping`
//! - **free**
//!   - crash, power: `store::tests::crash`
//!   - commit fails, full: `life::free_a_promise_that_cannot_be_committed_is_not_given`
//!   - full (collecting): `life::on_a_full_disk_the_ballast…`
//! - **collected**
//!   - crash, power: `life::collected_an_upload_of_the_same_bytes_is_another_blob…`
//!   - commit fails, full: the same, and `runs::a_run_that_fails_leaves_a_record…`
//! - **unlinked**
//!   - crash, power: `blobs::tests::crash::unlinking_can_stop_anywhere…`
//!   - fails: `runs::a_file_that_cannot_be_unlinked_is_shown…`
//!   - full: `life::on_a_full_disk_the_ballast…`

mod crash;
mod gate;
mod house;
mod life;
mod packages;
mod post_process;
mod proxy;
mod race;
mod registry;
mod runs;
mod turns;
