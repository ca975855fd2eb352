"""gql, as it is: reads and changes what a project keeps, validated against the schema."""
import sys

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

base, maintainer, developer = sys.argv[1:4]

QUERY = gql("""
query policy($path: ID!) {
  project(fullPath: $path) {
    fullPath
    packagesCleanupPolicy { keepNDuplicatedPackageFiles nextRunAt }
  }
}
""")
QUERY.variable_values = {"path": "acme/lib"}


def update(keep):
    request = gql("""
mutation update($input: UpdatePackagesCleanupPolicyInput!) {
  updatePackagesCleanupPolicy(input: $input) {
    packagesCleanupPolicy { keepNDuplicatedPackageFiles nextRunAt }
    errors
    clientMutationId
  }
}
""")
    request.variable_values = {"input": {
        "projectPath": "acme/lib", "keepNDuplicatedPackageFiles": keep, "clientMutationId": "x",
    }}
    return request


def client(token):
    headers = {"Authorization": "Bearer " + token}
    transport = HTTPXTransport(url=base + "/api/graphql", headers=headers)
    return Client(transport=transport, fetch_schema_from_transport=True)


with client(maintainer) as session:
    policy = session.execute(QUERY)["project"]["packagesCleanupPolicy"]
    dummy = {"keepNDuplicatedPackageFiles": "ALL_PACKAGE_FILES", "nextRunAt": None}
    assert policy == dummy, policy
    payload = session.execute(update("TEN_PACKAGE_FILES"))["updatePackagesCleanupPolicy"]
    assert payload["errors"] == [] and payload["clientMutationId"] == "x", payload
    policy = session.execute(QUERY)["project"]["packagesCleanupPolicy"]
    assert policy == payload["packagesCleanupPolicy"], policy
    assert policy["keepNDuplicatedPackageFiles"] == "TEN_PACKAGE_FILES", policy

with client(developer) as session:
    project = session.execute(QUERY)["project"]
    assert project == {"fullPath": "acme/lib", "packagesCleanupPolicy": None}, project
    try:
        session.execute(update("ONE_PACKAGE_FILE"))
        raise SystemExit("a developer changed a policy")
    except TransportQueryError as error:
        assert "does not exist or you don't have permission" in str(error), error
        assert error.errors[0]["path"] == ["updatePackagesCleanupPolicy"], error.errors
print("done")
