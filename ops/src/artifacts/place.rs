//! Where an artifact store can be: a folder, or a bucket of a cloud. Only names; nothing here looks whether it exists.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use object_store::path::Path as Key;

/// The forms, for whoever gave another one.
const FORMS: &str = "a folder, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX";

/// Where an artifact store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a folder, which all who work together must see.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Bucket),
}

/// A bucket, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Who keeps it.
    pub cloud: Cloud,
    /// Its name.
    pub name: String,
    /// What the names of all objects begin with; empty for none.
    pub prefix: Key,
}

/// Who keeps a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Google Cloud Storage.
    Google,
    /// Amazon S3, or whoever speaks its language.
    S3,
}

/// A text that names no place. It is not repeated: somebody may have put credentials into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The address is of a kind that is not known.
    #[error("not a place for artifacts; {FORMS} is expected")]
    Form,
    /// What should be the name of a bucket is none.
    #[error(
        "the name of a bucket has 3 to 222 letters, digits, dots, dashes and underscores; {FORMS} is expected, and \
         credentials come from the environment"
    )]
    Name,
    /// What follows the bucket cannot be the beginning of names.
    #[error("what follows the bucket is no prefix of names, which has neither ? nor #, and no empty parts, . or ..")]
    Prefix,
}

impl Place {
    /// Reads a place as people write it.
    pub fn parse(text: &OsStr) -> Result<Self, PlaceError> {
        // What is no Unicode is no address.
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once(':')) else {
            return Ok(Self::Folder(text.into()));
        };
        let cloud = match scheme {
            "gs" => Cloud::Google,
            "s3" => Cloud::S3,
            // A colon can be in the path of a folder.
            _ if !is_scheme(scheme) || !rest.starts_with("//") => return Ok(Self::Folder(text.into())),
            _ => return Err(PlaceError::Form),
        };
        let rest = rest.strip_prefix("//").ok_or(PlaceError::Form)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !(3..=222).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(PlaceError::Name);
        }
        // An address with a query is meant for another program.
        let prefix = Some(prefix).filter(|prefix| !prefix.contains(['?', '#']));
        let prefix = prefix.and_then(|prefix| Key::parse(prefix).ok()).ok_or(PlaceError::Prefix)?;
        Ok(Self::Bucket(Bucket { cloud, name: name.to_owned(), prefix }))
    }
}

/// Whether this can be what an address begins with (RFC 3986 §3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.cloud {
            Cloud::Google => "gs",
            Cloud::S3 => "s3",
        };
        let slash = if self.prefix.as_ref().is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{}{slash}{}", self.name, self.prefix)
    }
}
