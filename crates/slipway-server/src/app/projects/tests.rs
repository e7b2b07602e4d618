//! The API of projects, on folders made here.

use crate::testing::TestServer;
use serde_json::json;

#[tokio::test]
async fn a_project_is_opened_planned_and_closed() {
    let server = TestServer::new();
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("file");
    write("MLproject", "entry_points:\n  main:\n    parameters: {a: float}\n    command: run {a}\n");
    write(
        "t.py",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=3)\n",
    );
    write("requirements.txt", "six\n");
    let path = folder.path().canonicalize().expect("path").display().to_string();
    let post = async |what: &str, body| server.send_json("POST", what, &body).await;

    let detail = post("/projects/open", json!({ "project": path, "remember": true })).await.json();
    assert_eq!(detail["mlproject"]["entry_points"][0]["parameters"][0]["kind"], "float", "{detail}");
    assert_eq!(detail["scripts"][0]["parameters"][0]["default"], "3");
    assert_eq!(detail["environments"][0]["name"], "requirements.txt");
    assert_eq!(detail["environments"][0]["is_ready"], false);
    let list = server.get("/projects").await.json();
    assert_eq!(list["projects"][0]["project"], path);
    assert_eq!(list["projects"][0]["exists"], true);

    let given = json!([{ "name": "a", "value": "1" }]);
    let plan =
        post("/projects/plan", json!({ "project": path, "local": true, "parameters": given })).await.json();
    assert_eq!((&plan["shown"], &plan["through_shell"]), (&json!("run 1"), &json!(true)));
    let wrong = post("/projects/plan", json!({ "project": path })).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["message"].as_str().expect("text").contains("`a` needs a value"));
    assert_eq!(wrong.json()["fields"][0]["field"], "a");
    let none = post("/environments/make", json!({ "project": path, "environment": "x.txt" })).await;
    assert!(none.json()["message"].as_str().expect("text").contains("(there are `requirements.txt`)"));
    assert_eq!(server.get("/environments/0123456789abcdef").await.status, 404);
    assert_eq!(server.get("/projects/recorded/none").await.status, 404);
    for place in ["relative", "/no such folder", "", "ext::sh"] {
        assert_eq!(post("/projects/open", json!({ "project": place })).await.status, 400, "{place}");
    }

    assert_eq!(post("/projects/close", json!({ "project": path })).await.json(), json!({ "projects": [] }));
    assert_eq!(post("/projects/close", json!({ "project": path })).await.status, 404);
    assert_eq!(server.get("/environments").await.json(), json!({ "environments": [] }));
    assert_eq!(post("/environments/remove", json!({ "ids": ["../../x"] })).await.status, 404);
}
