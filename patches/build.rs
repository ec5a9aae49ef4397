//! Writes the list of patch series, and the checks that each dependency was compiled with the series that lies here.

mod series;

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    // `cargo::error` fails the build with nothing but the sentence.
    if let Err(error) = run() {
        println!("cargo::error={error}");
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    // The whole folder: a new series has to be noticed too. Cargo follows links in it.
    println!("cargo::rerun-if-changed=.");
    println!("cargo::rerun-if-changed=../tools/rustc-patched");
    // Names this checkout; see .cargo/config.toml.
    println!("cargo::rerun-if-env-changed=PATCHES_DIR");
    println!("cargo::rerun-if-env-changed=PATCHES_LEFT_OUT");
    println!("cargo::rerun-if-env-changed=RUSTC_WRAPPER");
    println!("cargo::rerun-if-env-changed=CARGO_BUILD_RUSTC_WRAPPER");

    let patches = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    series::check_wrapper(&patches)?;
    let clean = clean_command(&out_dir, &patches.with_file_name("target"), &env::var("TARGET")?)?;

    let names = series::names(&patches).map_err(|error| format!("{}: {error}", patches.display()))?;
    let mut list = String::new();
    let mut checks = String::new();
    for name in &names {
        let digest = digest(&patches, std::slice::from_ref(name))?;
        let package = series::crate_name(name).ok_or("not a series")?;
        let library = package.replace('-', "_");
        let other =
            format!("{name} was compiled with other patches than those in patches/{name}; run: {clean} {package}");
        let none = format!("{name} was compiled without the patches in patches/{name}; run: {clean} {package}");
        writeln!(list, "({name:?}, {digest:?}),")?;
        // A name brought in by `*` wins over the constant around the block and gives way to it where it is missing.
        writeln!(
            checks,
            "const _: () = {{
                const COMPILED: &str = {{
                    use ::{library}::*;
                    PATCH_DIGEST
                }};
                assert!(!COMPILED.is_empty(), \"{{}}\", {none:?});
                assert!(same(COMPILED, {digest:?}), \"{{}}\", {other:?});
            }};"
        )?;
    }
    let all = if names.is_empty() { String::new() } else { digest(&patches, &names)? };
    let generated = format!(
        "{{
            #[expect(dead_code, reason = \"only read where a dependency has none\")]
            const PATCH_DIGEST: &str = \"\";
            {checks}
            Patches {{ series: &[{list}], digest: {all:?} }}
        }}"
    );
    let file = out_dir.join("series.rs");
    fs::write(&file, generated).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(())
}

/// The digest of these series, as the wrapper computes it when it compiles their crates.
fn digest(patches: &Path, names: &[String]) -> Result<String, Box<dyn Error>> {
    let wrapper = series::wrapper(patches);
    let output = Command::new(&wrapper).arg("--digest").args(names).output();
    let output = output.map_err(|error| format!("{}: {error}", wrapper.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(format!("{} --digest: {reason}", wrapper.display()).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// `cargo clean … -p`, for the profile and the target folder that this build uses; the crate's name is to follow.
///
/// `PROFILE` says only `debug` or `release`, so a profile of the user's own has to be read from the folder's name.
fn clean_command(out_dir: &Path, default_target: &Path, triple: &str) -> Result<String, Box<dyn Error>> {
    // <target folder>/[<triple>/]<profile>/build/patches-…/out
    let profile = out_dir.ancestors().skip(1).find(|path| path.ends_with("build")).and_then(Path::parent);
    let (profile, mut target) =
        profile
            .and_then(|profile| Some((profile.file_name()?.to_str()?, profile.parent()?)))
            .ok_or_else(|| format!("{} is not where cargo puts the output of a build script", out_dir.display()))?;
    let mut command = "cargo clean".to_owned();
    match profile {
        "debug" => {}
        "release" => command += " --release",
        other => command += &format!(" --profile {other}"),
    }
    if target.ends_with(triple)
        && let Some(folder) = target.parent()
    {
        command += &format!(" --target {triple}");
        target = folder;
    }
    if target != default_target {
        let quoted = target.display().to_string().replace('\'', r"'\''");
        command += &format!(" --target-dir '{quoted}'");
    }
    Ok(command + " -p")
}
