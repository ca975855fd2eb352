"""What a script does with python-gitlab: projects, their members, tokens, lists, errors."""

import sys

import gitlab

url, token, reader = sys.argv[1:]
gl = gitlab.Gitlab(url, private_token=token)
bob = gitlab.Gitlab(url, private_token=reader)
bob.auth()

# Made, found, changed
acme = gl.groups.create({"name": "Acme", "path": "acme", "visibility": "internal"})
tools = gl.groups.create({"name": "Tools", "path": "tools", "parent_id": acme.id})
app = gl.projects.create({"name": "My App", "namespace_id": acme.id, "visibility": "internal"})
assert (app.path, app.path_with_namespace) == ("my-app", "acme/my-app"), app
assert app.name_with_namespace == "Acme / My App"
assert app.namespace["full_path"] == "acme" and app.namespace["kind"] == "group"
deep = gl.projects.create({"path": "deep", "namespace_id": tools.id})
assert (deep.name, deep.visibility) == ("deep", "private")
assert gl.projects.get("acme/my-app").id == app.id
app.description = "all of it"
app.save()
assert gl.projects.get(app.id).description == "all of it"

# Lists
assert [each.path for each in gl.projects.list(get_all=True)] == ["deep", "my-app"]
by_name = gl.projects.list(order_by="name", sort="asc", get_all=True)
assert [each.path for each in by_name] == ["deep", "my-app"]
assert [each.id for each in gl.projects.list(search="ALL OF", get_all=True)] == [app.id]
assert [each.id for each in bob.projects.list(get_all=True)] == [app.id]
assert [each.id for each in acme.projects.list(get_all=True)] == [app.id]
assert len(acme.projects.list(include_subgroups=True, get_all=True)) == 2
assert gl.projects.list(archived=True, get_all=True) == []
for number in range(25):
    gl.projects.create({"path": f"p{number:02}", "namespace_id": tools.id})
pages = gl.projects.list(iterator=True, per_page=10)
assert (pages.total, pages.total_pages) == (27, 3), pages.total
assert len({each.id for each in pages}) == 27

# Members and deploy tokens, as those of groups
ann = gl.users.list(username="ann", get_all=True)[0]
member = app.members.create({"user_id": ann.id, "access_level": gitlab.const.DEVELOPER_ACCESS})
member.access_level = gitlab.const.MAINTAINER_ACCESS
member.save()
assert app.members.get(ann.id).access_level == 40
people = {each.username: each.access_level for each in app.members_all.list(get_all=True)}
assert people == {"admin": 50, "ann": 40}, people
assert [each.id for each in gl.users.get(ann.id).projects.list(get_all=True)] == [app.id]
scopes = ["read_package_registry", "write_package_registry"]
made = app.deploytokens.create({"name": "ci", "scopes": scopes})
assert made.token and made.scopes == scopes
assert [each.id for each in gl.deploytokens.list(get_all=True)] == [made.id]
made.delete()
assert app.deploytokens.list(get_all=True) == []
shown = gl.projects.get(app.id, statistics=True)
assert shown.statistics["packages_size"] == 0 and shown.statistics["pending_delete_bytes"] == 0
assert not hasattr(bob.projects.get(app.id, statistics=True), "statistics")


def refused(work, status, words):
    try:
        work()
    except gitlab.GitlabError as error:
        assert error.response_code == status, error
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {words}")


# Errors
again = {"path": "my-app", "namespace_id": acme.id}
refused(lambda: gl.projects.create(again), 400, "has already been taken")
refused(lambda: gl.projects.create({"path": "tools", "namespace_id": acme.id}), 400, "taken")
refused(lambda: gl.projects.create({"namespace_id": acme.id}), 400, "name, path are missing")
public = {"path": "x", "namespace_id": acme.id, "visibility": "public"}
refused(lambda: gl.projects.create(public), 400, "not allowed in a internal group")
refused(lambda: bob.projects.get(deep.id), 404, "404 Project Not Found")
refused(lambda: bob.projects.get(app.id).delete(), 403, "insufficient_scope")
member.delete()
app.delete()
refused(lambda: gl.projects.get(app.id), 404, "404 Project Not Found")
acme.delete()
assert gl.projects.list(get_all=True) == []
print("done")
