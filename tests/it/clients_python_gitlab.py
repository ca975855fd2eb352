"""What a script does with python-gitlab: groups, members, teams, tokens, pages, errors."""

import sys

import gitlab

url, token, reader = sys.argv[1:]
gl = gitlab.Gitlab(url, private_token=token)
gl.auth()
assert gl.user.username == "admin", gl.user
assert gl.version()[0].startswith("17."), gl.version()

# Groups
acme = gl.groups.create({"name": "Acme", "path": "acme"})
tools = gl.groups.create({"name": "Tools", "path": "tools", "parent_id": acme.id})
deep = gl.groups.create({"name": "Deep", "path": "deep", "parent_id": tools.id})
assert gl.groups.get("acme/tools/deep").id == deep.id
assert gl.groups.get(tools.id).full_path == "acme/tools"
assert [group.id for group in acme.subgroups.list(get_all=True)] == [tools.id]
below = acme.descendant_groups.list(get_all=True)
assert sorted(group.full_path for group in below) == ["acme/tools", "acme/tools/deep"]
acme.description = "everything"
acme.save()
assert gl.groups.get("acme").description == "everything"
assert [group.path for group in gl.groups.list(search="dee", get_all=True)] == ["deep"]

# Pages
for number in range(25):
    gl.groups.create({"name": f"g{number:02}", "path": f"g{number:02}", "parent_id": deep.id})
pages = gl.groups.list(iterator=True, per_page=10)
assert (pages.total, pages.total_pages, pages.per_page) == (28, 3, 10), pages.total
assert len({group.id for group in pages}) == 28
assert len(gl.groups.list(page=3, per_page=10)) == 8

# Members
ann = gl.users.list(username="ann", get_all=True)[0]
member = acme.members.create({"user_id": ann.id, "access_level": gitlab.const.DEVELOPER_ACCESS})
assert member.username == "ann"
member.access_level = gitlab.const.AccessLevel.MAINTAINER
member.save()
assert acme.members.get(ann.id).access_level == 40
assert deep.members.list(get_all=True)[0].username == "admin"
assert deep.members_all.get(ann.id).access_level == 40
inherited = [member.username for member in deep.members_all.list(get_all=True)]
assert inherited == ["admin", "ann"], inherited
acme.members.create({"username": "bob", "access_level": 10, "expires_at": "2090-01-01"})
member.delete()
assert len(acme.members.list(get_all=True)) == 2

# Teams
link = {"provider": "ldapmain", "cn": "devs", "group_access": 30}
acme.ldap_group_links.create(link)
found = acme.ldap_group_links.list(get_all=True)
assert [(team.cn, team.group_access) for team in found] == [("devs", 30)]
found[0].delete()
assert acme.ldap_group_links.list(get_all=True) == []

# Deploy tokens
scopes = ["read_registry", "write_registry"]
made = acme.deploytokens.create({"name": "ci", "scopes": scopes, "expires_at": "2090-01-01"})
assert made.token and made.scopes == scopes and made.expires_at.startswith("2090-01-01")
assert [each.id for each in acme.deploytokens.list(get_all=True)] == [made.id]
assert [each.id for each in gl.deploytokens.list(get_all=True)] == [made.id]
assert not hasattr(acme.deploytokens.get(made.id), "token")
made.delete()
assert acme.deploytokens.list(get_all=True) == []

# Personal access tokens
made = gl.users.get(ann.id).personal_access_tokens.create({"name": "t", "scopes": ["api"]})
as_ann = gitlab.Gitlab(url, oauth_token=made.token)
as_ann.auth()
assert as_ann.user.username == "ann"
assert as_ann.personal_access_tokens.get("self").id == made.id
assert [each.name for each in gl.personal_access_tokens.list(user_id=ann.id, get_all=True)] == ["t"]
gl.personal_access_tokens.delete(made.id)


def refused(work, status, words):
    try:
        work()
    except gitlab.GitlabError as error:
        assert error.response_code == status, error
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {words}")


# Errors
refused(as_ann.auth, 401, "401 Unauthorized")
refused(lambda: gl.groups.get("none"), 404, "404 Group Not Found")
refused(lambda: gl.groups.create({"name": "x", "path": "acme"}), 400, "has already been taken")
refused(lambda: gl.groups.create({"name": "x", "path": "-"}), 400, "Failed to save group")
bob = {"username": "bob", "access_level": 20}
refused(lambda: acme.members.create(bob), 409, "Member already exists")
reading = gitlab.Gitlab(url, private_token=reader)
assert reading.groups.get("acme/tools").id == tools.id
refused(reading.groups.get(acme.id).delete, 403, "insufficient_scope")
acme.delete()
refused(lambda: gl.groups.get(deep.id), 404, "404 Group Not Found")
print("done")
