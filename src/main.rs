//! Arguments, settings, run. Exit codes: 0 an orderly end, 1 a failure, 64 wrong usage, 78 bad settings; of `check` also 1
//! warnings, 2 errors.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegauge::app::Signals;
use tidegauge::check::Verdict;
use tidegauge::clock::Clock;
use tidegauge::forget::ForgetError;
use tidegauge::http::keys::Keys;
use tidegauge::reload::Origin;
use tidegauge::settings::{Settings, SettingsError};
use tidegauge::{app, check, cost, dashboards, forget, health, rules, telemetry};
use tokio::runtime::Runtime;

const EXIT_USAGE: u8 = 64;
const EXIT_SETTINGS: u8 = 78;
/// What `check` found: nothing worse than this.
const EXIT_WARNINGS: u8 = 1;
const EXIT_ERRORS: u8 = 2;

/// Measures how stale the data is in each cell of a multi-region, multi-active store.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Settings (TOML); TIDEGAUGE__SECTION__KEY in the environment overrides them.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, until SIGTERM or SIGINT (the default).
    Run,
    /// Measure three simulated stores in which things go wrong now and then: nothing is needed, nothing is touched.
    Demo,
    /// Check the settings, then reach every store and region, and say what is wrong and what to do. Exit code 1 where there
    /// are warnings, 2 where something does not work.
    Check {
        /// Look at the settings alone and reach no store.
        #[arg(long)]
        offline: bool,
        /// Answer in JSON.
        #[arg(long, conflicts_with = "offline")]
        json: bool,
    },
    /// Ask the process beside this one, which has the same settings, whether it serves. Exit code 0 where it does, else 1.
    Health {
        /// Ask whether its settings were right, too.
        #[arg(long)]
        ready: bool,
    },
    /// Say what the settings cost in a month, worked out from them alone: no store is reached.
    Cost {
        /// Observers in each region, beside the gauges.
        #[arg(long, value_name = "N", default_value_t = 0)]
        observers: u32,
        /// Replicas of a store that names them itself (`regions = "auto"`).
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=30))]
        regions: Option<u32>,
        /// Request units a second that the containers of Cosmos DB have in each region.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        throughput: Option<u32>,
    },
    /// Write the alerts of the settings as a rule file for Prometheus.
    Rules,
    /// Write dashboards for Grafana into a folder: fleet.json, store.json and gauge.json.
    Dashboards {
        /// The folder, which has to be there.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Remove the heartbeats of a region that was retired, once it is sure that nobody writes them.
    Forget {
        /// The region whose heartbeats they are.
        #[arg(value_name = "SOURCE_REGION")]
        source_region: String,
        /// Which store; may be left out where there is one.
        #[arg(long, value_name = "NAME")]
        store: Option<String>,
        /// The region whose replica is asked: the source's own, where that is still one of the store's.
        #[arg(long, value_name = "REGION")]
        replica: Option<String>,
        /// Look, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors.
            let code = if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
            if error.print().is_err() {
                return ExitCode::FAILURE;
            }
            return code;
        }
    };
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            let path = arguments.config.clone();
            run(&Origin::File(arguments.config), None, || Settings::bare(path.as_deref()))
        }
        Command::Demo if arguments.config.is_some() => {
            eprintln!("tidegauge: the demo brings its own settings; leave --config out, or use `run`");
            ExitCode::from(EXIT_USAGE)
        }
        Command::Demo => {
            let hint = |settings: &Settings| {
                let address = settings.server.listen;
                format!(
                    "tidegauge demo: look at http://{address}/ (also /api/v1/pairs and /metrics); \
                     something goes wrong after 20 s; Ctrl-C ends it"
                )
            };
            run(&Origin::Demonstration, Some(&hint), || None)
        }
        Command::Check { offline, json } => check(arguments.config.as_deref(), offline, json),
        Command::Health { ready } => ask_for_health(arguments.config.as_deref(), ready),
        Command::Cost { observers, regions, throughput } => {
            cost(arguments.config.as_deref(), cost::Assumed { observers, regions, throughput })
        }
        Command::Rules => match Settings::load(arguments.config.as_deref()) {
            Ok(settings) => {
                print!("{}", rules::rule_file(&settings));
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        },
        Command::Dashboards { folder } => write_dashboards(arguments.config.as_deref(), &folder),
        Command::Forget { source_region, store, replica, dry_run } => {
            let request = forget::Request { source_region, store, replica, dry_run };
            forget(arguments.config.as_deref(), &request)
        }
    }
}

fn refuse(error: &SettingsError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(EXIT_SETTINGS)
}

/// Runs. `bare` is what is to be served where the settings are refused.
fn run(
    origin: &Origin,
    hint: Option<&dyn Fn(&Settings) -> String>,
    bare: impl FnOnce() -> Option<Settings>,
) -> ExitCode {
    let Some(runtime) = runtime() else { return ExitCode::FAILURE };
    // Before anything else: whoever asks for a reload too early must not end the process.
    let signals = runtime.block_on(async { Signals::listen() });
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let read = origin.read().and_then(|settings| {
        // What the listeners need has to be there at the start; afterwards they look after it.
        Keys::load(&settings.server).map_err(|error| error.to_string())?;
        Ok(settings)
    });
    let (settings, refused) = match read {
        Ok(settings) => (settings, None),
        Err(refused) => {
            eprintln!("{refused}");
            let Some(bare) = bare() else { return ExitCode::from(EXIT_SETTINGS) };
            eprintln!("tidegauge: serving all the same, that nothing is known");
            (bare, Some(refused))
        }
    };
    let log = telemetry::init(&settings.log);
    if let Some(hint) = hint {
        eprintln!("{}", hint(&settings));
    }
    runtime.spawn(log.clone().tell_of_left_out());
    let ended = runtime.block_on(app::run(origin.clone(), settings, refused, signals));
    log.end();
    // Whatever still hangs (a name being looked up, say) must not keep the process.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("tidegauge: {error:#}");
    ExitCode::FAILURE
}

fn runtime() -> Option<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.inspect_err(|error| eprintln!("tidegauge: cannot start: {error}")).ok()
}

fn check(path: Option<&std::path::Path>, offline: bool, json: bool) -> ExitCode {
    let settings = match Settings::load(path) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let keys = Keys::load(&settings.server).err();
    if let Some(error) = keys.as_ref().filter(|_| !offline) {
        eprintln!("{error}");
        return ExitCode::from(EXIT_SETTINGS);
    }
    if !json {
        // Elsewhere than where it is to run the files may well be missing.
        let files = keys.iter().flat_map(|error| error.lines()).map(str::to_owned);
        for notice in settings.notices(Clock::start().wall()).into_iter().chain(files) {
            println!("notice: {notice}");
        }
        println!("settings are right: {}", settings.summary());
    }
    if offline {
        return ExitCode::SUCCESS;
    }
    let Some(runtime) = runtime() else { return ExitCode::FAILURE };
    let report = runtime.block_on(async { check::run(&settings, Clock::start()).await });
    runtime.shutdown_background();
    if json {
        println!("{}", report.to_json());
    } else {
        print!("\n{}", report.to_table());
    }
    match report.worst() {
        Verdict::Ok | Verdict::Note => ExitCode::SUCCESS,
        Verdict::Warning => ExitCode::from(EXIT_WARNINGS),
        Verdict::Error => ExitCode::from(EXIT_ERRORS),
    }
}

fn ask_for_health(path: Option<&std::path::Path>, ready: bool) -> ExitCode {
    let Some(runtime) = runtime() else { return ExitCode::FAILURE };
    let asked = runtime.block_on(health::ask(&Settings::server_of(path), ready));
    runtime.shutdown_background();
    match asked {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            eprintln!("tidegauge: {line}");
            ExitCode::FAILURE
        }
    }
}

fn cost(path: Option<&std::path::Path>, assumed: cost::Assumed) -> ExitCode {
    let settings = match Settings::load(path) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    match cost::report(&settings, assumed) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tidegauge: {error}");
            ExitCode::from(EXIT_SETTINGS)
        }
    }
}

fn write_dashboards(path: Option<&std::path::Path>, folder: &std::path::Path) -> ExitCode {
    let settings = match Settings::load(path) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    match dashboards::write(&settings, folder) {
        Ok(written) => {
            for path in written {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("tidegauge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn forget(path: Option<&std::path::Path>, request: &forget::Request) -> ExitCode {
    let settings = match Settings::load(path) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let Some(runtime) = runtime() else { return ExitCode::FAILURE };
    let ended = runtime.block_on(forget::run(&settings, request, &mut |line| println!("{line}")));
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidegauge: {error}");
            match error {
                ForgetError::Request(_) => ExitCode::from(EXIT_USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}
