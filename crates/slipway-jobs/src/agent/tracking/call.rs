//! A request that came to the tracking address, taken apart: what it asks for, and whether it changes something.

/// A request, taken apart.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// What stands behind `/mlflow/`; empty for anything else.
    pub(super) rpc: &'a str,
    query: &'a str,
}

impl<'a> Call<'a> {
    pub(super) fn of(method: &'a str, target: &'a str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let rpc = path.rsplit_once("/mlflow/").map_or("", |(_, rpc)| rpc);
        Self { method, rpc, query }
    }

    /// An argument of the query.
    pub(super) fn argument(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescaped(value)).next()
    }

    /// It changes something, and is kept until Slipway has it.
    pub(super) fn is_write(&self) -> bool {
        match (self.method, self.rpc) {
            (
                "POST",
                "runs/create"
                | "runs/log-batch"
                | "runs/log-metric"
                | "runs/log-parameter"
                | "runs/set-tag"
                | "runs/delete-tag"
                | "runs/update"
                | "runs/delete"
                | "runs/restore"
                | "runs/log-inputs"
                | "runs/outputs"
                | "runs/log-model"
                | "experiments/create"
                | "experiments/set-experiment-tag"
                | "logged-models"
                | "registered-models/create"
                | "registered-models/set-tag"
                | "registered-models/alias"
                | "model-versions/create"
                | "model-versions/set-tag"
                | "model-versions/transition-stage",
            )
            | ("PATCH", "registered-models/update" | "model-versions/update")
            | (
                "DELETE",
                "registered-models/delete"
                | "registered-models/delete-tag"
                | "registered-models/alias"
                | "model-versions/delete"
                | "model-versions/delete-tag",
            ) => true,
            ("POST" | "PATCH", rpc) => {
                rpc.strip_prefix("logged-models/").is_some_and(|rest| rest != "search")
            }
            _ => false,
        }
    }

    /// Its answer is worth keeping, and can be given while nobody else can say.
    pub(super) fn is_question(&self) -> bool {
        self.method == "GET"
            && (matches!(
                self.rpc,
                "runs/get"
                    | "experiments/get"
                    | "experiments/get-by-name"
                    | "server-info"
                    | "registered-models/get"
                    | "model-versions/get"
                    | "metrics/get-history"
            ) || self.rpc.starts_with("logged-models/") && !self.rpc.contains("/artifacts/"))
            || (self.method == "POST"
                && matches!(self.rpc, "runs/search" | "experiments/search" | "logged-models/search"))
    }

    pub(super) fn key(&self) -> String {
        let mut fields: Vec<&str> =
            self.query.split('&').filter(|field| !field.starts_with("run_uuid=")).collect();
        fields.sort_unstable();
        format!("{}?{}", self.rpc, fields.join("&"))
    }
}

/// A text as an argument of a query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(super) fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_into_a_query_and_back() {
        for text in ["a b", "ü/&=+%", ""] {
            assert_eq!(unescaped(&escaped(text)), text);
        }
        assert_eq!(unescaped("a+b%2"), "a b%2");
    }

    #[test]
    fn calls_are_told_apart() {
        let call = |method, rpc: &str| {
            let target = format!("/ajax-api/3.0/mlflow/{rpc}");
            let call = Call::of(method, &target);
            (call.is_write(), call.is_question())
        };
        assert_eq!(call("POST", "runs/log-batch"), (true, false));
        assert_eq!(call("POST", "logged-models/search"), (false, true));
        assert_eq!(call("PATCH", "logged-models/m-1"), (true, false));
        assert_eq!(call("GET", "logged-models/m-1"), (false, true));
        assert_eq!(call("GET", "runs/get?run_id=x"), (false, true));
        assert_eq!(call("DELETE", "registered-models/delete"), (true, false));
        assert_eq!(call("DELETE", "experiments/other"), (false, false));
        assert_eq!(call("GET", "metrics/get-history?run_id=x&metric_key=y"), (false, true));
    }
}
