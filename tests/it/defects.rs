//! The defects of dlrepo (spec dlrepo §17), and for each the tests that show that Larder has it
//! not. A test holds the table to the sources, so that it cannot go stale; what no other test
//! shows is shown here.
//! Deliberately absent: item 18, which is about uploads to the container registry (§11).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{TestServer, noise};

/// Number in §17, what went wrong there, and `file::test` of each test that shows it cannot here.
const DEFECTS: &[(u8, &str, &[&str])] = &[
    (
        1,
        "a spelling of a user's name leads into another repository",
        &[
            "tests/it/user_repos::no_spelling_leads_from_one_repository_into_another",
            "src/model/names::names_are_lowered_once_and_refused_as_the_spec_says",
            "src/http/guard/tests/hiding::no_spelling_evades_a_rule",
        ],
    ),
    (
        2,
        "upper case evades rules",
        &[
            "src/http/guard/tests/hiding::no_spelling_evades_a_rule",
            "src/http/route/tests::every_url_has_one_canonical_path_and_get_redirects_to_it",
        ],
    ),
    (
        3,
        "contents are found, linked or read by digest without a right",
        &[
            "src/http/guard/tests/proof::a_content_is_known_by_a_path_that_may_be_read",
            "src/http/guard/tests/proof::a_deleted_path_is_no_proof_but_what_was_told_holds",
            "src/http/guard/tests/proof::no_more_than_64_references_are_tried_and_the_newest_first",
            "src/store/tests/possessions::a_sender_is_known_for_a_lease",
            "src/store/tests/shown::\
             a_content_is_known_where_the_registry_and_the_tree_show_it_and_nowhere_else",
        ],
    ),
    (
        4,
        "`$user` is a pattern, any peer names a user by headers, patterns are open at the end",
        &[
            "src/model/acl/tests::a_login_is_a_name_and_nothing_else",
            "src/access/login/tests::a_proxy_is_taken_at_its_word",
            "tests/it/login::a_proxy_tells_who_asks_when_it_is_trusted",
            // dlrepo's regular expressions stay open at the end; those that are get a warning.
            "src/model/acl/tests::open_ends_are_known",
            "src/model/acl/tests::regular_expressions_hold_from_the_start_on",
        ],
    ),
    (
        5,
        "401 for a known user, reasons that tell paths of the server",
        &[
            "src/http/guard/tests::nobody_is_asked_who_they_are_and_a_known_user_is_not",
            "src/http/guard/tests/table::the_table_is_what_the_server_does",
            "tests/it/products::one_format_of_two_jobs_is_refused_before_anything_changes",
            "tests/it/publication::the_login_is_sent_and_a_bad_file_is_told_without_its_path",
        ],
    ),
    (
        6,
        "nothing is synced, files are rewritten in place",
        &[
            "tests/it/power_loss::on_ext4_nothing_acknowledged_is_lost_with_the_power",
            "tests/it/power_loss::on_xfs_nothing_acknowledged_is_lost_with_the_power",
            "src/db/tests/crash::what_was_acknowledged_survives_when_unsynced_writes_are_lost",
            "src/blobs/tests/life::an_upload_is_synced_named_and_linked_in_this_order",
        ],
    ),
    (
        7,
        "a refused or broken replacement loses the old file",
        &[
            "tests/it/tree_races::a_reader_sees_the_old_file_or_the_new_one",
            "tests/it/user_quotas::what_does_not_fit_is_refused_before_it_is_sent",
            "src/store/tests/quota::what_does_not_fit_is_refused_and_changes_nothing",
            "src/store/tests/crash::a_crash_at_any_write_leaves_a_consistent_store",
        ],
    ),
    (
        8,
        "writers overwrite each other's entries in a format's list",
        &[
            "tests/it/tree_races::uploads_at_once_to_one_format_are_all_in_its_list",
            "src/store/tests/tree::uploads_at_once_keep_every_count",
            "tests/it/process::a_folder_has_one_server",
        ],
    ),
    (
        9,
        "an upload and a deletion of the same place mix, a lock comes too late",
        &[
            "tests/it/tree_races::an_upload_during_a_deletion_makes_the_tag_anew",
            "tests/it/tree_races::a_lock_during_an_upload_wins",
            "src/store/tests/tree::a_deleted_name_is_free_at_once_and_never_shows_the_old_files",
            "src/store/tests/guards::protected_tags_protect_themselves_and_their_branch",
            "src/sweeper/tests/runs::a_tag_that_is_locked_while_its_policy_is_applied_stays",
        ],
    ),
    (
        10,
        "a blob goes between the question for it and its link",
        &[
            "tests/it/tree_artifacts::a_lease_protects_what_was_promised",
            "src/sweeper/tests/race::within_a_lease_a_promise_is_kept",
            "src/sweeper/tests/race::\
             without_leases_a_link_is_taken_or_refused_and_what_was_taken_is_there",
            "src/sweeper/tests/runs::\
             after_a_jump_of_the_clock_nothing_is_removed_until_it_is_accepted",
        ],
    ),
    (
        11,
        "a push that is refused has deleted the image of before, or leaves half of one",
        &[
            "tests/it/registry_tree::a_push_that_is_refused_leaves_the_image_as_it_was",
            "src/store/tests/manifests::\
             what_a_manifest_names_must_be_there_or_nothing_is_changed",
            "tests/it/registry_tree::\
             what_is_no_image_is_refused_with_a_reason_and_nothing_changes",
        ],
    ),
    (
        12,
        "manifests are written anew, so that their digests change",
        &[
            "tests/it/registry_tree::\
             what_is_pushed_appears_in_the_tree_and_is_pulled_byte_for_byte",
            "tests/it/publication_container::\
             an_image_and_an_index_are_published_and_are_images_there",
        ],
    ),
    (
        13,
        "versions of products are half made, jump in time, miss late formats or are left behind",
        &[
            "tests/it/products::one_format_of_two_jobs_is_refused_before_anything_changes",
            "tests/it/products::a_version_keeps_its_time_as_long_as_anything_feeds_it",
            "tests/it/products::formats_that_come_later_appear_at_once_and_go_with_the_job",
            "tests/it/products::what_happens_at_once_leaves_each_format_to_one_job",
            "src/store/tests/products::a_crash_at_any_write_leaves_the_index_as_the_metadata",
            "src/store/tests/products::versions_are_what_plain_maps_say",
        ],
    ),
    (
        14,
        "locked jobs change",
        &[
            "tests/it/post_process::formats_of_a_locked_job_are_not_processed",
            "tests/it/post_process::a_job_that_is_locked_meanwhile_stays_as_it_is",
            "src/store/tests/guards::a_locked_job_keeps_its_files_formats_and_metadata",
            // The digest of a job leaves them out, and publication does too.
            "src/store/tests/guards::internal_formats_of_a_locked_job_stay_open",
            "src/store/tests/containers::a_locked_job_keeps_its_image_in_both_views",
            "tests/it/registry_tree::\
             a_locked_job_refuses_pushes_and_deletions_in_both_views",
        ],
    ),
    (
        15,
        "publication forgets, interleaves, leaves halves behind and verifies nothing",
        &[
            "tests/it/publication_faults::killed_on_either_side_it_is_completed",
            "tests/it/publication_faults::of_two_targets_one_may_fail_and_the_other_has_it",
            "tests/it/publication_faults::a_target_that_computes_another_digest_has_not_got_it",
            "tests/it/publication::of_wishes_that_come_at_once_the_last_one_counts",
            "src/store/tests/publications::what_may_be_elsewhere_is_not_deleted",
            "src/store/tests/publications::a_restart_finds_what_was_in_progress",
        ],
    ),
    (
        16,
        "one failure ends the sweep, which leaves users out, blocks all and tells nothing",
        &[
            "tests/it/publication::a_policy_takes_released_tags_back_before_it_deletes_them",
            "tests/it/user_repos::policies_hold_for_users_too_and_the_log_says_so_once",
            "src/store/tests/garbage::an_entry_that_fails_is_named_put_off_and_others_go_on",
            "src/sweeper/pace::work_stays_below_the_bound_and_nothing_is_wasted",
            "tests/it/admin::a_dry_run_says_exactly_what_the_sweep_then_gives_back",
            "tests/it/own_pages::runs_are_listed_newest_first",
            "src/model/policy::equal_times_are_ordered_by_id",
        ],
    ),
    (
        17,
        "usage drifts and is looked at after the body has come",
        &[
            "tests/it/user_quotas::what_does_not_fit_is_refused_before_it_is_sent",
            "tests/it/user_quotas::five_hundred_uploads_at_once_fill_a_repository_to_the_last_byte",
            "tests/it/user_quotas::\
             whatever_happens_at_once_usage_is_exact_and_never_over_the_quota",
            "src/store/tests/quota::usage_follows_every_write_and_every_name_that_goes",
            "src/store/tests/quota::a_rework_that_does_not_fit_leaves_the_format_as_it_was",
        ],
    ),
    (
        19,
        "an archive is corrupted by what happens meanwhile, has no length and no validators",
        &[
            "tests/it/archives::any_range_is_served_and_held_by_the_entity_tag",
            "tests/it/archives::curl_resumes_it",
            "tests/it/archives::a_blob_that_goes_while_it_is_sent_breaks_the_answer_off",
            "tests/it/defects::an_archive_is_that_of_its_first_moment",
        ],
    ),
    (
        20,
        "validators change without the content",
        &["tests/it/tree_downloads::facts_change_with_the_content_and_with_nothing_else"],
    ),
    (
        21,
        "post-processing shows halves, keeps partial changes, overlaps and never ends",
        &[
            "tests/it/post_process::a_command_that_fails_changes_nothing",
            "tests/it/post_process::a_command_that_takes_too_long_is_killed_with_its_children",
            "tests/it/post_process::two_patches_of_one_format_run_one_after_the_other",
            "tests/it/post_process::killed_in_the_middle_it_leaves_nothing_behind",
            "tests/it/post_process::a_long_list_is_swapped_in_at_once",
            "src/store/tests/rework::the_new_files_take_the_place_of_the_old_at_once",
        ],
    ),
    (
        22,
        "status codes that are none of the client's fault, or redirect changes",
        &[
            "tests/it/defects::each_slip_of_a_status_is_an_answer",
            "tests/it/tree_artifacts::what_is_no_digest_is_refused_before_the_body",
            "tests/it/tree_artifacts::a_path_is_a_file_or_a_folder",
            "tests/it/tree_names::names_have_a_longest",
            "tests/it/products::\
             names_that_no_version_can_have_are_refused_before_anything_is_saved",
            "tests/it/archives::what_is_absent_or_empty_is_told",
        ],
    ),
    (
        23,
        "an encoding is told by the name, and siblings are sent instead",
        &[
            "tests/it/defects::packed_files_are_files",
            "tests/it/tree_downloads::a_file_comes_with_its_facts",
        ],
    ),
    (
        24,
        "texts of Python: the two that clients may need are kept, the rest is not",
        &[
            "tests/it/tree_tags::jobs_are_filtered_by_the_text_of_their_fields",
            "tests/it/tree_jobs::metadata_are_the_lower_case_text_that_python_writes",
            "tests/it/conventions::an_error_is_text_whatever_is_accepted",
        ],
    ),
    (
        25,
        "whatever is large blocks all clients",
        &[
            "tests/it/defects::what_is_large_blocks_nobody",
            "src/sweeper/pace::work_stays_below_the_bound_and_nothing_is_wasted",
            "tests/it/post_process::a_long_list_is_swapped_in_at_once",
        ],
    ),
];

/// Items of §17; the three of them that are about the registry.
const ITEMS: std::ops::RangeInclusive<u8> = 1..=25;
const OF_THE_REGISTRY: [u8; 1] = [18];

#[test]
fn every_defect_has_tests_that_are_there() {
    let numbers: Vec<_> = DEFECTS.iter().map(|(number, ..)| *number).collect();
    let wanted: Vec<_> = ITEMS.filter(|number| !OF_THE_REGISTRY.contains(number)).collect();
    assert_eq!(numbers, wanted);
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, gist, tests) in DEFECTS {
        assert!(!tests.is_empty(), "nothing shows that {number} ({gist}) is not here");
        for test in *tests {
            let (file, name) = test.rsplit_once("::").unwrap();
            let found = known.entry(file).or_insert_with(|| tests_in(&source(file)));
            assert!(found.iter().any(|found| found == name), "{number}: there is no test {test}");
        }
    }
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{file}.rs"))
}

/// Names of the functions of a file that are tests.
fn tests_in(file: &Path) -> Vec<String> {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
            found.extend(name.split(['(', '<']).next().map(str::to_owned));
            is_test = false;
        }
    }
    found
}

#[test]
fn each_slip_of_a_status_is_an_answer() {
    let server = TestServer::start();
    let file = "/branches/b/t/j/f/a";
    server.holds(file, "content");
    server.patch("/branches/b/t/j/f/").expect(200);
    // A wrapper of the wrong type.
    for wrong in [json!([]), json!("x"), json!(7), json!(null)] {
        for body in [wrong.clone(), json!({"job": wrong.clone()}), json!({"tag": wrong.clone()})] {
            server.patch("/branches/b/t/j/").json(&body).expect(400);
            server.put("/branches/b/t/j/").json(&body).expect(400);
            server.post("/branches/b/t/").json(&body).expect(400);
            server.post("/branches/b/").json(&body).expect(400);
        }
    }
    // A file where a folder is, and the other way round.
    server.put(&format!("{file}/below")).body("x").expect(409);
    server.holds("/branches/b/t/j/f/dir/x", "x");
    server.put("/branches/b/t/j/f/dir").body("x").expect(409);
    server.head(&format!("{file}/below")).expect(404);
    server.get(&format!("{file}/below")).expect(404);
    // Names that are none, in URLs and in metadata.
    server.put(&format!("/branches/b/t/j/f/{}", "x".repeat(256))).body("x").expect(400);
    for bad in ["a/b", ".a"] {
        let keys = json!({
            "product": bad, "product_variant": "v", "product_branch": "b", "version": "1"
        });
        server.patch("/branches/b/t/j/").json(&json!({"job": keys})).expect(400);
    }
    // A digest of a kind without length, and one that nothing has.
    server.put(file).header("Digest", "shake_128:00").body("x").expect(422);
    server.head(file).header("Digest", &format!("sha256:{:064}", 0)).expect(404);
    // What is absent has no archive.
    server.get("/branches/b/t/none.tar").expect(404);
    server.get("/branches/b/none/j.tar").expect(404);
    // Changes are answered where they are asked for, in any spelling, and not sent elsewhere.
    server.post("/branches/B/").json(&json!({"branch": {"max_daily_tags": 9}})).expect(200);
    server.post("/branches/B/T/").json(&json!({"tag": {"stable": true}})).expect(200);
    for request in [server.delete("/branches/B/T/J/"), server.delete("/branches/b/t")] {
        let status = request.send().status;
        assert!(!(300..400).contains(&status) && status < 500, "{status}");
    }
    assert!(!server.log().contains("internal"), "{}", server.log());
}

#[test]
fn packed_files_are_files() {
    let server = TestServer::start();
    let at = |name: &str| format!("/branches/b/t/j/f/{name}");
    let names = ["a.tar.gz", "a.tgz", "a.gz", "a.br", "a.zst", "a.bz2", "a.xz", "a.Z", "a.svgz"];
    for name in names {
        server.holds(&at(name), name);
    }
    for accept in ["gzip, deflate, br, zstd", "identity", "*"] {
        for name in names {
            for ask in ["GET", "HEAD"] {
                let got = server.ask(ask, &at(name)).header("Accept-Encoding", accept);
                let got = got.expect(200).lacks("content-encoding").lacks("transfer-encoding");
                let got = got.has("content-length", &name.len().to_string());
                got.body_is(if ask == "GET" { name } else { "" });
            }
        }
        // The packed sibling of a name is never it.
        let got = server.get(&at("a.tar")).header("Accept-Encoding", accept);
        got.expect(404);
    }
    server.holds(&at("a.tar"), "not packed");
    let got = server.get(&at("a.tar")).header("Accept-Encoding", "gzip, br, zstd").expect(200);
    got.lacks("content-encoding").body_is("not packed");
}

#[test]
fn an_archive_is_that_of_its_first_moment() {
    const SIZE: usize = 8 << 20;
    let server = TestServer::with("lease", "1h").start();
    for (seed, name) in [(1, "a"), (2, "b")] {
        server.holds(&format!("/branches/b/t/j/f/{name}"), noise(seed, SIZE));
    }
    let whole = server.get("/branches/b/t/j.tar").expect(200).body;
    let mut reader = server.connect();
    let ask = "GET /branches/b/t/j.tar HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    reader.write(ask.as_bytes());
    reader.head_of_answer().with_status(200).has("content-length", &whole.len().to_string());
    // More than what a socket holds is still to come.
    server.holds("/branches/b/t/j/f/a", "another");
    server.delete("/branches/b/t/").expect(200);
    server.sweep_and_wait();
    assert_eq!(reader.rest(), u64::try_from(whole.len()).unwrap());
    server.get("/branches/b/t/j.tar").expect(404);
}

/// How long an answer may take that nothing large is asked for: far below what the large things
/// take here, and far above what a loaded machine makes of a millisecond.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn what_is_large_blocks_nobody() {
    let server = TestServer::start();
    server.holds("/branches/b/t/j/f/small", "small");
    let large = noise(1, 32 << 20);
    server.holds("/branches/b/t/j/f/large", large.clone());
    // More of each than there are threads that serve connections.
    let mut uploads: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for (number, upload) in uploads.iter_mut().enumerate() {
        let length = large.len();
        let head = format!("PUT /branches/b/t/j/f/up{number} HTTP/1.1\r\nHost: localhost\r\n");
        upload.write(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes());
        upload.write(&large[..1 << 20]);
    }
    let mut downloads: Vec<_> = (0..32).map(|_| server.connect()).collect();
    for (number, download) in downloads.iter_mut().enumerate() {
        let path = ["/branches/b/t/j/f/large", "/branches/b/t/j/f.tar"][number % 2];
        download.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        // Nobody reads what comes.
        download.head_of_answer().with_status(200);
    }
    for round in 0..20 {
        let started = Instant::now();
        server.get("/branches/b/t/j/f/small").expect(200).body_is("small");
        server.holds(&format!("/branches/b/t/j/g/{round}"), "small too");
        server.get("/branches/b/t/j/g/").expect(200);
        let took = started.elapsed();
        assert!(took < SOON, "{took:?} behind large uploads and downloads");
    }
    drop((uploads, downloads));
    server.has_nothing_staged();
}
