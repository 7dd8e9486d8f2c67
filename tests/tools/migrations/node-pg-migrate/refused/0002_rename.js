exports.up = (pgm) => pgm.renameColumn("orders", "note", "remark");
