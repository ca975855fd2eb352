"""gql, as it is: fetches the schema, validates against it, asks and changes."""
import sys

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

base, token = sys.argv[1:3]


def client(place, headers):
    transport = HTTPXTransport(url=base + place, headers=headers)
    return Client(transport=transport, fetch_schema_from_transport=True)


def policy(ttl):
    return gql('mutation { updateDependencyProxyImageTtlGroupPolicy(input: {groupPath: "acme", '
               'enabled: true, ttl: %d}) { dependencyProxyImageTtlPolicy { enabled ttl updatedAt } '
               'errors } }' % ttl)


GROUP = gql("""
query group($path: ID!, $first: Int) {
  currentUser { id username }
  metadata { version }
  group(fullPath: $path) {
    id name fullName fullPath visibility webUrl
    dependencyProxySetting { enabled identity }
    dependencyProxyImageTtlPolicy { enabled ttl createdAt updatedAt }
    dependencyProxyManifests(first: $first) {
      nodes { id fileName imageName size digest status }
      pageInfo { hasNextPage endCursor }
    }
    dependencyProxyBlobs(first: $first) { edges { cursor node { fileName } } }
    dependencyProxyImageCount
    dependencyProxyBlobCount
    dependencyProxyTotalSize
    dependencyProxyTotalSizeBytes
    dependencyProxyImagePrefix
  }
}
""")
GROUP.variable_values = {"path": "acme", "first": 5}

for place in ("/api/graphql", "/api/graphql/"):
    known = client(place, {"Authorization": "Bearer " + token})
    with known as session:
        assert known.schema.query_type.name == "Query", known.schema
        assert known.schema.subscription_type is None
        found = session.execute(GROUP)
        assert found["currentUser"]["username"] == "alice", found
        group = found["group"]
        assert group["dependencyProxyManifests"]["nodes"] == [], group
        assert group["dependencyProxyTotalSize"] == "0 Bytes", group
        assert group["dependencyProxyTotalSizeBytes"] == "0", group
        payload = session.execute(policy(7))["updateDependencyProxyImageTtlGroupPolicy"]
        assert payload["errors"] == [], payload
        assert payload["dependencyProxyImageTtlPolicy"]["ttl"] == 7, payload
        payload = session.execute(policy(0))["updateDependencyProxyImageTtlGroupPolicy"]
        assert payload["errors"] == ["Ttl must be greater than 0"], payload
        both = session.execute_batch([GraphQLRequest("{ __typename }")] * 2)
        assert [one["__typename"] for one in both] == ["Query", "Query"], both

with client("/api/graphql", {}) as session:
    assert session.execute(GROUP)["group"] is None
    try:
        session.execute(policy(7))
        raise SystemExit("nobody in particular changed a policy")
    except TransportQueryError as error:
        assert "does not exist or you don't have permission" in str(error), error
print("done")
