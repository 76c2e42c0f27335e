//! One region by several spellings.

/// A region's name without spaces and capitals: `eastus` for the portal's `East US`, which is how the daemon names Azure's
/// regions. AWS's names are like that already.
pub fn short_name(region: &str) -> String {
    region.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase()
}
