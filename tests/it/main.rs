//! What a client sees: the real binary, asked over HTTP, one file per group of routes.
//!
//! The harness checks at the end of every test that the log is clean, that nothing staged was
//! left and that the house is in order.
//! Here the process is killed, the power cut and the disk filled from outside, at any moment.
//! Deliberately absent: the rules of the store and crashes at a chosen step, which are tested
//! beside the code.

mod harness;

mod admin;
mod api_packages;
mod api_projects;
mod archives;
mod clients_cli;
mod clients_cosign;
mod clients_crane;
mod clients_curl;
mod clients_dlrepo;
mod clients_dlrepo_rights;
mod clients_dlrepo_users;
mod clients_docker;
mod clients_gql;
mod clients_gql_policies;
mod clients_helm;
mod clients_maven;
mod clients_npm;
mod clients_oras;
mod clients_podman;
mod clients_proxy;
mod clients_pypi;
mod clients_python_gitlab;
mod clients_python_packages;
mod clients_skopeo;
mod conformance;
mod conventions;
mod defects;
mod ended_uploads;
mod failing_calls;
mod full_disk;
mod graphql;
mod graphql_packages;
mod groups_api;
mod groups_cli;
mod health;
mod image;
mod kill;
mod ldap;
mod ldap_faults;
mod login;
mod own_pages;
mod package_policies;
mod packages_door;
mod packages_generic;
mod packages_maven;
mod packages_npm;
mod packages_pypi;
mod packages_rights;
mod packaging;
mod post_process;
mod power_loss;
mod process;
mod products;
mod proxy_faults;
mod proxy_flights;
mod proxy_login;
mod proxy_pull;
mod proxy_purge;
mod proxy_sharing;
mod proxy_upstream;
mod publication;
mod publication_container;
mod publication_faults;
mod pypi_setting;
mod registry_blobs;
mod registry_catalog;
mod registry_concurrent;
mod registry_login;
mod registry_manifests;
mod registry_referrers;
mod registry_soak;
mod registry_tags;
mod registry_tree;
mod registry_uploads;
mod rights;
mod sendfile;
mod settings;
mod sweeping;
mod tree_artifacts;
mod tree_branches;
mod tree_downloads;
mod tree_formats;
mod tree_jobs;
mod tree_names;
mod tree_races;
mod tree_tags;
mod user_quotas;
mod user_repos;
