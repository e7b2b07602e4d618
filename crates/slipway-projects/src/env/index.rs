//! Which package index this machine uses. pip's settings decide, since uv does not read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables for uv that say what pip's settings say. What is set for uv itself comes first.
pub(super) fn variables() -> BTreeMap<String, String> {
    from(&settings(), |name| std::env::var_os(name).is_some())
}

fn from(pip: &BTreeMap<String, String>, is_set: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (setting, names) in [
        ("index-url", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"][..]),
        ("extra-index-url", &["UV_INDEX", "UV_EXTRA_INDEX_URL"]),
        ("find-links", &["UV_FIND_LINKS"]),
        ("trusted-host", &["UV_INSECURE_HOST"]),
        ("cert", &["SSL_CERT_FILE"]),
    ] {
        let Some(value) = pip.get(setting) else { continue };
        if names.iter().any(|name| is_set(name)) {
            continue;
        }
        let Some(name) = names.first() else { continue };
        let parts: Vec<&str> = value.split_whitespace().collect();
        let separator = if setting == "find-links" { "," } else { " " };
        variables.insert((*name).to_owned(), parts.join(separator));
    }
    if pip.get("no-index").is_some_and(|value| matches!(value.as_str(), "1" | "true" | "yes" | "on")) {
        variables.insert("UV_NO_INDEX".to_owned(), "1".to_owned());
    }
    variables
}

/// Of all files and variables that pip reads; later ones count.
fn settings() -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".config")));
    let mut files = vec![PathBuf::from("/etc/pip.conf")];
    files.extend(home.map(|home| home.join(".pip/pip.conf")));
    files.extend(config.map(|config| config.join("pip/pip.conf")));
    files.extend(std::env::var_os("PIP_CONFIG_FILE").map(PathBuf::from));
    for file in files {
        settings.extend(read(&file));
    }
    for (name, value) in std::env::vars() {
        if let Some(setting) = name.strip_prefix("PIP_") {
            settings.insert(setting.to_lowercase().replace('_', "-"), value);
        }
    }
    settings
}

fn read(file: &Path) -> BTreeMap<String, String> {
    let text = crate::yaml::read_text(file).unwrap_or_default();
    parse(&text)
}

/// The sections `global` and `install` of an INI file; values may go on on further, indented lines.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    let mut counts = false;
    let mut last: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            counts = matches!(section, "global" | "install");
            last = None;
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|key| settings.get_mut(key)) {
                value.push(' ');
                value.push_str(trimmed);
            }
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']).filter(|_| counts) {
            let key = key.trim().to_lowercase().replace('_', "-");
            settings.insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_settings_are_uvs() {
        let pip = parse(
            "[global]\nindex-url = https://a.example/simple\nextra_index_url =\n    https://b.example/simple\n    https://c.example/simple\n[freeze]\nindex-url = no\n[install]\nfind-links = /w1\n  /w2\n",
        );
        let all = from(&pip, |_| false);
        assert_eq!(all.get("UV_DEFAULT_INDEX").map(String::as_str), Some("https://a.example/simple"));
        assert_eq!(
            all.get("UV_INDEX").map(String::as_str),
            Some("https://b.example/simple https://c.example/simple")
        );
        assert_eq!(all.get("UV_FIND_LINKS").map(String::as_str), Some("/w1,/w2"));
        assert!(!from(&pip, |name| name == "UV_INDEX_URL").contains_key("UV_DEFAULT_INDEX"));
    }
}
