//! Why a bucket does not do what it was asked, in few words.
//!
//! Errors of `object_store` hold whole answers: many lines of XML, with request ids and what was signed. Of these,
//! status, code and message are kept, and the rest is dropped. The types behind these errors are private, so their texts
//! are read.

use std::error::Error;

/// Longer texts of a server are cut.
const LONGEST: usize = 300;

/// Why a bucket does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is none of this name.
    #[error("there is no such bucket ({0})")]
    NoBucket(String),
    /// Nobody says who we are.
    #[error("no credentials: none are in the environment, and the cloud's metadata server gives none ({0})")]
    NoCredentials(String),
    /// Our rights do not suffice.
    #[error("refused to {operation}: {reason}; the rights to list, read, write and delete objects are needed")]
    Denied {
        /// What was tried: `put`, `get`, `head`, `list`, `delete`.
        operation: &'static str,
        /// What the bucket said.
        reason: String,
    },
    /// There is no space left, or what is left is not for us.
    #[error("no space left: {0}")]
    Full(String),
    /// It cannot be reached, or fails.
    #[error("failed to {operation}: {reason}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// What went wrong.
        reason: String,
    },
}

impl Trouble {
    /// What an error means.
    pub(super) fn new(operation: &'static str, error: &object_store::Error) -> Self {
        let text = error.to_string();
        let (status, reason) = reason(error);
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        // Where machines of the clouds ask who they are.
        if says(&["http://169.254.", "/latest/api/token", "/latest/meta-data/", "/computeMetadata/"]) {
            return Self::NoCredentials(reason);
        }
        match status {
            Some(404) => Self::NoBucket(reason),
            _ if says(&["<Code>QuotaExceeded", "StorageFull", "BucketQuotaExceeded"]) => Self::Full(reason),
            Some(507) => Self::Full(reason),
            Some(401 | 403) => Self::Denied { operation, reason },
            _ if says(&["AccessDenied"]) => Self::Denied { operation, reason },
            _ => Self::Failed { operation, reason },
        }
    }
}

/// Whether an answer of status 404 means the bucket, not the object.
pub(super) fn is_no_bucket(error: &object_store::Error) -> bool {
    error.to_string().contains("<Code>NoSuchBucket<")
}

/// The HTTP status, if there was an answer, and what is worth saying.
fn reason(error: &object_store::Error) -> (Option<u16>, String) {
    let text = error.to_string();
    if !text.contains("Error performing ") {
        // Nobody was asked: a setting or a file is wrong.
        return (None, line(text.split_once(" error: ").map_or(&*text, |(_, text)| text)));
    }
    // The last cause says it; those before repeat it, with whole addresses.
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let Some((_, answer)) = text.split_once("status code: ") else { return (None, line(&text)) };
    let (status, body) = answer.split_once(':').unwrap_or((answer, ""));
    let number = status.split_whitespace().next().and_then(|number| number.parse().ok());
    let said: Vec<_> = ["Code", "Message", "Details"].iter().filter_map(|name| element(body, name)).collect();
    let said = match said.is_empty() {
        // A page for browsers.
        true if body.trim_start().starts_with('<') => String::new(),
        true => line(body),
        false => line(&said.join(": ")),
    };
    let said = [status.trim(), said.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    (number, said.join(", "))
}

/// The text of the first element of this name.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text).filter(|text| !text.is_empty())
}

/// One line, not too long.
fn line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
