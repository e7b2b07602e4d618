//! Reports and groups as they leave, against a real store.

use crate::testing::TestServer;
use serde_json::{Value, json};
use slipway_store::{Change, KeyValue, LogBatch, LoggedMetric, Point};

async fn log(server: &TestServer, run_id: &str, kind: &str, losses: &[f64]) {
    let metric = |step: usize, key: &str, value: f64| LoggedMetric {
        key: key.to_owned(),
        point: Point { step: step as i64, time_ms: 1_000 + 10 * step as i64, value },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let batch = LogBatch {
        run_id: run_id.to_owned(),
        metrics: losses.iter().enumerate().map(|(step, value)| metric(step, "loss", *value)).collect(),
        params: vec![KeyValue::new("kind", kind), KeyValue::new("lr", "0.1")],
        tags: Vec::new(),
    };
    server.state.store().write(Change::Log(Box::new(batch))).await.expect("log");
}

async fn three_runs() -> TestServer {
    let server = TestServer::new();
    for (run, kind, losses) in
        [("a", "x", [1.0, 0.5]), ("b", "x", [1.0, 0.25]), ("c", "<img src=//x>", [2.0, 0.75])]
    {
        server.run(run).await;
        log(&server, run, kind, &losses).await;
    }
    server
}

fn column(kind: &str, key: &str) -> Value {
    json!({ "kind": kind, "key": key })
}

#[tokio::test]
async fn a_report_holds_the_run_set_and_nothing_that_reaches_out() {
    let server = three_runs().await;
    let series = |run: &str| json!({ "run_id": run, "metric": "loss" });
    let bar = |ids: &[&str]| json!({ "name": "both", "run_ids": ids });
    let request = json!({
        "title": "Fraud </title><script>alert(1)</script>",
        "note": "read \"this\"\n<b>first</b>",
        "query": {
            "filter": "metrics.loss < 0.9",
            "columns": [column("attribute", "name"), column("param", "kind"), column("metric", "loss")],
            "order_by": [{ "column": column("metric", "loss"), "descending": false }],
        },
        "baseline": "a", "best": { "loss": "min" }, "group_by": [column("param", "kind")], "rows": 2,
        "compare": ["a", "b", "c"],
        "charts": [
            { "kind": "lines", "data": { "series": [series("a"), series("c")] }, "title": "<svg onload=x>",
              "lines": [{ "name": "</svg><script>1</script>" }] },
            { "kind": "scatter", "x": column("param", "lr"), "y": column("metric", "loss") },
            { "kind": "bars", "column": column("metric", "loss"), "bars": [bar(&["a", "b"]), bar(&["c"])] },
            { "kind": "left_out", "title": "Parallel <i>", "reason": "only the window draws it" },
            { "kind": "lines", "data": { "series": [series("gone")] } },
        ],
    });
    let reply = server.send_json("POST", "/export/report", &request).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/html; charset=utf-8"));
    let page = String::from_utf8(reply.body.to_vec()).expect("text");

    // Nothing runs, nothing is loaded, nothing from outside is markup.
    for bad in ["<script", "<img", "<b>", "<i>", "http://", "https://", "src=\"", "href", "url(", "@import"] {
        assert!(!page.contains(bad), "{bad} in {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("&lt;img src=//x&gt;"));
    assert!(page.contains("default-src 'none'"));
    // One drawing for light and dark.
    assert_eq!(page.matches("<svg ").count(), 3);
    assert_eq!(page.matches("</svg>").count(), 3);
    assert!(page.contains("@media (prefers-color-scheme:dark){#c0 .k0"));
    // What was asked.
    assert!(page.contains("<dt>Filter</dt><dd>metrics.loss &lt; 0.9</dd>"), "{page}");
    assert!(
        page.contains("metrics.loss, lowest first") && page.contains("<dt>Baseline</dt><dd>name of a</dd>")
    );
    // Rows in order, with the distance to the baseline, and word of those that are left out.
    let best = page.find("<td>b</td>").expect("the best run");
    assert!(best < page.find("<td>a</td>").expect("the baseline"));
    assert!(page.contains("0.25 <small class=\"good\">▼ 0.25 better</small>"), "{page}");
    assert!(page.contains("name of a (baseline)") && page.contains("and 1 more run<"));
    // Groups: the mean of a and b is 0.375.
    assert!(page.contains("0.375 ± 0.1768"), "{page}");
    assert!(
        page.contains("Where runs differ")
            && page.contains("params.kind")
            && !page.contains("params.lr</td>")
    );
    assert!(page.contains("Parallel &lt;i&gt;: only the window draws it"));
    assert!(page.contains("A chart could not be drawn"));
}

#[tokio::test]
async fn a_report_that_cannot_be_made_says_why() {
    let server = three_runs().await;
    let chart = json!({ "kind": "left_out", "title": "", "reason": "" });
    for (bad, word) in [
        (json!({ "charts": vec![chart; 61] }), "at most 60 charts"),
        (json!({ "rows": 10_001 }), "at most 10000 rows"),
        (json!({ "baseline": "gone" }), "baseline"),
        (json!({ "run_ids": ["'"] }), "id of a run"),
        (json!({ "compare": vec!["a"; 51] }), "side by side"),
        (json!({ "query": { "filter": "metrics.loss <" } }), ""),
        (json!({ "query": { "experiment_ids": ["99"] } }), ""),
        (json!({ "charts": [{ "kind": "spiral" }] }), ""),
    ] {
        let reply = server.send_json("POST", "/export/report", &bad).await;
        assert!(reply.status.is_client_error(), "{bad}: {reply:?}");
        assert!(reply.json()["message"].as_str().is_some_and(|text| text.contains(word)), "{bad}: {reply:?}");
    }
    let empty = server.send_json("POST", "/export/report", &json!({})).await;
    assert!(String::from_utf8_lossy(&empty.body).contains("<h1>Runs</h1>"), "{empty:?}");
}

#[tokio::test]
async fn groups_are_exported_with_what_their_members_have() {
    let server = three_runs().await;
    let query = json!({
        "by": [column("param", "kind")],
        "columns": [column("metric", "loss"), column("param", "lr"), column("attribute", "name")],
        "order_by": [{ "aggregate": "run_count", "descending": true }],
    });
    let ask = async |format: &str| {
        let request = json!({ "query": query, "format": format });
        server.send_json("POST", "/export/groups", &request).await
    };
    let csv = ask("csv").await;
    let text = String::from_utf8_lossy(&csv.body).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "params.kind,runs,metrics.loss.n,metrics.loss.mean,metrics.loss.std,metrics.loss.min,metrics.loss.max,\
         params.lr,name"
    );
    assert_eq!(lines[1], "x,2,2,0.375,0.1767766952966369,0.25,0.5,0.1,2 different");
    assert_eq!(lines[2], "<img src=//x>,1,1,0.75,,0.75,0.75,0.1,name of c");
    let markdown = ask("md").await;
    assert!(
        String::from_utf8_lossy(&markdown.body).contains("| x | 2 | 2 | 0.375 | 0.1768 |"),
        "{markdown:?}"
    );
    assert!(ask("parquet").await.body.starts_with(b"PAR1"));
    assert_eq!(ask("json").await.json()[1]["metrics.loss.std"], Value::Null);
    for bad in [json!({ "query": { "by": [] }, "format": "csv" }), json!({ "query": query, "format": "xls" })]
    {
        assert_eq!(server.send_json("POST", "/export/groups", &bad).await.status, 400, "{bad}");
    }
}
