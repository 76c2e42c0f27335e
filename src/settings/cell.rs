//! `[cell]`: where this process runs. The part of the settings that differs between cells that share a file.

use super::section::Section;
use super::words;

/// Where this process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSettings {
    /// The operator's name of the cell, such as `use1-a`: a label of `tidegauge_cell_info`. Default: none.
    pub name: Option<String>,
    /// The local region of every store on AWS that does not name its own. Default: none.
    pub aws_region: Option<String>,
    /// The local region of every store on Azure that does not name its own. Default: none.
    pub azure_region: Option<String>,
    /// Whether this process probes all regions itself instead of being local to one. Default: `false`.
    pub central: bool,
}

impl CellSettings {
    pub(super) fn read(mut section: Section<'_>) -> CellSettings {
        let cell = CellSettings {
            name: section.text("name", words::name),
            aws_region: section.text("aws_region", words::aws_region),
            azure_region: section.text("azure_region", words::azure_region),
            central: section.flag("central").unwrap_or(false),
        };
        for (key, region) in [("aws_region", &cell.aws_region), ("azure_region", &cell.azure_region)] {
            if let (true, Some(region)) = (cell.central, region) {
                let message = format!(
                    "{region:?} is set and so is cell.central, and a central prober is local to no region; remove one"
                );
                section.problem(key, message);
            }
        }
        section.finish();
        cell
    }
}
