use super::*;

#[test]
fn the_command_line_is_well_formed() {
    command().debug_assert();
}
