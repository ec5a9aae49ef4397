//! What the build scripts in this folder share: where the patch series lie, and whether cargo compiles with the
//! wrapper that applies them. Part of each build script, not of the `patches` library.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The wrapper that applies the series, beside the folder `patches`.
pub(crate) fn wrapper(patches: &Path) -> PathBuf {
    patches.with_file_name("tools").join("rustc-patched")
}

/// The names of the series folders, `NAME-VERSION`, in order.
pub(crate) fn names(patches: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(patches)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type()?.is_dir()
            && crate_name(&name).is_some()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The `NAME` of `NAME-VERSION`, or `None` where the text does not end in a version such as `1.2.3` or `1.2.3-rc.1`.
pub(crate) fn crate_name(series: &str) -> Option<&str> {
    series.match_indices('-').map(|(at, _)| series.split_at(at)).find_map(|(name, version)| {
        let core = version[1..].split(['-', '+']).next()?;
        let numbers = core.split('.').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok()?;
        (!name.is_empty() && numbers.len() == 3).then_some(name)
    })
}

/// Says in one sentence what to do when cargo compiles without the wrapper of this workspace.
pub(crate) fn check_wrapper(patches: &Path) -> Result<(), String> {
    let ours = wrapper(patches);
    let Some(wrapper) = env::var_os("RUSTC_WRAPPER").filter(|wrapper| !wrapper.is_empty()) else {
        return Err(
            "the patched dependencies are compiled through tools/rustc-patched, which is off: run cargo inside \
                    the folder of the workspace, with RUSTC_WRAPPER and CARGO_BUILD_RUSTC_WRAPPER unset (to add a \
                    wrapper of your own, set INNER_RUSTC_WRAPPER=...)"
                .to_owned(),
        );
    };
    match (fs::canonicalize(&wrapper), fs::canonicalize(&ours)) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Ok(()),
        _ => {
            let wrapper = wrapper.display();
            Err(format!(
                "the patched dependencies are compiled through {}, whose place `{wrapper}` has taken: unset \
                 RUSTC_WRAPPER and CARGO_BUILD_RUSTC_WRAPPER, and set INNER_RUSTC_WRAPPER={wrapper} to use both",
                ours.display()
            ))
        }
    }
}
