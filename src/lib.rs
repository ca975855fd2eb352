//! Larder: a self-hosted artifact repository, one binary and one data folder.
//!
//! CI jobs upload, people and machines download, policies decide what is kept, and the space of
//! what is no longer kept comes back. The idea that everything here serves: **reference counts,
//! names and policies live in one database and change in the same transaction**. So what may be
//! collected is found by a scan of the zero-count index, whose cost follows the garbage and not
//! the repository.
//!
//! # The house
//!
//! A module uses only floors below its own (`tests/tidy.rs` fails otherwise). The same noun has
//! the same name on every floor: `model/tag.rs`, `store/tags.rs`, `http/tree/tags.rs`.
//!
//! | floor | modules | |
//! |---|---|---|
//! | 0 words | [`model`] | pure: names, digests, records, references, policies |
//! | 1 ground | [`db`], [`blobs`], [`clock`], [`stop`] | rows; files; neither knows the other |
//! | 2 store | [`store`] | one public function = one transaction = one decision |
//! | 3 services | [`access`], [`tree`], [`cleanup`] | rules, files, or several store calls |
//! | | [`registry`] | the container registry |
//! | | [`proxy`] | caches images of other registries |
//! | | [`packages`] | the package registry |
//! | | [`publish`] | brings released tags to other servers |
//! | 4 | [`sweeper`] | the only background thread |
//! | 5 | [`http`] | routes, handlers, answers; no transaction, no file name |
//! | 6 roof | [`config`], [`app`], [`cli`] | settings, start and stop in order, commands |
//!
//! Floors 0 to 4 are synchronous; what they do for a request that may wait for a disk runs on a
//! blocking thread. The one crossing is [`db::Pending`], the answer to a queued change, which can
//! be awaited or waited for.
//!
//! # Invariants
//!
//! Module headers quote them by number.
//!
//! - **I1** Every blob row has its bytes. The only leftover a crash may leave is a file without a
//!   row, and the next start removes it.
//! - **I2** A blob's count equals the number of references that name it. `larder check` recounts.
//! - **I3** A blob is collected only when free, past its lease and unpinned, all tested in the
//!   collecting transaction.
//! - **I4** A digest in the store was computed here from the bytes, never copied from a client.
//! - **I5** An acknowledged write survives `kill -9` and power loss: bytes synced, transaction
//!   durable, then 2xx.
//! - **I6** What a policy removes was in its plan; what changed since is planned again.
//! - **I7** No write transaction holds the writer for longer than a bound (`store.slice`), however
//!   much there is to delete; none is open during hashing, network or file I/O.
//! - **I8** Reading never waits for writing; one answer is built from one snapshot.
//! - **I9** Whoever authorises sees the canonical name, exactly the one that storage uses.
//! - **I10** The schema number and the rows that it describes change in the same transaction.
//!
//! # Names are directory entries, ids are inodes
//!
//! A container's name is a row `(parent id, name) → record with id`, and its children are keyed
//! by that id ([`db::schema`] shows all tables on one screen). So a listing is a range, a delete is
//! one row, a name can be used again while what it named is being destroyed, and nothing is ever
//! half-visible. Blobs have ids too; only one table is keyed by digest.
//!
//! # One upload
//!
//! `PUT /branches/b/t/j/f/app.tgz` with `Digest: sha256:…`
//!
//! 1. [`http::route`] parses the path into names; a bad one is refused at the door.
//!    In a user's repository it needs room below the quota ([`store::quota`]).
//! 2. A body of up to `store.inline_max` bytes stays in memory. A larger one goes through a bounded
//!    channel to one blocking task that hashes it while it writes to `staging` ([`blobs`]).
//! 3. The digest is compared (422, nothing kept). A file is synced, gets its staging name, is
//!    linked into its place, and the folders are synced. A digest that is known already costs
//!    neither.
//! 4. One transaction ([`store::artifacts`]): containers found or made, locks tested, the old
//!    reference released and the new one held, usage and counters adjusted. [`db`]'s writer thread
//!    commits it together with its neighbours. What a commit waits for is one write to the end of
//!    the journal (`db::journal`); the pages, which lie all over the file, reach the disk later.
//! 5. 201, and the staging name goes. After a crash before 4, the start finds the staging name and
//!    removes both; after 4 everything is there.
//!
//! # One push of an image
//!
//! 1. Each layer is an upload ([`registry::uploads`]): bytes that were acknowledged survive a
//!    restart, small ones in the upload's row and others in a draft file that the row names. At
//!    the end the digest is compared and one transaction makes the blob the repository's, held by
//!    an upload link: a row of the repository with the moment before which it stays.
//! 2. The manifest's bytes are read by [`model::oci_manifest`], then one transaction
//!    ([`store::manifests`]) checks that all it names is here, counts it in the repository's rows,
//!    and lets the tag name it. However many manifests of a repository name a blob, the blob has
//!    one reference from it (I2). Which name stands for what is one table: [`registry::resolve`].
//! 3. The tag of a job's repository has a place in the artifact tree: a format that is computed
//!    from the manifest and has no files of its own. The tag counts only while names lead to that
//!    format; so whatever takes the tree's tag away takes the image's along, at the same price.
//! 4. A deletion takes names away; the manifest is queued like everything else that was detached.
//!    Destroying it counts down in the repository's rows, and the last count leaves an upload
//!    link, as an upload does: nothing that a client was told of vanishes before it ends.
//!
//! # One pull through the proxy
//!
//! `GET /v2/acme/dependency_proxy/containers/alpine/manifests/latest`
//!
//! 1. [`http::route`] splits the path at its `dependency_proxy/containers`. The caller's role in
//!    the group decides, and whoever has none is told the same as where there is no group.
//! 2. What is cached comes first ([`proxy`]). A digest is served as it is; for a tag one HEAD goes
//!    to the upstream, unless it was looked up a moment ago, within a budget: whatever fails there,
//!    what is cached is served. Only what is not cached waits for the upstream.
//! 3. A blob that is missing is a flight: one request, whose bytes many clients follow at their
//!    own pace while they are stored. The last byte waits for the digest (I4), so a wrong body
//!    is never complete and never kept.
//! 4. An entry of the group's cache holds the blob ([`store::cached`]), so bytes are there once for
//!    all groups and fronts (I2). Another group gets them without a download only where its own
//!    upstream is the same one and has just granted them to its own credentials.
//! 5. A purge is a mark in the group's record: entries below it are served no more from that commit
//!    on, and the sweeper marks, claims and deletes them in slices (I7). No entry comes back to
//!    life; what is pulled after a purge is an entry of its own.
//!
//! # One package published
//!
//! `PUT /api/v4/projects/acme%2Fapp/packages/generic/tool/1.0/tool.tgz`
//!
//! 1. [`http::login`] takes what packages' clients send: a token beside any login, or in a header.
//!    [`http::route`] splits the path before it decodes its segments, and refuses for every format
//!    what could lead elsewhere. Nobody in particular is asked to log in.
//! 2. A role in the project or above it has to be enough. Names are read by the format's grammar.
//! 3. The body goes through a bounded channel to one blocking task that computes four sums while
//!    it writes to staging, within the format's limit ([`packages::files`]). Each sum that the
//!    client named is compared; a difference keeps nothing.
//! 4. One transaction ([`store::packages`]) looks again at the token or account and at the role, as
//!    the body may have taken hours ([`store::behalf`]), finds or makes the package and tests
//!    duplicates and rules that protect it, so the second of two publishers is refused. The file's
//!    row holds the blob (I2), the project's usage grows, and the series of all versions gets a new
//!    revision.
//! 5. The answer is 201. Indexes and packuments are built from one snapshot and kept
//!    ([`packages::pages`]). Each change of a version moves the one row that says at which revision
//!    it changed: a page is brought up to date by the rows behind its own revision.
//! 6. Deleting takes the name away and queues the package, at the same price whatever it has, so
//!    the version can be published again at once; bytes count as the project's until the sweeper
//!    has dropped the rows of its files, in slices (I7).
//!
//! # Who may do what
//!
//! [`http::guard`] stands at the door: [`http::route`] makes a URL a thing with one canonical path
//! (I9), and [`access`] is asked about that path before anything else is looked at, so a refusal
//! is the same whether the thing exists or not. Lists ask about each of their lines. That a
//! content is here is told only to who may read a path that has it, or who sent it a short time
//! ago ([`store::possessions`]). The grammar of the rules is pure ([`model::acl`]).
//!
//! Groups have people instead of rules: a role ([`model::role`]) counts for a group and all below
//! it, and the highest one wins. The URLs of groups (`/api/…`, the proxy's) pass the guard, and
//! their handlers ask [`access::Access::may_in_group`].
//!
//! In groups and at their dependency proxies no rule of a path holds: roles decide
//! ([`access::Access::may_in_group`]), and handlers ask for them. What a token of the registry is
//! for there it says itself, but no group: who may pull from which is asked at each use.
//!
//! # One deletion
//!
//! Every way of removing things is one pipeline:
//!
//! ```text
//! detach    the name's row goes, the id is queued           one small transaction, any size
//! destroy   rows below go, references are released          slices
//! free      the blob waits in the zero-count index          for its lease
//! collect   blob rows go, digests lapse, bytes are queued   slices; never what is pinned
//! unlink    files go, folders are synced, queue rows go     no transaction open meanwhile
//! digests   lapsed digests leave their index, in order      slices; when there are many
//! ```
//!
//! A digest that lapsed counts as absent from the commit that collects its blob. Its row in the
//! index stays until removing it is cheap ([`store::lapsed`]): digests are random, so alone it
//! would cost more than everything else of collecting.
//!
//! The [`sweeper`] does all but the first, when asked (DELETE, SIGUSR1, API, command), when the
//! period is over, and by itself when the earliest lease ends. [`model::Totals`] counts each stage
//! in the same transactions, so backlog and progress are exact.
//!
//! # One release to other servers
//!
//! A release is a wish in the database ([`store::publications`]), one row for each tag, with a
//! number that each new wish raises. [`publish`] fulfils it: it asks each target what it has,
//! links or sends the rest, and takes the digests that the target computed for the proof. Work
//! for an older number changes nothing, so the last wish wins; while there is a row the tag cannot
//! be deleted, and a policy that names it only wishes it away.
//!
//! # A download
//!
//! [`tree::Tree::open`] pins the blob, looks again in a fresh snapshot and then opens the file,
//! which stays readable when it is unlinked. Between two commits all readers share one snapshot.
//!
//! # A post-process
//!
//! A command of the operator's works on copies in a private folder ([`tree::post_process`]). What
//! it left is hashed into blobs and gathered under an id that no name leads to
//! ([`store::rework`]); then one small transaction lets the format's name lead there and detaches
//! the old id. It is refused when somebody wrote to the format meanwhile.
//!
//! # Products
//!
//! A version of a product is an index entry: [`store::products`] notes which job's metadata names
//! it, in the transaction that changes the metadata. Formats are looked up below those jobs when
//! somebody asks, so late ones appear at once; an entry counts only while names lead to its job,
//! so a detached tag is out of every version at once, and destroying it removes the rows.
//!
//! # An archive
//!
//! [`tree::archive`] lists the members in one snapshot, long lists in a file without a name, and
//! adds their sizes up. So the length and the entity tag are known before the first byte, and a
//! range begins at the mark before it. No snapshot is open while it is sent; each blob is pinned
//! as its turn comes, and one that is gone breaks the answer off.
//!
//! # Who is asking
//!
//! [`http::login`] reads credentials before a URL is looked at, [`access::login`] tells whose they
//! are: a local account, a token, or somebody whom one other back end knows. What was found out by
//! hashing a password is remembered for a while, and rests on rows that are read again with every
//! request.
//!
//! # When the disk fails
//!
//! A commit that fails has an unknown outcome: nothing is acknowledged, files stay, the database
//! is opened again in the process and the rows decide. On a full disk uploads are refused (507)
//! below a reserve; a ballast file is given up when a commit finds no room, so deleting works at 0
//! bytes free.

pub mod access;
pub mod app;
pub mod blobs;
pub mod cleanup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;
pub mod model;
pub mod packages;
pub mod proxy;
pub mod publish;
pub mod registry;
pub mod stop;
pub mod store;
pub mod sweeper;
pub mod tree;
