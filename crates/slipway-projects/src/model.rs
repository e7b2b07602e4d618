//! Trained models: their headers are read, nothing in them is ever loaded.

use crate::Limits;
use crate::report::{Found, Kind, count, size};
use crate::sniff::{MAX_TEXT_BYTES, Sniffed, u32_at, u64_at};
use crate::walk::{Folder, Whole, broken, open};
use serde_norway::Value;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Instant;

/// What [`file`] knows.
pub(crate) const EXTENSIONS: [&str; 10] =
    ["onnx", "safetensors", "gguf", "pkl", "pickle", "joblib", "pt", "pth", "ckpt", "bin"];

const PICKLE_WARNING: &str =
    "Pickle: loading it runs whatever code is in it. Slipway lists it and never opens it.";

/// Headers of safetensors are JSON; one that is longer is not parsed.
const MAX_HEADER_BYTES: u64 = 8 << 20;

/// A folder with an `MLmodel` file: one model, whose other files belong to it.
pub(crate) fn mlmodel_folder(folder: &Folder, _: &Limits, _: Instant, found: &mut Found) -> Whole {
    if !folder.has_file("MLmodel") {
        return Whole::LookInside;
    }
    let before = found.items.len();
    if mlmodel(&folder.path.join("MLmodel"), &folder.shown, found).is_err() || found.items.len() == before {
        return Whole::LookInside;
    }
    let pickled = folder.files.iter().any(|name| is_pickle_file(&folder.path, name));
    if let Some(item) = found.items.last_mut()
        && pickled
        && item.warning.is_none()
    {
        item.warning = Some(PICKLE_WARNING.to_owned());
    }
    Whole::Recognised
}

fn is_pickle_file(folder: &Path, name: &OsStr) -> bool {
    let lower = name.to_string_lossy().to_lowercase();
    match lower.rsplit_once('.') {
        Some((_, extension)) if EXTENSIONS.contains(&extension) => open(&folder.join(name))
            .and_then(|mut file| pickle(&mut file, extension))
            .unwrap_or(None)
            .is_some(),
        _ => false,
    }
}

/// An `MLmodel` file.
pub(crate) fn mlmodel(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let Some(text) = open(path)?.text(MAX_TEXT_BYTES)? else { return Ok(()) };
    match serde_norway::from_str::<Value>(&text) {
        Ok(model) => {
            let Some(flavors) = model.get("flavors").and_then(Value::as_mapping) else { return Ok(()) };
            let mut names: Vec<&str> = flavors.keys().filter_map(Value::as_str).collect();
            // Nearly every model has it beside the one that says more.
            if names.len() > 1 {
                names.retain(|name| *name != "python_function");
            }
            let signature = if model.get("signature").is_some() { ", with signature" } else { "" };
            found.add(Kind::Model, shown, format!("MLflow model, {}{signature}", names.join(", ")));
        }
        Err(error) => broken(found, Kind::Model, shown, &error),
    }
    Ok(())
}

/// A file with one of [`EXTENSIONS`].
pub(crate) fn file(path: &Path, extension: &str, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    let described = match extension {
        "onnx" => onnx(&mut file)?,
        "safetensors" => safetensors(&mut file)?,
        "gguf" => gguf(&mut file)?,
        _ => None,
    };
    if let Some(detail) = described {
        found.add(Kind::Model, shown, format!("{detail}, {}", size(file.size_bytes())));
    } else if let Some(detail) = pickle(&mut file, extension)? {
        found.add(Kind::Model, shown, format!("{detail}, {}", size(file.size_bytes())));
        if let Some(item) = found.items.last_mut() {
            item.warning = Some(PICKLE_WARNING.to_owned());
        }
    }
    Ok(())
}

/// An ONNX file is a protobuf message that starts with the version of its format as field 1.
fn onnx(file: &mut Sniffed) -> io::Result<Option<String>> {
    let head = file.head(3)?;
    Ok(match head.as_slice() {
        // A one-byte number, then the key of another field.
        [0x08, version @ 1..=0x7f, next] if *next != 0 => Some(format!("ONNX, IR version {version}")),
        _ => None,
    })
}

/// Eight bytes of length, then JSON that names every tensor.
fn safetensors(file: &mut Sniffed) -> io::Result<Option<String>> {
    let head = file.head(9)?;
    let Some(length) = u64_at(&head, 0) else { return Ok(None) };
    if head.get(8) != Some(&b'{') || length > file.size_bytes().saturating_sub(8) {
        return Ok(None);
    }
    if length > MAX_HEADER_BYTES {
        return Ok(Some("safetensors".to_owned()));
    }
    let header = file.head(length.saturating_add(8))?;
    let parsed = header.get(8..).and_then(|json| {
        serde_json::from_slice::<std::collections::BTreeMap<String, serde::de::IgnoredAny>>(json).ok()
    });
    Ok(parsed.map(|header| {
        let tensors = header.keys().filter(|key| *key != "__metadata__").count();
        format!("safetensors, {}", count(u64::try_from(tensors).unwrap_or(u64::MAX), "tensor"))
    }))
}

fn gguf(file: &mut Sniffed) -> io::Result<Option<String>> {
    let head = file.head(16)?;
    Ok(match (head.get(..4), u32_at(&head, 4), u64_at(&head, 8)) {
        (Some(b"GGUF"), Some(version), Some(tensors)) => {
            Some(format!("GGUF {version}, {}", count(tensors, "tensor")))
        }
        _ => None,
    })
}

/// Pickles, bare or inside what joblib and PyTorch wrap around them.
fn pickle(file: &mut Sniffed, extension: &str) -> io::Result<Option<String>> {
    let head = file.head(4)?;
    Ok(match (extension, head.as_slice()) {
        (_, [0x80, protocol @ 2..=5, ..]) => Some(format!("pickle, protocol {protocol}")),
        // Protocols 0 and 1 have no mark, and joblib compresses in many ways: the name has to do.
        ("pkl" | "pickle" | "joblib", [_, ..]) => Some("pickle".to_owned()),
        ("pt" | "pth" | "ckpt" | "bin", [b'P', b'K', 3, 4]) => {
            Some("PyTorch archive with a pickle".to_owned())
        }
        _ => None,
    })
}
