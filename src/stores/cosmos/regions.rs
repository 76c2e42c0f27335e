//! The names of Azure's regions: `eastus` in settings, labels and keys, `East US` where Azure speaks to people.

use std::sync::Arc;

use azure_data_cosmos::options::Region;

/// The short form of either.
pub fn short(name: &str) -> Arc<str> {
    Region::new(name.to_owned()).as_str().into()
}

/// The form for people; `None` of a region that is younger than this release.
pub fn display(name: &str) -> Option<String> {
    let region = Region::new(name.to_owned());
    // Without a form of its own it gives the short one.
    (region.display_name() != region.as_str()).then(|| region.display_name().to_owned())
}
