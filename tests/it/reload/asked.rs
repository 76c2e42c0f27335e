//! How a reload is asked for over HTTP, and what is answered.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use tidegauge::http;
use tidegauge::measuring::Changes;
use tidegauge::reload::Reloads;
use tokio::time::timeout;
use tower::ServiceExt;

use super::{World, names, usual};
use crate::gauge::ask;

#[tokio::test(start_paused = true)]
async fn a_reload_is_asked_for_with_post_and_json_and_answers_what_became_of_it() {
    let world = World::start(&usual()).await;
    let (reloads, mut asked) = Reloads::channel();
    let shared = world.reloading(reloads);
    let post = async |kind: Option<&str>| {
        let request = Request::builder().method(Method::POST).uri("/-/reload");
        let request = kind.into_iter().fold(request, |request, kind| request.header(CONTENT_TYPE, kind));
        let response = http::full(shared.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        let (status, body) = post(kind).await;
        assert_eq!(
            (status, &body["errorType"]),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, &"unsupported_media_type".into())
        );
    }
    assert!(asked.try_recv().is_err(), "nobody was asked");
    let answers = tokio::spawn(async move {
        let changes = Changes { kept: names(&["orders"]), added: names(&["carts"]), ..Changes::default() };
        asked.recv().await.unwrap().send(Ok(changes)).unwrap();
        asked.recv().await.unwrap().send(Err("colour is not known".into())).unwrap();
        asked
    });
    let (status, body) = post(Some("application/json; charset=utf-8")).await;
    assert_eq!(status, StatusCode::OK);
    let data = serde_json::json!({ "kept": ["orders"], "restarted": [], "added": ["carts"], "removed": [] });
    assert_eq!(body, serde_json::json!({ "status": "success", "data": data }));
    let (status, body) = post(Some("application/json")).await;
    assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &"bad_data".into()));
    assert!(body["error"].as_str().unwrap().ends_with("colour is not known"), "{body}");

    // One waits for their turn, and the next is sent away.
    let mut asked = answers.await.unwrap();
    assert!(timeout(Duration::from_secs(1), post(Some("application/json"))).await.is_err(), "it waits");
    assert_eq!(post(Some("application/json")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(asked.recv().await.is_some());
    for method in [Method::GET, Method::PUT] {
        let answer = ask(http::full(shared.clone()), method, "/-/reload").await;
        assert_eq!(answer.header("allow"), Some("POST"));
        answer.problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    }
    let outside = ask(http::metrics_only(shared.clone()), Method::POST, "/-/reload").await;
    outside.problem(StatusCode::NOT_FOUND, "not_found");
}
