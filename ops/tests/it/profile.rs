//! Profiles: how sizes are written, what flags change, and what is said when a table does not fit.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser};
use evm_arithmetization::NUM_TABLES;
use ops::exit;
use ops::profile::{CPU, Heights, PROFILES, Profile, ProfileArgs, Security, Sizes, TABLES};

/// A program that has the flags of profiles and nothing else.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    profile: ProfileArgs,
}

/// Resolves flags, whatever the environment of the test is.
fn resolve(flags: &[&str]) -> anyhow::Result<Profile> {
    let command = Program::command().mut_args(|arg| arg.env(Resettable::Reset));
    let matches = command.try_get_matches_from([&["program"], flags].concat())?;
    Ok(Program::from_arg_matches(&matches)?.profile.resolve()?)
}

fn sizes(text: &str) -> Sizes {
    text.parse().expect(text)
}

#[test]
fn ranges_that_are_understood() {
    let cases = [
        ("16..21", (16, 20)),
        ("16..17", (16, 16)),
        ("16..=20", (16, 20)),
        ("16..=16", (16, 16)),
        (" 16 .. 21 ", (16, 20)),
        ("0..1", (0, 0)),
        ("4..31", (4, 30)),
        ("4..=30", (4, 30)),
    ];
    for (text, (first, last)) in cases {
        let sizes = sizes(text);
        assert_eq!((sizes.first(), sizes.last()), (first, last), "{text}");
        assert_eq!(sizes.iter(), first..last + 1, "{text}");
        assert!(sizes.contains(first) && sizes.contains(last) && !sizes.contains(last + 1), "{text}");
        assert_eq!(sizes.to_string(), format!("{first}..{}", last + 1), "{text}");
        let json = serde_json::to_string(&sizes).expect("JSON");
        assert_eq!(json, format!("\"{sizes}\""));
        assert_eq!(serde_json::from_str::<Sizes>(&json).expect(text), sizes);
    }
}

#[test]
fn ranges_that_are_refused() {
    let cases = [
        ("", "not a range"),
        ("16", "not a range"),
        ("..", "not a range"),
        ("16..", "not a range"),
        ("..16", "not a range"),
        ("16...21", "not a range"),
        ("16-21", "not a range"),
        ("a..b", "not a range"),
        ("-1..3", "not a range"),
        ("16..21..23", "not a range"),
        ("99999999999999999999..2", "not a range"),
        ("16..16", "holds no size"),
        ("21..16", "holds no size"),
        ("21..=16", "holds no size"),
        ("16..32", "beyond the largest size 30"),
        ("16..=31", "beyond the largest size 30"),
        ("16..=18446744073709551615", "beyond the largest size 30"),
        ("0..18446744073709551615", "beyond the largest size 30"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Sizes>().expect_err(text);
        assert!(error.contains(expected) && error.contains(&format!("`{text}`")), "{text}: {error}");
        assert!(serde_json::from_value::<Sizes>(text.into()).is_err(), "{text}");
    }
}

#[test]
fn profiles_are_as_they_are_described() {
    for (name, text) in PROFILES {
        let profile = Profile::named(name).expect(name);
        assert_eq!(profile.name, name);
        let expected = match name {
            "test" => Security::Test,
            "fast" => Security::Fast,
            _ => Security::Standard,
        };
        assert_eq!(profile.security, expected, "{name}");
        assert!(text.contains(&profile.security.bits().to_string()), "{name}: {text}");
        assert_eq!(text.contains("INSECURE"), profile.security == Security::Test, "{name}: {text}");
        assert_eq!(profile.table_circuits(), profile.sizes.iter().map(|sizes| sizes.iter().len()).sum::<usize>());
        let json = serde_json::to_string(&profile).expect("JSON");
        assert_eq!(serde_json::from_str::<Profile>(&json).expect(&json), profile);
    }
    assert_eq!(Profile::named("dev-custom"), None);
    assert_eq!(Profile::named(""), None);
}

#[test]
fn ranges_of_profiles_respect_the_least_sizes() {
    for (name, _) in PROFILES {
        let profile = Profile::named(name).expect(name);
        for (table, sizes) in TABLES.iter().zip(&profile.sizes) {
            assert!(sizes.first() >= table.min_size, "{name}: {} {sizes} below {}", table.name, table.min_size);
        }
    }
}

/// Security is that of the parameters, the least of all layers, not of a name.
#[test]
fn bits_are_those_of_the_parameters() {
    for security in [Security::Standard, Security::Fast, Security::Test] {
        let config = security.config();
        let layers = [
            &config.stark_config.fri_config,
            &config.shrinking_circuit_config.fri_config,
            &config.recursion_circuit_config.fri_config,
        ];
        let bits = layers.map(|fri| fri.num_query_rounds * fri.rate_bits + fri.proof_of_work_bits as usize);
        let stated = config.stark_config.security_bits;
        assert_eq!(stated, security.bits() as usize, "{security:?}");
        assert!(bits.iter().all(|bits| *bits >= stated), "{security:?}: {bits:?}");
        assert!(security == Security::Test || bits == [stated; 3], "{security:?}: {bits:?}");
    }
}

/// Flags, and the profile that they give: name, security, and the tables whose sizes are not the named profile's.
type Choice = (&'static [&'static str], &'static str, Security, &'static [(usize, &'static str)]);

#[test]
fn flags_choose_a_profile_and_override_its_sizes() {
    let cases: [Choice; 10] = [
        (&[], "dev", Security::Standard, &[]),
        (&["--profile", "test"], "test", Security::Test, &[]),
        (&["--profile", "mainnet"], "mainnet", Security::Standard, &[]),
        (&["--profile", "fast"], "fast", Security::Fast, &[]),
        (&["--use-test-config"], "test", Security::Test, &[]),
        (&["--use-test-config", "--profile", "mainnet"], "test", Security::Test, &[]),
        (&["--cpu", "9..20"], "dev-custom", Security::Standard, &[(CPU, "9..20")]),
        (&["--profile=test", "--arithmetic=16..=18"], "test-custom", Security::Test, &[(0, "16..19")]),
        (
            &["--profile", "mainnet", "--memory-before", "16..18", "--memory-after", "7..9"],
            "mainnet-custom",
            Security::Standard,
            &[(7, "16..18"), (8, "7..9")],
        ),
        // The profile's own sizes, said again.
        (&["--profile", "dev", "--memory-after", "7..8"], "dev", Security::Standard, &[]),
    ];
    for (flags, name, security, changed) in cases {
        let profile = resolve(flags).unwrap_or_else(|error| panic!("{flags:?}: {error:#}"));
        assert_eq!((profile.name.as_str(), profile.security), (name, security), "{flags:?}");
        let mut expected = Profile::named(name.trim_end_matches("-custom")).expect(name).sizes;
        for (table, range) in changed {
            expected[*table] = sizes(range);
        }
        assert_eq!(profile.sizes, expected, "{flags:?}");
    }
}

#[test]
fn flags_that_are_refused() {
    let unknown = resolve(&["--profile", "huge"]).expect_err("no such profile");
    assert_eq!(exit::code_of(&unknown), exit::USAGE);
    let message = unknown.to_string();
    assert!(message.contains("`huge`") && message.contains("test, dev, fast, mainnet"), "{message}");

    for table in TABLES.iter().filter(|table| table.min_size > 0) {
        let (flag, low) = (format!("--{}", table.name), table.min_size - 1);
        let error = resolve(&[&flag, &format!("{low}..25")]).expect_err("sizes that cannot be");
        assert_eq!(exit::code_of(&error), exit::USAGE, "{flag}");
        let message = error.to_string();
        assert!(message.contains(&flag) && message.contains(&format!("2^{}", table.min_size)), "{message}");
    }
    assert!(resolve(&["--cpu", "many"]).expect_err("no range").to_string().contains("not a range such as"));
}

/// Every table has a flag by its name and a variable by zero-bin's name.
#[test]
fn every_table_has_a_flag_and_a_variable() {
    let variables = [
        ("arithmetic", "ARITHMETIC_CIRCUIT_SIZE"),
        ("byte-packing", "BYTE_PACKING_CIRCUIT_SIZE"),
        ("cpu", "CPU_CIRCUIT_SIZE"),
        ("keccak", "KECCAK_CIRCUIT_SIZE"),
        ("keccak-sponge", "KECCAK_SPONGE_CIRCUIT_SIZE"),
        ("logic", "LOGIC_CIRCUIT_SIZE"),
        ("memory", "MEMORY_CIRCUIT_SIZE"),
        ("memory-before", "MEMORY_BEFORE_CIRCUIT_SIZE"),
        ("memory-after", "MEMORY_AFTER_CIRCUIT_SIZE"),
    ];
    let command = Program::command();
    let arg = |name: &str| command.get_arguments().find(|arg| arg.get_long() == Some(name)).expect("a flag").clone();
    for (index, (name, variable)) in variables.into_iter().enumerate() {
        assert_eq!((TABLES[index].name, TABLES[index].env_key), (name, variable));
        assert_eq!(arg(name).get_env(), Some(OsStr::new(variable)), "{name}");
        let profile = resolve(&["--profile", "mainnet", &format!("--{name}"), "20..21"]).expect(name);
        assert_eq!(profile.sizes[index], sizes("20..21"), "{name}");
    }
    assert_eq!(arg("profile").get_env(), Some(OsStr::new("PROVER_PROFILE")));
}

/// A table beyond or below the profile's sizes: the message says what to set, and with that it fits.
#[test]
fn a_size_error_says_what_to_set() {
    for (name, _) in PROFILES {
        let profile = Profile::named(name).expect(name);
        let fitting: Heights = std::array::from_fn(|table| Some(profile.sizes[table].first()));
        profile.check(&fitting).expect("the least sizes");
        profile.check(&[None; NUM_TABLES]).expect("no table at all");
        profile.check(&std::array::from_fn(|table| Some(profile.sizes[table].last()))).expect("the largest sizes");
        for (index, table) in TABLES.iter().enumerate() {
            let range = &profile.sizes[index];
            let below = range.first().checked_sub(1).filter(|size| *size >= table.min_size);
            for size in [Some(range.last() + 1), Some(range.last() + 3), below].into_iter().flatten() {
                let mut heights = fitting;
                heights[index] = Some(size);
                let error = profile.check(&heights).expect_err("a table that does not fit");
                assert_eq!((error.table, error.size, &error.sizes), (index, size, range));
                let message = error.to_string();
                let wanted = sizes(&format!("{}..{}", range.first().min(size), (range.last() + 1).max(size + 1)));
                let flag = format!("--{}={wanted}", table.name);
                for part in [
                    &format!("{} table", table.name),
                    &format!("2^{size} rows"),
                    &flag,
                    table.env_key,
                    name,
                    "--max-cpu-len-log",
                ] {
                    assert!(message.contains(part), "`{part}` is not in: {message}");
                }
                resolve(&["--profile", name, &flag]).expect(&flag).check(&heights).expect(&flag);
            }
        }
    }
}

/// The first table that does not fit is named.
#[test]
fn one_table_is_named_at_a_time() {
    let profile = Profile::named("test").expect("test");
    let error = profile.check(&[Some(29); NUM_TABLES]).expect_err("nothing fits");
    assert_eq!(error.table, 0);
}
