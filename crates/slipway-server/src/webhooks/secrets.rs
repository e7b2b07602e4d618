//! Secrets of webhooks, as the database keeps them: sealed with a key that lies beside it, in a file that only its owner
//! can read. A copy of the database alone says nothing about them. They are opened to sign what is sent, and no answer
//! carries them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const KEY_FILE: &str = "webhooks.key";
const KEY_BYTES: usize = 32;
/// Before what is sealed, to tell it from what was stored before there was a key.
const MARK: &str = "sealed:1:";

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the key of the webhooks' secrets, {path}, cannot be read or written: {source}", path = path.display())]
    Key { path: PathBuf, source: io::Error },
    #[error("{path} holds no key for the webhooks' secrets; put the right file back, or set the secrets anew", path = path.display())]
    NoKey { path: PathBuf },
    #[error("the secret was sealed with another key than that in {path}; put the right file back, or set the secret anew", path = path.display())]
    OtherKey { path: PathBuf },
}

/// Seals and opens secrets with the key in a folder, which is made when it is first needed.
#[derive(Debug)]
pub(crate) struct Secrets {
    path: PathBuf,
}

impl Secrets {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(KEY_FILE) }
    }

    /// Seals a secret for one webhook; for another one it cannot be opened.
    pub(crate) fn seal(&self, webhook: &str, secret: &str) -> Result<String, SecretError> {
        let key = self.key(true)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = secret.as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(webhook), &mut bytes)
            .map_err(|_| SecretError::NoKey { path: self.path.clone() })?;
        Ok(format!("{MARK}{}", STANDARD.encode([&nonce[..], &bytes].concat())))
    }

    /// What was sealed. A secret from before there was a key is given as it is.
    pub(crate) fn open(&self, webhook: &str, stored: &str) -> Result<String, SecretError> {
        let Some(sealed) = stored.strip_prefix(MARK) else { return Ok(stored.to_owned()) };
        let other = || SecretError::OtherKey { path: self.path.clone() };
        let key = self.key(false)?;
        let mut bytes = STANDARD.decode(sealed).map_err(|_| other())?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(other)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| other())?;
        let opened = key.open_in_place(nonce, Aad::from(webhook), sealed).map_err(|_| other())?;
        String::from_utf8(opened.to_vec()).map_err(|_| other())
    }

    /// Whether a stored secret still has to be sealed.
    pub(crate) fn is_plain(stored: &str) -> bool {
        !stored.starts_with(MARK)
    }

    fn key(&self, make: bool) -> Result<LessSafeKey, SecretError> {
        let failed = |source| SecretError::Key { path: self.path.clone(), source };
        let text = match std::fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && make => {
                self.make().map_err(failed)?;
                std::fs::read_to_string(&self.path).map_err(failed)?
            }
            read => read.map_err(failed)?,
        };
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        let key = bytes.and_then(|bytes| UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok());
        key.map(LessSafeKey::new).ok_or_else(|| SecretError::NoKey { path: self.path.clone() })
    }

    /// Whole or not at all, and never over one that is there.
    fn make(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".webhooks-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(folder)?;
        let key: [u8; KEY_BYTES] = rand::random();
        writeln!(file, "{}", STANDARD.encode(key))?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&self.path) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
            _ => std::fs::File::open(folder)?.sync_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_is_opened_by_its_key_for_its_webhook_only() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::in_folder(folder.path());
        for secret in ["", "s3cret", "Größe 模型 \u{0}"] {
            let sealed = secrets.seal("a", secret).unwrap();
            assert!(!Secrets::is_plain(&sealed) && (secret.is_empty() || !sealed.contains(secret)));
            assert_ne!(
                sealed,
                secrets.seal("a", secret).unwrap(),
                "the same secret is not seen to be the same"
            );
            assert_eq!(secrets.open("a", &sealed).unwrap(), secret);
            assert!(matches!(secrets.open("b", &sealed), Err(SecretError::OtherKey { .. })));
            let mut changed = sealed.clone();
            changed.replace_range(
                MARK.len()..=MARK.len(),
                if &sealed[MARK.len()..=MARK.len()] == "A" { "B" } else { "A" },
            );
            assert!(secrets.open("a", &changed).is_err());
        }
        assert_eq!(secrets.open("a", "from before").unwrap(), "from before");
        assert!(secrets.open("a", MARK).is_err() && secrets.open("a", "sealed:1:?").is_err());
    }

    #[test]
    fn the_key_is_its_owners_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        let sealed = Secrets::in_folder(folder.path()).seal("a", "x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Another start of the program.
        let secrets = Secrets::in_folder(folder.path());
        assert_eq!(secrets.open("a", &sealed).unwrap(), "x");
        std::fs::write(&path, "no key").unwrap();
        assert!(matches!(secrets.seal("a", "x"), Err(SecretError::NoKey { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(secrets.open("a", &sealed), Err(SecretError::Key { .. })));
        secrets.seal("a", "y").unwrap();
        assert!(matches!(secrets.open("a", &sealed), Err(SecretError::OtherKey { .. })));
    }
}
