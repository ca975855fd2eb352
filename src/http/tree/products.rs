//! Products over HTTP (spec dlrepo §10): lists, and the formats of versions, which are those of
//! the jobs that feed them.
//!
//! What a reader of products is told names products only: the branches behind them may be
//! closed to that reader.

use std::sync::Arc;

use http::Method;
use serde::Serialize;
use warp::reply::Response;

use super::super::failure::Failure;
use super::super::route::{ProductRoute, Route, Spelling, VersionAt, VersionFormatAt};
use super::super::{Request, Server, blocking, reply};
use super::{artifacts, check_file};
use crate::model::{
    ArtifactPath, Caller, FormatPath, ProductBranchPath, ProductPath, Repo, VariantPath,
    VersionFormatPath, VersionPath, VersionRef,
};
use crate::store::products::VersionState;
use crate::store::{self, View};
use crate::tree;

#[derive(Serialize)]
struct Named {
    name: String,
}

#[derive(Serialize)]
struct ProductList {
    products: Vec<Named>,
}

#[derive(Serialize)]
struct ProductPage {
    product: ProductFields,
}

#[derive(Serialize)]
struct ProductFields {
    name: String,
    product_variants: Vec<Named>,
}

#[derive(Serialize)]
struct VariantPage {
    product_variant: VariantFields,
}

#[derive(Serialize)]
struct VariantFields {
    name: String,
    product_branches: Vec<Named>,
}

#[derive(Serialize)]
struct BranchPage {
    product_branch: BranchFields,
}

#[derive(Serialize)]
struct BranchFields {
    name: String,
    versions: Vec<VersionLine>,
}

#[derive(Serialize)]
struct VersionLine {
    name: String,
    timestamp: f64,
    locked: bool,
    released: bool,
    stable: bool,
}

#[derive(Serialize)]
struct VersionPage {
    version: VersionFields,
}

#[derive(Serialize)]
struct VersionFields {
    name: String,
    artifact_formats: Vec<String>,
}

impl Server {
    pub(super) async fn products(
        self: &Arc<Self>,
        request: Request,
        route: ProductRoute,
        spelling: Spelling,
    ) -> Result<Response, Failure> {
        refuse_changes(&request.method, &route)?;
        if spelling == Spelling::Variant || alias_of(&route).is_some() {
            return self.product_elsewhere(request.caller, route).await;
        }
        match route {
            ProductRoute::Version(at) => self.version(request, version_path(&at)?).await,
            ProductRoute::Archive(at) => self.version_archive(request, version_path(&at)?).await,
            ProductRoute::FormatArchive(at) => {
                let path = version_format_path(&at)?;
                let shown = path.to_string();
                hide(self.version_format_archive(request, path).await, &shown)
            }
            ProductRoute::Format(at) => {
                let (real, shown) = self.real(&at)?;
                hide(self.format(request.caller, real, shown.clone()).await, &shown)
            }
            ProductRoute::FormatFolder(at) => {
                let (real, shown) = self.real(&at)?;
                hide(self.format_folder(request, real, shown.clone()).await, &shown)
            }
            ProductRoute::Sums(at) => {
                let (real, shown) = self.real(&at)?;
                hide(self.sums(request.caller, real, shown.clone()).await, &shown)
            }
            ProductRoute::Artifact(at, path) => {
                let (real, shown) = self.real(&at)?;
                let shown = format!("{shown}{path}");
                hide(self.get(&request, &real.file(path), &shown), &shown)
            }
            ProductRoute::Folder(at, path) => {
                let (real, shown) = self.real(&at)?;
                let shown = format!("{shown}{path}/");
                hide(Err(artifacts::folder(&real.file(path))), &shown)
            }
            list => self.product_list(request, list).await,
        }
    }

    async fn product_list(
        self: &Arc<Self>,
        request: Request,
        route: ProductRoute,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let list = Listing { server: &server, caller: &request.caller, view: &view };
            match route {
                ProductRoute::List(repo) => list.products(&repo),
                ProductRoute::Product(path) => list.variants(&path),
                ProductRoute::Variant(path) => list.branches(&path),
                ProductRoute::Branch(path) => list.versions(&path),
                other => Err(Failure::Internal(format!("no handler for {other:?}"))),
            }
        })
        .await
    }

    async fn version(
        self: &Arc<Self>,
        request: Request,
        path: VersionPath,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let formats = view.version_formats(&path)?.into_iter();
            let formats = formats.filter(|(name, _)| {
                let path = path.clone().format(name.clone()).to_string();
                server.may_read(&request.caller, &path)
            });
            let artifact_formats = formats.map(|(name, _)| name.to_string()).collect();
            let version = VersionFields { name: path.version.to_string(), artifact_formats };
            Ok(reply::json(&VersionPage { version }))
        })
        .await
    }

    /// Redirects to the version behind its alias, or to the canonical spelling, if there is such
    /// a thing and the caller may read it.
    async fn product_elsewhere(
        self: &Arc<Self>,
        caller: Caller,
        route: ProductRoute,
    ) -> Result<Response, Failure> {
        let server = Arc::clone(self);
        blocking(move || {
            let view = server.tree.store().view()?;
            let real = server.behind_product_alias(&view, &caller, route)?;
            check_exists(&view, &real, |path| server.may_read(&caller, path))?;
            Ok(reply::found(&real.canonical_path()))
        })
        .await
    }

    /// The thing itself. An alias stands for a version among those that the caller may read.
    fn behind_product_alias(
        &self,
        view: &View,
        caller: &Caller,
        route: ProductRoute,
    ) -> Result<ProductRoute, Failure> {
        let Some(at) = alias_of(&route) else { return Ok(route) };
        let is_readable = |path: &VersionPath| self.may_read(caller, &path.to_string());
        let name = match view.resolve_version(&at.branch, &at.version, is_readable) {
            Err(store::Error::NotFound(_)) if !self.may_read(caller, &alias_path(&route)) => {
                return Err(self.denied(caller));
            }
            name => name?,
        };
        let real = route.in_version(name);
        self.guard_read(caller, &Route::Product(real.clone()))?;
        Ok(real)
    }

    /// Where a format of a version really is, and what it is called here.
    fn real(&self, at: &VersionFormatAt) -> Result<(FormatPath, String), Failure> {
        let path = version_format_path(at)?;
        let real = self.tree.store().view()?.version_format(&path)?;
        Ok((real, path.to_string()))
    }
}

/// Lists of what a caller may see.
struct Listing<'a> {
    server: &'a Server,
    caller: &'a Caller,
    view: &'a View,
}

impl Listing<'_> {
    fn products(&self, repo: &Repo) -> Result<Response, Failure> {
        let products = self.view.products(repo)?.into_iter();
        let at = |product| ProductPath { repo: repo.clone(), product };
        let products = self.readable(products.map(|name| (name.to_string(), at(name))));
        Ok(reply::json(&ProductList { products }))
    }

    fn variants(&self, path: &ProductPath) -> Result<Response, Failure> {
        let variants = self.view.variants(path)?.into_iter();
        let at = |variant| VariantPath { product: path.clone(), variant };
        let variants = self.readable(variants.map(|name| (name.to_string(), at(name))));
        let name = path.product.to_string();
        let product = ProductFields { name, product_variants: variants };
        Ok(reply::json(&ProductPage { product }))
    }

    fn branches(&self, path: &VariantPath) -> Result<Response, Failure> {
        let branches = self.view.product_branches(path)?.into_iter();
        let at = |branch| ProductBranchPath { variant: path.clone(), branch };
        let branches = self.readable(branches.map(|name| (name.to_string(), at(name))));
        let name = path.variant.to_string();
        let product_variant = VariantFields { name, product_branches: branches };
        Ok(reply::json(&VariantPage { product_variant }))
    }

    fn versions(&self, path: &ProductBranchPath) -> Result<Response, Failure> {
        let versions = self.view.versions(path)?.into_iter().filter(|(version, _)| {
            let at = VersionPath { branch: path.clone(), version: version.clone() };
            self.server.may_read(self.caller, &at.to_string())
        });
        let versions = versions.map(|(name, state)| line(name.to_string(), state)).collect();
        let product_branch = BranchFields { name: path.branch.to_string(), versions };
        Ok(reply::json(&BranchPage { product_branch }))
    }

    fn readable(&self, all: impl Iterator<Item = (String, impl ToString)>) -> Vec<Named> {
        all.filter(|(_, path)| self.server.may_read(self.caller, &path.to_string()))
            .map(|(name, _)| Named { name })
            .collect()
    }
}

fn line(name: String, state: VersionState) -> VersionLine {
    let VersionState { created, locked, released, stable } = state;
    VersionLine { name, timestamp: created.seconds_f64(), locked, released, stable }
}

/// Products are fed by metadata of jobs alone.
fn refuse_changes(method: &Method, route: &ProductRoute) -> Result<(), Failure> {
    let reason = match (method, route) {
        (&Method::PUT, ProductRoute::Artifact(..)) => "Uploading products is not supported",
        (&Method::DELETE, ProductRoute::FormatFolder(_)) => {
            "Deleting product formats is not supported"
        }
        _ => return Ok(()),
    };
    Err(Failure::BadRequest(reason.to_owned()))
}

/// The version of a route that lies at an alias or below one.
fn alias_of(route: &ProductRoute) -> Option<&VersionAt> {
    route.version().filter(|at| !matches!(at.version, VersionRef::Named(_)))
}

fn alias_path(route: &ProductRoute) -> String {
    Route::Product(route.clone()).path()
}

fn check_exists(
    view: &View,
    route: &ProductRoute,
    may_read: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    match route {
        ProductRoute::List(_) => {}
        ProductRoute::Product(path) => drop(view.variants(path)?),
        ProductRoute::Variant(path) => drop(view.product_branches(path)?),
        ProductRoute::Branch(path) => view.check_product_branch(path)?,
        ProductRoute::Version(at) | ProductRoute::Archive(at) => {
            view.version(&version_path(at)?)?;
        }
        ProductRoute::Format(at)
        | ProductRoute::FormatFolder(at)
        | ProductRoute::FormatArchive(at)
        | ProductRoute::Sums(at) => drop(view.version_format(&version_format_path(at)?)?),
        ProductRoute::Artifact(at, path) | ProductRoute::Folder(at, path) => {
            check_product_file(view, at, path, may_read)?;
        }
    }
    Ok(())
}

fn check_product_file(
    view: &View,
    at: &VersionFormatAt,
    path: &ArtifactPath,
    may_read: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let folder = version_format_path(at)?;
    let real = view.version_format(&folder)?;
    let shown = format!("{folder}{path}");
    // Asked about the file whose checksum this is: rights are granted at what it is called here.
    let may_read_file = |_: &str| shown.strip_suffix(".sha256").is_some_and(&may_read);
    hide(check_file(view, &real.file(path.clone()), may_read_file), &shown)
}

/// What is not found is told by the name that it was asked for.
fn hide<T>(result: Result<T, Failure>, shown: &str) -> Result<T, Failure> {
    result.map_err(|failure| match failure {
        Failure::NotFound(_) | Failure::Tree(tree::Error::Store(store::Error::NotFound(_))) => {
            store::Error::NotFound(shown.to_owned()).into()
        }
        other => other,
    })
}

/// The version of a URL that is not an alias: those were redirected before.
fn version_path(at: &VersionAt) -> Result<VersionPath, Failure> {
    match &at.version {
        VersionRef::Named(version) => {
            Ok(VersionPath { branch: at.branch.clone(), version: version.clone() })
        }
        alias => Err(Failure::Internal(format!("{alias:?} was not resolved"))),
    }
}

fn version_format_path(at: &VersionFormatAt) -> Result<VersionFormatPath, Failure> {
    Ok(version_path(&at.parent)?.format(at.format.clone()))
}
