use super::line::csv;
use super::list::cut;

#[test]
fn a_cell_of_a_spreadsheet_is_never_a_formula() {
    let cells = ["plain", "a,b", "say \"so\"", "two\nlines", "=HYPERLINK(\"x\")", "-1"];
    assert_eq!(csv(cells), "plain,\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\"'=HYPERLINK(\"\"x\"\")\",'-1\r\n");
}

#[test]
fn what_is_cut_says_so() {
    assert_eq!((cut("übel", 4), cut("übels", 4)), ("übel".into(), "übe…".into()));
}
