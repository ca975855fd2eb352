"""What a script does with python-gitlab and gql: packages published, listed, deleted."""

import pathlib
import sys
import tempfile

import gitlab
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

url, token, reader = sys.argv[1:]
gl = gitlab.Gitlab(url, private_token=token)
project = gl.projects.get("acme/app")
folder = pathlib.Path(tempfile.mkdtemp())

# Published and downloaded
for number in range(25):
    (folder / "file.bin").write_bytes(b"%d" % number)
    project.generic_packages.upload(
        package_name="lib",
        package_version=f"1.{number}",
        file_name="file.bin",
        path=folder / "file.bin",
    )
content = project.generic_packages.download("lib", "1.7", "file.bin")
assert content == b"7", content

# Listed
packages = project.packages.list(get_all=True)
assert len(packages) == 25 and packages[0].name == "lib", packages
pages = project.packages.list(iterator=True, per_page=10, order_by="version", sort="desc")
assert (pages.total, pages.total_pages) == (25, 3), pages.total
assert len({package.id for package in pages}) == 25
some = project.packages.list(package_type="generic", package_name="LI", page=3, per_page=10)
assert len(some) == 5, some
group = gl.groups.get("acme").packages.list(order_by="project_path", get_all=True)
assert len(group) == 25 and group[0].project_path == "acme/app", group[0]
package = project.packages.get(packages[0].id)
assert len(package.versions) == 24, package
assert package.pipelines.list() == [] if hasattr(package.pipelines, "list") else True
files = package.package_files.list(get_all=True)
assert [file.file_name for file in files] == ["file.bin"], files

# Refused
seen = gitlab.Gitlab(url, private_token=reader).projects.get("acme/app")
assert len(seen.packages.list(get_all=True)) == 25
try:
    seen.packages.delete(package.id)
    raise SystemExit("a reporter deleted a package")
except gitlab.GitlabDeleteError as error:
    assert error.response_code == 403, error

# Deleted
files[0].delete()
try:
    project.generic_packages.download("lib", package.version, "file.bin")
    raise SystemExit("a file that was deleted was downloaded")
except gitlab.GitlabGetError as error:
    assert error.response_code == 404, error
packages[1].delete()

transport = HTTPXTransport(url + "/api/graphql", headers={"Authorization": "Bearer " + token})
with Client(transport=transport, fetch_schema_from_transport=True) as session:
    query = gql(
        """query ($path: ID!) { project(fullPath: $path) { id
             packages(first: 30, sort: VERSION_ASC, packageType: GENERIC) {
               count nodes { id name version status packageType _links { webPath } } } } }"""
    )
    query.variable_values = {"path": "acme/app"}
    found = session.execute(query)["project"]["packages"]["nodes"]
    ids = [node["id"] for node in found]
    destroy = gql(
        """mutation ($ids: [PackagesPackageID!]!) {
             destroyPackages(input: {ids: $ids}) { errors } }"""
    )
    destroy.variable_values = {"ids": ids[:21]}
    try:
        session.execute(destroy)
        raise SystemExit("21 packages were deleted at once")
    except TransportQueryError as error:
        assert "Cannot delete more than 20 packages" in str(error), error
    destroy.variable_values = {"ids": ids[:20]}
    assert session.execute(destroy)["destroyPackages"]["errors"] == []
left = project.packages.list(get_all=True)
assert len(left) == len(ids) - 20, left
print("done")
