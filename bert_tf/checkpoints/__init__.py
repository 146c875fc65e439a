"""Where weights live: model folders, training workdirs, other programs' formats."""
