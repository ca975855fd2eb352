//! The page of a package for people, at what the API calls its `web_path` (spec gitlab §3.2).

use serde_json::json;

use super::harness::npm::document;
use super::harness::people::password_of;
use super::packages_door::Setting;

impl Setting {
    /// Publishes a generic package; tells its number and its page.
    fn has_page(&self, project: u64, query: &str) -> (u64, String) {
        let at = format!("projects/{project}/packages");
        let put = format!("PUT {at}/generic/tool/1.0/linux/x64/tool.bin{query}");
        self.by_root(&put).body("bytes").expect(201);
        let list = self.by_root(&format!("GET {at}?status=hidden")).expect(200).json();
        let list = match list.as_array().unwrap().first() {
            Some(hidden) => hidden.clone(),
            None => self.by_root(&format!("GET {at}")).expect(200).json()[0].clone(),
        };
        let page = list["_links"]["web_path"].as_str().unwrap().to_owned();
        (list["id"].as_u64().unwrap(), page)
    }
}

#[test]
fn a_package_has_a_page_with_its_files_to_download() {
    let setting = Setting::new(&["eve", "sam"]);
    let project = setting.has_project("app", "private");
    setting.has_member(project, "eve", 20);
    let (id, path) = setting.has_page(project, "");
    assert_eq!(path, format!("/acme/app/-/packages/{id}"));
    let get = |path: &str, login: &str| setting.server.get(path).by(login, &password_of(login));
    for path in [path.clone(), path.replace("/acme/", "/Acme/")] {
        let page = get(&path, "eve").expect(200);
        let page = page.has("content-type", "text/html; charset=utf-8");
        let page = page.has("x-content-type-options", "nosniff").has("cache-control", "private");
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        let text = page.has("content-security-policy", policy).text();
        for part in [
            "<title>tool 1.0 - Larder</title>",
            "<td>acme/app</td>",
            "<td>generic</td>",
            "<td>default</td>",
            "linux/x64/tool.bin</a>",
            "title=\"5 bytes\"",
            "sha256:",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let (_, link) = text.split_once("<a href=\"/api").unwrap();
        let link = format!("/api{}", link.split('"').next().unwrap());
        get(&link, "eve").expect(200).body_is("bytes");
    }
    setting.server.head(&path).by("eve", &password_of("eve")).expect(200).body_is("");
    let post = setting.server.post(&path).header("PRIVATE-TOKEN", &setting.root);
    post.expect(405).has("allow", "GET,HEAD");
    // The right is that of reading packages: for others it is not there, wherever they look.
    let asked = setting.server.get(&path).expect(401);
    assert!(asked.header("www-authenticate").unwrap().starts_with("Basic "), "{asked:?}");
    let refused = get(&path, "sam").expect(404).text();
    let other = setting.has_project("other", "public");
    for wrong in [
        path.replace("/app/", "/nothing/"),
        path.replace(&id.to_string(), "999999"),
        path.replace("/app/", "/other/"),
    ] {
        get(&wrong, "sam").expect(404);
        setting.server.get(&wrong).expect(401);
    }
    assert!(refused.contains("or you may not see it") && !refused.contains("tool"), "{refused}");
    for odd in ["/-/packages/1", "/acme%2Fapp/-/packages/1", "/acme/app/-/packages/x"] {
        assert!(get(odd, "eve").send().status >= 400, "{odd}");
    }
    setting.by_root(&format!("DELETE projects/{project}/packages/{id}")).expect(204);
    get(&path, "eve").expect(404);
    let open = setting.has_page(other, "?status=hidden").1;
    let text = setting.server.get(&open).expect(200).text();
    assert!(text.contains("<td>hidden</td>") && text.contains("/download\""), "{text}");
}

#[test]
fn what_publishers_write_is_no_markup_on_it() {
    let setting = Setting::new(&[]);
    let project = setting.has_project("app", "public");
    let npm = format!("projects/{project}/packages/npm");
    let published = setting.by_root(&format!("PUT {npm}/app")).json(&document("app", "1.0.0"));
    let id = published.expect(200).json()["id"].as_u64().unwrap();
    let tag = format!("PUT {npm}/-/package/app/dist-tags/%3Cimg%3E%22%26x");
    setting.by_root(&tag).body("\"1.0.0\"").expect(204);
    let gid = format!("gid://gitlab/Packages::Package/{id}");
    let query = format!("{{ package(id: \"{gid}\") {{ _links {{ webPath }} }} }}");
    let ask = setting.server.post("/api/graphql").header("PRIVATE-TOKEN", &setting.root);
    let told = ask.json(&json!({ "query": query })).expect(200).json();
    let path = told["data"]["package"]["_links"]["webPath"].as_str().unwrap().to_owned();
    let text = setting.server.get(&path).expect(200).text();
    assert!(text.contains("<td>&lt;img&gt;&quot;&amp;x, latest</td>"), "{text}");
    assert!(!text.contains("<img"), "{text}");
    assert!(text.contains(">app-1.0.0.tgz</a>"), "{text}");
}
