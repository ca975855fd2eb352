//! Pages and names, as clients see them.

use http::header::IF_NONE_MATCH;

use super::*;

fn ask(page: &Page, method: &Method, held: Option<&str>) -> Response {
    let headers = held.map(|held| (IF_NONE_MATCH, held.parse().unwrap()));
    page.answer(method, &headers.into_iter().collect())
}

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let page = Page::new("text/html; charset=utf-8", "<p>");
    let whole = ask(&page, &Method::GET, None);
    assert_eq!(
        (whole.status(), &whole.headers()[CONTENT_LENGTH]),
        (StatusCode::OK, &"3".parse::<http::HeaderValue>().unwrap())
    );
    assert_eq!(whole.headers()[ETAG], page.etag);
    assert_eq!(whole.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let weak = format!("W/{}", page.etag);
    for held in [page.etag.as_str(), weak.as_str(), "*"] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(ask(&page, &method, Some(held)).status(), StatusCode::NOT_MODIFIED);
        }
    }
    assert_eq!(ask(&page, &Method::GET, Some("\"other\"")).status(), StatusCode::OK);
    assert_ne!(Page::new("text/html; charset=utf-8", "<p >").etag, page.etag);
}

#[test]
fn a_name_is_saved_without_its_folders_and_breaks_out_of_no_header() {
    for (stored, name, header) in [
        ("a.tgz", "a.tgz", "attachment; filename=\"a.tgz\"; filename*=UTF-8''a.tgz"),
        ("linux%2Fx64%2Fa.tgz", "a.tgz", "attachment; filename=\"a.tgz\"; filename*=UTF-8''a.tgz"),
        ("@acme/a-1.tgz", "a-1.tgz", "attachment; filename=\"a-1.tgz\"; filename*=UTF-8''a-1.tgz"),
        ("a\"b\\c", "a\"b\\c", "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"),
    ] {
        assert_eq!((last_name(stored).as_str(), disposition(name).as_str()), (name, header));
    }
}
