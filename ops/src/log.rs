//! Logging, set up once for all binaries: to stderr, text or JSON, filtered by `RUST_LOG`.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::env;

/// The filter when `RUST_LOG` is not set. The proving crates log every step of their work at `info`; lapin logs every
/// error that it returns, too, and those are said by whoever gets them.
const DEFAULT_FILTER: &str =
    "info,evm_arithmetization=error,plonky2=warn,starky=warn,trace_decoder=warn,mpt_trie=warn,lapin=off";

/// Shape of the log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// The flags of logging.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Shape of the log lines on stderr.
    #[arg(long, global = true, value_enum, env = env::LOG_FORMAT, default_value = "text")]
    log_format: Format,
}

/// Where log lines and progress bars meet: a line printed through it does not tear a bar apart.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
    interactive: bool,
}

impl Screen {
    /// Where to add progress bars, on a terminal only.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.interactive.then_some(&self.bars)
    }

    /// Removes all progress bars for good: what comes now is the end.
    pub fn end(&self) {
        if let Err(error) = self.bars.clear() {
            tracing::debug!("progress bars: {error}");
        }
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// A progress bar, on a terminal only. `template` must be one of indicatif's.
    pub fn bar(&self, len: u64, template: &str) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template(template).ok()?.progress_chars("=> ");
        let bar = self.bars()?.add(ProgressBar::new(len).with_style(style));
        bar.enable_steady_tick(Duration::from_secs(1));
        Some(bar)
    }
}

/// Starts logging.
pub fn init(args: &LogArgs) -> Screen {
    let interactive = io::stderr().is_terminal() && matches!(args.log_format, Format::Text);
    let screen = Screen { bars: MultiProgress::new(), interactive };
    let filter = EnvFilter::try_from_env(env::RUST_LOG).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(interactive)
        .with_writer(screen.clone());
    // Whatever the filter is: at its lowest level lapin writes out all that it sends, the password first.
    let harmless = filter_fn(|event| *event.level() != Level::TRACE || !event.target().starts_with("lapin"));
    match args.log_format {
        Format::Text => builder.finish().with(harmless).init(),
        Format::Json => builder.json().flatten_event(true).finish().with(harmless).init(),
    }
    // A panic in a task is caught and reported as that task's failure; its message and place belong into the log.
    std::panic::set_hook(Box::new(|panic| tracing::error!("panic: {panic}")));
    screen
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { screen: self }
    }
}

/// Writes one log line.
#[derive(Debug)]
pub struct Line<'a> {
    screen: &'a Screen,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.screen.bars() {
            Some(bars) => bars.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
