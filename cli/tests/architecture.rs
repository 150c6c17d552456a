//! ARCHITECTURE.md names paths: they must be there.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

#[test]
fn every_path_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let table = text.split("## Where do I change").nth(1).unwrap().split("## Walks").next().unwrap();
    let paths: Vec<_> = table.split('`').skip(1).step_by(2).filter(|path| path.contains('/')).collect();
    assert!(paths.len() > 15, "the table has moved");
    let missing: Vec<_> = paths.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}
